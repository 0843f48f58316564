"""Commands that start from a run folder: judge, report, open."""

from __future__ import annotations

import json as json_
import sys
import webbrowser
from pathlib import Path

from lab.catalog import kinds
from lab.cli.sources import fix_sources
from lab.cli.typed import on_inconclusive
from lab.errors import Exit, LabError
from lab.store import RunFolder, find


def judge_again(out: Path, name: str | None, *, json: bool) -> Exit:
    """The same verdict from the same record, byte for byte."""
    from pydantic import TypeAdapter

    from lab.model.run import Judgement
    from lab.report import terminal
    from lab.runner.outcome import exit_of
    from lab.verdict import judge
    from lab.verdict.explain import for_run

    folder = find(out, name)
    judgement = judge(folder.read_plan(), folder.read_blocks(), *_beside_the_blocks(folder))
    if json:
        sys.stdout.write(TypeAdapter(Judgement).dump_json(judgement, indent=1).decode() + "\n")
    else:
        for verdict in for_run(judgement, folder.path.name).verdicts:
            sys.stdout.write("\n".join(terminal.told(verdict)) + "\n")
        if judgement.void:
            sys.stdout.write(f"VOID: {judgement.void}\n")
    return exit_of(judgement, None)


def _beside_the_blocks(folder: RunFolder) -> tuple[float | None, str]:
    """What the load asked of the generator, and what ended the run early."""
    try:
        info = folder.read_run()
    except LabError:  # killed before it said anything of itself; its blocks can still be judged
        return None, ""
    return info.generator.share_of_ceiling if info.generator else None, info.failed


def report_again(out: Path, name: str | None, formats: str, *, inconclusive: str, json: bool) -> None:
    """Write the reports of a run again; the folder holds everything they need."""
    from lab.report import build, formats_of, machine, terminal, write
    from lab.scenario import parse

    folder = find(out, name)
    scenario = parse(folder.read_scenario(), kinds(), f"{folder.read_plan().scenario}.yaml")
    report = build(folder, scenario, fix_sources(scenario))
    written = write(report, folder, formats_of(formats), inconclusive=on_inconclusive(inconclusive))
    if json:
        sys.stdout.write(json_.dumps(machine.as_json(report), indent=1) + "\n")
        return
    sys.stdout.write(terminal.ending(report) + "\n")
    for path in written.values():
        sys.stdout.write(f"{path}\n")


def open_report(out: Path, name: str | None) -> None:
    """Open the HTML report; where no browser can be had, say where it is."""
    folder: RunFolder = find(out, name)
    page = folder.path / "report.html"
    if not page.exists():
        raise LabError(
            "this run has no HTML report",
            where=str(folder.path),
            do=f"write it: lab report {folder.path.name}",
        )
    sys.stdout.write(f"{page}\n")
    if not webbrowser.open(page.resolve().as_uri()):
        sys.stderr.write("lab: no browser could be opened; the report is the file above\n")
