"""The random order of the slots, and the seeds that everything random in a run hangs on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random


def child_seed(seed: int, scenario_sha256: str, purpose: str) -> int:
    """A 64-bit seed for one purpose, from SHA-256. No run id is in it, so a run can be repeated."""
    digest = hashlib.sha256(f"{seed}\n{scenario_sha256}\n{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def order(seed: int, arms: Sequence[str], strata: int, per_stratum: int) -> tuple[tuple[str, ...], ...]:
    """The arm of every slot, for each stratum: ``per_stratum`` slots of each arm in shuffled order.

    Sorted by ``Random.random``, the one sequence that Python promises to keep for a seed, so that the
    same seed gives the same order under every version.
    """
    draw = Random(seed)
    slots = [arm for arm in arms for _ in range(per_stratum)]
    return tuple(tuple(_shuffled(slots, draw)) for _ in range(strata))


def _shuffled(slots: Sequence[str], draw: Random) -> list[str]:
    keys = [draw.random() for _ in slots]
    return [slot for _, slot in sorted(zip(keys, slots, strict=True), key=lambda pair: pair[0])]
