from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.errors import LabError
from lab.model.report import Report
from lab.report import formats_of, github, junit, machine, markdown, terminal, write
from lab.report.page import as_html
from lab.store import RunFolder
from tests.fake_reports import (
    hostile,
    make_report,
    with_outage,
    with_state,
    without_verdict,
)
from tests.fake_run import SLOW


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(tmp_path_factory.mktemp("reports"))


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


def test_times_and_sizes_read_alike_in_every_format(report: Report) -> None:
    outage = with_outage(report)
    page = re.sub(r"<[^>]+>", " ", as_html(outage))
    told = {"terminal": terminal.ending(outage), "markdown": markdown.as_markdown(outage), "page": page}
    for said in told.values():
        assert {"42.4 s", "38 ms", "2.5 MB", "38.4 kB"} <= set(re.findall(r"[\d.]+ (?:ms|s|kB|MB)\b", said))
    for said in (told["markdown"], page):
        assert "30 s" in said
        assert "100 kB" in said
        assert re.search(r"−42\.4 s[^×]*−42\.5 s to −412 ms", said)


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


def test_all_formats_land_in_the_run_folder(report: Report, tmp_path: Path) -> None:
    written = write(report, RunFolder(tmp_path), formats_of("html,json,junit,md,github"))
    assert {path.name for path in written.values()} == {
        "report.html",
        "report.json",
        "junit.xml",
        "summary.md",
        "annotations.txt",
    }
    assert json.loads(written["json"].read_text())["run"] == "k3v9x2"


def test_the_page_is_always_written(report: Report, tmp_path: Path) -> None:
    assert set(write(report, RunFolder(tmp_path), {"junit"})) == {"html", "junit"}


def test_an_unknown_format_gets_a_hint() -> None:
    assert formats_of(" html, json ,") == {"html", "json"}
    with pytest.raises(LabError) as caught:
        formats_of("html,jnit")
    assert caught.value.do == "did you mean junit?"


def test_a_report_that_cannot_be_written_is_said(report: Report, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="could not be written"):
        write(report, RunFolder(tmp_path / "gone"), {"html"})
