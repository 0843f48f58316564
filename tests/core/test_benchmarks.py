"""The benchmarks of the load driver: their programs start, and what they compute is right."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import EnvironmentFailed, Exit

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if str(BENCHMARKS) not in sys.path:
    sys.path.append(str(BENCHMARKS))

PROGRAMS = ("load_cost", "load_truth", "load_accuracy", "load_sabotage", "link_cost")
MS = 1_000_000
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks need Linux")

truth: Any = importlib.import_module("parts.truth")
findings: Any = importlib.import_module("parts.findings")
shop: Any = importlib.import_module("parts.shop")


def ms(*moments: float) -> Any:
    return np.array([round(moment * MS) for moment in moments], dtype=np.int64)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program_says_what_it_does(program: str) -> None:
    command = [sys.executable, str(BENCHMARKS / f"{program}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--rounds" in done.stdout and "--quick" in done.stdout and "--json" in done.stdout


def test_request_that_falls_into_a_stall_is_read_at_its_end() -> None:
    stalls = [(100 * MS, 200 * MS)]
    due = ms(50, 95, 100, 150, 199, 200)
    took = truth.true_latency(due, stalls, 0.01)
    # Read before the stall and ready in it: answered at its end. Read at its end: the service time on top.
    assert took * 1e3 == pytest.approx([10, 105, 110, 60, 11, 10])


def test_truth_of_evenly_spread_arrivals_is_the_analytic_mixture() -> None:
    stall, cycle, service = 1.0, 5.0, 0.02
    start_s = cycle - stall - service
    due = truth.even(0, cycle, 100_000)
    took = truth.points(
        truth.true_latency(due, [(round(start_s * 1e9), round((start_s + stall) * 1e9))], service)
    )
    # Longer than x take those who are due in the stall with x - service or more of it left, and those whose
    # answer it caught: (stall + 2 * service - x) / cycle of all, as long as x is below the stall's length.
    assert took.p50 == pytest.approx(service)
    assert took.p90 == pytest.approx(stall + 2 * service - 0.1 * cycle, rel=1e-3)
    assert took.p99 == pytest.approx(stall + 2 * service - 0.01 * cycle, rel=1e-3)
    assert took.max == pytest.approx(stall + service, rel=1e-3)


@given(
    due=st.lists(st.integers(0, 10**10), min_size=1, max_size=30),
    starts=st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 10**9)), max_size=5),
)
def test_nothing_is_answered_in_a_stall_or_before_its_service(
    due: list[int], starts: list[tuple[int, int]]
) -> None:
    ends = 0
    stalls = []
    for start, length in sorted(starts):  # one process stands still once at a time
        begin = max(start, ends)
        ends = begin + length
        stalls.append((begin, ends))
    moments = np.array(due, dtype=np.int64)
    took_ns = np.round(truth.true_latency(moments, stalls, 0.005) * 1e9).astype(np.int64)
    assert (took_ns >= 5 * MS - 1).all()
    answered = moments + took_ns
    assert not any(((answered > start + 1) & (answered < end - 1)).any() for start, end in stalls)


def test_percentile_of_nothing_is_none() -> None:
    with pytest.raises(ValueError, match="nothing"):
        truth.points(np.array([]))


def test_distance_from_the_truth_is_a_share_of_it() -> None:
    off = truth.Points(1.02, 2.0, 3.0, 2.0).off(truth.Points(1.0, 2.0, 4.0, 4.0))
    assert (off.p50, off.p90, off.p99, off.max) == pytest.approx((0.02, 0.0, -0.25, -0.5))


def test_service_time_is_that_of_the_calm() -> None:
    read, done = ms(0, 95, 120, 300, 400), ms(10, 200, 210, 312, 0)
    assert truth.calm(read, done, [(100 * MS, 200 * MS)]) * 1e3 == pytest.approx([10, 12])


def test_recovery_is_the_end_of_the_last_long_busy_stretch() -> None:
    # Alone; then 200 requests at once, 2 ms each; one that is never answered; alone again.
    read = np.concatenate((ms(0), ms(*[100.0] * 200), ms(450, 600)))
    done = np.concatenate((ms(2), ms(*(102 + 2.0 * k for k in range(200))), ms(0, 602)))
    assert truth.recovered_ns(read, done, 0.25) == 500 * MS
    with pytest.raises(ValueError, match="never busy"):
        truth.recovered_ns(read, done, 0.5)
    with pytest.raises(ValueError, match="never busy"):
        truth.recovered_ns(ms(1), ms(0), 0.25)


@pytest.mark.parametrize(
    ("late_until_ms", "back_s"),
    [(0, 0.0), (1000, 0.0), (1360, 0.4), (3000, 1.0)],
)
def test_back_on_schedule_counts_from_the_recovery(late_until_ms: int, back_s: float) -> None:
    due = ms(*range(0, 2000, 10))
    sent = due + np.where(due < late_until_ms * MS, 5 * MS, 0)
    assert truth.back_on_schedule_s(due, sent, 1000 * MS, 0.002, 0.1) == pytest.approx(back_s)


def test_request_that_never_left_is_late() -> None:
    due = ms(*range(0, 300, 10))
    assert truth.back_on_schedule_s(due, np.zeros_like(due), 0, 0.002, 0.1) == pytest.approx(0.3)


@pytest.mark.parametrize("stall_s", [0.1, 0.5, 1.0])
def test_stalls_begin_between_arrivals_and_end_in_the_window(stall_s: float) -> None:
    program: Any = importlib.import_module("load_truth")
    length_s = program.length_of(stall_s)
    stalls = program.stalls_in(0, stall_s, length_s)
    assert sum(length for _, length in stalls) / length_s == pytest.approx(1 / program.EVERY)
    spacing_ns = 1e9 / program.RATE
    for start_ns, length in stalls:
        assert 0.3 < (start_ns / spacing_ns) % 1 < 0.7
        assert start_ns / 1e9 + length + program.SERVICE_S < length_s


@LINUX
def test_overload_at_best() -> None:
    overload: Any = importlib.import_module("parts.overload")
    assert overload.drained_after_s(10.0) == pytest.approx(6.25)  # 2,500 requests at 400 a second
    assert overload.drained_after_s(2.0) == pytest.approx(2.5)  # given up after 2 s, 200 more to drain


@pytest.mark.parametrize("first", [500.0, 4_000.0, 60_000.0])
def test_rate_for_a_share_of_a_core_is_found(first: float) -> None:
    ours: Any = importlib.import_module("parts.ours")

    def play(rate: float) -> SimpleNamespace:
        return SimpleNamespace(cpu_share=min(1.0, 0.02 + rate * 3e-5))

    assert play(ours.rate_for(play, 0.5, first=first, most=40_000)).cpu_share == pytest.approx(0.5, rel=0.06)
    assert ours.rate_for(play, 0.5, first=first, most=10_000) <= max(10_000, first)


def test_floor_waits_for_moments_of_the_asked_law() -> None:
    floor: Any = importlib.import_module("parts.floor")
    moments = floor.moments(10**9, 1_000, 2.0, seed=3)
    assert moments == sorted(moments) == floor.moments(10**9, 1_000, 2.0, seed=3)
    assert moments[0] >= 10**9 and moments[-1] < 3 * 10**9
    assert len(moments) == pytest.approx(2_000, abs=250)
    gaps = np.diff(moments) / 1e9
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.1)


def test_shop_is_the_same_for_everybody() -> None:
    for route, request in zip(shop.ROUTES, shop.requests(), strict=True):
        assert (request.name, request.method, request.weight) == (route.name, route.method, route.weight)
        assert request.path == route.path.partition("?")[0]
        assert request.headers == shop.HEADERS and request.expect.status == (200,)
        body = shop.body_of(route)
        assert 300 < len(body) < 600 and json.loads(body)["route"] == route.name
        assert "'" not in body and "$" not in body  # it stands in nginx's configuration
        assert (shop.IN_STOCK in body) == (route.name == "product")
    script = shop.wrk_script(check=True)
    assert script.count("wrk.format(") == 1_000 and "function response" in script
    assert script.count('"POST"') == pytest.approx(100, abs=40)
    assert "function response" not in shop.wrk_script(check=False)


@LINUX
def test_serial_server_leaves_out_who_went_away() -> None:
    known_module: Any = importlib.import_module("parts.known")
    answered: list[str] = []

    def line(name: str, gone: bool = False) -> Any:
        return SimpleNamespace(write=lambda _: answered.append(name), is_closing=lambda: gone)

    known = known_module.Known(1_000, serial=True)
    for one in (line("first"), line("gone", gone=True), line("last")):
        known.take(one, 0)
    known._ring()
    assert answered == ["first", "last"]
    account = known.settle()
    assert [done > 0 for _, done in account.requests] == [True, False, True]
    assert known.settle().requests == []


def found(met: bool | None) -> Any:
    return findings.Findings(
        tables=[findings.Table(title="Costs", columns=("who", "us"), rows=[("ours", 12.345), ("wrk", None)])],
        goals=[findings.Goal(goal="cheap", bar="at most 2", found="1.5", met=met)],
        notes=["on a quiet machine"],
    )


@LINUX
@pytest.mark.parametrize(("met", "code"), [(True, Exit.OK), (False, Exit.REFUTED), (None, Exit.OK)])
def test_json_is_all_that_is_printed(
    met: bool | None, code: Exit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["x", "--json", "--quick", "--rounds", "9"])
    assert findings.run_program("x", "", lambda options: found(met)) == code
    said = json.loads(capsys.readouterr().out)
    assert said["tables"][0]["rows"] == [{"who": "ours", "us": 12.345}, {"who": "wrk", "us": None}]
    assert said["goals"] == [{"goal": "cheap", "bar": "at most 2", "found": "1.5", "met": met}]
    assert (said["benchmark"], said["rounds"], said["quick"]) == ("x", 2, True)


def test_missed_goal_is_loud() -> None:
    text = findings.as_text(found(False))
    assert "MISSED  cheap" in text and "note: on a quiet machine" in text
    assert text.index("Costs") < text.index("Goals")


@LINUX
def test_failure_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> Any:
        raise EnvironmentFailed("nginx did not come up", why="its port is taken")

    monkeypatch.setattr(sys, "argv", ["x"])
    assert findings.run_program("x", "", fail) == Exit.VOID
    captured = capsys.readouterr()
    assert captured.out == "" and "its port is taken" in captured.err
