"""Asking the app over HTTP, past any proxy of the environment: what is looked at is the app itself."""

from __future__ import annotations

from collections.abc import Mapping

from lab.errors import EnvironmentFailed
from lab.model.stack import Running

TIMEOUT_S = 5.0


def asked(url: str, *, method: str = "GET", timeout_s: float = TIMEOUT_S) -> tuple[Mapping[str, str], str]:
    """Headers by lower-case name, and the body. Raises OSError; HTTPError, which is one, for a refusal."""
    from urllib.request import ProxyHandler, Request, build_opener

    with build_opener(ProxyHandler({})).open(Request(url, method=method), timeout=timeout_s) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return headers, answer.read().decode(errors="replace")


def from_app(running: Running, path: str, *, method: str = "GET", timeout_s: float = TIMEOUT_S) -> str:
    """The body of one of the app's own operating pages. Raises EnvironmentFailed in words."""
    from urllib.error import HTTPError

    url = running.url + path
    try:
        return asked(url, method=method, timeout_s=timeout_s)[1]
    except HTTPError as error:
        raise _refused(url, error.code, f"HTTP {error.code} {error.reason}") from error
    except OSError as error:
        raise EnvironmentFailed(
            what="the app did not answer a probe",
            where=url,
            why=f"{error}\n{running.logs(running.front, 5)}".rstrip(),
            do="look at the log of the app: is it up, and not frozen?",
        ) from error


def _refused(url: str, status: int, why: str) -> EnvironmentFailed:
    ways = {
        404: "this look is the app's own: it has to offer the page (the sample app: its setting debug)",
        409: "wait until the other look is over",
    }
    return EnvironmentFailed(
        what="the app does not let itself be looked at",
        where=url,
        why=why,
        do=ways.get(status, "look at the log of the app"),
    )
