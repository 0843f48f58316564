"""One plain request by Locust's own client, answered as the fast executor answers it."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gevent import Timeout, getcurrent
from geventhttpclient.client import HTTPClient, HTTPClientPool
from geventhttpclient.response import HTTPConnectionClosed
from locust.contrib.fasthttp import ErrorResponse, FastHttpSession, insecure_ssl_context_factory
from locust.event import EventHook

from lab.driver.failures import failure_of
from lab.driver.fast.answer import KEPT_BYTES
from lab.driver.render import DEFAULTS, JSON
from lab.driver.values import Target
from lab.driver.words import NONE_SEEN, Failure
from lab.model.scenario import Expect

_CHUNK = 65536
_MANY = 1 << 16  # connections that the client may open: who asks has a cap of their own
_ANY_STATUS = frozenset(range(1000))


class Answered(NamedTuple):
    """``failure`` NONE: answered in full, whatever the status; ``body`` and ``backend``, the text of a header, are
    kept only where that was asked. ``key`` and ``version`` are for whoever knows what the answer is about."""

    failure: Failure
    status: int = 0
    size: int = 0
    body: bytearray = bytearray()  # never written to
    unheard: bool = False  # the connection ended before anything came
    again: bool = False  # a kept-alive connection turned out to be closed, so it was asked twice
    backend: str = ""
    key: int = NONE_SEEN
    version: int = NONE_SEEN

    @property
    def status_code(self) -> int:
        """Where Locust's listeners look for the status."""
        return self.status


def judged(expect: Expect, found: Answered) -> Failure:
    """How the request failed, where an answer in full may still be the wrong one."""
    if found.failure is not Failure.NONE:
        return found.failure
    if found.status not in expect.status if expect.status else found.status >= 400:
        return Failure.STATUS
    return Failure.NONE if expect.contains.encode() in found.body or not expect.contains else Failure.CONTENT


class Asker:
    """Asks one app. Connections are kept alive, redirects are answers, no cookie is kept, and a TLS certificate
    is not verified, as it is not in a stock ``FastHttpUser``.

    ValueError unless the address is ``http`` or ``https`` with a host.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not an http or https address")
        self._fresh: set[object] = set()  # greenlets whose request opened a connection
        self._session = FastHttpSession(
            base_url=url.rstrip("/"),
            # Of its own: Locust's statistics gain these requests once a second.
            request_event=EventHook(),  # type: ignore[no-untyped-call]
            user=None,
            max_retries=0,
            client_pool=_Connections(self._opened),
        )
        agent: Any = self._session.client
        agent.cookiejar = None
        agent.redirect_response_codes = frozenset()
        agent.valid_response_codes = _ANY_STATUS

    def ask(self, target: Target, left_s: float, *, keep: bool, header: str = "") -> Answered:
        """Make the request; give up after ``left_s`` seconds. Keep the answer's body, and the text of one header."""
        try:
            with Timeout(left_s):
                found, again = self._once(target, keep, header), False
                # The server may close an idle connection in the instant that we use it; a client asks again, on
                # an idle one or on a new one. What a new one does not answer is the app's doing.
                while found.unheard and target.method == "GET" and getcurrent() not in self._fresh:
                    found, again = self._once(target, keep, header), True
                return found._replace(again=again)
        except Timeout:
            return Answered(Failure.TIMEOUT)
        finally:
            self._fresh.discard(getcurrent())

    def _opened(self, _: object) -> None:
        self._fresh.add(getcurrent())

    def _once(self, target: Target, keep: bool, header: str) -> Answered:
        try:
            response: Any = self._session.request(
                target.method,
                target.path,
                data=target.body or None,  # type: ignore[arg-type]  # bytes do as well as text
                headers=_headers(target),
                stream=True,
            )
            if isinstance(response, ErrorResponse):
                raise response.error or ConnectionError("no answer")
            return _read(response, keep, header)
        except Exception as error:  # noqa: BLE001 - whatever a client makes of what an app sent is a failure of that
            unheard = isinstance(error, HTTPConnectionClosed)
            return Answered(failure_of(error) or Failure.PROTOCOL, unheard=unheard)


class _Connections(HTTPClientPool):
    """Locust's own would ask the same again on its own, up to its number of connections."""

    def __init__(self, opened: Any) -> None:
        super().__init__(
            concurrency=_MANY,
            insecure=True,
            ssl_context_factory=insecure_ssl_context_factory,
            connection_timeout=None,  # whoever asks says how long
            network_timeout=None,
        )
        self._opened = opened

    def get_client(self, url: Any) -> HTTPClient:
        client = super().get_client(url)
        pool: Any = client._connection_pool
        pool.size = -1
        pool.after_connect = self._opened
        return client


def _headers(target: Target) -> dict[str, str]:
    defaults = dict((*DEFAULTS, JSON) if target.body else DEFAULTS)
    return {"Accept-Encoding": "identity", **defaults, **dict(target.headers)}


def _read(response: Any, keep: bool, header: str) -> Answered:
    # Before the body: what follows that is no header. Of several by one name, the first.
    backend = _first(response.headers, header) if header else ""
    size, kept = 0, bytearray()
    while part := response.stream.read(_CHUNK):
        size += len(part)
        if keep and len(kept) < KEPT_BYTES:
            kept += part
    return Answered(Failure.NONE, response.status_code, size, kept, backend=backend)


def _first(headers: Any, name: str) -> str:
    return next((str(text) for key, text in headers.items() if key.lower() == name), "")
