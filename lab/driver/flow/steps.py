"""One user of a locustfile, taken through its tasks a step at a time: from one wait to the next."""

from __future__ import annotations

import logging
from typing import Any

from locust.exception import InterruptTaskSet, LocustError, RescheduleTask, RescheduleTaskImmediately
from locust.user.task import LOCUST_STATE_RUNNING, DefaultTaskSet, TaskSet

_AT_ONCE = 100  # tasks that may send the user on to the next without a wait; more is a ring
log = logging.getLogger(__name__)


class Steps:
    """The tasks of ``user`` in the order in which Locust itself would run them.

    A step ends where Locust would have the user wait; how long, the user's ``wait_time`` says, and whoever takes
    the steps may heed it or not. Task sets are entered and left as in Locust, and a user stays in one until it
    is left.
    """

    def __init__(self, user: Any) -> None:
        self.user = user
        self.task = "on_start"  # by name; what goes on, or what went on last
        self._inside: list[Any] = [DefaultTaskSet(user)]
        user._state = LOCUST_STATE_RUNNING
        user._taskset_instance = self._inside[0]

    def start(self) -> None:
        """Before the first step."""
        self.user.on_start()

    def one(self) -> None:
        """Run the next task, and those that follow without a wait. What a task raises is raised here."""
        for _ in range(_AT_ONCE):
            if self._next():
                return
        raise LocustError(f"{_AT_ONCE} tasks in a row interrupted themselves")

    def stop(self) -> None:
        """After the last step."""
        for one in (*reversed(self._inside), self.user):
            _stop(one)

    def wait_s(self) -> float:
        """How long Locust would have the user wait now."""
        return float(self._inside[-1].wait_time())

    def _next(self) -> bool:
        """Whether Locust would have the user wait then."""
        inside = self._inside[-1]
        if not inside._task_queue:
            inside.schedule_task(inside.get_next_task())
        task = inside._task_queue.popleft()
        self.task = getattr(task, "__name__", str(task))
        try:
            if isinstance(task, type) and issubclass(task, TaskSet):
                return self._enter(inside, task)
            inside.execute_task(task)
        except InterruptTaskSet as interrupt:
            self._leave()
            return not interrupt.reschedule
        except RescheduleTaskImmediately:
            return False
        except RescheduleTask:
            return True
        return True

    def _enter(self, inside: Any, task: Any) -> bool:
        # A set's parent is the user itself where the user's own class lists it, as in Locust.
        entered = task(self.user if len(self._inside) == 1 else inside)
        try:
            entered.on_start()
        except InterruptTaskSet as interrupt:
            return not interrupt.reschedule
        self._inside.append(entered)
        return False

    def _leave(self) -> None:
        if len(self._inside) > 1:
            _stop(self._inside.pop())


def _stop(one: Any) -> None:
    try:
        one.on_stop()
    except Exception as error:  # noqa: BLE001 - as in Locust: logged, and the load goes on
        log.warning("on_stop of %s raised %s: %s", type(one).__name__, type(error).__name__, error)
