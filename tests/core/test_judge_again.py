"""Where the five lines of a verdict are printed: always by ``lab judge``, after a run only with -v."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.cli import run as running
from lab.cli.results import judge_again
from lab.errors import Exit
from lab.report import terminal
from tests.fake_reports import make_report
from tests.fake_run import write_run

TERMS = ["  Compared", "  How sure", "  Placebo", "  Power", "  Validity"]


def test_judging_again_explains_every_verdict_and_names_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path, with_samples=False)
    judge_again(tmp_path, None, json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["single-flight", *TERMS, "placebo", *TERMS]
    assert lines[5].endswith(f"; judge again: lab judge {folder.path.name}")


def test_the_judgement_as_json_depends_on_plan_and_blocks_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for name in ("one", "two"):
        write_run(tmp_path / name, with_samples=False)
        judge_again(tmp_path / name, None, json=True)
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert all(len(verdict["explanation"]) == 5 for verdict in json.loads(told[0])["verdicts"])


@pytest.mark.parametrize("verbose", [False, True])
def test_the_end_of_a_run_is_explained_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verbose: bool
) -> None:
    report = make_report(tmp_path)
    offers = frozenset({"app", "code", "postgres", "redis"})
    stack = SimpleNamespace(kind="embedded", offers=offers, lacks=lambda _capability: "")
    monkeypatch.setattr(running, "choose_stack", lambda asked: (stack, "there is nothing else"))
    monkeypatch.setattr(running, "_write", lambda *told: report)
    finished = SimpleNamespace(exit=Exit.OK, stopped=None)
    monkeypatch.setattr("lab.runner.run", lambda request, display: finished)
    running.perform(running.Asked(names=("stampede",), quiet=True, verbose=verbose, formats="html"))
    short, long = terminal.ending(report), terminal.explained(report)
    assert capsys.readouterr().out == (f"{short}\n{long}\n" if verbose else f"{short}\n")
    assert len(short.splitlines()) <= 12
    assert len(long.splitlines()) == 2 * 6
