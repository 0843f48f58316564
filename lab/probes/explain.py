"""The plan of the app's own statement with the app's own parameters, as auto_explain logs it.

A statement typed by hand may get another plan (other parameters, no generic plan), so nothing is asked of
the database here but to show what it does anyway.
"""

from __future__ import annotations

import re
import time
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.probes import _asking, _server_log

_SETTINGS = {
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_format": "text",
    "auto_explain.log_min_duration": "0",
}
_DEADLINE_S = 10.0
_POLL_S = 0.05
_LINES = 4000
_STATEMENT = re.compile(r"^\s*Query Text: (.*?)(?=^\s*Query Parameters:|^\s*\S.*\(cost=)", re.S | re.M)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Explain:
    """Plan, times and pages of one execution of the statement labelled ``of``. Needs load while it looks."""

    of: str

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def capture(self, running: Running) -> Evidence:
        """The first plan that Postgres logs. Raises EnvironmentFailed where none shows within 10 s."""
        with _asking.postgres(running) as database:
            mark = _server_log.mark(database)
            with _server_log.switched(database, running, _SETTINGS):
                plan = _await_plan(running, mark, f"/* {self.of} */")
        found = _STATEMENT.search(plan)
        statement = " ".join(found[1].split()) if found else f"/* {self.of} */"
        return Evidence(
            title=f"Plan of {self.of}",
            command=f"EXPLAIN (ANALYZE, BUFFERS) {statement}",
            text=plan,
            kind="explain",
        )


def _await_plan(running: Running, mark: str, label: str) -> str:
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        new = running.logs("postgres", _LINES).rpartition(mark)[2]
        for plan in plans_in(new):
            if label in plan:
                return plan
        time.sleep(_POLL_S)
    raise EnvironmentFailed(
        what=f"Postgres logged no plan of {label} in {_DEADLINE_S:.0f} s",
        where=f"postgres of {running.name}",
        why="nobody sent a request that runs it, or auto_explain is not loaded"
        f"\n{running.logs('postgres', 5)}",
        do="check the label, and that shared_preload_libraries of the server names auto_explain",
    )


def plans_in(log: str) -> list[str]:
    """The complete plans in a piece of Postgres' log, each from its ``duration:`` on, without indents.

    A plan is complete when another line of the log follows it: the last one may still be half written.
    """
    plans: list[str] = []
    open_plan: list[str] | None = None
    for line in log.splitlines():
        if open_plan is not None and line.startswith("\t"):
            open_plan.append(line[1:])
            continue
        if open_plan is not None:
            plans.append("\n".join(open_plan))
        began = re.search(r"duration: .* plan:\s*$", line)
        open_plan = [began[0]] if began else None
    return plans
