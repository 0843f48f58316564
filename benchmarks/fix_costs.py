"""What each fix costs where nothing is wrong: calm runs of the named scenarios, or of all, as a page of Markdown."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parts.findings import say
from pydantic import TypeAdapter

from lab.catalog import scenario_names
from lab.errors import Exit
from lab.report.costs import cost_rows, markdown, note
from lab.verdict.calm import CalmCost

HEAD = """# What the fixes cost on a calm day

A fix is on every day, the problem hardly ever. Here nothing is broken: each fix stands beside the same app without
it, both under the load of the scenario.
"""
COSTS = TypeAdapter(tuple[CalmCost, ...])


def main() -> int:
    parser = argparse.ArgumentParser(prog="fix_costs", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios; all of them by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stack", choices=("embedded", "containers"), default="embedded")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder of the run folders")
    parser.add_argument("--write", type=Path, metavar="FILE", help="in place of standard output")
    given = parser.parse_args()
    runs, worst = [], Exit.OK
    for name in given.names or scenario_names():
        run = calm_run(name, given.seed, given.stack, given.out)
        if run is None or run["void"]:
            say(f"{name}: {run['void'] if run else 'no run'}")
            worst = Exit.VOID
        else:
            runs.append(run)
    page = "\n".join(lines(runs))
    if given.write is None:
        print(page)
    else:
        given.write.write_text(page + "\n", encoding="utf-8")
    return worst


def calm_run(name: str, seed: int, stack: str, out: Path) -> dict[str, Any] | None:
    """The report of one calm run of all fixes; None where there is none, and then the lab has said why."""
    options = ["--calm", "--fix", "all", "--json", "--seed", str(seed), "--stack", stack, "--out", str(out)]
    told = subprocess.run(
        [sys.executable, "-m", "lab", "run", name, *options], stdout=subprocess.PIPE, check=False
    )
    run: dict[str, Any] | None = json.loads(told.stdout) if told.stdout.strip() else None
    return run


def lines(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The page: how to read it, where it was measured, and a table for each scenario."""
    yield HEAD
    for n, run in enumerate(runs):
        found = COSTS.validate_python(run["calm"])
        if n == 0:
            yield f"{note(found)}\n\n{_where(run)}\n"
        yield f"## {run['scenario']}\n\n{run['title']}. Again: `{run['again']}`\n"
        yield from markdown(cost_rows(found))
        yield ""


def _where(run: Mapping[str, Any]) -> str:
    machine = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"Measured on {machine['cores']} cores ({machine['cpu']}), {run['stack']} stack: {versions}."


if __name__ == "__main__":
    raise SystemExit(main())
