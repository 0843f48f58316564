"""An overload and its end: twice what a server can do for five seconds, then a normal rate again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.model.load import Failure
from lab.model.scenario import Request, Stage
from parts.findings import say
from parts.ours import Ask, Driver, driver
from parts.processes import cores, may_be_realtime
from parts.servers import KnownServer, known
from parts.timer import NS
from parts.truth import back_on_schedule_s, recovered_ns

CAPACITY, NORMAL = 500.0, 100.0  # requests a second
CALM_S, OVER_S = 1.0, 5.0
PATIENT_S, IMPATIENT_S = 10.0, 2.0  # time-outs: nobody gives up, most give up
AFTER_S = {PATIENT_S: 9.0, IMPATIENT_S: 5.0}
ON_TIME_S, BIN_S = 0.002, 0.1
BUSY_STRETCH_S = 0.25  # at the normal rate the server is never busy so long on end
LOOK = Request(name="look", get="/products/17")


@dataclass(frozen=True, kw_only=True)
class Episode:
    """``recovered_s`` counts from the end of the overload, ``back_s`` from the server's recovery."""

    timeout_s: float
    asked: int
    timed_out: int
    own_errors: int  # any failure but a time-out: this server refuses, resets and garbles nothing
    queued: int
    recovered_s: float
    expected_s: float
    back_s: float
    late_p50_s: float  # of requests due a second after the recovery and later
    latency_p50_s: float


def episodes(folder: Path, rounds: int) -> list[Episode]:
    """One with patient and one with impatient requests in each round."""
    stands = cores()
    with (
        known(folder, stands.server, 1 / CAPACITY, serial=True, realtime=may_be_realtime()) as server,
        driver(folder / "overload", stands.generator) as ours,
    ):
        seen = []
        for n in range(rounds):
            for timeout_s in (PATIENT_S, IMPATIENT_S):
                say(f"overload: round {n + 1}/{rounds}, time-out {timeout_s:g} s")
                seen.append(_episode(server, ours, timeout_s, n + 1))
        return seen


def _episode(server: KnownServer, ours: Driver, timeout_s: float, seed: int) -> Episode:
    stages = (
        Stage(rate=NORMAL, length=CALM_S),
        Stage(rate=2 * CAPACITY, length=OVER_S),
        Stage(rate=NORMAL, length=AFTER_S[timeout_s]),
    )
    server.account()
    ask = Ask(url=server.url, requests=(LOOK,), stages=stages, seed=seed, timeout_s=timeout_s)
    played = ours.play(ask)
    account, rows, checks = server.account(), played.load.samples, played.load.checks
    over_ns = played.order.start_ns + round((CALM_S + OVER_S) * NS)
    recovered = recovered_ns(account.read_ns, account.done_ns, BUSY_STRETCH_S)
    due, sent = rows["due_ns"].astype(np.int64), rows["sent_ns"].astype(np.int64)
    after = due >= recovered + NS
    failed = rows["error"] != Failure.NONE
    timed_out = rows["error"] == Failure.TIMEOUT
    return Episode(
        timeout_s=timeout_s,
        asked=checks.asked,
        timed_out=int(timed_out.sum()),
        own_errors=int((failed & ~timed_out).sum()),
        queued=checks.queued,
        recovered_s=(recovered - over_ns) / NS,
        expected_s=drained_after_s(timeout_s),
        back_s=back_on_schedule_s(due, sent, recovered, ON_TIME_S, BIN_S),
        late_p50_s=_median((sent - due)[after] / NS),
        latency_p50_s=_median(played.load.latency_s[after]),
    )


def drained_after_s(timeout_s: float) -> float:
    """How long after the overload a server that wastes nothing has worked it off.

    What piled up drains at the capacity that the normal rate leaves over; or it is given up, one time-out after
    the overload, and what came at the normal rate meanwhile is left to drain.
    """
    spare = CAPACITY - NORMAL
    return min((2 * CAPACITY - CAPACITY) * OVER_S / spare, timeout_s + NORMAL * timeout_s / spare)


def _median(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    return float(np.median(values)) if values.size else float("inf")
