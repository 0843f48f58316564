"""What the last seconds of a load were like. Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.model.load import BlockLoad, Failure

WINDOW_S = 10.0
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Piece:
    """One stretch of load: its length, how long each answer took, and how each request failed (0: not)."""

    length_s: float
    latency_s: npt.NDArray[np.float64]
    error: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, load: BlockLoad, length_s: float) -> Piece:
        return cls(length_s, load.latency_s, np.asarray(load.samples["error"], dtype=np.uint8))


@dataclass
class Figures:
    """Totals since the start, and the pieces that make up the last ``WINDOW_S`` seconds of load."""

    requests: int = 0
    errors: int = 0
    recent: deque[Piece] = field(default_factory=deque)

    def add(self, piece: Piece) -> None:
        self.requests += len(piece.error)
        self.errors += int(np.count_nonzero(piece.error))
        self.recent.append(piece)
        while sum(old.length_s for old in self.recent) - self.recent[0].length_s >= WINDOW_S:
            self.recent.popleft()

    def told(self) -> dict[str, Any]:
        """As JSON data. Rates are per second of load, without the short breaks between the pieces."""
        recent = tuple(self.recent)
        seconds = sum(piece.length_s for piece in recent)
        errors = np.concatenate([piece.error for piece in recent] or [np.zeros(0, np.uint8)])
        latency = np.concatenate([piece.latency_s for piece in recent] or [np.zeros(0)])
        return {
            "requests": self.requests,
            "errors": self.errors,
            "window": {
                "seconds": seconds,
                "requests": len(errors),
                "answered_per_s": float(np.count_nonzero(errors == 0) / seconds) if seconds else 0.0,
                "errors": {
                    Failure(n).name.lower(): int(np.count_nonzero(errors == n)) for n in _kinds(errors)
                },
                **{f"p{q}_ms": percentile_ms(latency, errors, q) for q in PERCENTILES},
            },
        }


def _kinds(errors: npt.NDArray[np.uint8]) -> list[int]:
    return [int(n) for n in np.unique(errors) if n]


def percentile_ms(latency_s: npt.NDArray[np.float64], error: npt.NDArray[np.uint8], q: float) -> float | None:
    """Milliseconds within which ``q`` percent of all requests had a good answer (nearest rank).

    None where fewer than that had one: a refusal that comes at once is no fast answer.
    """
    good = np.sort(latency_s[error == 0])
    rank = max(math.ceil(q / 100 * len(error)), 1)
    return float(good[rank - 1]) * 1e3 if rank <= len(good) else None
