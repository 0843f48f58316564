from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from lab.model.report import Report
from lab.report import build, machine, terminal, words
from lab.report.markdown import as_markdown
from lab.report.page import as_html
from tests.fake_reports import (
    make_report,
    with_many_fixes,
    with_state,
    without_verdict,
)
from tests.fake_run import SLOW, scenario, write_run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(tmp_path_factory.mktemp("reports"))


def test_pooled_latencies_leave_disturbed_blocks_out(report: Report) -> None:
    assert report.curves["placebo"].requests == 6 * 60
    assert report.curves["problem"].requests == 6 * 60
    assert report.curves["single-flight"].requests == 17 * 60
    assert report.curves["healthy"].p99_ms < 20 < 150 < report.curves["problem"].p99_ms


def test_the_timeline_counts_every_request_once(report: Report) -> None:
    width = 0.1
    offered = sum(tick.offered * width for ticks in report.timeline.values() for tick in ticks)
    assert offered == pytest.approx(60 * len(report.blocks))


def test_the_profile_peaks_right_after_the_fault(report: Report) -> None:
    worst = max(report.profiles["problem"], key=lambda moment: moment.p95_ms)
    assert 0.05 <= worst.offset_s <= 0.2
    assert max(moment.p95_ms for moment in report.profiles["healthy"]) < 30


def test_every_expiry_is_on_the_timeline(report: Report) -> None:
    assert len([span for span in report.faults if span.arm == "single-flight"]) == 17


def test_a_run_without_samples_still_has_a_timeline(tmp_path: Path) -> None:
    report = build(write_run(tmp_path, with_samples=False), scenario())
    assert not report.curves
    assert len(report.timeline["healthy"]) == 6
    assert "p99 2" in terminal.ending(report)
    assert "<h1>single-flight resolves it</h1>" in as_html(report)


def test_a_run_without_a_verdict_gives_a_report_that_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path, with_samples=False)
    (folder.path / "verdict.json").unlink()
    report = build(folder, scenario())
    assert report.judgement.void == "the run ended before there was a verdict"


def test_a_damaged_folder_says_so_in_the_warnings(tmp_path: Path) -> None:
    folder = write_run(tmp_path, with_samples=False)
    with (folder.path / "blocks.jsonl").open("a") as lines:
        lines.write('{"n": 99')
    assert any("cut short" in warning for warning in build(folder, scenario()).warnings)


def test_faults_from_before_the_first_block_are_not_on_the_axis(report: Report) -> None:
    assert all(span.end_s >= 0 for span in report.faults)


def test_the_ending_reads_as_documented(report: Report) -> None:
    lines = terminal.ending(replace(report, warnings=(), folder="reports/r")).splitlines()
    assert lines == [
        "stampede                                   embedded · postgres 18.6 · valkey 9.1 · seed 7",
        "  problem        17.2 recomputations per expiry  21 % slow answers"
        "  p99 276 ms (healthy 7.7 ms)  reproduced",
        "  single-flight  1.0                             0 %"
        "                    25 ms                    RESOLVED",
        "  placebo        17.4                            21 %                   263 ms"
        "                   NOT RESOLVED, as it must",
        "18 of 18 side-by-side comparisons favour single-flight; a placebo does that once in 400 runs",
        "22 s of load · 54 s in all · report reports/r/report.html · again: lab run stampede --seed 7",
    ]


def test_the_ending_never_exceeds_twelve_lines(report: Report) -> None:
    many = with_many_fixes(report)
    more = replace(many.judgement, verdicts=many.judgement.verdicts[:5] * 4 + many.judgement.verdicts[5:])
    crowded = replace(many, judgement=more, warnings=("one", "two"))
    lines = terminal.ending(crowded).splitlines()
    assert len(lines) == 12
    assert any("more in the report" in line for line in lines)
    assert any(line.strip().startswith("placebo") for line in lines)


def test_every_rendering_explains_the_verdicts_in_the_same_five_lines(report: Report) -> None:
    shown = machine.as_json(report)["verdicts"]
    assert [len(verdict["explanation"]) for verdict in shown] == [5, 5]
    assert shown[0]["could_see"] == 1.9
    text, page = terminal.explained(report), unescape(re.sub("<[^>]+>", "", as_html(report)))
    marked = as_markdown(report).replace("\\", "")
    for verdict in shown:
        for line in verdict["explanation"]:
            assert f"  {line}" in text.splitlines()
            assert line in page.replace("\u00a0", " ")
    assert all(f"- {line}" in marked.splitlines() for line in shown[0]["explanation"])


def test_the_explanation_names_the_run_to_judge_again(report: Report) -> None:
    again = f"; judge again: lab judge {Path(report.folder).name}"
    assert all(verdict.explanation[4].endswith(again) for verdict in report.judgement.verdicts)


def test_a_record_from_before_explanations_is_still_rendered(report: Report) -> None:
    bare = tuple(replace(verdict, explanation=()) for verdict in report.judgement.verdicts)
    older = replace(report, judgement=replace(report.judgement, verdicts=bare))
    assert 'class="why"' not in as_html(older)
    assert "18 of 18 side-by-side comparisons favour single-flight" in as_markdown(older)
    assert len(terminal.explained(older).splitlines()) == 2


def test_what_was_not_expected_is_said_with_its_reason(report: Report) -> None:
    ending = terminal.ending(with_state(report, "improved", expected=False))
    assert "IMPROVED, expected RESOLVED" in ending
    assert f"single-flight: {report.judgement.verdicts[0].reason}" in ending


def test_a_run_that_ended_early_says_why(report: Report) -> None:
    assert "VOID: the run ended before there was a verdict" in terminal.ending(without_verdict(report))


def test_every_state_has_a_headline_of_its_own(report: Report) -> None:
    said = {words.headline(with_state(report, state, expected=True)) for state in words.STATES}
    assert len(said) == len(words.STATES)


def test_the_json_keeps_its_contract(report: Report) -> None:
    found = machine.as_json(report)
    promised = {"schema", "run", "report", "scenario", "stack", "seed", "load_s", "wall_s", "exit"}
    assert promised | {"warnings", "verdicts"} <= set(found)
    assert found["schema"] == "lab.report/1"
    assert [verdict["fix"] for verdict in found["verdicts"]] == ["single-flight", "placebo"]
    assert found["verdicts"][1]["state"] == "not-resolved"
    measure = next(m for m in found["verdicts"][0]["measures"] if m["name"] == SLOW)
    assert {"unit", "problem", "fixed", "healthy", "ratio", "lower", "upper", "limit"} <= set(measure)


def test_the_json_fits_its_published_schema(report: Report) -> None:
    schema = machine.report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    check.validate(machine.as_json(report))
    check.validate(machine.several([report, without_verdict(report)], 4))
    with pytest.raises(jsonschema.ValidationError):
        check.validate(machine.as_json(report) | {"schema": "lab.report/2"})


def test_open_bounds_become_null_and_not_infinity(report: Report) -> None:
    first, *rest = report.judgement.verdicts
    opened = replace(first, measures=tuple(replace(m, upper=float("inf")) for m in first.measures))
    found = machine.as_json(replace(report, judgement=replace(report.judgement, verdicts=(opened, *rest))))
    assert found["verdicts"][0]["measures"][0]["upper"] is None
    json.loads(json.dumps(found, allow_nan=False))


def test_a_fast_error_does_not_count_as_a_fast_answer(report: Report) -> None:
    curve = report.curves["problem"]
    refused = replace(report, curves={**report.curves, "problem": replace(curve, refused=curve.requests)})
    assert "p99 – (healthy" in terminal.ending(refused)
    assert words.three_numbers(refused, report.judgement.verdicts[0])[2].before == "–"


def test_a_failed_request_never_counts_as_answered(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    for path in (folder.path / "samples").iterdir():
        kept = np.load(path)
        kept["error"][::2] = 1
        np.save(path, kept)
    report = build(folder, scenario())
    assert max(share for _, share in report.curves["problem"].points) == pytest.approx(0.5)
    assert report.curves["problem"].failed == report.curves["problem"].requests / 2
    assert "99 %" in as_html(report)


def test_an_arm_that_answered_nothing_has_no_curve_and_the_page_stands(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    for path in (folder.path / "samples").iterdir():
        kept = np.load(path)
        kept["error"] = 1
        np.save(path, kept)
    report = build(folder, scenario())
    assert report.curves["problem"].points == ()
    assert "the problem gave errors" not in as_html(report)
    assert "the problem gave errors" in as_html(replace(report, curves={"problem": report.curves["problem"]}))
