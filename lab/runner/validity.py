"""Was a block disturbed by the machine or by the generator? Never judged by the latency that was measured.

The limits are those of the verdict's validity rules; a disturbed block is run again and both are kept. What
breaks the generator itself ends the run (:func:`fatal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.model.load import BlockLoad, BlockOrder, Failure, GeneratorChecks
from lab.model.run import Disturbance
from lab.model.scenario import Stage

HEARTBEAT_S = 0.2
STEAL = 0.05
OTHERS = 0.15  # of all processors' time, used by programs that are not of the run
GENERATOR_CPU = 0.7
ACHIEVED = 0.995
SCHEDULE_FLOOR_S = 0.002
ENOUGH_FOR_P99 = 500
SCHEDULE_OF_HEALTHY = 0.2
SCHEDULE_OF_LIMIT = 0.1
QUEUED = 0.001
DROPPED = 0.001
OWN_DELAY = 0.1
CONNECTIONS = (512, 8192)
CONNECTIONS_TO_SPARE = 1.25


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What went on beside a block.

    ``overshoot_s`` is the worst of the heartbeat, ``steal`` and ``others`` (programs
    that are not of the run) shares of CPU time, ``healthy_p50_s`` the
    median answer of the healthy arm, ``schedule_error_s`` the generator's lateness at the quantile that
    the block's size allows (:func:`schedule_error_s`), ``time_limit_s`` the smallest time that a judged
    share is counted over, 0 where a latency itself is judged. ``most_waiting`` is how many requests can wait
    for the app at once before they time out, ``dropped`` how many this machine could not send, ``p99_s``
    the block's 99th percentile; :func:`around` fills these in.
    """

    schedule_error_s: float
    time_limit_s: float = 0.0
    overshoot_s: float
    steal: float
    others: float = 0.0
    healthy_p50_s: float
    most_waiting: float = 0.0
    dropped: int = 0
    p99_s: float = 0.0


def around(
    order: BlockOrder,
    load: BlockLoad,
    *,
    overshoot_s: float,
    steal: float,
    healthy_p50_s: float,
    time_limit_s: float = 0.0,
    others: float = 0.0,
) -> Surroundings:
    """The surroundings of a block, from its order, its samples and what was heard beside it."""
    return Surroundings(
        schedule_error_s=schedule_error_s(load),
        overshoot_s=overshoot_s,
        steal=steal,
        others=others,
        healthy_p50_s=healthy_p50_s,
        time_limit_s=time_limit_s,
        most_waiting=peak_rate(order.stages) * order.timeout_s,
        dropped=int(np.count_nonzero(load.samples["error"] == Failure.LOCAL)),
        p99_s=float(np.percentile(load.latency_s, 99)) if len(load.samples) else 0.0,
    )


def peak_rate(stages: Sequence[Stage]) -> float:
    """The highest rate of a schedule; 0 without stages."""
    return max((max(stage.rate, stage.to or 0.0) for stage in stages), default=0.0)


def connections_for(peak: float, timeout_s: float) -> int:
    """Enough connections for every request that can wait for a stalled app, within what a machine has."""
    least, most = CONNECTIONS
    return min(max(int(-(-CONNECTIONS_TO_SPARE * peak * timeout_s // 1)), least), most)


def schedule_error_s(load: BlockLoad) -> float:
    """How late requests left: the 99th percentile from 500 requests on, the 95th below.

    A block is judged by no quantile that rests on a single request.
    """
    errors = (load.samples["sent_ns"] - load.samples["due_ns"]) / 1e9
    if len(errors) == 0:
        return 0.0
    return float(np.percentile(errors, 99 if len(errors) >= ENOUGH_FOR_P99 else 95))


def allowed_lateness_s(around: Surroundings) -> float:
    """Lateness that cannot change what is measured: a fifth of a healthy answer, a tenth of the time limit."""
    return max(
        SCHEDULE_FLOOR_S,
        SCHEDULE_OF_HEALTHY * around.healthy_p50_s,
        SCHEDULE_OF_LIMIT * around.time_limit_s,
    )


def disturbances(checks: GeneratorChecks, around: Surroundings) -> tuple[str, ...]:
    """Reasons in words; empty where the block counts."""
    return tuple(said for _, said in breaches(checks, around))


def breaches(checks: GeneratorChecks, around: Surroundings) -> tuple[tuple[Disturbance, str], ...]:
    """Each rule that the block broke, with the reason in words.

    Where users wait for their answers (*closed*) nothing is due, so nothing can be late or left out.
    """
    planned = _of_the_schedule(checks, around) if checks.scheduled else ()
    lost = _lost(checks)
    found: list[tuple[bool, Disturbance, str]] = [
        (
            around.overshoot_s > HEARTBEAT_S,
            "stall",
            f"the machine stalled for {around.overshoot_s * 1e3:.0f} ms",
        ),
        (around.steal > STEAL, "steal", f"{around.steal:.0%} of CPU time was stolen by the host"),
        (around.others > OTHERS, "others", f"other programs used {around.others:.0%} of this machine's CPU"),
        (
            checks.cpu_share_max > GENERATOR_CPU,
            "cpu",
            f"the generator used {checks.cpu_share_max:.0%} of a core",
        ),
        *planned,
        (
            around.dropped > DROPPED * checks.recorded,
            "dropped",
            f"this machine could not send {around.dropped} of {checks.recorded} requests",
        ),
        (
            checks.counted != checks.recorded,
            "sums",
            f"{checks.recorded} requests were made, Locust counted {checks.counted}",
        ),
        (bool(lost), "workers", lost),
    ]
    return tuple((rule, said) for broken, rule, said in found if broken)


def _of_the_schedule(
    checks: GeneratorChecks, around: Surroundings
) -> tuple[tuple[bool, Disturbance, str], ...]:
    """The rules about planned moments. Waiting because the app holds every connection is the app's doing,
    as long as there are connections for all that can wait."""
    late, allowed = around.schedule_error_s, allowed_lateness_s(around)
    own, idle = checks.own_delay_p99_s, checks.idle_connections
    too_few = checks.connections < around.most_waiting and checks.queued > QUEUED * checks.asked
    return (
        (
            late > allowed and idle,
            "late",
            f"requests left {late * 1e3:.1f} ms late, {allowed * 1e3:.1f} ms allowed",
        ),
        (
            checks.achieved < ACHIEVED and idle,
            "unsent",
            f"only {checks.achieved:.1%} of {checks.asked} requests could be sent",
        ),
        (
            too_few,
            "connections",
            f"{checks.queued} of {checks.asked} requests waited for one of {checks.connections} connections,"
            f" {around.most_waiting:.0f} can be needed",
        ),
        (
            own > max(OWN_DELAY * around.p99_s, allowed) and idle,
            "own-delay",
            f"the generator itself added {own * 1e3:.1f} ms to a p99 of {around.p99_s * 1e3:.1f} ms",
        ),
    )


def fatal(checks: GeneratorChecks) -> str:
    """Why no verdict can follow from this run any more; empty where one can."""
    return _lost(checks) or _kept_off(checks)


def remedy(checks: GeneratorChecks) -> tuple[str, str]:
    """Why what is :func:`fatal` is so, and what to do about it."""
    if _lost(checks):
        return (
            "the load of the others is not the load that was planned, so the run is void",
            "see logs/load.log in the run folder; is this machine out of memory? then run it again",
        )
    flags = " ".join(f"--allow-host {host}" for host in checks.kept_off)
    return (
        "loads go to this machine alone unless a host is allowed, so the load was not whole and the run is void",
        f"{flags} if it is yours to load; else correct the locustfile",
    )


def _kept_off(checks: GeneratorChecks) -> str:
    hosts = checks.kept_off
    if not hosts:
        return ""
    return f"the load asked {' and '.join(hosts)}, which {'is' if len(hosts) == 1 else 'are'} not allowed"


def _lost(checks: GeneratorChecks) -> str:
    if not checks.workers_lost:
        return ""
    lost, of = checks.workers_lost, checks.workers
    return f"{lost} of {of} load workers {'was' if lost == 1 else 'were'} lost in the middle of a block"
