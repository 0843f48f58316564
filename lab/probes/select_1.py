"""Does Postgres let somebody in, and answer the smallest question?"""

from __future__ import annotations

from time import perf_counter
from typing import Any, ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes._asking import TIMEOUT_S


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Select1:
    """``SELECT 1`` over a new connection, and how long each part took."""

    needs: ClassVar[frozenset[str]] = frozenset({"postgres"})

    def capture(self, running: Running) -> Evidence:
        """What psql would print, also where nobody answers."""
        return Evidence(
            title="SELECT 1",
            command=f"psql '{_without_password(running.dsn)}' -c 'SELECT 1'",
            text=_text(running.dsn),
            kind="select-1",
        )


def _without_password(dsn: str) -> str:
    """What is shown here may be sent to others."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    told: dict[str, Any] = {**conninfo_to_dict(dsn), "password": None}
    return make_conninfo(**told)


def _text(dsn: str) -> str:
    import psycopg

    began = perf_counter()
    limit = f"-c statement_timeout={TIMEOUT_S}s"
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=TIMEOUT_S, options=limit) as database:
            connected = perf_counter()
            row = database.execute("SELECT 1").fetchone()
            answered = perf_counter()
            version = database.info.parameter_status("server_version")
    except psycopg.Error as error:
        return f"psql: error: {error}".strip()
    times = (
        f"connected in {(connected - began) * 1e3:.1f} ms, answered in {(answered - connected) * 1e3:.1f} ms"
    )
    return f"{row[0] if row else ''}\n{times} (PostgreSQL {version})"
