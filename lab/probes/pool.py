"""The app's pools of connections to Postgres: how many each may keep, has, lends, and has beyond its size."""

from __future__ import annotations

import json
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import Evidence, Running
from lab.probes import _asking
from lab.probes._web import from_app

_HEAD = ("pool", "size", "open", "in use", "overflow")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Pool:
    """``GET path`` of the app: a list of objects with ``size``, ``open``, ``in_use``, ``overflow``. Of one process."""

    path: str = "/debug/pools"

    needs: ClassVar[frozenset[str]] = frozenset({"app", "postgres"})

    def capture(self, running: Running) -> Evidence:
        """A row for each pool that has a connection, and for the first. Raises EnvironmentFailed."""
        told = from_app(running, self.path)
        try:
            pools = [[one[key] for key in ("size", "open", "in_use", "overflow")] for one in json.loads(told)]
        except (ValueError, TypeError, KeyError) as error:
            raise EnvironmentFailed(
                what="the app tells its pools in a way that is not known here",
                where=f"{running.url}{self.path}",
                why=f"{type(error).__name__}: {error}",
                do="have it answer a list of objects with size, open, in_use and overflow",
            ) from error
        rows = [(str(n + 1), *one) for n, one in enumerate(pools) if n == 0 or one[1]]
        return Evidence(
            title="Pools of connections in the app",
            command=f"curl -s {running.url}{self.path}",
            text=f"{_asking.table(_HEAD, rows)}\n{len(pools) - len(rows)} more without a connection",
            kind="pool",
        )
