from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from lab.model.report import Report
from lab.report import machine
from lab.report.page import as_html
from tests.fake_reports import (
    hostile,
    make_report,
    with_many_fixes,
    without_limits,
    without_verdict,
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(tmp_path_factory.mktemp("reports"))


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
