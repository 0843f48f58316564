"""``lab verify``: which control, what its table says, which command repeats it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.catalog import load_scenario
from lab.cli import verify as verifying
from lab.cli.run import Asked, Ran, again, plans
from lab.cli.verify import HEAD, chosen_control, table, verify
from lab.errors import Exit, LabError
from lab.model.report import Report
from lab.model.run import Control, control_fix
from lab.plan import CLAIMS
from lab.report import formats_of, terminal, write
from lab.store import RunFolder
from tests.fake_reports import make_report, with_many_fixes, without_verdict


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(tmp_path_factory.mktemp("reports"))


def cells(*reports: Report) -> list[list[str]]:
    head, *rows = table(reports)
    starts = [head.index(word) for word in HEAD]
    ends = [*starts[1:], None]
    return [[row[a:b].strip() for a, b in zip(starts, ends, strict=True)] for row in rows]


def controlled(report: Report, control: Control, *, expected: bool) -> Report:
    """The same run with a control that came out RESOLVED in the place of the fix."""
    fix, *_ = report.judgement.verdicts
    verdict = replace(fix, fix=control_fix(control), expect=CLAIMS[control], expected=expected)
    return replace(report, judgement=replace(report.judgement, verdicts=(verdict,)))


def test_the_table_has_a_line_for_each_fix_and_none_for_a_placebo_that_did_as_it_must(report: Report) -> None:
    effect = "recomputations per expiry −16.2 (−18 to −15)"
    assert cells(report) == [["stampede", "single-flight", "RESOLVED", "yes", effect, "54"]]


def test_what_was_expected_is_said_where_something_else_came_out(report: Report) -> None:
    found = {row[1]: row[2:4] for row in cells(with_many_fixes(report))}
    assert found["single-flight"] == ["RESOLVED", "yes"]
    assert found["distributed-lock"] == ["IMPROVED", "no, RESOLVED"]
    assert found["stale-while-revalidate"] == ["NOT RESOLVED", "yes"]


def test_a_run_without_a_verdict_has_its_line(report: Report) -> None:
    assert cells(report, without_verdict(report))[1][:3] == ["stampede", "", "VOID"]


def test_a_control_that_came_out_wrong_says_what_it_may(report: Report) -> None:
    placebo = controlled(report, "placebo", expected=False)
    assert cells(placebo)[0][1:4] == ["control-placebo", "RESOLVED", "no, anything but RESOLVED"]
    perfect = controlled(report, "perfect", expected=True)
    assert cells(perfect)[0][1:4] == ["control-perfect", "RESOLVED", "yes"]


@pytest.mark.parametrize("control", ["placebo", "perfect"])
def test_every_report_can_show_a_control(report: Report, tmp_path: Path, control: Control) -> None:
    name = control_fix(control)
    told = controlled(report, control, expected=control == "perfect")
    verdict = replace(told.judgement.verdicts[0], arm=name)
    arms = [replace(a, name=name, fix=name) if a.role == "fix" else a for a in report.plan.arms]
    blocks = [replace(b, arm=name) if b.role == "fix" else b for b in report.blocks]
    told = replace(
        told,
        plan=replace(report.plan, arms=tuple(arms)),
        judgement=replace(told.judgement, verdicts=(verdict,)),
        blocks=tuple(blocks),
    )
    every = formats_of("html,json,junit,md,github")
    written = write(told, RunFolder(tmp_path), every)
    assert {path.suffix for path in written.values()} >= {".html", ".json", ".xml", ".md"}
    assert all(name in path.read_text() for path in written.values())
    assert name in terminal.ending(told)


def test_a_placebo_beside_the_fixes_shows_where_it_resolved(report: Report) -> None:
    fix, placebo = report.judgement.verdicts
    odd = replace(placebo, state="resolved", expected=False)
    told = replace(report, judgement=replace(report.judgement, verdicts=(fix, odd)))
    assert [row[1:4] for row in cells(told)] == [
        ["single-flight", "RESOLVED", "yes"],
        ["placebo", "RESOLVED", "no, anything but RESOLVED"],
    ]


@pytest.mark.parametrize(
    ("placebo", "perfect", "control"),
    [(False, False, None), (True, False, "placebo"), (False, True, "perfect")],
)
def test_a_flag_names_a_control(placebo: bool, perfect: bool, control: Control | None) -> None:
    assert chosen_control(placebo=placebo, perfect=perfect) == control


def test_two_controls_are_refused() -> None:
    with pytest.raises(LabError, match="one control"):
        chosen_control(placebo=True, perfect=True)


def test_the_worst_exit_code_of_all_runs_is_that_of_the_command(
    report: Report, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Ran([report, report], [Exit.OK, Exit.REFUTED])
    monkeypatch.setattr(verifying, "perform", lambda asked: ran)
    assert verify(Asked(names=("stampede",))) is Exit.REFUTED
    assert len(capsys.readouterr().out.strip().splitlines()) == 3


class FakeStack:
    kind = "embedded"
    offers = frozenset({"postgres", "redis", "app", "code", "sql"})

    def lacks(self, capability: str) -> str:
        return ""


@pytest.mark.parametrize("control", ["placebo", "perfect"])
def test_the_command_that_repeats_a_control_names_it(control: Control) -> None:
    asked = Asked(names=("stampede",), control_as_fix=control, seed=7, out=Path("reports"))
    ((scenario, plan),) = plans(asked, FakeStack())  # type: ignore[arg-type]
    assert control_fix(control) in {fix.name for fix in plan.fixes}
    assert plan.fixes[0].stands_for == load_scenario("stampede").documented
    assert again(asked, scenario, plan) == f"lab verify stampede --{control} --seed 7 --stack embedded"
    strict = again(replace(asked, strict=True), scenario, plan)
    assert strict == f"lab verify stampede --{control} --seed 7 --strict --stack embedded"
