"""``lab up`` and ``lab down``.

``up`` leaves a keeper behind: this command again, with ``--foreground``, in a session of its own. The
keeper holds the servers and ends them when it is told to stop, or dies.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from lab.cli.by_hand.keeper import State, kept, living
from lab.cli.stacks import choose_stack
from lab.errors import EnvironmentFailed, LabError
from lab.model.stack import ArmSpec

UP_WITHIN_S = 180.0
DOWN_WITHIN_S = 120.0  # healing what stands may take a restart


def start(out: Path, stack: str, code: Sequence[str], processes: int, *, foreground: bool) -> None:
    """Bring one stack up; return when it answers, or stay with it in the foreground."""
    if (state := living(out)) is not None:
        raise LabError(
            "a stack is up already",
            where=str(out),
            why=f"process {state['pid']} keeps it",
            do="lab down, then lab up",
        )
    if foreground:
        _keep(out, stack, code, processes)
        return
    words = [sys.executable, "-m", "lab", "up", "--foreground", "--stack", stack, "--out", str(out)]
    words += ["--processes", str(processes), *(word for choice in code for word in ("--code", choice))]
    out.mkdir(parents=True, exist_ok=True)
    log = out / "up.log"
    with log.open("w") as file:
        keeper = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    try:
        _await(keeper, out, log)
    except BaseException:  # Ctrl-C too: nobody else would end it
        keeper.terminate()
        raise
    _tell(kept(out))


def _await(keeper: subprocess.Popen[bytes], out: Path, log: Path) -> None:
    end = time.monotonic() + UP_WITHIN_S
    while (state := living(out)) is None or state["pid"] != keeper.pid:
        if keeper.poll() is not None or time.monotonic() > end:
            raise EnvironmentFailed(
                "the stack did not come up", where=str(log), why=log.read_text()[-1500:], do="lab doctor"
            )
        time.sleep(0.05)


def _keep(out: Path, asked: str, code: Sequence[str], processes: int) -> None:
    from lab.runner.keeper import keep

    stack, why = choose_stack(asked)
    keep(stack, why, ArmSpec(name="shop", code=_choices(code), processes=processes), out)


def _choices(code: Sequence[str]) -> dict[str, str]:
    found = {}
    for choice in code:
        module, equals, variant = choice.partition("=")
        if not equals:
            raise LabError(
                f"{choice!r} is not MODULE=VARIANT", where="--code", do="for example stampede=problem"
            )
        found[module] = variant
    return found


def _tell(state: State) -> None:
    for word in ("app", "postgres", "redis", "logs"):
        sys.stdout.write(f"{word:<9} {state[word]}\n")
    sys.stdout.write("stop it: lab down\n")


def stop(out: Path) -> None:
    """Heal and end what ``lab up`` started; fine where nothing is up."""
    state = living(out)
    if state is None:
        (out / "up.json").unlink(missing_ok=True)
        sys.stdout.write("nothing is up\n")
        return
    try:
        process = psutil.Process(state["pid"])
        process.terminate()
        process.wait(DOWN_WITHIN_S)
    except psutil.NoSuchProcess:
        pass
    except psutil.TimeoutExpired as error:
        raise EnvironmentFailed(
            "the stack did not stop",
            where=f"process {state['pid']}",
            why=f"no end within {DOWN_WITHIN_S:.0f} s",
            do="lab clean",
        ) from error
    sys.stdout.write("stopped\n")
