"""A load driver that takes one short order after another."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from lab.loads.open import BlockLoad, BlockOrder, Failure, Open
from lab.model.scenario import Request, Stage


@dataclass
class Loading:
    """One driver; ``play`` orders a block and waits for it."""

    driver: Open
    folder: Path
    n: Iterator[int] = field(default_factory=lambda: count(1))

    def play(
        self,
        url: str,
        *requests: Request,
        rate: float = 100,
        length_s: float = 0.3,
        timeout_s: float = 2.0,
        during: Callable[[int], object] | None = None,
        **more: Any,
    ) -> BlockLoad:
        """``during`` gets the block's start, in nanoseconds, before it."""
        n = next(self.n)
        self.start_ns = time.monotonic_ns() + 50_000_000
        order = BlockOrder(
            n=n,
            url=url,
            start_ns=self.start_ns,
            stages=(Stage(rate=rate, length=length_s),),
            arrivals="constant",
            seed=7,
            timeout_s=timeout_s,
            requests=requests,
            samples=self.folder / "samples" / f"{n}.npy",
            **more,
        )
        self.driver.begin(order)
        if during is not None:
            during(self.start_ns)
        return self.driver.finish(length_s + timeout_s + 15)


@contextmanager
def loading(folder: Path) -> Iterator[Loading]:
    driver = Open(folder, own=lambda _: None)
    try:
        driver.ready()
        yield Loading(driver, folder)
    finally:
        driver.close()


def found(load: BlockLoad) -> Counter[tuple[str, Failure, int]]:
    """How many requests of each name ended in which way, with which status."""
    rows = load.samples
    return Counter(
        (load.names[name], Failure(error), status)
        for name, error, status in zip(
            rows["name"].tolist(), rows["error"].tolist(), rows["status"].tolist(), strict=True
        )
    )


def failures(load: BlockLoad) -> set[Failure]:
    return {Failure(code) for code in load.samples["error"].tolist()}
