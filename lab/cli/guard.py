"""Between a command and the person: errors in words, exit codes as documented, never a traceback of ours."""

from __future__ import annotations

import functools
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from lab.errors import Exit, LabError

P = ParamSpec("P")
T = TypeVar("T")


def tell(error: LabError) -> None:
    sys.stderr.write(f"lab: {error}\n")


def guarded(command: Callable[P, T]) -> Callable[P, T]:
    """Turn what a command raises into a message on stderr and an exit code."""

    @functools.wraps(command)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except LabError as error:
            tell(error)
            sys.exit(int(error.exit))
        except KeyboardInterrupt:
            sys.stderr.write("lab: interrupted\n")
            sys.exit(int(Exit.INTERRUPTED))
        except BrokenPipeError:
            sys.stderr.close()
            sys.exit(int(Exit.OK))
        except Exception as error:
            if type(error).__module__.startswith(("typer", "click")):
                raise
            _own_fault(error)
            sys.exit(int(Exit.FAULT_OF_LAB))

    return call


def _own_fault(error: Exception) -> None:
    """A fault of lab itself: keep the traceback for whoever mends it, spare the person."""
    with tempfile.NamedTemporaryFile("w", prefix="lab-fault-", suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
    sys.stderr.write(
        f"lab: a fault of lab itself: {type(error).__name__}: {error}\n"
        f"  why: this should not happen; the details are in {Path(file.name)}\n"
        "  do:  report it with that file; 'lab clean' removes what the run may have left\n"
    )


def on_terminate() -> None:
    """SIGTERM unwinds like Ctrl-C, so that faults are undone and servers end."""

    def stop(_number: int, _frame: object) -> None:
        raise SystemExit(int(Exit.TERMINATED))

    signal.signal(signal.SIGTERM, stop)
