"""Was a block disturbed by the machine or by the generator? Never judged by the latency that was measured.

The limits are those of the verdict's validity rules; a disturbed block is run again and both are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.model.load import BlockLoad, GeneratorChecks

HEARTBEAT_S = 0.2
STEAL = 0.05
GENERATOR_CPU = 0.7
ACHIEVED = 0.995
SCHEDULE_FLOOR_S = 0.002
ENOUGH_FOR_P99 = 500
SCHEDULE_OF_HEALTHY = 0.2
SCHEDULE_OF_LIMIT = 0.1


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What went on beside a block.

    ``overshoot_s`` is the worst of the heartbeat, ``steal`` a share of CPU time, ``healthy_p50_s`` the
    median answer of the healthy arm, ``schedule_error_s`` the generator's lateness at the quantile that
    the block's size allows (:func:`schedule_error_s`), ``time_limit_s`` the smallest time that a judged
    share is counted over, 0 where a latency itself is judged.
    """

    schedule_error_s: float
    time_limit_s: float = 0.0
    overshoot_s: float
    steal: float
    healthy_p50_s: float


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
    allowed = allowed_lateness_s(around)
    late = around.schedule_error_s
    short_of = checks.achieved < ACHIEVED and checks.idle_connections
    found = [
        (around.overshoot_s > HEARTBEAT_S, f"the machine stalled for {around.overshoot_s * 1e3:.0f} ms"),
        (around.steal > STEAL, f"{around.steal:.0%} of CPU time was stolen by the host"),
        (checks.cpu_share_max > GENERATOR_CPU, f"the generator used {checks.cpu_share_max:.0%} of a core"),
        (
            late > allowed and checks.idle_connections,
            f"requests left {late * 1e3:.1f} ms late, {allowed * 1e3:.1f} ms allowed",
        ),
        (short_of, f"only {checks.achieved:.1%} of {checks.asked} requests could be sent"),
        (
            checks.counted != checks.recorded,
            f"{checks.recorded} requests were made, Locust counted {checks.counted}",
        ),
    ]
    return tuple(reason for broken, reason in found if broken)
