"""What Postgres itself counts for the statements of the app: pg_stat_statements, not the app's word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Quantity, Running
from lab.probes import _asking

_COUNTED = """
    SELECT coalesce(sum(calls), 0)::float8,
           coalesce(sum(shared_blks_hit + shared_blks_read + local_blks_hit + local_blks_read
                        + temp_blks_read + temp_blks_written), 0)::float8,
           coalesce(sum(total_exec_time), 0)::float8,
           coalesce(sum(rows), 0)::float8,
           (SELECT dealloc FROM pg_stat_statements_info)
    FROM pg_stat_statements
    WHERE CASE WHEN %(label)s::text IS NULL
          THEN userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)
          ELSE strpos(query, %(label)s) > 0 END
"""

PREFLIGHT = 50
# Statements of one shape share an entry under the text of the first: this shape is nobody else's.
_UNUSUAL = "abs(1) - abs(2) + abs(3) - abs(4) + abs(5)"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Postgres:
    """Counters of the statements that carry the comment ``/* of */``; without ``of``, of all the app's statements.

    Those that an ORM sends by itself carry no comment; the app's role is any that is not the lab's own.
    """

    of: str | None = None

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})
    lag_s: ClassVar[float] = 0.0  # pg_stat_statements counts at the end of each statement
    quantities: ClassVar[Mapping[str, Quantity]] = {
        "calls": Quantity(unit="calls", scale="difference", doc="How often the statement was executed"),
        "blocks": Quantity(
            unit="blocks",
            scale="ratio",
            doc="Pages of 8 KB that the statement touched, in memory, on disk or in temporary files",
        ),
        "time_ms": Quantity(unit="ms", scale="ratio", doc="Time that Postgres spent executing the statement"),
        "rows": Quantity(unit="rows", scale="difference", doc="Rows that the statement returned or changed"),
    }

    def read(self, running: Running) -> Mapping[str, float]:
        """Totals since the server started. Raises EnvironmentFailed, also where entries were dropped."""
        with _asking.postgres(running) as database:
            row = database.execute(_COUNTED, {"label": self.of and f"/* {self.of} */"}).fetchone()
        if row is None or row[4]:
            raise EnvironmentFailed(
                what="pg_stat_statements has dropped statements, so its counts are not whole",
                where=f"postgres of {running.name}",
                why=f"{0 if row is None else row[4]} times more distinct statements than it keeps",
                do="raise pg_stat_statements.max of the server",
            )
        return dict(zip(("calls", "blocks", "time_ms", "rows"), map(float, row[:4]), strict=True))

    def preflight(self, running: Running) -> str:
        """Execute a statement a known number of times as the app's role and read the count back at once."""
        label = "counter_check"
        check = replace(self, of=self.of and label)
        with _asking.postgres(running) as database:
            role = _asking.app_role(database)
        if role is None and self.of is None:
            return "the app connects as the same role as the lab, so its statements cannot be told apart"
        before = check.read(running)["calls"]
        with _asking.postgres(running, role) as database:
            for _ in range(PREFLIGHT):
                database.execute(f"SELECT /* {label} */ {_UNUSUAL}")
        counted = check.read(running)["calls"] - before
        if counted == PREFLIGHT:
            return ""
        return f"{PREFLIGHT} statements were executed, {counted:.0f} were counted"
