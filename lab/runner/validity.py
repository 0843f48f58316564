"""Was a block disturbed by the machine or by the generator? Never judged by the latency that was measured.

The limits are those of the verdict's validity rules; a disturbed block is run again and both are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.model.load import GeneratorChecks

HEARTBEAT_S = 0.2
STEAL = 0.05
GENERATOR_CPU = 0.7
ACHIEVED = 0.995
SCHEDULE_FLOOR_S = 0.002
SCHEDULE_OF_HEALTHY = 0.2


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What went on beside a block: worst heartbeat overshoot (s), CPU steal (share), healthy p50 (s)."""

    overshoot_s: float
    steal: float
    healthy_p50_s: float


def disturbances(checks: GeneratorChecks, around: Surroundings) -> tuple[str, ...]:
    """Reasons in words; empty where the block counts."""
    allowed = max(SCHEDULE_FLOOR_S, SCHEDULE_OF_HEALTHY * around.healthy_p50_s)
    short_of = checks.sent < ACHIEVED * checks.asked and checks.idle_connections
    found = [
        (around.overshoot_s > HEARTBEAT_S, f"the machine stalled for {around.overshoot_s * 1e3:.0f} ms"),
        (around.steal > STEAL, f"{around.steal:.0%} of CPU time was stolen by the host"),
        (checks.cpu_share_max > GENERATOR_CPU, f"the generator used {checks.cpu_share_max:.0%} of a core"),
        (
            checks.schedule_error_p99_s > allowed,
            f"requests left {checks.schedule_error_p99_s * 1e3:.1f} ms late at p99, {allowed * 1e3:.1f} ms allowed",
        ),
        (short_of, f"only {checks.sent} of {checks.asked} requests were sent"),
    ]
    return tuple(reason for broken, reason in found if broken)
