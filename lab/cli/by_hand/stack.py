"""``lab up`` and ``lab down``.

``up`` leaves a keeper behind: this command again, with ``--foreground``, in a session of its own. The
keeper holds the servers and ends them when it is told to stop, or dies.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from lab.cli.by_hand.keeper import STATE, State, kept, living
from lab.cli.stacks import choose_stack
from lab.errors import EnvironmentFailed, LabError
from lab.model.stack import ArmSpec

MOST_INSTANCES = 8
UP_WITHIN_S = 180.0
DOWN_WITHIN_S = 120.0  # healing what stands may take a restart


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be up: ``code`` as MODULE=VARIANT, ``links`` the services that the app reaches through one."""

    stack: str = "auto"
    code: tuple[str, ...] = ()
    processes: int = 1
    links: tuple[str, ...] = ()
    instances: int = 1

    @property
    def words(self) -> list[str]:
        """The same as options of the command line."""
        choices = [word for choice in self.code for word in ("--code", choice)]
        links = ["--link", ",".join(self.links)] if self.links else []
        numbers = ["--processes", str(self.processes), "--instances", str(self.instances)]
        return ["--stack", self.stack, *numbers, *choices, *links]


def start(out: Path, wanted: Wanted, *, foreground: bool) -> None:
    """Bring one stack up; return when it answers, or stay with it in the foreground."""
    if (state := living(out)) is not None:
        raise LabError(
            "a stack is up already",
            where=str(out),
            why=f"process {state['pid']} keeps it",
            do="lab down, then lab up",
        )
    if foreground:
        _keep(out, wanted)
        return
    arm_of(wanted)  # a mistake is told here, not in the keeper's log
    words = [sys.executable, "-m", "lab", "up", "--foreground", "--out", str(out), *wanted.words]
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


def _keep(out: Path, wanted: Wanted) -> None:
    from lab.runner.keeper import keep

    stack, why = choose_stack(wanted.stack)
    keep(stack, why, arm_of(wanted), out)


def arm_of(wanted: Wanted) -> ArmSpec:
    """LabError for a choice of code or a link that makes no sense."""
    if not 1 <= wanted.instances <= MOST_INSTANCES:
        raise LabError(
            f"no stack has {wanted.instances} instances", where="--instances", do="write --instances 3"
        )
    arm = ArmSpec(
        name="shop",
        code=_choices(wanted.code),
        processes=wanted.processes,
        instances=wanted.instances,
        links=frozenset(wanted.links),
    )
    able = (*(arm.apps if arm.instances > 1 else ()), *arm.services)
    unknown = [name for name in wanted.links if name not in able]
    if unknown:
        raise LabError(
            f"no link can stand before {unknown[0]!r}",
            where="--link",
            why=f"links stand before {' or '.join(able)}",
            do=f"name one of them, or several: --link {','.join(able)}",
        )
    return arm


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
        (out / STATE).unlink(missing_ok=True)
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
