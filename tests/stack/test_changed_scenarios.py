"""Six scenarios, live, with their documented fixes: those that the newest commit touches, then others by turns."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from running import lab, left_of, run_folder

from lab.catalog import load_scenario
from lab.cli.verify import chosen_names
from lab.errors import Exit, LabError
from lab.plan import choose_fixes

MOST = 6
UNDECIDED = ("inconclusive", "void")
# Git asks whose checkout it is, and CI may work in somebody else's.
ANYBODYS = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def chosen() -> tuple[str, ...]:
    """As ``lab verify --changed-since HEAD~1 --sample 6`` has them; by turns alone where there is no such commit."""
    with patch.dict(os.environ, ANYBODYS):
        try:
            return chosen_names((), changed_since="HEAD~1", sample=MOST)
        except LabError:
            return chosen_names((), sample=MOST)


@pytest.mark.parametrize("name", chosen())
def test_a_scenario_comes_out_as_documented(name: str, tmp_path: Path) -> None:
    undecided = set(choose_fixes(load_scenario(name), None))
    for attempt in ("first", "second"):  # a machine with other work to do may not decide the first time
        report = verified(name, tmp_path / attempt)
        verdicts = {verdict["fix"]: verdict for verdict in report["verdicts"]}
        states = {fix: verdict["state"] for fix, verdict in verdicts.items()}
        print(name, states, f"{report['wall_s']:.0f} s", report["void"] or "")
        decided = {fix for fix in undecided & set(states) if states[fix] not in UNDECIDED}
        wrong = {fix: verdicts[fix]["reason"] for fix in decided if not verdicts[fix]["expected"]}
        assert not wrong, (wrong, states)
        undecided -= decided
        if not undecided:
            return
    assert states.get("placebo") != "resolved", "by chance in less than one run of a hundred"
    run = json.loads((run_folder(tmp_path / attempt) / "run.json").read_text())
    assert not run["failed"], "this is no want of decision: the run failed"
    pytest.skip(f"two runs did not decide {', '.join(sorted(undecided))}; again: {report['again']}")


def verified(name: str, out: Path) -> dict[str, Any]:
    """The report of ``lab verify``, which leaves all its reports and nothing else."""
    began = time.time()
    done = lab("verify", name, "--stack", "embedded", "--out", str(out), "--json", timeout=600)
    assert done.returncode in (Exit.OK, Exit.REFUTED, Exit.INCONCLUSIVE, Exit.VOID) and done.stdout, (
        done.stderr
    )
    assert "Traceback" not in done.stderr
    assert left_of(out, began) == []
    for file in ("report.html", "report.json", "junit.xml", "summary.md"):
        assert (run_folder(out) / file).stat().st_size > 0
    report: dict[str, Any] = json.loads(done.stdout)
    return report
