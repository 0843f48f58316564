"""The balancer as an ASGI app: every request goes to the backend that the policy picks, its answer comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request as Incoming
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sample_app.balancer.backends import Backend, Backends
from sample_app.balancer.connections import LARGEST_BODY, Asked, Failed, Headers, Reply
from sample_app.balancer.policy import Outcome, Policy, Request
from sample_app.balancer.status import Exported, status_of
from sample_app.middleware import EndsWithClient

OWN = "/balancer/"
_HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization"}
    | {b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_HARMLESS_TWICE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})


class TooLarge(Exception):
    """The body of a request is larger than a balancer keeps in memory."""


class Proxy:
    """Sends requests on. ``timeout_s`` is the longest that a backend may take to answer."""

    def __init__(self, backends: Backends, policy: Policy, timeout_s: float) -> None:
        self._backends, self._policy, self._timeout_s = backends, policy, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._answer(scope, await _body(receive))
        except TooLarge:
            reply = _sorry(413, "the request is too large")
        start = {"type": "http.response.start", "status": reply.status, "headers": reply.headers}
        await send(start)
        await send({"type": "http.response.body", "body": reply.body})

    async def _answer(self, scope: Scope, body: bytes) -> Reply:
        request = Request(scope["method"], scope["path"], scope["headers"])
        asked = _asked(scope, body)
        failed = Failed("refused", "no backend is in rotation")
        status = 503
        for _ in range(1 + self._policy.retries):
            backend = self._policy.pick(request)
            if backend is None:
                break
            try:
                return _passed_on(await self._ask(backend, request, asked), head=request.method == "HEAD")
            except Failed as error:
                failed, status = error, 504 if error.how == "timeout" else 502
                request = replace(request, tried=(*request.tried, backend))
                if error.how != "refused" and request.method not in _HARMLESS_TWICE:
                    break
        return _sorry(status, failed.how)

    async def _ask(self, backend: Backend, request: Request, asked: Asked) -> Reply:
        begun, status, how = time.perf_counter(), 0, "client-gone"
        backend.picked += 1
        backend.in_flight += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await backend.connections.ask(asked, again=request.method in _HARMLESS_TWICE)
            status, how = reply.status, ""
            return reply
        except TimeoutError as error:
            how = "timeout"
            raise Failed(how, f"no answer within {self._timeout_s:g} s") from error
        except Failed as error:
            how = error.how
            raise
        finally:
            backend.in_flight -= 1
            backend.failed += how not in ("", "client-gone")
            self._policy.done(backend, Outcome(status, how, time.perf_counter() - begun))


async def _body(receive: Receive) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError  # it left before it had asked
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            raise TooLarge
        if not message.get("more_body"):
            return b"".join(parts)


def _asked(scope: Scope, body: bytes) -> Asked:
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    left_out = {b"content-length", b"expect", b"x-forwarded-for"}
    came_for = b", ".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    client = (scope["client"] or ("unknown",))[0].encode()
    headers = [(name, value) for name, value in _end_to_end(scope["headers"]) if name not in left_out]
    headers.append((b"x-forwarded-for", b", ".join(filter(None, (came_for, client)))))
    if body or scope["method"] in ("POST", "PUT", "PATCH"):
        headers.append((b"content-length", b"%d" % len(body)))
    return Asked(scope["method"].encode(), target, headers, body)


def _passed_on(reply: Reply, *, head: bool) -> Reply:
    headers = _end_to_end(reply.headers)
    if not head and reply.status not in (204, 304):  # those tell the length of what does not come
        headers = [(name, value) for name, value in headers if name != b"content-length"]
        headers.append((b"content-length", b"%d" % len(reply.body)))
    return Reply(reply.status, headers, reply.body)


def _end_to_end(headers: Headers) -> Headers:
    """Without those that are about one connection, and those that the Connection header says are."""
    named = [value for name, value in headers if name == b"connection"]
    left_out = _HOP_BY_HOP.union(word.strip().lower() for value in named for word in value.split(b","))
    return [(name, value) for name, value in headers if name not in left_out]


def _sorry(status: int, why: str) -> Reply:
    body = b'{"detail":"%b"}' % why.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return Reply(status, headers, body)


class Balancer:
    """The proxy, and ``/balancer/status`` and ``/balancer/metrics`` for whoever runs it."""

    def __init__(self, backends: Backends, policy: Policy, timeout_s: float = 10.0) -> None:
        self._backends, self._policy = backends, policy
        self._registry = CollectorRegistry()
        self._registry.register(Exported(backends))
        self._proxy: ASGIApp = EndsWithClient(Proxy(backends, policy, timeout_s))
        self._own = Starlette(
            routes=[Route(f"{OWN}status", self._status), Route(f"{OWN}metrics", self._metrics)],
            lifespan=self._lifespan,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] != "http" or scope["path"].startswith(OWN)
        await (self._own if own else self._proxy)(scope, receive, send)

    async def _status(self, _request: Incoming) -> Response:
        return JSONResponse(status_of(self._backends))

    async def _metrics(self, _request: Incoming) -> Response:
        return PlainTextResponse(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        watch = self._policy.watch
        watching = None if watch is None else asyncio.ensure_future(watch())
        try:
            yield
        finally:
            if watching is not None:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
            self._backends.close()
