"""A request to an endpoint of the app that is there for its operators: warm a cache, drain, reload."""

from __future__ import annotations

from typing import ClassVar
from urllib.request import ProxyHandler, Request, build_opener

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec, Running

TIMEOUT_S = 10


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Http:
    """POST to the path ``post`` of the app, as an operator's script would; done when it has answered.

    ``placebo`` is a path that makes the app do the same work for something that nobody asks for.
    """

    post: str
    sham: str = Field(alias="placebo")

    needs: ClassVar[frozenset[str]] = frozenset()

    def prepare(self, arm: ArmSpec, module: str) -> ArmSpec:
        """The arm as it is: a request asks nothing of the start."""
        return arm

    def apply(self, running: Running) -> None:
        """Send the request and wait for its answer. Raises EnvironmentFailed where it is not a good one."""
        _post(running, self.post)

    def placebo(self, running: Running) -> None:
        """The same with the other path. Raises EnvironmentFailed."""
        _post(running, self.sham)


def _post(running: Running, path: str) -> None:
    try:
        line = build_opener(ProxyHandler({}))  # an arm is on this machine, whatever the environment says
        with line.open(Request(f"{running.url}{path}", method="POST"), timeout=TIMEOUT_S) as answer:
            answer.read()
    except OSError as error:
        raise EnvironmentFailed(
            what=f"the app did not do what it was asked to: POST {path}",
            where=running.name,
            why=f"{error}\n{running.logs('app')}",
            do="try the request with curl against a stack of `lab up`",
        ) from error
