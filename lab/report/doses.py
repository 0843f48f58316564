"""What each fault was asked to do and was measured to do, from the events of a run."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from lab.model.dose import Dose
from lab.model.report import Event, FaultDose

_DOSES = TypeAdapter(tuple[Dose, ...])


def fault_doses(events: Sequence[Event]) -> tuple[FaultDose, ...]:
    """One entry for each fault in each arm, in the order in which they were first measured.

    A fault is healed when its doses, measured again after the undo, are not all there any more; None where
    nothing was measured after it, as with a fault that passes by itself.
    """
    found: dict[tuple[str, str, str], FaultDose] = {}
    for event in events:
        if event.kind not in ("dose", "healed"):
            continue
        target = str(event.data.get("target", ""))
        key, doses = (event.arm, event.what, target), _read(event)
        if event.kind == "dose":
            found[key] = FaultDose(arm=event.arm, fault=event.what, target=target, doses=doses)
        elif key in found:
            found[key] = FaultDose(
                arm=event.arm,
                fault=event.what,
                target=target,
                doses=found[key].doses,
                healed=gone(doses),
            )
    return tuple(found.values())


def gone(doses: Sequence[Dose]) -> bool | None:
    """Whether a fault that was measured after its undo is healed; None where nothing could be measured."""
    if all(dose.delivered is None for dose in doses):
        return None
    return not all(dose.bit for dose in doses)


def in_words(dose: Dose) -> str:
    """``delay: asked 100 ms, measured 101 ms``."""
    how = {"exactly": "", "at-least": "at least ", "at-most": "at most "}[dose.counts]
    asked = f"{dose.what}: asked {how}{_number(dose.asked)} {dose.unit}".rstrip()
    if dose.delivered is None:
        return f"{asked}, not measurable"
    return f"{asked}, measured {_number(dose.delivered)} {dose.unit}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _read(event: Event) -> tuple[Dose, ...]:
    written = event.data.get("doses", ())
    plain = [{k: v for k, v in one.items() if k != "bit"} for one in written if isinstance(one, dict)]
    try:
        return _DOSES.validate_python(plain)
    except ValidationError:  # of an older or newer lab: the report is worth more than one row of it
        return ()
