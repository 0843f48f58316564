from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from lab.errors import LabError
from lab.model.report import Report
from lab.model.stack import Evidence
from lab.report import build, formats_of, github, junit, machine, markdown, terminal, words, write
from lab.report.page import as_html
from lab.store import RunFolder
from tests.fake_run import (
    DIFF,
    SLOW,
    plan,
    scenario,
    with_many_fixes,
    without_limits,
    without_verdict,
    write_run,
)

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x00\x1b[31m`|]]>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_run(tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def report(folder: RunFolder) -> Report:
    return build(folder, scenario(), {"single-flight": DIFF})


def with_state(report: Report, state: str, *, expected: bool) -> Report:
    first, *rest = report.judgement.verdicts
    changed = replace(first, state=state, expected=expected)  # type: ignore[arg-type]
    return replace(report, judgement=replace(report.judgement, verdicts=(changed, *rest)))


def hostile(report: Report) -> Report:
    """The same run, with markup and control characters wherever a text can come from outside."""
    first, *rest = report.judgement.verdicts
    return replace(
        report,
        scenario=replace(report.scenario, prose=replace(report.scenario.prose, title=HOSTILE, cause=HOSTILE)),
        judgement=replace(report.judgement, verdicts=(replace(first, reason=HOSTILE), *rest)),
        evidence={"problem.explain": Evidence(title=HOSTILE, command=HOSTILE, text=HOSTILE)},
        code={"single-flight": HOSTILE},
        warnings=(HOSTILE,),
        info=replace(report.info, versions={"postgres": HOSTILE}, again=HOSTILE),
    )


# what is read from the folder -----------------------------------------------------------------------


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


# the terminal ---------------------------------------------------------------------------------------


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


def test_what_was_not_expected_is_said_with_its_reason(report: Report) -> None:
    ending = terminal.ending(with_state(report, "improved", expected=False))
    assert "IMPROVED, expected RESOLVED" in ending
    assert f"single-flight: {report.judgement.verdicts[0].reason}" in ending


def test_a_run_that_ended_early_says_why(report: Report) -> None:
    assert "VOID: the run ended before there was a verdict" in terminal.ending(without_verdict(report))


def test_every_state_has_a_headline_of_its_own(report: Report) -> None:
    said = {words.headline(with_state(report, state, expected=True)) for state in words.STATES}
    assert len(said) == len(words.STATES)


# JSON -----------------------------------------------------------------------------------------------


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


# JUnit, Markdown, GitHub ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "expected", "policy", "element"),
    [
        ("resolved", True, "error", None),
        ("not-resolved", True, "error", None),
        ("improved", False, "error", "failure"),
        ("regressed", False, "error", "failure"),
        ("void", False, "error", "error"),
        ("not-reproduced", False, "error", "error"),
        ("inconclusive", False, "error", "error"),
        ("inconclusive", False, "skip", "skipped"),
    ],
)
def test_junit_tells_refuted_from_undecided(
    report: Report, state: str, expected: bool, policy: junit.OnInconclusive, element: str | None
) -> None:
    xml = ElementTree.fromstring(junit.as_junit(with_state(report, state, expected=expected), policy))
    case = xml.find(".//testcase[@name='single-flight']")
    assert case is not None
    assert [name for name in ("failure", "error", "skipped") if case.find(name) is not None] == (
        [element] if element else []
    )
    names = {prop.get("name") for prop in case.iter("property")}
    assert {"state", "seed", "blocks", f"{SLOW}: effect", f"{SLOW}: bounds"} <= names


def test_junit_of_a_run_without_verdict_is_an_error(report: Report) -> None:
    xml = ElementTree.fromstring(junit.as_junit(without_verdict(report)))
    assert xml.get("errors") == "1"


def test_hostile_text_stays_text_everywhere(report: Report) -> None:
    evil = hostile(report)
    ElementTree.fromstring(junit.as_junit(evil))
    summary = markdown.as_markdown(evil)
    outside_code = re.sub(r"(?s)(`+)[^`].*?\1", "", summary)
    assert not re.search(r"(?<!\\)<(script|img)", outside_code)
    assert len(github.as_annotations(evil).splitlines()) == 3
    json.loads(json.dumps(machine.as_json(evil)))


def test_markdown_stays_below_the_limit_of_github(report: Report) -> None:
    long = replace(report, code={"single-flight": "+x\n" * 50_000}, warnings=("w" * 9_000,) * 12)
    assert len(markdown.as_markdown(long).encode()) < 64_000
    assert "```diff" in markdown.as_markdown(report)


def test_annotations_point_at_the_line_of_the_fix(report: Report) -> None:
    source = "title: x\nfixes:\n  other:\n    code: a\n  single-flight:\n    code: b\n"
    told = replace(report, scenario=replace(report.scenario, source=source))
    assert "file=scenarios/stampede.yaml,line=5,title=stampede%3A single-flight" in github.as_annotations(
        told
    )


def test_at_most_ten_annotations_and_the_last_says_how_many_more(report: Report) -> None:
    lines = github.as_annotations(replace(report, warnings=("w",) * 30)).splitlines()
    assert len(lines) == 10
    assert lines[-1].endswith("::23 more in the report")


def test_unexpected_verdicts_are_errors_and_come_first(report: Report) -> None:
    told = github.as_annotations(with_state(report, "regressed", expected=False)).splitlines()
    assert told[0].startswith("::error ")
    assert "REGRESSED" in told[0]


# the page, without a browser ------------------------------------------------------------------------


class Outline(HTMLParser):
    """Tags, ids and references of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def named(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in tags]


VARIANTS = {
    "plain": lambda r: r,
    "many fixes": with_many_fixes,
    "no verdict": without_verdict,
    "no limits": without_limits,
    "hostile": hostile,
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_page_runs_nothing_and_loads_nothing(report: Report, variant: str) -> None:
    outline = Outline(as_html(VARIANTS[variant](report)))
    assert [script.get("type") for script in outline.named("script")] == ["application/json"]
    assert not outline.named("img", "link", "iframe", "object", "embed", "base", "form")
    assert not [a for _, a in outline.tags if any(name.startswith("on") or name == "style" for name in a)]
    assert not [a for _, a in outline.tags if a.get("src") or "//" in (a.get("href") or "")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_ids_are_unique_and_every_reference_has_its_end(report: Report, variant: str) -> None:
    outline = Outline(as_html(VARIANTS[variant](report)))
    ids = [a["id"] for _, a in outline.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    for _, a in outline.tags:
        references = (a.get("aria-labelledby") or "").split()
        if (a.get("href") or "").startswith("#"):
            references.append(str(a["href"])[1:])
        assert set(references) <= set(ids)


def test_every_chart_has_a_title_a_description_and_a_table(report: Report) -> None:
    page = as_html(report)
    outline = Outline(page)
    charts = [svg for svg in outline.named("svg") if svg.get("class") in ("wide", "narrow")]
    assert len(charts) == 2 * len(outline.named("figure")) == 2 * 7
    assert all(svg["role"] == "img" and svg["aria-labelledby"] for svg in charts)
    assert page.count("<desc ") == len(charts)
    assert page.count("The numbers of this chart") == len(outline.named("figure"))


def test_the_embedded_json_is_the_json_of_the_run(report: Report) -> None:
    page = as_html(hostile(report))
    found = re.search(r'<script type="application/json" id="run">(.*?)</script>', page, re.S)
    assert found
    assert json.loads(found[1]) == machine.as_json(hostile(report))


def test_the_page_answers_first(report: Report) -> None:
    page = as_html(report)
    top = page[: page.index('<nav class="toc"')]
    for said in ("single-flight resolves it", "17.2", "<b>1.0</b>", "lab run stampede --seed 7", "18 of 18"):
        assert said in top


def test_the_page_stays_small(report: Report) -> None:
    assert len(as_html(report).encode()) < 250_000
    assert len(as_html(with_many_fixes(report)).encode()) < 400_000


def test_the_same_run_gives_the_same_page(report: Report) -> None:
    assert as_html(report) == as_html(report)


# writing --------------------------------------------------------------------------------------------


def test_all_formats_land_in_the_run_folder(report: Report, folder: RunFolder) -> None:
    written = write(report, folder, formats_of("html,json,junit,md,github"))
    assert {path.name for path in written.values()} == {
        "report.html",
        "report.json",
        "junit.xml",
        "summary.md",
        "annotations.txt",
    }
    assert json.loads(written["json"].read_text())["run"] == "k3v9x2"


def test_the_page_is_always_written(report: Report, folder: RunFolder) -> None:
    assert set(write(report, folder, {"junit"})) == {"html", "junit"}


def test_an_unknown_format_gets_a_hint() -> None:
    assert formats_of(" html, json ,") == {"html", "json"}
    with pytest.raises(LabError) as caught:
        formats_of("html,jnit")
    assert caught.value.do == "did you mean junit?"


def test_a_report_that_cannot_be_written_is_said(report: Report, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="could not be written"):
        write(report, RunFolder(tmp_path / "gone"), {"html"})


def test_the_fixture_is_a_plan_that_the_store_accepts() -> None:
    assert {arm.role for arm in plan().arms} == {"healthy", "problem", "placebo", "fix"}


def test_faults_from_before_the_first_block_are_not_on_the_axis(report: Report) -> None:
    assert all(span.end_s >= 0 for span in report.faults)


def test_evidence_stands_in_the_order_of_the_scenario(report: Report) -> None:
    page = as_html(report)
    assert page.index("The plan of the ranking query") < page.index("Statements by total time")


def test_a_measure_without_a_limit_is_read_against_healthy(report: Report) -> None:
    page = as_html(without_limits(report))
    for said in (
        "back to healthy",
        "× 0.11 (at least 0.09)",
        "allowed up to × 1.5 of healthy",
        "healthy 4.1",
    ):
        assert said in page.replace("\u00a0", " ")


def test_an_open_bound_runs_to_the_edge_of_the_plot(report: Report) -> None:
    page = as_html(without_limits(report))
    first = page[page.index('id="forest-0-880-title"') :]
    spans = re.findall(
        r'<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="\2" class="interval fix1">', first
    )
    assert float(spans[0][2]) == 880 - 188
