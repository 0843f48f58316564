"""A user's own locustfile: read by Locust's own loader, with every mistake in it told in plain words.

``python -m lab.driver.flow.locustfiles FILE [CLASS ...]`` says as one line of JSON which user classes it has, or what
is wrong with it: whoever asks need not import Locust for it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import locust
from locust.argument_parser import parse_options
from locust.util.load_locustfile import load_locustfile

from lab.errors import LabError

_LONGEST = 300  # characters of what a file's own code says
_AS_AT_START = ("init", "test_start")  # what Locust fires before the first user, after it has read the file
_loaded: set[str] = set()  # names of modules


def user_classes(path: Path, names: Sequence[str] = ()) -> tuple[type[locust.User], ...]:
    """The user classes of a file, or those of these names. LabError where there is a mistake in it.

    A file is read once in the life of a process: a change in the middle of a run changes nothing.
    """
    known = _read(path.absolute())
    for name in names:
        if name not in known:
            raise LabError(
                f"{path.name} has no user class {name!r}",
                where=str(path),
                why=f"its user classes are {', '.join(known)}",
                do="name one of them, or none for all of them",
            )
    chosen = [known[name] for name in dict.fromkeys(names)] or [c for c in known.values() if c.weight > 0]
    for one in chosen:
        if not one.tasks:
            raise LabError(
                f"the user class {one.__name__} has no tasks",
                where=str(path),
                do="decorate a method with @task, or set abstract = True",
            )
    return tuple(chosen) or tuple(known.values())


def announce(environment: Any, before: dict[str, int]) -> None:
    """Call the listeners of Locust's start that were added since ``before`` (see ``listening``): it has started."""
    if len(environment.events.init_command_line_parser._handlers) > before["init_command_line_parser"]:
        environment.parsed_options = parse_options(args=[])
    for name in _AS_AT_START:
        for handler in getattr(environment.events, name)._handlers[before[name] :]:
            handler(environment=environment, runner=environment.runner, web_ui=None)


def listening(environment: Any) -> dict[str, int]:
    """How many listeners each event of Locust's start has."""
    names = (*_AS_AT_START, "init_command_line_parser")
    return {name: len(getattr(environment.events, name)._handlers) for name in names}


@lru_cache
def _read(path: Path) -> dict[str, type[locust.User]]:
    _refuse_name(path)
    # As where a person runs Locust from: what the file opens and imports is found beside it, later too.
    os.chdir(path.parent)
    try:
        found, _ = load_locustfile(str(path))
    except SyntaxError as error:
        place = f"{error.filename or path}:{error.lineno or 1}"
        raise _unreadable(path, place, f"{type(error).__name__}: {error.msg}") from None
    except ModuleNotFoundError as error:
        module = (error.name or "?").partition(".")[0]
        raise LabError(
            f"{path.name} cannot be read",
            where=_place(error, path),
            why=f"it imports {error.name!r}, which is not installed",
            do=f"install {module!r} where the lab is installed, or put it beside the file",
        ) from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a person's file does is told in words
        raise _unreadable(path, _place(error, path), f"{type(error).__name__}: {error}") from None
    _loaded.add(path.stem)
    if not found:
        raise LabError(
            f"{path.name} has no user class",
            where=str(path),
            why="nothing in it inherits from Locust's HttpUser, FastHttpUser or User",
            do="write such a class, with its tasks",
        )
    return dict(found)


def _refuse_name(path: Path) -> None:
    if not path.is_file():
        raise LabError(
            f"there is no locustfile {path.name}", where=str(path), do="name a Python file that exists"
        )
    taken = path.stem in sys.stdlib_module_names or (path.stem in sys.modules and path.stem not in _loaded)
    if taken and path.stem != "locust":  # Locust calls that one otherwise by itself
        raise LabError(
            f"a locustfile cannot be called {path.name}",
            where=str(path),
            why=f"there is a module {path.stem!r} already, which it would replace",
            do="rename the file",
        )


def _unreadable(path: Path, place: str, said: str) -> LabError:
    why = " ".join(said.split())
    why = why if len(why) <= _LONGEST else why[:_LONGEST] + "..."
    return LabError(f"{path.name} cannot be read", where=place, why=why, do="correct it, then run it again")


def _place(error: BaseException, path: Path) -> str:
    """The last line of the person's own code on the way to the error."""
    steps = traceback.extract_tb(error.__traceback__)
    own = [
        f"{step.filename}:{step.lineno}" for step in steps if Path(step.filename).is_relative_to(path.parent)
    ]
    return own[-1] if own else str(path)


def _main(path: str, *names: str) -> None:
    out = os.dup(1)
    os.dup2(2, 1)  # whatever the file prints goes elsewhere
    try:
        said: dict[str, object] = {"classes": [one.__name__ for one in user_classes(Path(path), names)]}
    except LabError as error:
        said = {key: text for key, text in asdict(error).items() if key != "exit"}
    os.write(out, json.dumps(said).encode() + b"\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
