"""The other end of the keeper's socket: which keeper there is, and asking it something.

Imports next to nothing, so that a command by hand answers at once.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import EnvironmentFailed, Exit, LabError

STATE = "up.json"
ANSWER_S = 180.0  # the slowest faults rewrite a table

State = Mapping[str, Any]


def living(out: Path) -> State | None:
    """What ``up.json`` says, where the process that wrote it lives; it is told by its pid and start time."""
    import psutil

    try:
        found = json.loads((out / STATE).read_text())
        process = psutil.Process(int(found["pid"]))
        ours = abs(process.create_time() - found["started"]) < 1
        return found if ours and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def kept(out: Path) -> State:
    """The same. LabError where nothing is up."""
    state = living(out)
    if state is None:
        raise LabError(
            "nothing is up", where=str(out), why="no living keeper of a stack is named there", do="lab up"
        )
    return state


def ask(out: Path, what: str, **more: Any) -> dict[str, Any]:
    """Ask the keeper of the stack that is up; its reply. Raises the LabError that it replies with."""
    state = kept(out)
    line = json.dumps({"ask": what, **more}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX) as line_to_it:
            line_to_it.settimeout(ANSWER_S)
            line_to_it.connect(str(state["socket"]))
            line_to_it.sendall(line)
            with line_to_it.makefile("rb") as replies:
                reply = json.loads(replies.readline())
    except (OSError, ValueError, KeyError) as error:
        raise EnvironmentFailed(
            "the keeper of the stack did not answer",
            where=f"process {state['pid']}",
            why=str(error) or type(error).__name__,
            do=f"see {out / 'up.log'}; then lab down",
        ) from error
    if "error" in reply:
        raise _raised(reply["error"])
    return dict(reply)


def _raised(said: Mapping[str, Any]) -> LabError:
    return LabError(said["what"], said["where"], said["why"], said["do"], exit=Exit(said["exit"]))
