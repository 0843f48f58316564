"""A load that goes on until it is told to stop: the lab's own generator, one short block after another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.driver.words import ORDERS
from lab.errors import LabError
from lab.loads.open import Open
from lab.model.load import BlockOrder
from lab.runner.bench import DRAIN_SLACK_S
from lab.runner.keeper.figures import Figures, Piece
from lab.runner.validity import connections_for, peak_rate

STOP_WITHIN_S = 30.0


@dataclass
class _Going:
    """One load from its start to its stop."""

    name: str
    order: BlockOrder
    open: Open
    figures: Figures = field(default_factory=Figures)
    lasted_s: float = 0.0
    stopping: threading.Event = field(default_factory=threading.Event)
    failed: str = ""
    thread: threading.Thread | None = None

    def go_on(self) -> None:
        """Block after block until told to stop, or until the generator fails."""
        n = 0
        try:
            while not self.stopping.is_set():
                n += 1
                self._block(n)
        except Exception as error:  # noqa: BLE001 - of whatever kind: the load is over, and status has to say why
            self.failed = "" if self.stopping.is_set() else str(error) or type(error).__name__

    def _block(self, n: int) -> None:
        lead_ns = int(self.open.lead_s(self.order.expected) * 1e9)
        start_ns = time.monotonic_ns() + lead_ns
        # Another seed for each: the same requests again and again would find every cache warm.
        self.open.begin(replace(self.order, n=n, seed=self.order.seed + n, start_ns=start_ns))
        length_s = self.order.length_s
        try:
            load = self.open.finish(length_s + self.order.timeout_s + DRAIN_SLACK_S)
        finally:
            self.order.samples.unlink(missing_ok=True)
        self.lasted_s += length_s
        self.figures.add(Piece.of(load, length_s))

    def told(self) -> dict[str, Any]:
        rate = None if self.order.users else self.order.expected / self.order.length_s
        alive = self.thread is not None and self.thread.is_alive()
        return {
            "name": self.name,
            "state": "failed" if self.failed else "on" if alive else "stopped",
            "failed": self.failed,
            "users": self.order.users,
            "asked_per_s": rate,
            "seconds": self.lasted_s,
            **self.figures.told(),
        }


class SteadyLoad:
    """At most one load on the app at ``url``, which is the keeper's own: it goes nowhere else."""

    def __init__(
        self, url: str, folder: Path, scratch: Path, own: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._url, self._folder, self._scratch, self._own = url, folder, scratch, own
        self._load: _Going | None = None

    def start(self, order: str, name: str) -> dict[str, Any]:
        """Start what the JSON of a BlockOrder asks for, again and again; its address is set here."""
        if self._load is not None and self._load.told()["state"] == "on":
            raise LabError(
                "a load is on already", where=self._load.name, why="one at a time", do="lab load stop"
            )
        asked = ORDERS.validate_json(order)
        ours = replace(
            asked,
            url=self._url,
            samples=self._scratch / "load.npy",
            connections=connections_for(peak_rate(asked.stages), asked.timeout_s),
        )
        self.close()  # the generator of a load that failed
        opened = Open(self._folder, own=self._own)
        try:
            opened.ready()
        except BaseException:
            opened.close()
            raise
        self._load = _Going(name, ours, opened)
        self._load.thread = threading.Thread(target=self._load.go_on, name="load", daemon=True)
        self._load.thread.start()
        return self._load.told()

    def status(self) -> dict[str, Any]:
        """The figures of the load that is on, or of the last one. LabError where there was none."""
        if self._load is None:
            raise LabError("no load has been started", do="lab load start NAME")
        return self._load.told()

    def stop(self) -> dict[str, Any]:
        """End the load after its block; its figures."""
        if self._load is None or self._load.told()["state"] == "stopped":
            raise LabError("no load is on", do="lab load start NAME")
        load = self._load
        load.stopping.set()
        assert load.thread is not None
        load.thread.join(load.order.length_s + load.order.timeout_s + DRAIN_SLACK_S)
        self.close()
        return load.told() | {"state": "stopped"}

    def close(self) -> None:
        """End the generator at once. Safe to call twice."""
        if self._load is not None:
            self._load.stopping.set()
            self._load.open.close()
            if self._load.thread is not None:
                self._load.thread.join(STOP_WITHIN_S)
