"""Every statement that reaches Postgres within a moment, with how long it took, from the server's own log."""

from __future__ import annotations

import re
import time
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.model.units import Seconds
from lab.probes import _asking, _server_log
from lab.probes._window import Lines, Window, shortened

_KEPT = 20_000  # lines of the log
_WRITTEN_S = 5.0  # the log may be a little behind
_LOOK_S = 0.05
_RAN = re.compile(r"duration: (?P<ms>[\d.]+) ms\s+(?:statement|execute [^:]*): (?P<text>.*)")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class QueryLog:
    """``log_min_duration_statement`` at ``above`` for the window, and back: one line a statement with its time,
    which is what ``log_statement = 'all'`` and ``log_duration`` say in two. Needs load."""

    window: Window = 1.0
    above: Annotated[Seconds, Field(ge=0, le=60)] = 0.0
    lines: Lines = 30

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def capture(self, running: Running) -> Evidence:
        """Statements in the order in which they ended, and how many there were. Raises EnvironmentFailed."""
        above_ms = round(self.above * 1e3)
        with _asking.postgres(running) as database:
            begin = _server_log.mark(database)
            with _server_log.switched(database, running, {"log_min_duration_statement": f"{above_ms}"}):
                time.sleep(self.window)
            end = _server_log.mark(database)
        ran = [line for line in statements(_between(running, begin, end)) if not _server_log.by_probes(line)]
        told = f"{len(ran):,} statements ended within {self.window:g} s"
        return Evidence(
            title="Query log",
            command=f"psql -c 'ALTER SYSTEM SET log_min_duration_statement = {above_ms}' "
            "-c 'SELECT pg_reload_conf()'; tail -f postgres.log",
            text="\n".join([*(shortened(line) for line in ran[: self.lines]), told]),
            kind="query-log",
        )


def _between(running: Running, begin: str, end: str) -> str:
    ends = time.monotonic() + _WRITTEN_S
    while time.monotonic() < ends:
        log = running.logs("postgres", _KEPT)
        if end in log:
            return log.partition(end)[0].rpartition(begin)[2]
        time.sleep(_LOOK_S)
    raise EnvironmentFailed(
        what="the log of Postgres does not show what was just logged",
        where=f"postgres of {running.name}",
        why=running.logs("postgres", 3),
        do="name the right file (--log postgres=FILE), and have log_min_messages at warning or below",
    )


def statements(log: str) -> list[str]:
    """Each as ``12.3 ms  SELECT ...``, its lines joined: what belongs to one entry is indented by a tab."""
    joined = log.replace("\n\t", " ")
    found = (_RAN.search(line) for line in joined.splitlines())
    return [f"{float(one['ms']):9.3f} ms  {' '.join(one['text'].split())}" for one in found if one]
