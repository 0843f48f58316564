"""A block shared among workers: its parts, and what they add up to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.driver.distributed.arrived import order_here
from lab.driver.distributed.clocks import Echo, ahead_ns
from lab.driver.distributed.merge import Part, merged, rows_of
from lab.driver.distributed.share import Share
from lab.driver.distributed.wire import PLAY, Play, SharePlayed
from lab.driver.options import Address, Alone, Lead, Work, options
from lab.driver.schedule import schedule
from lab.driver.words import SAMPLE, BlockOrder, GeneratorChecks, Samples
from lab.model.histogram import Histogram
from lab.model.scenario import Request, Stage

DAY_NS = 86_400 * 10**9
HERE = Address("192.0.2.7", 5557)


def order(**other: object) -> BlockOrder:
    given = {
        "n": 1, "url": "http://127.0.0.1:80/shop", "start_ns": 10**9, "stages": (Stage(rate=300, length=1),),
        "arrivals": "poisson", "seed": 7, "timeout_s": 2.0, "requests": (Request(name="ok", get="/ok"),),
        "samples": Path("/tmp/x.npy"),
    }  # fmt: skip
    return BlockOrder(**(given | other))  # type: ignore[arg-type]


def block(n: int = 90) -> Samples:
    """Sent 0.1 to 0.3 ms late, answered in 1 to 50 ms; the last request never left."""
    draw = np.random.default_rng(3)
    rows = np.zeros(n, dtype=SAMPLE)
    rows["due_ns"] = 10**9 + np.sort(draw.integers(0, 10**9, n))
    rows["sent_ns"] = rows["due_ns"] + draw.integers(100_000, 300_000, n)
    rows["done_ns"] = rows["sent_ns"] + draw.integers(1_000_000, 50_000_000, n)
    rows["sent_ns"][-1], rows["done_ns"][-1] = 0, rows["due_ns"][-1] + 2 * 10**9
    return rows


def part(
    rows: Samples, names: tuple[str, ...] = ("ok",), planned: int = 90, sha: str = "a", **other: object
) -> Part:
    figures = {
        "asked": len(rows), "sent": int((rows["sent_ns"] > 0).sum()), "answered": 0, "schedule_error_p50_s": 0.1,
        "schedule_error_p99_s": 0.2, "cpu_share_max": 0.1, "idle_connections": True,
        "achieved": float((rows["sent_ns"] > 0).mean()), "cpu_s": 0.5, "queued": 0, "retried": 1,
        "recorded": len(rows), "counted": len(rows), "connections": 256,
    }  # fmt: skip
    sent = rows[rows["sent_ns"] > 0]
    played = SharePlayed(
        n=1,
        names=names,
        checks=GeneratorChecks(**(figures | other)),  # type: ignore[arg-type]
        schedule_sha256=sha,
        planned=planned,
        rows=len(rows),
        response=Histogram.of((rows["done_ns"] - rows["due_ns"]) / 1e9),
        service=Histogram.of((sent["done_ns"] - sent["sent_ns"]) / 1e9),
    )
    return Part(played, rows)


@given(st.integers(1, 9))
def test_shares_make_every_arrival_once(of: int) -> None:
    whole = schedule(seed=7, stages=order().stages, law="poisson", requests=(Request(name="ok", get="/ok"),))
    shares = [Share(k, of).plan(whole) for k in range(of)]
    assert sorted(at for share in shares for at in share.offsets_ns) == list(whole.offsets_ns)
    assert sum(len(share.targets) for share in shares) == len(whole.targets)
    assert {share.sha256 for share in shares} == {whole.sha256}
    assert max(len(s.offsets_ns) for s in shares) - min(len(s.offsets_ns) for s in shares) <= 1


def test_connections_and_users_are_shared_out_and_no_two_draw_alike() -> None:
    shares = [Share(k, 3).order(order(users=10, connections=512)) for k in range(3)]
    assert [share.users for share in shares] == [4, 3, 3]
    assert [share.connections for share in shares] == [171] * 3
    assert len({share.seed for share in shares}) == 3


def test_block_of_shares_is_the_block_of_one() -> None:
    rows = block()
    whole, _ = merged(order(), [part(rows)], 1, 90)
    done, together = merged(order(), [part(rows[k::3]) for k in range(3)], 3, 90)
    assert np.array_equal(together, rows)
    assert (done.response, done.service) == (whole.response, whole.service)
    assert (done.response.count, done.service.count) == (90, 89)
    assert (done.checks.asked, done.checks.sent, done.checks.counted) == (90, 89, 90)
    assert done.checks.achieved == pytest.approx(89 / 90)
    assert (done.checks.cpu_s, done.checks.retried, done.checks.connections) == (1.5, 3, 768)
    assert (done.checks.workers, done.checks.workers_lost) == (3, 0)
    assert done.checks.schedule_error_p50_s == pytest.approx(
        np.median(rows["sent_ns"] - rows["due_ns"]) / 1e9, rel=0.05
    )
    assert done.checks.schedule_error_p99_s == whole.checks.schedule_error_p99_s


def test_schedule_error_is_the_worst_workers_where_requests_had_to_wait() -> None:
    rows = block()
    late = part(rows[::2], schedule_error_p99_s=0.7, queued=3, idle_connections=False)
    done, _ = merged(order(), [late, part(rows[1::2])], 2, 90)
    assert (done.checks.schedule_error_p50_s, done.checks.schedule_error_p99_s) == (0.1, 0.7)
    assert not done.checks.idle_connections


def test_names_that_workers_met_in_another_order_are_told_apart() -> None:
    rows = block(4)
    rows["name"] = [0, 1, 1, 0]
    done, together = merged(order(), [part(rows[:2], ("a", "b"), 4), part(rows[2:], ("b", "c"), 4)], 2, 4)
    assert [done.names[i] for i in together["name"]] == ["a", "b", "c", "b"]


def test_lost_worker_leaves_the_figures_of_the_others() -> None:
    rows = block()
    done, together = merged(order(), [part(rows[::2])], 2, 45)
    assert (done.checks.workers, done.checks.workers_lost, len(together)) == (2, 1, 45)
    nothing, none = merged(order(), [], 2, 0)
    assert (nothing.checks.workers_lost, nothing.checks.achieved, len(none)) == (2, 0.0, 0)


def test_shares_that_do_not_fit_together_are_refused() -> None:
    rows = block()
    with pytest.raises(ValueError, match="different loads"):
        merged(order(), [part(rows[::2]), part(rows[1::2], sha="b")], 2, 90)
    with pytest.raises(ValueError, match="90 requests were planned"):
        merged(order(), [part(rows[::2]), part(rows[1:-1:2])], 2, 89)
    short = Part(part(rows).played, rows[:-1])
    with pytest.raises(ValueError, match="not every row"):
        merged(order(), [short], 1, 90)


def test_rows_come_home_into_our_clock() -> None:
    rows, there = block(), block()
    for column in ("due_ns", "sent_ns", "done_ns"):
        there[column] += np.where(there[column] != 0, DAY_NS, 0)
    assert np.array_equal(rows_of(there.tobytes(), DAY_NS), rows)


@given(
    st.integers(-DAY_NS, DAY_NS),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=9),
)
def test_clock_is_known_to_half_the_quickest_round_trip(ahead: int, trips: list[tuple[int, int]]) -> None:
    echoes = [
        Echo(10**9 * i, 10**9 * i + there + ahead, 10**9 * i + there + back)
        for i, (there, back) in enumerate(trips)
    ]
    assert abs(ahead_ns(echoes) - ahead) <= min(there + back for there, back in trips) / 2 + 1


def test_order_is_made_to_fit_the_workers_machine(tmp_path: Path) -> None:
    there = tmp_path / "shop_users.py"
    play = Play(order=order(locustfile=there), share=Share(1, 2), journeys="users = 1\n", relay=4444)
    assert PLAY.validate_json(PLAY.dump_json(play)) == play
    here = order_here(play, HERE, tmp_path / "kept")
    assert here.url == "http://192.0.2.7:4444/shop"
    assert here.locustfile is not None and here.locustfile.name == "shop_users.py"
    assert here.locustfile.read_text() == "users = 1\n"
    assert order_here(play, HERE, tmp_path / "kept") == here
    there.write_text("users = 1\n")
    assert order_here(play, HERE, tmp_path / "kept").locustfile == there


@pytest.mark.parametrize("text", ["", "5557", "host:", ":5557", "host:port", "host:70000", "host:-1"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        Address.parse(text)


def test_driver_is_told_what_to_be() -> None:
    v6 = Address("2001:db8::1", 5557)
    assert Address.parse(str(v6)) == v6
    assert options(["17"]) == Alone(17)
    assert options(["17", "--workers=2", "--wait=9"]) == Lead(17, 2, 0, Address("127.0.0.1", 0), 9.0)
    assert options(["--master", "192.0.2.7:5557", "--wait=9"]) == Work(HERE, 9.0, False)
