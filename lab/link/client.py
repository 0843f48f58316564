"""The lab's side of the API. It knows only what Toxiproxy knows, so that a real one can stand at the other end; what
only the lab's link can do (``/lab/``) is refused in words there."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from lab.errors import EnvironmentFailed, LabError

_ANSWER_S = 10.0
_JSON = {"Content-Type": "application/json", "User-Agent": "incident-lab"}
_DO = "see that the link runs there, and look at its proxies: GET /proxies"


@dataclass(frozen=True, kw_only=True)
class LinkedProxy:
    """A proxy as the link shows it; addresses are HOST:PORT."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: Sequence[Mapping[str, Any]]

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class LinkClient:
    """Asks one link, ``http://HOST:PORT``. Every call may raise LabError with the reason that the link gave, and
    EnvironmentFailed where none answers within 10 s."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme != "http" or not host or parts.path.strip("/"):
            raise LabError("this is not the address of a link", where=url, do="write http://127.0.0.1:8474")
        self.url = url.rstrip("/")
        self._host, self._port = host, port or 80
        self._ours: bool | None = None

    def version(self) -> str:
        """The version of Toxiproxy's API that it speaks."""
        return str(self._ask("GET", "/version")["version"])

    def is_ours(self) -> bool:
        """Whether it is the lab's link, which can do more, and not a Toxiproxy."""
        if self._ours is None:
            status, _ = self._exchange("GET", "/lab/health", None)
            self._ours = status == 200
        return self._ours

    def proxies(self) -> dict[str, LinkedProxy]:
        return {name: _proxy(found) for name, found in self._ask("GET", "/proxies").items()}

    def proxy(self, name: str) -> LinkedProxy:
        return _proxy(self._ask("GET", _path(name)))

    def create(self, name: str, upstream: str, listen: str = "127.0.0.1:0") -> LinkedProxy:
        """A proxy that is enabled; port 0 takes any, and the answer says which."""
        asked = {"name": name, "upstream": upstream, "listen": listen, "enabled": True}
        return _proxy(self._ask("POST", "/proxies", asked))

    def delete(self, name: str) -> None:
        """Its connections are cut."""
        self._ask("DELETE", _path(name))

    def enable(self, name: str) -> LinkedProxy:
        return _proxy(self._ask("POST", _path(name), {"enabled": True}))

    def disable(self, name: str) -> LinkedProxy:
        """The fault ``down``: nobody listens, and what was connected is cut."""
        return _proxy(self._ask("POST", _path(name), {"enabled": False}))

    def add_toxic(
        self,
        proxy: str,
        kind: str,
        attributes: Mapping[str, int],
        *,
        stream: str = "downstream",
        toxicity: float = 1.0,
        name: str | None = None,
    ) -> Mapping[str, Any]:
        """On new and open connections; returns the toxic as the link shows it. An attribute that the link did
        not take is an error, because a fault that is not what was asked for must not be measured."""
        asked = {
            "name": name or f"{kind}_{stream}",
            "type": kind,
            "stream": stream,
            "toxicity": toxicity,
            "attributes": dict(attributes),
        }
        made: Mapping[str, Any] = self._ask("POST", _path(proxy, "toxics"), asked)
        return self._as_asked(proxy, made, attributes, added=True)

    def update_toxic(
        self, proxy: str, name: str, attributes: Mapping[str, int], toxicity: float | None = None
    ) -> Mapping[str, Any]:
        """What is not named stays as it was."""
        asked: dict[str, Any] = {"attributes": dict(attributes)}
        if toxicity is not None:
            asked["toxicity"] = toxicity
        made: Mapping[str, Any] = self._ask("POST", _path(proxy, "toxics", name), asked)
        return self._as_asked(proxy, made, attributes, added=False)

    def remove_toxic(self, proxy: str, name: str) -> None:
        self._ask("DELETE", _path(proxy, "toxics", name))

    def reset(self) -> None:
        """All proxies of this link enabled, all toxics gone."""
        self._ask("POST", "/reset")

    def create_with(
        self,
        name: str,
        upstream: str,
        toxics: Sequence[Mapping[str, Any]],
        *,
        listen: str = "127.0.0.1:0",
        fail_first: int = 0,
    ) -> LinkedProxy:
        """A proxy and its toxics in one step, so that no connection is without them. The lab's link only."""
        self._need_ours("a proxy and its toxics in one step")
        asked = {
            "name": name,
            "upstream": upstream,
            "listen": listen,
            "toxics": [dict(one) for one in toxics],
        }
        return _proxy(self._ask("POST", "/lab/proxies", {**asked, "fail_first": {"connections": fail_first}}))

    def fail_first(self, name: str, connections: int) -> None:
        """The next so many connections are reset, then they succeed. The lab's link only."""
        self._need_ours("failing the first connections")
        self._ask("POST", f"/lab{_path(name, 'fail_first')}", {"connections": connections})

    def connections(self, name: str) -> list[Mapping[str, Any]]:
        """The open ones, the oldest first. The lab's link only."""
        self._need_ours("a list of connections")
        found: list[Mapping[str, Any]] = self._ask("GET", f"/lab{_path(name, 'connections')}")
        return found

    def _need_ours(self, what: str) -> None:
        if not self.is_ours():
            raise LabError(
                f"a real Toxiproxy cannot do this: {what}",
                where=self.url,
                why="it belongs to what the lab's own link offers beside Toxiproxy's API",
                do="leave out --link, so that the lab's own stands there",
            )

    def _as_asked(
        self, proxy: str, made: Mapping[str, Any], attributes: Mapping[str, int], *, added: bool
    ) -> Mapping[str, Any]:
        found = made["attributes"]
        lost = [name for name, value in attributes.items() if found.get(name) != value]
        if lost:
            if added:
                self.remove_toxic(proxy, made["name"])
            raise LabError(
                f"the link did not take {', '.join(lost)} of {made['type']}",
                where=f"{self.url}, proxy {proxy}",
                why=f"it knows {', '.join(found) or 'no attributes'}",
                do="use those names",
            )
        return made

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        status, content = self._exchange(method, path, body)
        if status < 300:
            return json.loads(content) if content else None
        raise LabError(
            "the link refused",
            where=f"{method} {self.url}{path}",
            why=f"{_reason(content)} (status {status})",
            do=_DO,
        )

    def _exchange(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        line = http.client.HTTPConnection(self._host, self._port, timeout=_ANSWER_S)
        try:
            line.request(method, path, None if body is None else json.dumps(body), _JSON)
            answer = line.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as failed:
            raise EnvironmentFailed(
                "the link does not answer", where=self.url, why=str(failed) or type(failed).__name__, do=_DO
            ) from None
        finally:
            line.close()


def _path(*names: str) -> str:
    return "/proxies/" + "/".join(quote(name, safe="") for name in names)


def _proxy(found: Mapping[str, Any]) -> LinkedProxy:
    return LinkedProxy(
        name=found["name"],
        listen=found["listen"],
        upstream=found["upstream"],
        enabled=found["enabled"],
        toxics=found["toxics"],
    )


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content.decode(errors="replace").strip()[:200] or "it gave no reason"
