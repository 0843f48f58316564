"""Which renderings go where in the run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from lab.errors import EnvironmentFailed, LabError
from lab.model.report import Report
from lab.report.junit import OnInconclusive


class Folder(Protocol):
    path: Path


def _html(report: Report, _: OnInconclusive) -> str:
    from lab.report.page import as_html

    return as_html(report)


def _json(report: Report, _: OnInconclusive) -> str:
    from lab.report.machine import as_json

    return json.dumps(as_json(report), indent=1, ensure_ascii=False) + "\n"


def _junit(report: Report, on_inconclusive: OnInconclusive) -> str:
    from lab.report.junit import as_junit

    return as_junit(report, on_inconclusive)


def _markdown(report: Report, _: OnInconclusive) -> str:
    from lab.report.markdown import as_markdown

    return as_markdown(report)


def _github(report: Report, _: OnInconclusive) -> str:
    from lab.report.github import as_annotations

    return as_annotations(report)


_RENDERINGS: Mapping[str, tuple[str, Callable[[Report, OnInconclusive], str]]] = {
    "html": ("report.html", _html),
    "json": ("report.json", _json),
    "junit": ("junit.xml", _junit),
    "md": ("summary.md", _markdown),
    "github": ("annotations.txt", _github),
}
FORMATS = tuple(_RENDERINGS)


def formats_of(text: str) -> frozenset[str]:
    """``html,json`` as a set. LabError for a format that does not exist."""
    asked = [word.strip() for word in text.split(",") if word.strip()]
    for word in asked:
        if word not in _RENDERINGS:
            close = get_close_matches(word, FORMATS, n=1)
            raise LabError(
                f"there is no report format {word!r}",
                where="--report",
                why=f"there are {', '.join(FORMATS)}",
                do=f"did you mean {close[0]}?" if close else "name some of these, with commas between",
            )
    return frozenset(asked)


def write(
    report: Report, folder: Folder, formats: Collection[str], *, inconclusive: OnInconclusive = "error"
) -> dict[str, Path]:
    """Write the renderings into the run folder; returns the path of each by its format.

    The HTML page is always among them, because all the others point to it.
    """
    written = {}
    for name in FORMATS:
        if name in formats or name == "html":
            file, render = _RENDERINGS[name]
            written[name] = folder.path / file
            _put(written[name], render(report, inconclusive))
    return written


def _put(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as failed:
        raise EnvironmentFailed(
            "the report could not be written",
            where=str(path),
            why=failed.strerror or str(failed),
            do="free some space, then write it again: lab report",
        ) from failed
