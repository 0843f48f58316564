"""Which services listen, on which address, and how many connections nobody has taken yet."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.probes import _asking, _sockets
from lab.probes._processes import pids_of

_HEAD = ("service", "listens on", "not taken yet")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Listening:
    """A row for each listening TCP socket of each service; one that is down or out of sight says so."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def capture(self, running: Running) -> Evidence:
        """An aligned table."""
        rows = [row for service in running.services for row in _rows(running, service)]
        return Evidence(
            title="Listening sockets",
            command="ss -tlnp",
            text=_asking.table(_HEAD, rows),
            kind="listening",
        )


def _rows(running: Running, service: str) -> list[tuple[str, str, int | None]]:
    try:
        held = [one for one in _sockets.of(pids_of(running, service)) if one.state == "LISTEN"]
    except EnvironmentFailed as failed:
        return [(service, failed.what, None)]
    return [(service, one.local, one.waiting) for one in held] or [(service, "nothing", None)]
