"""The HTML report: one file that needs no network, no script and no second file."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lab.model.report import Report
from lab.report import costs, method, numbers, sections, words
from lab.report.arms import Look, looks
from lab.report.machine import as_json
from lab.report.svg.blocks import in_order
from lab.report.svg.distribution import distribution
from lab.report.svg.draw import Chart, element, marker, path
from lab.report.svg.forest import forest
from lab.report.svg.profile import profile
from lab.report.svg.timeline import timeline
from lab.verdict.calm import is_calm

_TEMPLATES = Path(__file__).parent / "templates"
_UNIT = re.compile(r"([\d×]) (%|ms|s|kB|MB|GB|points|\d)(?!\w)")
_GLYPHS = {
    "resolved": "✓",
    "improved": "◐",
    "not-resolved": "✕",
    "regressed": "↓",
    "inconclusive": "?",
    "not-reproduced": "○",
    "void": "∅",
}


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        glyphs=_GLYPHS,
        state_and_aside=words.state_and_aside,
        comparisons=words.comparisons,
    )
    made.filters.update(size=numbers.size, share=numbers.share, swatch=swatch, sentence=sentence)
    return made


def _unbroken(value: object) -> object:
    """A number keeps its unit on the same line."""
    return _UNIT.sub("\\1\u00a0\\2", value) if type(value) is str else value


def as_html(report: Report) -> str:
    """The whole page. Every text of the run is escaped; the style is the only thing its policy lets in."""
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    found: str = (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            style=Markup(style),
            servers=words.servers(report),
            policy=_policy(style),
            data=_embedded(report),
            **_verdict(report),
            **_calm(report),
            **_charts(report),
            **_method(report),
        )
    )
    return found


def _verdict(report: Report) -> dict[str, Any]:
    lead = words.lead(report)
    known = looks(report)
    return {
        "headline": words.headline(report),
        "lead": lead,
        "bars": sections.bars(report, lead) if lead else (),
        "verdicts": [*words.fixes(report), *words.placebos(report)],
        "looks": known,
        "legend": _legend(known),
        "tables": () if is_calm(report.plan) else sections.before_and_after(report, known),
        "evidence": sections.evidence(report, known),
        "code": sections.code(report),
    }


def _calm(report: Report) -> dict[str, Any]:
    found = costs.costs(report)
    return {
        "is_calm": is_calm(report.plan),
        "calm": costs.by_fix(costs.cost_rows(found)),
        "calm_note": costs.note(found),
    }


def _legend(known: dict[str, Look]) -> list[Look]:
    """One entry for what looks the same."""
    return list({(look.css, look.shape): look for look in reversed(known.values())}.values())[::-1]


def _charts(report: Report) -> dict[str, Any]:
    known = looks(report)
    verdicts = [*words.fixes(report), *words.placebos(report)]
    specs = list(enumerate(report.plan.measures))
    specs.sort(key=lambda pair: (pair[1].role != "primary", not pair[1].cause))
    return {
        "forests": _drawn(forest(f"forest-{n}", spec, verdicts, known) for n, spec in specs),
        "orders": _drawn(in_order(f"blocks-{n}", spec, report.blocks, known) for n, spec in specs),
        "distribution": distribution(report.curves, known),
        "timeline": timeline(report.timeline, report.faults, known),
        "profile": _profile(report, known),
    }


def _drawn(charts: Any) -> list[Chart]:
    return [chart for chart in charts if chart is not None]


def _profile(report: Report, known: dict[str, Look]) -> Chart | None:
    """Only a fault that strikes in every block has a moment to look at."""
    use = next((use for use in report.scenario.faults if use.when == "each-block"), None)
    return profile(report.profiles, known, use.at, use.kind) if use else None


def _method(report: Report) -> dict[str, Any]:
    return {
        "design": method.design(report),
        "power": () if is_calm(report.plan) else method.power(report),
        "happenings": method.happenings(report),
        "faults": method.faults(report, looks(report)),
        "environment": method.environment(report),
    }


def sentence(text: str) -> str:
    """With a capital and a full stop, so that reasons and warnings read alike wherever they come from."""
    text = text.strip()
    capital = text[:1].upper() + text[1:]
    return capital if capital.endswith((".", "!", "?", "…")) or not capital else f"{capital}."


def swatch(look: Look) -> Markup:
    """The line and marker of an arm, for a legend or a table; the name stands beside it."""
    return element(
        "svg",
        path([(0.0, 7.0), (26.0, 7.0)], look.css, look.dash),
        marker(look.shape, 13, 7, 4.5, look.css),
        viewBox="0 0 26 14",
        cls="swatch",
        aria_hidden="true",
    )


def _policy(style: str) -> str:
    """Nothing is loaded, nothing runs; the style sheet is let in by its hash."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )


def _embedded(report: Report) -> Markup:
    """The JSON of the run, safe inside of a script element that no browser runs."""
    plain = json.dumps(as_json(report), separators=(",", ":"), ensure_ascii=True)
    for character in "<>&":
        plain = plain.replace(character, f"\\u{ord(character):04x}")
    return Markup(plain)
