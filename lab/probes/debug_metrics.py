"""The app's own view of itself: memory, CPU, connections, cache, requests."""

from __future__ import annotations

import json
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes._web import asked


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DebugMetrics:
    """``GET path`` of the app, as indented JSON. The app's word: a cross-check, not a judge's number."""

    path: str = "/debug/metrics"

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """The document, or why there is none."""
        return Evidence(
            title="The app's own metrics",
            command=f"curl -s {running.url}{self.path}",
            text=_get(running.url + self.path),
            kind="debug-metrics",
        )


def _get(url: str) -> str:
    from urllib.error import HTTPError

    try:
        body = asked(url)[1]
    except HTTPError as error:
        return f"HTTP {error.code} {error.reason}"
    except OSError as error:
        return f"no answer: {error}"
    try:
        return json.dumps(json.loads(body), indent=2)
    except ValueError:
        return body
