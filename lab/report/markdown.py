"""The run in Markdown: for a pull request, or the summary of a CI step. Always below 64 kB."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lab.model.report import Report
from lab.model.run import MeasureResult, Verdict
from lab.report import costs, numbers, words

LIMIT = 60_000  # bytes; GitHub takes 64 KiB of a comment
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")
_BREAKS = re.compile(r"\s+")


def as_markdown(report: Report) -> str:
    """Verdict, table, how to run it again, and the code difference where it fits."""
    parts = [
        f"## {_plain(words.headline(report))}",
        f"**{_plain(report.scenario.prose.title)}** on {_plain(_stack(report))}.",
        *([f"> **VOID**: {_plain(report.judgement.void)}"] if report.judgement.void else []),
        *(_verdict(verdict) for verdict in words.fixes(report)),
        _table(report),
        *_calm(report),
        *(f"> Warning: {_plain(warning)}" for warning in report.warnings[:10]),
        _footer(report),
    ]
    text = "\n\n".join(part for part in parts if part) + "\n"
    for name, code in report.code.items():
        if code:
            text = _with_room(text, _difference(name, code))
    return _cut(text)


def _difference(name: str, code: str) -> str:
    return f"\n<details><summary>What {_plain(name)} changes</summary>\n\n{_fenced(code)}\n</details>\n"


def _stack(report: Report) -> str:
    versions = " · ".join(f"{name} {version}" for name, version in report.info.versions.items())
    return f"{report.info.stack} ({versions})" if versions else report.info.stack


def _verdict(verdict: Verdict) -> str:
    lines = [f"**{_plain(verdict.fix)}: {words.state_in_words(verdict)}.** {_plain(verdict.reason)}"]
    if verdict.explanation:
        return "\n".join([*lines, "", *(f"- {_plain(line)}" for line in verdict.explanation)])
    how_sure = words.comparisons(verdict)
    if how_sure:
        lines.append(_plain(f"{how_sure}."))
    return "  \n".join(lines)


def _table(report: Report) -> str:
    verdicts = [*words.fixes(report), *words.placebos(report)]
    if not verdicts:
        return ""
    lines = [
        "| | measure | healthy | problem | with it | change | limit |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    rows = [(verdict, measure) for verdict in verdicts for measure in words.ordered(verdict)]
    lines += [f"| {_plain(verdict.fix)} | {' | '.join(_cells(measure))} |" for verdict, measure in rows]
    return "\n".join(lines)


def _calm(report: Report) -> Iterator[str]:
    found = costs.costs(report)
    if found:
        yield f"### What the fix costs on a calm day\n\n{costs.note(found)}"
        yield "\n".join(costs.markdown(costs.cost_rows(found)))


def _cells(measure: MeasureResult) -> list[str]:
    bounds = numbers.interval(measure.lower, measure.upper, measure.scale, measure.unit)
    change = numbers.effect(measure.ratio, measure.scale, measure.unit)
    values = [numbers.number(v, measure.unit) for v in (measure.healthy, measure.problem, measure.fixed)]
    limit = numbers.bound(measure.limit, measure.unit)
    return [_plain(measure.name), *values, f"{change} ({bounds})" if bounds else change, limit]


def _footer(report: Report) -> str:
    info = report.info
    again = f" Again: `{info.again.replace('`', '')}`." if info.again else ""
    return f"{info.load_s:.0f} s of load, {info.wall_s:.0f} s in all, seed {info.seed}.{again}"


def _fenced(code: str) -> str:
    """A code block whose fence is longer than any in the code itself."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    language = "diff" if code.startswith("---") else "sql"
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line: names and logs are not trusted."""
    return _SPECIAL.sub(r"\\\1", _BREAKS.sub(" ", text)).replace("@", "@\u200b")


def _with_room(text: str, more: str) -> str:
    return text + more if len((text + more).encode()) <= LIMIT else text


def _cut(text: str) -> str:
    if len(text.encode()) <= LIMIT:
        return text
    kept = text.encode()[: LIMIT - 100].decode(errors="ignore").rsplit("\n", 1)[0]
    return f"{kept}\n\n… the rest is in the report.\n"
