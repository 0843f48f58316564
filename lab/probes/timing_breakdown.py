"""Where the time of one request goes, on the way and in the app, as curl -w breaks it down."""

from __future__ import annotations

import http.client
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes._timing import MOMENTS, timed, written


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TimingBreakdown:
    """``GET path`` over a new connection. Each moment is seconds since the start; what there was none of is 0."""

    path: str = "/health"

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """Curl's seven moments, status and size, or why nothing answers."""
        url = running.url + self.path
        try:
            answer = timed(url)
            size = f"HTTP {answer.status}, {len(answer.body):,} bytes"
            text = "\n".join([*answer.lines(*MOMENTS), size])
        except (OSError, http.client.HTTPException) as error:
            text = f"no answer: {error}"
        return Evidence(
            title=f"Where the time of {self.path} goes",
            command=f"curl -so /dev/null -w '{written(*MOMENTS)}' {url}",
            text=text,
            kind="timing-breakdown",
        )
