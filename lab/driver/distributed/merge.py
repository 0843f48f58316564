"""Adds up what the workers of one block did. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lab.driver.distributed.wire import SharePlayed
from lab.driver.reach import MOST_TOLD
from lab.driver.words import MOST_BACKENDS, SAMPLE, BlockDone, BlockOrder, GeneratorChecks, Samples
from lab.model.histogram import Histogram


@dataclass(frozen=True)
class Part:
    """One worker's share, its rows in the clock of whoever merges."""

    played: SharePlayed
    rows: Samples


def rows_of(raw: bytes, ahead_ns: int) -> Samples:
    """Rows as a worker sent them, whose clock is ``ahead_ns`` ahead of ours."""
    rows = np.frombuffer(raw, dtype=SAMPLE).copy()
    for column in ("due_ns", "sent_ns", "done_ns"):
        rows[column] -= np.where(rows[column] != 0, ahead_ns, 0)  # zero is no moment: it was never sent
    return rows


def merged(order: BlockOrder, parts: Sequence[Part], workers: int, counted: int) -> tuple[BlockDone, Samples]:
    """The block and its rows, from the parts of those of ``workers`` that came back; Locust's own statistics gained
    ``counted`` requests. ValueError where the parts are not those of one and the same load."""
    _refuse_strangers(parts, workers)
    names, backends, rows = _rows(parts)
    done = BlockDone(
        n=order.n,
        names=names,
        checks=_checks(order, parts, rows, workers, counted),
        schedule_sha256=parts[0].played.schedule_sha256 if parts else "",
        response=sum((part.played.response for part in parts), Histogram()),
        service=sum((part.played.service for part in parts), Histogram()),
        backends=backends,
    )
    return done, rows


def _refuse_strangers(parts: Sequence[Part], workers: int) -> None:
    played = [part.played for part in parts]
    if len({(one.schedule_sha256, one.planned) for one in played}) > 1:
        raise ValueError(
            "the workers planned different loads from the same order: is their software the same?"
        )
    if any(part.played.rows != len(part.rows) for part in parts):
        raise ValueError("not every row of the workers' samples came through")
    planned, asked = (played[0].planned if played else 0), sum(one.checks.asked for one in played)
    if len(parts) == workers and planned not in (0, asked):
        raise ValueError(f"{planned} requests were planned, but the workers' shares make {asked}")


def _rows(parts: Sequence[Part]) -> tuple[tuple[str, ...], tuple[str, ...], Samples]:
    """All rows by their due moments, their names and backends numbered alike."""
    names = tuple(dict.fromkeys(name for part in parts for name in part.played.names))
    met = tuple(dict.fromkeys(name for part in parts for name in part.played.backends))
    backends = met[:MOST_BACKENDS]
    renumbered = []
    for part in parts:
        one = part.rows.copy()
        if len(one):
            one["name"] = np.array([names.index(name) for name in part.played.names])[one["name"]]
            one["backend"] = _numbers(part.played.backends, backends)[one["backend"]]
        renumbered.append(one)
    together = np.concatenate(renumbered) if renumbered else np.zeros(0, dtype=SAMPLE)
    return names, backends, together[np.argsort(together["due_ns"], kind="stable")]


def _numbers(theirs: Sequence[str], ours: Sequence[str]) -> npt.NDArray[np.uint16]:
    """By their number, ours; 0 stays 0, and is the number of those that we do not keep."""
    known = {name: n for n, name in enumerate(ours, 1)}
    return np.array([0, *(known.get(name, 0) for name in theirs)], dtype=np.uint16)


def _checks(
    order: BlockOrder, parts: Sequence[Part], rows: Samples, workers: int, counted: int
) -> GeneratorChecks:
    found = [part.played.checks for part in parts]
    if not found:
        return replace(_NOTHING, workers=workers, workers_lost=workers, counted=counted)

    def total(figure: Callable[[GeneratorChecks], int]) -> int:
        return sum(figure(checks) for checks in found)

    asked, queued, recorded = total(lambda c: c.asked), total(lambda c: c.queued), total(lambda c: c.recorded)
    p50, p99 = _schedule_error(order, found, rows, exact=queued == 0 and recorded == asked)
    return replace(
        found[0],  # how requests were made, and why so, is the same for all
        asked=asked,
        sent=total(lambda c: c.sent),
        answered=total(lambda c: c.answered),
        schedule_error_p50_s=p50,
        schedule_error_p99_s=p99,
        cpu_share_max=max(c.cpu_share_max for c in found),
        idle_connections=all(c.idle_connections for c in found),
        achieved=sum(c.achieved * c.asked for c in found) / asked if asked else 1.0,
        cpu_s=sum(c.cpu_s for c in found),
        queued=queued,
        retried=total(lambda c: c.retried),
        recorded=recorded,
        counted=counted,
        connections=total(lambda c: c.connections),
        own_delay_p99_s=_own_delay_p99_s(rows),
        workers=workers,
        workers_lost=workers - len(found),
        kept_off=tuple(dict.fromkeys(host for c in found for host in c.kept_off))[:MOST_TOLD],
    )


_NOTHING = GeneratorChecks(
    asked=0, sent=0, answered=0, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0, cpu_share_max=0.0,
    idle_connections=True, achieved=0.0, cpu_s=0.0, queued=0, retried=0, recorded=0, counted=0,
)  # fmt: skip


def _schedule_error(
    order: BlockOrder, found: Sequence[GeneratorChecks], rows: Samples, *, exact: bool
) -> tuple[float, float]:
    """Median and 99th percentile. From the rows where they tell (a row does not hold how long a request waited
    for a connection, which is no error); else the worst worker's, which no mixture of them exceeds."""
    if not exact:
        return max(c.schedule_error_p50_s for c in found), max(c.schedule_error_p99_s for c in found)
    if not len(rows):
        return 0.0, 0.0
    late_s = np.maximum(_seconds(rows["sent_ns"] - rows["due_ns"]), 0.0)
    p50, p99 = np.percentile(np.where(rows["sent_ns"] > 0, late_s, order.timeout_s), [50, 99])
    return float(p50), float(p99)


def _own_delay_p99_s(rows: Samples) -> float:
    sent = rows[rows["sent_ns"] > 0]
    if not len(sent):
        return 0.0
    from_due, from_sent = (
        np.percentile(sent["done_ns"] - sent[start], 99) for start in ("due_ns", "sent_ns")
    )
    return max(0.0, float(from_due - from_sent) / 1e9)


def _seconds(ns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.asarray(ns / 1e9, dtype=np.float64)
