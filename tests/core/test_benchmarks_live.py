"""The benchmark of live controls, with a stand-in for the lab's command."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.errors import Exit, LabError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

live: Any = importlib.import_module("parts.live")
program: Any = importlib.import_module("verdict_live")

# Prints a report as the lab does. What it says of the control is told by the scenario's name; `refused` is none.
FAKE = """
import json, os, sys, time
words = sys.argv[1:]
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(" ".join(words) + "\\n")
name = words[1] if words[0] == "run" else words[2]
fix = "placebo" if words[0] == "run" else "control-" + words[1][2:]
state, _, code = name.partition("+")
if state == "refused":
    sys.exit(sys.stderr.write("lab: no such scenario\\n") and 2)
if state == "silent":
    sys.exit(5)
if state == "stuck":
    print("up", file=sys.stderr, flush=True)
    try:
        open(os.environ["FAKE_LOG"] + ".up", "w").close()
        time.sleep(60)
    except KeyboardInterrupt:
        open(os.environ["FAKE_LOG"] + ".undone", "w").close()
        sys.exit(130)
verdicts = [{"fix": fix, "state": state, "reason_code": code or state}]
if words[0] == "run":
    verdicts.insert(0, {"fix": "the-fix", "state": "resolved", "reason_code": "resolved"})
print(json.dumps({"run": "cafe", "stack": "embedded", "load_s": 12.5, "verdicts": verdicts}))
"""


class Lab:
    """The stand-in, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.script, self.log, self.file = folder / "fake.py", folder / "asked", folder / "runs.jsonl"
        self.script.write_text(FAKE)

    def words(
        self, *scenarios: str, runs: int = 1, kind: str = "plain", more: tuple[str, ...] = ()
    ) -> list[str]:
        command = f"{sys.executable} {self.script}"
        words = ["--scenario", *scenarios, "--runs", str(runs), "--kind", kind, "--resume", str(self.file)]
        return [*words, "--seed", "40", "--lab", command, "--json", *more]

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    made = Lab(tmp_path)
    monkeypatch.setenv("FAKE_LOG", str(made.log))
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(program.signal, "signal", lambda *_: before)
    return made


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def rows(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["scenario"]: row for row in found["tables"][0]["rows"]}


def test_each_run_leaves_a_line_and_scenarios_take_turns(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        program.main(lab.words("not-resolved", "inconclusive", runs=2, more=("--", "--stack", "embedded")))
        == 0
    )
    assert lab.asked() == [
        f"run {name} --seed {seed} --json --stack embedded"
        for seed in (40, 41)
        for name in ("not-resolved", "inconclusive")
    ]
    lines = live.read_lines(lab.file)
    assert [(line.scenario, line.seed, line.exit, line.load_s) for line in lines] == [
        ("not-resolved", 40, 0, 12.5), ("inconclusive", 40, 0, 12.5),
        ("not-resolved", 41, 0, 12.5), ("inconclusive", 41, 0, 12.5),
    ]  # fmt: skip
    overall = rows(told(capsys))["all"]
    # 0 of 4 excludes a share of 1 - 0.05 ** (1 / 4).
    assert (overall["runs"], overall["judged"], overall["wrong"], overall["below"]) == (4, 4, 0, "52.7%")


@pytest.mark.parametrize("kind", ["placebo", "perfect"])
def test_control_is_asked_for_by_verify(lab: Lab, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    state = "resolved" if kind == "perfect" else "not-resolved"
    assert program.main(lab.words(state, kind=kind)) == 0
    assert lab.asked() == [f"verify --{kind} {state} --seed 40 --json"]
    assert rows(told(capsys))[state]["judged"] == 1


def test_what_is_done_is_not_done_again(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    program.main(lab.words("not-resolved", runs=2))
    program.main(lab.words("not-resolved", runs=3))
    assert [line.split()[3] for line in lab.asked()] == ["40", "41", "42"]
    # Another kind is another run, and one tally holds both.
    capsys.readouterr()
    program.main(lab.words("not-resolved", runs=1, kind="placebo"))
    found = told(capsys)
    assert len(lab.asked()) == 4
    assert found["goals"][0]["found"].startswith("0 of 4")


def test_torn_line_is_cut_off_and_its_run_done_again(lab: Lab) -> None:
    program.main(lab.words("not-resolved", runs=2))
    text = lab.file.read_text()
    lab.file.write_text(text[:-30])
    assert program.main(lab.words("not-resolved", runs=2)) == 0
    assert [line.seed for line in live.read_lines(lab.file)] == [40, 41]
    assert len(lab.asked()) == 3


@pytest.mark.parametrize(
    ("name", "judged", "wrong", "code"),
    [
        ("not-resolved", 1, 0, Exit.OK),
        ("improved", 1, 0, Exit.OK),
        ("inconclusive", 1, 0, Exit.OK),
        ("resolved", 1, 1, Exit.REFUTED),
        ("void+control-failed", 1, 1, Exit.REFUTED),
        ("void+disturbed", 0, 0, Exit.OK),
        ("inconclusive+undecided", 0, 0, Exit.OK),
    ],
)
def test_placebo_is_wrong_where_it_is_resolved_and_counts_where_it_was_judged(
    lab: Lab, name: str, judged: int, wrong: int, code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(lab.words(name)) == code
    found = told(capsys)
    row = rows(found)[name]
    assert (row["judged"], row["wrong"]) == (judged, wrong)
    assert found["goals"][0]["met"] is (None if not judged else not wrong)


@pytest.mark.parametrize(("well", "code"), [(19, Exit.OK), (18, Exit.REFUTED)])
def test_perfect_fix_must_be_resolved_in_95_percent(well: int, code: Exit, lab: Lab) -> None:
    for seed in range(20):
        state = "resolved" if seed < well else "inconclusive"
        one = live.Outcome(fix="control-perfect", state=state, code="missing-within")
        live.append(
            lab.file,
            live.Line(scenario="s", kind="perfect", seed=seed, exit=0, seconds=1.0, verdicts=(one,)),
        )
    assert program.main(lab.words("s", runs=0)) == code


def test_refusal_ends_it_with_the_reason(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(lab.words("not-resolved", "refused", runs=5)) == Exit.USAGE
    captured = capsys.readouterr()
    assert "no such scenario" in captured.err
    assert rows(json.loads(captured.out))["not-resolved"]["runs"] == 1
    assert len(lab.asked()) == 2


def test_runs_without_a_judgement_do_not_go_on_for_ever(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(lab.words("silent", runs=50)) == Exit.VOID
    assert len(lab.asked()) == program.MOST_WITHOUT
    captured = capsys.readouterr()
    assert "no judgement" in captured.err
    assert rows(json.loads(captured.out))["silent"]["judged"] == 0


def test_foreign_file_is_refused_and_left_alone(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.file.write_text('{"schema": "something/1"}\n')
    assert program.main(lab.words("not-resolved")) == Exit.USAGE
    assert f"{lab.file}:1" in capsys.readouterr().err
    assert lab.file.read_text() == '{"schema": "something/1"}\n' and lab.asked() == []


def test_command_that_is_not_there_is_said_in_words() -> None:
    with pytest.raises(LabError, match="could not be started"):
        live.run_once(["/nowhere/lab"], "stampede", "plain", 1)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_stop_is_passed_on_and_the_tally_still_printed(lab: Lab) -> None:
    program.main(lab.words("not-resolved"))
    process = subprocess.Popen(
        [sys.executable, "-u", str(BENCHMARKS / "verdict_live.py"), *lab.words("stuck")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"FAKE_LOG": str(lab.log)},
    )  # fmt: skip
    up = Path(f"{lab.log}.up")
    assert process.stderr is not None
    while not up.exists():  # the fake says when it is up
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
        assert process.returncode is None, process.stderr.read()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == Exit.INTERRUPTED, err
    assert Path(f"{lab.log}.undone").exists()
    found = json.loads(out)
    assert rows(found)["not-resolved"]["judged"] == 1
    assert "not finished: interrupted" in found["notes"]
    assert [line.scenario for line in live.read_lines(lab.file)] == ["not-resolved"]


def test_program_says_what_it_does() -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "verdict_live.py"), "--help"],
        capture_output=True, text=True, timeout=60, check=False, cwd="/",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert all(word in done.stdout for word in ("--scenario", "--resume", "--kind", "--json", "--runs"))
