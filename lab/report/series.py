"""Numbers over time and over requests, from blocks and their samples. Pure.

Latency counts from the moment a request was due. Samples are structured arrays with the fields
``due_ns, sent_ns, done_ns, status, bytes, name, error``; ``error`` 0 means answered well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.model.load import Failure
from lab.model.report import Curve, Event, Moment, Span, Tick
from lab.model.run import Block

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[Any, Any]

_SLICES = 600  # marks that a timeline can hold before they merge
_POINTS = 120  # steps of a distribution


@dataclass(frozen=True)
class Clock:
    """The run's own clock: 0 at the first block, ``end_s`` at the end of the last."""

    zero_ns: int
    end_s: float

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> Clock:
        known = list(blocks)
        zero = min((b.start_ns for b in known), default=0)
        return cls(zero, max(((b.start_ns - zero) / 1e9 + b.length_s for b in known), default=0.0))

    def at(self, t_ns: int) -> float:
        return (t_ns - self.zero_ns) / 1e9


def fault_spans(events: Iterable[Event], clock: Clock) -> tuple[Span, ...]:
    """When a fault was on, by arm. One that was never seen to end lasts until the end of the last block."""
    spans: list[Span] = []
    begun: dict[tuple[str, str], float] = {}
    for event in sorted(events, key=lambda e: e.t_ns):
        key, at = (event.arm, event.what), clock.at(event.t_ns)
        if event.kind == "fault-on":
            begun[key] = at
        elif event.kind == "fault-off" and key in begun:
            spans.append(Span(arm=event.arm, what=event.what, start_s=begun.pop(key), end_s=at))
        elif event.kind == "event":
            spans.append(Span(arm=event.arm, what=event.what, start_s=at, end_s=at))
    spans += [Span(arm=arm, what=what, start_s=at, end_s=clock.end_s) for (arm, what), at in begun.items()]
    seen = [span for span in spans if span.end_s >= 0]  # what came before the first block is not on the axis
    return tuple(sorted(seen, key=lambda s: (s.start_s, s.arm)))


def timeline(
    blocks: tuple[Block, ...], samples: Mapping[int, Samples], clock: Clock
) -> dict[str, tuple[Tick, ...]]:
    """Slices of about 100 ms by arm in run order; a whole block is one slice where no samples were kept."""
    each = max(1, _SLICES // max(1, len(blocks)))
    ticks: dict[str, list[Tick]] = {}
    for block in blocks:
        kept = samples.get(block.n)
        of_block = [_whole(block, clock)] if kept is None else _slices(block, kept, clock, each)
        ticks.setdefault(block.arm, []).extend(of_block)
    return {arm: tuple(found) for arm, found in ticks.items()}


def _whole(block: Block, clock: Clock) -> Tick:
    asked, done = block.counts.get("asked", 0), block.counts.get("done", 0)
    return Tick(
        at_s=clock.at(block.start_ns) + block.length_s / 2,
        block=block.n,
        p50_ms=block.shown.get("p50_ms"),
        max_ms=block.shown.get("max_ms") or block.shown.get("p99_ms"),
        offered=asked / block.length_s,
        done=done / block.length_s,
        failed=block.counts.get("failed", 0) / asked if asked else 0.0,
    )


def _slices(block: Block, kept: Samples, clock: Clock, at_most: int) -> list[Tick]:
    count = min(at_most, max(1, round(block.length_s / 0.1)))
    width = block.length_s / count
    place = ((kept["due_ns"] - block.start_ns) / 1e9 / width).astype(int).clip(0, count - 1)
    well = kept[kept["error"] == 0]
    answered = ((well["done_ns"] - block.start_ns) / 1e9 / width).astype(int)
    start_s = clock.at(block.start_ns)
    return [
        _slice(kept[place == n], int((answered == n).sum()), start_s + (n + 0.5) * width, block.n, width)
        for n in range(count)
    ]


def _slice(due: Samples, done: int, at_s: float, block: int, width: float) -> Tick:
    import numpy as np

    times = _latencies_ms(due)
    return Tick(
        at_s=round(at_s, 4),
        block=block,
        p50_ms=float(np.median(times)) if len(times) else None,
        max_ms=float(times.max()) if len(times) else None,
        offered=len(due) / width,
        done=done / width,
        failed=float((due["error"] > 0).mean()) if len(due) else 0.0,
    )


def profiles(blocks: tuple[Block, ...], samples: Mapping[int, Samples]) -> dict[str, tuple[Moment, ...]]:
    """What happens inside a block: latencies by distance from its start, pooled over an arm's blocks."""
    import numpy as np

    found: dict[str, tuple[Moment, ...]] = {}
    for arm, known in _pooled(blocks, samples).items():
        length = max(block.length_s for block, _ in known)
        count = max(6, min(24, round(length / 0.05)))
        width = length / count
        offset = np.concatenate([(kept["due_ns"] - block.start_ns) / 1e9 for block, kept in known])
        times = np.concatenate([_latencies_ms(kept) for _, kept in known])
        place = (offset / width).astype(int).clip(0, count - 1)
        moments = [_moment(times[place == n], (n + 0.5) * width) for n in range(count)]
        found[arm] = tuple(moment for moment in moments if moment is not None)
    return found


def _moment(times: Samples, offset_s: float) -> Moment | None:
    import numpy as np

    if not len(times):
        return None
    p50, p95 = (float(v) for v in np.percentile(times, (50, 95)))
    return Moment(offset_s=round(offset_s, 4), p50_ms=p50, p95_ms=p95, requests=len(times))


def curves(blocks: tuple[Block, ...], samples: Mapping[int, Samples]) -> dict[str, Curve]:
    """The distribution of latencies by arm. A failed request never counts as answered in its points."""
    import numpy as np

    pooled = {arm: [kept for _, kept in known] for arm, known in _pooled(blocks, samples).items()}
    return {arm: _curve(arm, np.concatenate(known)) for arm, known in pooled.items() if sum(map(len, known))}


def _curve(arm: str, kept: Samples) -> Curve:
    import numpy as np

    times = _latencies_ms(kept)
    p50, p95, p99 = (float(v) for v in np.percentile(times, (50, 95, 99)))
    return Curve(
        arm=arm,
        points=_points(times[kept["error"] == 0], len(kept)),
        requests=len(kept),
        failed=int((kept["error"] > 0).sum()),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=float(times.max()),
        refused=int(_refused(kept).sum()),
    )


def _points(answered: Samples, asked: int) -> tuple[tuple[float, float], ...]:
    """Evenly spaced shares, closer together in the tail; they end at the share that was answered at all."""
    import numpy as np

    if not len(answered):
        return ()
    shares = np.unique(np.concatenate([np.linspace(0.005, 0.995, _POINTS - 20), np.linspace(0.98, 1.0, 20)]))
    levels = np.quantile(answered, shares)
    part = len(answered) / asked
    return tuple((float(ms), float(share * part)) for ms, share in zip(levels, shares, strict=True))


def _refused(kept: Samples) -> Samples:
    """Failed, and not for want of time."""
    found: Samples = (kept["error"] > 0) & (kept["error"] != Failure.TIMEOUT)
    return found


def _pooled(
    blocks: tuple[Block, ...], samples: Mapping[int, Samples]
) -> dict[str, list[tuple[Block, Samples]]]:
    """Undisturbed blocks that the judge reads, with their samples, by arm."""
    known: dict[str, list[tuple[Block, Samples]]] = {}
    for block in blocks:
        if block.n in samples and not block.disturbed and block.phase != "closing":
            known.setdefault(block.arm, []).append((block, samples[block.n]))
    return known


def _latencies_ms(kept: Samples) -> Samples:
    times: Samples = (kept["done_ns"] - kept["due_ns"]) / 1e6
    return times
