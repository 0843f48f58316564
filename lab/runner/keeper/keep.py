"""The keeper: holds one stack, does what its socket is asked, and ends everything when it ends itself."""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from lab.catalog import kinds
from lab.errors import LabError
from lab.model.run import Arm
from lab.model.stack import ArmSpec, RunContext, Running, Stack
from lab.reaper import Reaper
from lab.runner.arms import LiveArm
from lab.runner.keeper.desk import Desk
from lab.runner.keeper.listening import listening
from lab.runner.keeper.load import SteadyLoad
from lab.runner.keeper.standing import StandingFaults
from lab.store import RunFolder
from lab.store.disk import SCHEMAS

STATE = "up.json"
EVENTS = "events.jsonl"


@dataclass
class _Kept:
    """One stack while it is up; leaving ``cleanup`` heals its faults, ends it and removes what was its own."""

    out: Path
    cleanup: ExitStack
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.out / f"up-{secrets.token_hex(4)}"
        self.folder.mkdir(parents=True)
        self.cleanup.enter_context(RunFolder(self.folder).lock())  # lab clean leaves what is locked alone
        (self.folder / EVENTS).write_text(json.dumps(_header(self.folder.name)) + "\n")
        self.reaper = Reaper.start(self.folder)
        self.cleanup.callback(self.reaper.close)
        self.scratch = self._scratch()
        self.scratch.chmod(0o755)  # Postgres may run as another user

    def _scratch(self, within: str | None = None) -> Path:
        made = self.cleanup.enter_context(tempfile.TemporaryDirectory(prefix="lab-", dir=within))
        self.reaper.own({"folder": made})
        return Path(made)

    def up(self, stack: Stack, arm: ArmSpec) -> LiveArm:
        run = RunContext(
            id=self.folder.name,
            folder=self.folder,
            scratch=self.scratch,
            seed=7,
            report=_report,
            own=self.reaper.own,
        )
        stack.prepare(run)
        running = stack.start(arm, run)
        self.cleanup.callback(running.stop)
        return LiveArm(
            arm=Arm(name=arm.name, role="problem", group=1, code=arm.code, processes=arm.processes),
            running=running,
        )

    def desk(self, stack: Stack, one: LiveArm) -> Desk:
        """What requests are answered from; faults heal after the load has ended, and before the stack does."""
        faults = StandingFaults(one, kinds().faults, partial(_unmet, stack), RunFolder(self.folder))
        self.cleanup.callback(faults.close)
        load = SteadyLoad(one.running.url, self.folder, self.scratch, self.reaper.own)
        self.cleanup.callback(load.close)
        return Desk(one.running, faults, load, dict(kinds().probes))

    def socket(self) -> Path:
        """Where the socket goes: a folder that only this user may enter, with a path that is short enough."""
        return self._scratch("/tmp" if len(tempfile.gettempdir()) > _LONGEST else None) / "keeper"

    def tell(self, running: Running, socket: Path) -> None:
        """Write ``up.json``, whole or not at all: whoever waits for it reads it at once."""
        state = self.out / STATE
        if _held_by_another(state):
            raise LabError(
                "a stack is up already",
                where=str(state),
                why="it came up meanwhile",
                do="lab down, then lab up",
            )
        new = self.folder / STATE
        new.write_text(json.dumps(_state(running, socket, self.folder), indent=1))
        new.replace(state)
        self.cleanup.callback(_unlink_own, state)


_LONGEST = 70  # of the path of a temporary folder: a socket's path has at most 104 bytes on some systems


def keep(stack: Stack, why: str, arm: ArmSpec, out: Path) -> None:
    """Bring one stack up and hold it until this process is told to end, or dies.

    ``out`` gets ``up.json`` while it is up. Raises EnvironmentFailed where the stack does not come up.
    """
    with ExitStack() as cleanup:
        kept = _Kept(out, cleanup)
        _report(why)
        one = kept.up(stack, arm)
        desk = kept.desk(stack, one)
        socket = kept.socket()
        cleanup.enter_context(listening(socket, desk))
        kept.tell(one.running, socket)
        try:
            desk.work()
        except (KeyboardInterrupt, SystemExit):
            _report("stopping")


def _held_by_another(state: Path) -> bool:
    return (pid := _pid_in(state)) not in (None, os.getpid()) and psutil.pid_exists(pid or 0)


def _unlink_own(state: Path) -> None:
    if _pid_in(state) == os.getpid():
        state.unlink(missing_ok=True)


def _pid_in(state: Path) -> int | None:
    try:
        return int(json.loads(state.read_text())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _unmet(stack: Stack, need: str) -> str:
    return stack.lacks(need) if need in stack.offers else f"a stack that is kept up offers no {need}"


def _header(run: str) -> dict[str, Any]:
    """The first line of the events: what they are, and which moment their clock counts from."""
    now = datetime.now(UTC).isoformat()
    return {"schema": SCHEMAS[EVENTS], "run": run, "t_ns": time.monotonic_ns(), "wall": now}


def _state(running: Running, socket: Path, folder: Path) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "app": running.url,
        "postgres": running.dsn,
        "redis": running.redis_url,
        "logs": str(folder / "logs"),
        "folder": str(folder),
        "socket": str(socket),
    }


def _report(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
