"""How long the app says that a request took, beside what the client waited, and which requests it calls slow."""

from __future__ import annotations

from time import perf_counter
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking
from lab.probes._web import asked
from lab.probes._window import Lines, shortened

_HEAD = ("request", "status", "X-Process-Time ms", "waited ms", "served by")
_LOOKED_AT = 4000  # lines of the log


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RequestTiming:
    """``times`` requests for ``path`` one after another, and the last ``lines`` of the slow-request log."""

    path: str = "/health"
    times: Lines = 5
    lines: Lines = 10

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """A table of the requests, then the log's lines. A refusal is a row of it."""
        url = running.url + self.path
        rows = [(f"{n + 1}", *_one(url)) for n in range(self.times)]
        logged = [
            line
            for service in running.instances
            for line in running.logs(service, _LOOKED_AT).splitlines()
            if "slow request" in line.lower()
        ]
        shown = [shortened(line, 240) for line in logged[-self.lines :]] or ["no slow request was logged"]
        return Evidence(
            title=f"Time of {self.path}, and slow requests",
            command=f"curl -sD - -o /dev/null {url} | grep -i x-process-time; "
            f"grep -i 'slow request' app.log | tail -n {self.lines}",
            text="\n".join([_asking.table(_HEAD, rows), "", *shown]),
            kind="request-timing",
        )


def _one(url: str) -> tuple[str, object, float, str]:
    from urllib.error import HTTPError

    began, status = perf_counter(), "200"
    try:
        headers, _ = asked(url)
    except HTTPError as error:
        status, headers = str(error.code), {name.lower(): value for name, value in error.headers.items()}
    except OSError as error:
        status, headers = f"no answer: {error}", {}
    waited_ms = (perf_counter() - began) * 1e3
    told = headers.get("x-process-time")
    return status, told if told is None else _ms(told), waited_ms, headers.get("x-served-by", "")


def _ms(seconds: str) -> float | str:
    try:
        return float(seconds) * 1e3
    except ValueError:
        return seconds
