"""The benchmark of rates: what counts as a verdict that turned round."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

rate_change: Any = importlib.import_module("rate_change")


@pytest.mark.parametrize(
    ("states", "turned"),
    [
        (("resolved", "resolved", "resolved"), False),
        (("not-reproduced", "resolved", "inconclusive"), False),
        (("improved", "not-resolved", "regressed"), False),
        (("resolved", "resolved", "improved"), True),
        (("not-resolved", "inconclusive", "resolved"), True),
    ],
)
def test_a_verdict_turns_round_where_one_rate_resolves_and_another_does_not(
    states: tuple[str, ...], turned: bool
) -> None:
    assert rate_change.turned_round(states) is turned


def test_the_goal_names_what_turned_and_counts_what_was_decided() -> None:
    bad = {"stampede": [{"lock": "resolved"}, {"lock": "resolved"}, {"lock": "not-resolved"}]}
    good = {"stampede": [{"lock": "not-reproduced"}, {"lock": "resolved"}, {"lock": "resolved"}]}
    assert rate_change.findings(bad).goals[0].found == "stampede lock"
    assert not rate_change.findings(bad).goals[0].met
    assert rate_change.findings(good).goals[0].found == "0 (2 of 3 decided)"
    assert rate_change.findings(good).goals[0].met
    assert rate_change.findings(good).tables[0].rows == [
        ("stampede", "lock", "not-reproduced", "resolved", "resolved")
    ]
