"""The one Locust user that plays blocks, in the driver itself or in each of its workers."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import locust
from gevent.queue import Queue

from lab.driver.block import Executor
from lab.driver.fast.lane import Fast
from lab.driver.flow.closed import Closed
from lab.driver.flow.plain import Flow
from lab.driver.pacer import Pacer
from lab.driver.play import Player
from lab.driver.reach import Reach
from lab.driver.words import Executor as Name


def open_user(
    orders: Queue,
    pacer: Pacer,
    reach: Reach,
    ready: Callable[[], None],
    run: Callable[[Any, Player], None],
) -> type[locust.User]:
    """Each task is one block: ``run`` gets the next of ``orders``. ``ready`` is called once, before the first."""

    class OpenUser(locust.User):
        fixed_count = 1

        def on_start(self) -> None:
            executors: dict[Name, Executor] = {"fast": Fast(), "flow": Flow(), "closed": Closed()}
            self.player = Player(pacer, self.environment, executors, reach.kept_off)
            ready()

        @locust.task
        def block(self) -> None:
            run(orders.get(), self.player)
            # Here and nowhere else: a collection while a block runs would count as latency.
            gc.collect()

    return OpenUser
