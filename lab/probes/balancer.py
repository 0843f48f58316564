"""The balancer's table of its backends: who is in rotation, who has how much to do, who has failed."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.probes import _asking
from lab.probes._balancer import PATH, status

_HEAD = ("name", "healthy", "weight", "in_flight", "picked", "failed", "transitions", "ejections")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Balancer:
    """``GET /balancer/status``, a line for each backend; counts are since the balancer started."""

    needs: ClassVar[frozenset[str]] = frozenset({"app", "balancer"})

    def capture(self, running: Running) -> Evidence:
        """The table, or why there is none."""
        try:
            rows = [[_shown(backend[name]) for name in _HEAD] for backend in status(running)["backends"]]
            text = _asking.table(_HEAD, rows)
        except EnvironmentFailed as failed:
            text = f"no answer: {failed.why}"
        return Evidence(
            title="Backends of the balancer",
            command=f"curl -s {running.url}{PATH} | jq -r '.backends[] | [.[]] | @tsv'",
            text=text,
            kind="balancer",
        )


def _shown(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value
