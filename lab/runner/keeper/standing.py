"""The faults that stand on a stack that is kept: each added, listed, and healed by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from lab.errors import EnvironmentFailed, LabError
from lab.model.dose import Dose
from lab.model.scenario import FaultUse
from lab.runner.arms import LiveArm
from lab.runner.faults import fault_on, prove_healed, prove_of
from lab.scenario.words import from_words
from lab.store import RunFolder


@dataclass
class _Standing:
    use: FaultUse
    doses: tuple[Dose, ...]
    heal: ExitStack
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    failed: str = ""  # why it could not be healed
    parameters: frozenset[str] = frozenset()  # of a server, that it has set

    def told(self, number: int) -> dict[str, Any]:
        return {
            "id": number,
            **_told(self.use, self.doses),
            "since": self.since.isoformat(timespec="seconds"),
            "failed": self.failed,
        }


class StandingFaults:
    """``add`` and ``remove`` come from one thread, ``standing`` from any."""

    def __init__(
        self, one: LiveArm, kinds: Mapping[str, type[Any]], unmet: Callable[[str], str], folder: RunFolder
    ) -> None:
        """``unmet`` says why the stack does not have a capability here, "" where it does."""
        self._one, self._kinds, self._unmet, self._folder = one, kinds, unmet, folder
        self._numbers = count(1)
        self._faults: dict[int, _Standing] = {}
        self._lock = threading.Lock()

    def add(self, words: Sequence[str], *, keep: bool = False) -> dict[str, Any]:
        """Do what the words name and measure it; JSON data of it, with the ``id`` under which it stands.

        Without an ``id`` where it passes by itself. ``keep`` leaves on what does not bite. Raises LabError, with
        nothing done or all of it undone.
        """
        kind, params = from_words("fault", words, self._kinds)
        use = FaultUse(kind=kind, params=params)
        self._refuse(use)
        parameters = frozenset(params.undo(self._one.running).get("config", ()))
        self._refuse_entangled(use, parameters)
        with ExitStack() as heal:
            heal.enter_context(fault_on(use, self._one, self._folder))
            doses = params.dose(self._one.running)
            standing = _Standing(use, doses, ExitStack(), parameters=parameters)
            if not keep and not self._another(standing):
                self._need_bite(use, doses)
            if params.event is not None:
                return _told(use, doses)
            number = next(self._numbers)
            with self._lock:
                self._faults[number] = standing
            standing.heal = heal.pop_all()
        return standing.told(number)

    def _need_bite(self, use: FaultUse, doses: tuple[Dose, ...]) -> None:
        try:
            prove_of(use, self._one, self._folder, doses)
        except EnvironmentFailed as error:
            raise replace(
                error,
                why=f"{error.why}; it is undone",
                do=f"lab show {use.kind} has its keys; --keep leaves it on",
            ) from None

    def _refuse(self, use: FaultUse) -> None:
        lacking = [why for need in sorted(use.params.needs) if (why := self._unmet(need))]
        if lacking:
            raise LabError(
                f"{use.kind} cannot be done here",
                why="; ".join(lacking),
                do=f"lab show {use.kind}; another --stack may offer it: lab list stacks",
            )
        composes = getattr(use.params, "composes", False)
        for number, other in self._faults.items():
            if (other.use.kind, other.use.params.target) == (use.kind, use.params.target) and not composes:
                raise LabError(
                    f"{use.kind} acts on {use.params.target} already",
                    where=f"fault {number}",
                    why="twice at once would leave no telling what each of them does",
                    do=f"lab fault rm {number}",
                )

    def _refuse_entangled(self, use: FaultUse, mine: frozenset[str]) -> None:
        """Two that set the same parameters would each put back what the other has set."""
        for number, other in self._faults.items():
            if mine & other.parameters:
                raise LabError(
                    f"{use.kind} sets what {other.use.kind} has set already",
                    where=f"fault {number}: {', '.join(sorted(mine & other.parameters))}",
                    why="healed out of order, one would put the other's values back",
                    do=f"lab fault rm {number}",
                )

    def standing(self) -> list[dict[str, Any]]:
        """What stands, oldest first."""
        with self._lock:
            return [fault.told(number) for number, fault in self._faults.items()]

    def remove(self, which: str) -> list[dict[str, Any]]:
        """Heal one fault by its id, or ``all`` of them, newest first. LabError where there is no such."""
        numbers = list(self._faults)[::-1] if which == "all" else [self._number(which)]
        healed: list[dict[str, Any]] = []
        failed: list[LabError] = []
        for number in numbers:
            try:
                healed.append(self._healed(number))
            except LabError as error:  # one that does not heal does not keep the others
                failed.append(error)
        if failed:
            names = ", ".join(f"{one['kind']} on {one['target']}" for one in healed)
            raise replace(failed[0], why=failed[0].why + (f"; healed were {names}" if names else ""))
        return healed

    def _number(self, which: str) -> int:
        if which.isdecimal() and int(which) in self._faults:
            return int(which)
        known = ", ".join(map(str, self._faults)) or "none"
        raise LabError(f"there is no fault {which!r}", why=f"those that stand: {known}", do="lab fault list")

    def _healed(self, number: int) -> dict[str, Any]:
        fault = self._faults[number]
        try:
            fault.heal.close()
        except Exception as error:  # noqa: BLE001 - of whatever kind: it is not healed, and has to be said
            fault.failed = str(error)
        if not fault.failed and not self._another(fault):
            prove_healed(fault.use, self._one, self._folder)  # where that fails, it can be asked again
        if fault.failed:
            raise EnvironmentFailed(
                f"fault {number} ({fault.use.kind}) could not be healed",
                where=str(fault.use.params.target),
                why=fault.failed,
                do="lab down removes the whole stack",
            )
        with self._lock:
            del self._faults[number]
        return fault.told(number)

    def _another(self, fault: _Standing) -> bool:
        """One that composes with it is on as well: what is measured then is not its own."""
        same = (fault.use.kind, fault.use.params.target)
        others = (one for one in self._faults.values() if one is not fault)
        return any((one.use.kind, one.use.params.target) == same for one in others)

    def close(self) -> None:
        """Heal everything, newest first; one that cannot be healed does not keep the others."""
        with ExitStack() as all_of_them:
            for fault in self._faults.values():
                all_of_them.push(fault.heal)


def _told(use: FaultUse, doses: Sequence[Dose]) -> dict[str, Any]:
    return {
        "kind": use.kind,
        "target": use.params.target,
        "doses": [{**asdict(dose), "bit": dose.bit} for dose in doses],
    }
