"""``lab up`` and ``lab down``: the same stack, for poking at by hand.

``up`` leaves a keeper behind: this command again, with ``--foreground``, in a session of its own. The
keeper holds the servers and ends them when it is told to stop, or dies.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from lab.cli.stacks import choose_stack
from lab.errors import EnvironmentFailed, LabError
from lab.model.stack import ArmSpec, RunContext
from lab.reaper import Reaper

STATE = "up.json"
UP_WITHIN_S = 180.0
DOWN_WITHIN_S = 30.0


def start(out: Path, stack: str, code: list[str], processes: int, *, foreground: bool) -> None:
    """Bring one stack up; return when it answers, or stay with it in the foreground."""
    state = out / STATE
    if (pid := _keeper(state)) is not None:
        raise LabError(
            "a stack is up already",
            where=str(state),
            why=f"process {pid} keeps it",
            do="lab down, then lab up",
        )
    if foreground:
        _keep(state, stack, _choices(code), processes)
        return
    words = [sys.executable, "-m", "lab", "up", "--foreground", "--stack", stack, "--out", str(out)]
    words += ["--processes", str(processes), *(word for choice in code for word in ("--code", choice))]
    out.mkdir(parents=True, exist_ok=True)
    log = out / "up.log"
    with log.open("w") as file:
        keeper = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
        )
    end = time.monotonic() + UP_WITHIN_S
    while _keeper(state) != keeper.pid:
        if keeper.poll() is not None or time.monotonic() > end:
            keeper.terminate()
            raise EnvironmentFailed(
                "the stack did not come up", where=str(log), why=log.read_text()[-1500:], do="lab doctor"
            )
        time.sleep(0.05)
    _tell(state)


def _choices(code: list[str]) -> dict[str, str]:
    found = {}
    for choice in code:
        module, equals, variant = choice.partition("=")
        if not equals:
            raise LabError(
                f"{choice!r} is not MODULE=VARIANT", where="--code", do="for example stampede=problem"
            )
        found[module] = variant
    return found


def _keep(state: Path, asked: str, code: dict[str, str], processes: int) -> None:
    stack, why = choose_stack(asked)
    folder = state.parent / f"up-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    with ExitStack() as cleanup:
        reaper = Reaper.start(folder)
        cleanup.callback(reaper.close)
        scratch = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="lab-")))
        scratch.chmod(0o755)  # Postgres may run as another user
        reaper.own({"folder": str(scratch)})
        run = RunContext(
            id=folder.name,
            folder=folder,
            scratch=scratch,
            seed=7,
            report=_report,
            own=reaper.own,
        )
        run.report(why)
        stack.prepare(run)
        running = stack.start(ArmSpec(name="shop", code=code, processes=processes), run)
        cleanup.callback(running.stop)
        cleanup.callback(state.unlink, missing_ok=True)
        state.write_text(
            json.dumps(
                {
                    "pid": os.getpid(),
                    "started": psutil.Process().create_time(),
                    "app": running.url,
                    "postgres": running.dsn,
                    "redis": running.redis_url,
                    "logs": str(folder / "logs"),
                }
            )
        )
        _tell(state)
        try:
            signal.pause()
        except (KeyboardInterrupt, SystemExit):
            run.report("stopping")


def _report(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _tell(state: Path) -> None:
    found = json.loads(state.read_text())
    for word in ("app", "postgres", "redis", "logs"):
        sys.stdout.write(f"{word:<9} {found[word]}\n")
    sys.stdout.write("stop it: lab down\n")
    sys.stdout.flush()


def keeper(out: Path) -> int | None:
    """The pid of the living process that keeps a stack up, if any."""
    return _keeper(out / STATE)


def _keeper(state: Path) -> int | None:
    """The living process that keeps the stack, named by pid and start time."""
    try:
        found = json.loads(state.read_text())
        process = psutil.Process(int(found["pid"]))
        return process.pid if abs(process.create_time() - found["started"]) < 1 else None
    except (OSError, ValueError, KeyError, psutil.Error):
        return None


def stop(out: Path) -> None:
    """End what ``lab up`` started; fine where nothing is up."""
    state = out / STATE
    pid = _keeper(state)
    if pid is None:
        state.unlink(missing_ok=True)
        sys.stdout.write("nothing is up\n")
        return
    process = psutil.Process(pid)
    process.terminate()
    try:
        process.wait(DOWN_WITHIN_S)
    except psutil.TimeoutExpired as error:
        raise EnvironmentFailed(
            "the stack did not stop",
            where=f"process {pid}",
            why=f"no end within {DOWN_WITHIN_S:.0f} s",
            do="lab clean",
        ) from error
    sys.stdout.write("stopped\n")
