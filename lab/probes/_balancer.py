"""What the balancer before the instances of the app tells of them."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import ProxyHandler, build_opener

from lab.errors import EnvironmentFailed
from lab.model.stack import Running

PATH = "/balancer/status"
_TIMEOUT_S = 2


def status(running: Running) -> dict[str, Any]:
    """Its status document. Raises EnvironmentFailed, also where the stack has no balancer."""
    try:
        # Loopback only: a proxy from the environment must not stand between the lab and its own app.
        with build_opener(ProxyHandler({})).open(running.url + PATH, timeout=_TIMEOUT_S) as answer:
            told: dict[str, Any] = json.loads(answer.read())
    except (OSError, ValueError) as error:
        raise EnvironmentFailed(
            what="no balancer told of its backends",
            where=f"{running.url}{PATH} of {running.name}",
            why=str(error),
            do="a stack has one where stack.instances is 2 or more; else see its log in the run folder",
        ) from error
    return told
