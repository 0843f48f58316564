"""What a keeper can be asked, and who answers.

Questions are answered where they arrive, several at once. Changes go one after another through the main
thread, where a signal ends them as it ends a run: by unwinding, so that whatever they have done is undone.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Any

from lab.errors import Exit, LabError
from lab.model.stack import Running
from lab.runner.keeper.listening import Message
from lab.runner.keeper.load import SteadyLoad
from lab.runner.keeper.seeing import seen
from lab.runner.keeper.services import log_of, services
from lab.runner.keeper.standing import StandingFaults
from lab.scenario.words import from_words

_Reply = SimpleQueue[Message]


class Desk:
    """Implements ``Answering`` for one running stack."""

    def __init__(
        self, running: Running, faults: StandingFaults, load: SteadyLoad, probes: Mapping[str, type[Any]]
    ) -> None:
        self._running, self._probes = running, probes
        self._changes: SimpleQueue[tuple[Message, _Reply]] = SimpleQueue()
        self._answered_here: dict[str, Callable[[Message], Message]] = {
            "list-faults": lambda _: {"faults": faults.standing()},
            "load-status": lambda _: load.status(),
            "status": lambda _: {"services": services(running)},
            "logs": lambda asked: {"log": log_of(running, asked["service"], int(asked["lines"]))},
            "probe": self._probe,
        }
        self._done_in_turn: dict[str, Callable[[Message], Message]] = {
            "add-fault": lambda asked: faults.add(asked["words"], keep=bool(asked.get("keep"))),
            "remove-fault": lambda asked: {"removed": faults.remove(asked["which"])},
            "load-start": lambda asked: load.start(asked["order"], asked["name"]),
            "load-stop": lambda _: load.stop(),
        }

    def work(self) -> None:
        """Make the changes that are asked for, one after another, for ever."""
        while True:
            request, reply = self._changes.get()
            reply.put(_answered(self._done_in_turn[str(request["ask"])], request))

    def answer(self, request: Message) -> Message:
        """The reply to a request: JSON data, with the key ``error`` where it failed."""
        asked = str(request.get("ask"))
        if asked in self._answered_here:
            return _answered(self._answered_here[asked], request)
        if asked not in self._done_in_turn:
            return _answered(_unknown, request)
        return self._in_turn(request).get()

    def unheard(self, request: Message, reply: Message) -> None:
        """Nobody knows of a fault whose ``lab fault add`` was interrupted, so nobody would remove it."""
        if request.get("ask") == "add-fault" and reply.get("id"):
            self._in_turn({"ask": "remove-fault", "which": str(reply["id"])})

    def _in_turn(self, request: Message) -> _Reply:
        reply: _Reply = SimpleQueue()
        self._changes.put((request, reply))
        return reply

    def _probe(self, asked: Message) -> Message:
        kind, probe = from_words("probe", asked["words"], self._probes)
        return {"probe": kind, **seen(probe, self._running)}


def _unknown(request: Message) -> Message:
    raise LabError(
        "the keeper of this stack does not know what it is asked",
        why=f"{request.get('ask')!r} is no request: another version of lab may have started it",
        do="lab down, then lab up",
    )


def _answered(how: Callable[[Message], Message], request: Message) -> Message:
    try:
        return how(request)
    except LabError as error:
        return _error(error)
    except Exception as error:  # noqa: BLE001 - one bad request must not take the stack down
        traceback.print_exc(file=sys.stderr)
        return _error(
            LabError(
                f"a fault of lab itself: {type(error).__name__}: {error}",
                why="this should not happen; up.log beside the run folders has the details",
                do="report it with that file",
                exit=Exit.FAULT_OF_LAB,
            )
        )


def _error(error: LabError) -> Message:
    said = {"what": error.what, "where": error.where, "why": error.why, "do": error.do}
    return {"error": {**said, "exit": int(error.exit)}}
