"""What a report says of the faults: asked, measured, healed."""

from __future__ import annotations

from typing import Any

from lab.model.report import Event
from lab.report.doses import fault_doses, in_words

DELAY = {"what": "delay", "unit": "ms", "asked": 100.0, "delivered": 101.0, "slack": 2.0, "bit": True}


def event(kind: str, arm: str, **data: Any) -> Event:
    return Event(t_ns=1, kind=kind, arm=arm, what="latency", data={"target": "link redis", **data})


def test_each_fault_of_each_arm_stands_once_with_its_dose() -> None:
    events = [
        event("dose", "problem", doses=[DELAY]),
        event("fault-on", "problem"),
        event("dose", "fix", doses=[DELAY]),
        event("healed", "problem", doses=[{**DELAY, "delivered": 0.1, "bit": False}]),
    ]
    problem, fix = fault_doses(events)
    assert (problem.arm, problem.target, problem.healed) == ("problem", "link redis", True)
    assert (fix.arm, fix.healed) == ("fix", None)
    assert in_words(problem.doses[0]) == "delay: asked 100 ms, measured 101 ms"


def test_a_fault_that_is_still_there_is_said() -> None:
    found = fault_doses([event("dose", "problem", doses=[DELAY]), event("healed", "problem", doses=[DELAY])])
    assert found[0].healed is False


def test_a_dose_that_cannot_be_read_is_left_out() -> None:
    found = fault_doses([event("dose", "problem", doses=[{"colour": "red"}, 7])])
    assert found[0].doses == ()
    assert fault_doses([event("healed", "problem", doses=[DELAY])]) == ()


def test_one_sided_doses_say_which_side() -> None:
    dose = {**DELAY, "what": "sessions waiting", "unit": "sessions", "asked": 1.0, "delivered": None}
    found = fault_doses([event("dose", "problem", doses=[{**dose, "counts": "at-least"}])])
    assert in_words(found[0].doses[0]) == "sessions waiting: asked at least 1 sessions, not measurable"
