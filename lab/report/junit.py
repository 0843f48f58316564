"""JUnit XML: a suite for the scenario, a case for each fix."""

from __future__ import annotations

import re
from typing import Literal

from junitparser import Error, Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite

from lab.model.report import Report
from lab.model.run import MeasureResult, Verdict, placebo_fix
from lab.report import costs, numbers, words
from lab.verdict.calm import is_calm

OnInconclusive = Literal["error", "skip"]

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def as_junit(report: Report, on_inconclusive: OnInconclusive = "error") -> str:
    """Refuted is a failure, void and not reproduced are errors, inconclusive is what the policy says."""
    suite = TestSuite(_clean(report.plan.scenario))
    suite.timestamp = report.info.started
    for name, value in (("seed", report.info.seed), ("stack", report.info.stack), ("run", report.info.run)):
        suite.add_property(name, _clean(str(value)))
    for verdict in report.judgement.verdicts:
        suite.add_testcase(_case(report, verdict, on_inconclusive))
    if is_calm(report.plan) and not report.judgement.void:
        suite.add_testcase(_calm(report))
    elif not report.judgement.verdicts:
        case = TestCase("verdict", classname=_clean(report.plan.scenario))
        case.result = [Error(_clean(report.judgement.void or "no verdict"), "void")]
        suite.add_testcase(case)
    suite.update_statistics()  # type: ignore[no-untyped-call]
    xml = JUnitXml("lab")
    xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    return str(xml.tostring().decode())  # type: ignore[no-untyped-call]


def _case(report: Report, verdict: Verdict, on_inconclusive: OnInconclusive) -> TestCase:
    group = f" (group {verdict.group})" if verdict.fix == placebo_fix() and verdict.group > 1 else ""
    case = TestCase(_clean(verdict.fix + group), classname=_clean(report.plan.scenario))
    case.time = sum(block.length_s for block in report.blocks if block.arm == verdict.arm)
    result = _result(verdict, on_inconclusive)
    if result is not None:
        case.result = [result]
    case.append(_properties(report, verdict))  # type: ignore[no-untyped-call]
    case.system_out = _clean(f"{words.STATES[verdict.state]}. {verdict.reason}")
    return case


def _calm(report: Report) -> TestCase:
    """Nothing that could fail: what was measured is told."""
    case = TestCase("costs on a calm day", classname=_clean(report.plan.scenario))
    rows = costs.cost_rows(costs.costs(report))
    case.system_out = _clean("\n".join(": ".join((row.fix, row.measure, row.change)) for row in rows))
    return case


def _result(verdict: Verdict, on_inconclusive: OnInconclusive) -> Error | Failure | Skipped | None:
    message = _clean(f"{words.state_in_words(verdict)}: {verdict.reason}")
    if verdict.expected:
        return None
    if verdict.state == "inconclusive":
        kind = Skipped if on_inconclusive == "skip" else Error
        return kind(message, "inconclusive")
    if verdict.state in ("void", "not-reproduced"):
        return Error(message, verdict.state)
    return Failure(message, verdict.state)


def _properties(report: Report, verdict: Verdict) -> Properties:
    found = Properties()  # type: ignore[no-untyped-call]
    facts = {"state": verdict.state, "blocks": str(verdict.blocks), "seed": str(report.info.seed)}
    for measure in verdict.measures:
        facts |= _of_measure(measure)
    for name, value in facts.items():
        found.add_property(Property(_clean(name), _clean(value)))
    return found


def _of_measure(measure: MeasureResult) -> dict[str, str]:
    bounds = numbers.interval(measure.lower, measure.upper, measure.scale, measure.unit)
    return {
        f"{measure.name}: problem": numbers.number(measure.problem, measure.unit),
        f"{measure.name}: fixed": numbers.number(measure.fixed, measure.unit),
        f"{measure.name}: effect": numbers.effect(measure.ratio, measure.scale, measure.unit),
        f"{measure.name}: bounds": bounds or numbers.NONE,
    }


def _clean(text: str) -> str:
    """Without what XML 1.0 cannot hold: a log line may hold anything."""
    return _FORBIDDEN.sub("�", text)
