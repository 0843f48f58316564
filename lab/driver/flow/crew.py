"""The users of a locustfile: they are kept from journey to journey, and each is taken a step at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
from locust.exception import StopTest, StopUser

from lab.driver.flow.journey import give_deadlines
from lab.driver.flow.locustfiles import announce, listening, user_classes
from lab.driver.flow.steps import Steps
from lab.driver.mix import mix
from lab.driver.values import child
from lab.driver.words import BlockOrder

_GOODBYE_S = 1.0  # for all users together, at the end of the run


class Crew:
    """The users of one locustfile against one app. An idle one is used again: it keeps its session, its cookies and
    its place in its tasks. ``on_start`` is called once, when it is made."""

    def __init__(self, environment: Any, classes: tuple[type[Any], ...], url: str) -> None:
        self._environment = environment
        self.classes = classes
        self._url = url
        self._idle: dict[type[Any], list[Steps]] = defaultdict(list)

    def come(self) -> None:
        """From now on this app is where they go."""
        self._environment.host = self._url
        for one in self.classes:
            one.host = self._url

    def take(self, kind: type[Any]) -> Steps:
        """An idle user, else a new one that has just had its ``on_start``."""
        if self._idle[kind]:
            return self._idle[kind].pop()
        user = kind(self._environment)
        give_deadlines(user)
        steps = Steps(user)
        steps.start()
        return steps

    def keep(self, steps: Steps) -> None:
        """The user is idle again."""
        self._idle[type(steps.user)].append(steps)

    @contextmanager
    def user(self, kind: type[Any]) -> Iterator[Steps]:
        """One user for one step. It is not used again where it ended itself or was ended."""
        steps = self.take(kind)
        try:
            yield steps
        except (StopUser, StopTest):
            steps.stop()
            raise
        except Exception:
            self.keep(steps)
            raise
        self.keep(steps)

    def leave(self) -> None:
        """The end of the run."""
        idle = [steps for kept in self._idle.values() for steps in kept]
        self._idle.clear()
        gevent.joinall([gevent.spawn(steps.stop) for steps in idle], timeout=_GOODBYE_S)


class Crews:
    """The crews of a driver, by locustfile and app."""

    def __init__(self) -> None:
        self._crews: dict[tuple[Path, tuple[str, ...], str], Crew] = {}
        self._stopped = False

    def of(self, order: BlockOrder, environment: Any) -> Crew:
        """The one for this order. LabError where there is a mistake in the locustfile."""
        assert order.locustfile is not None
        key = (order.locustfile, order.user_classes, order.url)
        if key not in self._crews:
            if not self._crews:
                environment.events.test_stop.add_listener(self._stop)
                environment.events.quitting.add_listener(self._leave)
            before = listening(environment)
            classes = user_classes(order.locustfile, order.user_classes)
            self._crews[key] = Crew(environment, classes, order.url)
            self._crews[key].come()
            announce(environment, before)
        crew = self._crews[key]
        crew.come()
        return crew

    def _stop(self, **_: Any) -> None:
        self._stopped = True

    def _leave(self, environment: Any, **_: Any) -> None:
        if not self._stopped:
            environment.events.test_stop.fire(environment=environment)
        for crew in self._crews.values():
            crew.leave()


def classes_drawn(seed: int, classes: Sequence[type[Any]], count: int) -> list[int]:
    """``count`` indices into ``classes``, each as often as its weight says; in turn where none has any."""
    weights = [max(0.0, float(one.weight)) for one in classes]
    if not any(weights):
        return [k % len(classes) for k in range(count)]
    return mix(weights, count, child(seed, "classes").random)
