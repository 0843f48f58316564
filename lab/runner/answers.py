"""What the answers of one block say of themselves: how stale the reads are, how even the instances. Pure.

``names`` are those of the block, ``requests`` say what is observed of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lab.model.scenario import Request

if TYPE_CHECKING:
    from lab.model.load import Samples

Whole = npt.NDArray[np.int64]


def stale_share(
    samples: Samples, names: Sequence[str], requests: Sequence[Request], of: str | None = None
) -> float | None:
    """Share of the good reads that were sent after a newer version of their thing had been acknowledged.

    A write is acknowledged when its good answer has come in full. Reads whose answer shows no version are not
    judged; None where no read is. ``of`` judges the reads of one request alone, against the writes of all.
    """
    ages = stale_ages_ns(samples, names, requests, of)
    return float(np.mean(ages > 0)) if len(ages) else None


def stale_age_ms(
    samples: Samples, names: Sequence[str], requests: Sequence[Request], of: str | None = None
) -> float | None:
    """Mean over the same reads, in milliseconds: how long before a read was sent the oldest version that it
    does not show had been acknowledged; 0 for a fresh one."""
    ages = stale_ages_ns(samples, names, requests, of)
    return float(np.mean(ages) / 1e6) if len(ages) else None


def stale_ages_ns(
    samples: Samples, names: Sequence[str], requests: Sequence[Request], of: str | None = None
) -> Whole:
    """That time for each judged read, by thing; at least 1 for a stale one."""
    written, read = set[str](), set[str]()
    for request in requests:
        if request.observe.version:
            (written if request.observe.writes else read).add(request.name)
    judged = read if of is None else read & {of}
    seen = samples[(samples["error"] == 0) & (samples["sent_ns"] > 0) & (samples["version"] >= 0)]
    writes, reads = _named(seen, names, written), _named(seen, names, judged)
    writes = writes[np.lexsort((writes["done_ns"], writes["key"]))]
    reads = reads[np.argsort(reads["key"], kind="stable")]
    ages = np.zeros(len(reads), dtype=np.int64)
    for key in np.unique(writes["key"]):
        its_reads = _of_key(reads, key)
        ages[its_reads] = _ages(writes[_of_key(writes, key)], reads[its_reads])
    return ages


def _of_key(by_key: Samples, key: np.int64) -> slice:
    return slice(*(int(np.searchsorted(by_key["key"], key, side)) for side in ("left", "right")))


def _named(samples: Samples, names: Sequence[str], wanted: set[str]) -> Samples:
    numbers = [n for n, name in enumerate(names) if name in wanted]
    chosen: Samples = samples[np.isin(samples["name"], numbers)]
    return chosen


def _ages(writes: Samples, reads: Samples) -> Whole:
    """Of reads of one thing, whose writes come in the order in which they were acknowledged."""
    newest = np.maximum.accumulate(writes["version"])
    done = writes["done_ns"]
    first_newer = np.searchsorted(
        newest, reads["version"], side="right"
    )  # its version is the newest until then
    acknowledged = np.searchsorted(done, reads["sent_ns"], side="left")
    stale = first_newer < acknowledged
    since = done[np.minimum(first_newer, len(done) - 1)]
    return np.asarray(np.where(stale, reads["sent_ns"] - since, 0), dtype=np.int64)


def imbalance(samples: Samples, backends: Sequence[str], among: int) -> float | None:
    """Coefficient of variation of the answers by instance: 0 where each gave as many, None where none did.

    Of ``among`` instances those that gave nothing count too; where more have answered, all that did.
    """
    counts = np.bincount(samples["backend"], minlength=len(backends) + 1)[1:]
    counts = counts[counts > 0]
    if not len(counts):
        return None
    each = np.zeros(max(among, len(counts)))
    each[: len(counts)] = counts
    return float(np.std(each) / np.mean(each))
