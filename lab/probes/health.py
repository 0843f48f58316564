"""One request to the health check, and where its time goes, as curl -w breaks it down."""

from __future__ import annotations

import http.client
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes._timing import timed, written

_MOMENTS = ("namelookup", "connect", "starttransfer", "total")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Health:
    """``GET path`` of the app over a new connection: status, body, and the moments of the answer."""

    path: str = "/health"

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """Status, body and seconds since the start, or why nothing answers."""
        try:
            text = _told(running.url + self.path)
        except (OSError, http.client.HTTPException) as error:
            text = f"no answer: {error}"
        return Evidence(
            title="Health check",
            command=f"curl -s -w '{written(*_MOMENTS)}' {running.url}{self.path}",
            text=text,
            kind="health",
        )


def _told(url: str) -> str:
    answer = timed(url)
    head = f"HTTP {answer.status} {answer.reason}"
    return "\n".join([head, answer.body.decode(errors="replace"), *answer.lines(*_MOMENTS)])
