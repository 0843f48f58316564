"""The judge: exact statistics on blocks, from facts to one state for each fix. Pure and deterministic."""

from __future__ import annotations

from lab.verdict.judge import judge
from lab.verdict.shuffle import child_seed, order
from lab.verdict.validity import MOST_OF_CEILING

__all__ = ["MOST_OF_CEILING", "child_seed", "judge", "order"]
