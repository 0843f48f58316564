"""Around every request: its id, its time, the slow-request log, and an end when the client has gone."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sample_app.logs import Throttle, log
from sample_app.shop import Shop

_CLIENT_GONE = 499  # nginx's word for a client that closed the connection before the answer
_LONGEST_ID = 128


class Exchange:
    """One request and what has been sent back so far."""

    def __init__(self, scope: Scope, send: Send, served_by: tuple[bytes, bytes]) -> None:
        self.scope = scope
        self.id = Request(scope).headers.get("x-request-id", "")[:_LONGEST_ID] or uuid.uuid4().hex
        self.status = _CLIENT_GONE
        self._send = send
        self._served_by = served_by
        self._begun = time.perf_counter()

    @property
    def started(self) -> bool:
        return self.status != _CLIENT_GONE

    @property
    def route(self) -> str:
        """The template of the path, so that there are few values; ``unknown`` where no route matched."""
        return getattr(self.scope.get("route"), "path", "unknown")

    def seconds(self) -> float:
        return time.perf_counter() - self._begun

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message["headers"],
                (b"x-request-id", self.id.encode("latin-1")),
                (b"x-process-time", f"{self.seconds():.6f}".encode()),
                self._served_by,
            ]
        await self._send(message)


class Observed:
    """Counts, times and names every request, and turns a failure into an answer and one line of log.

    Plain ASGI, because a function-style middleware costs a task and a queue for every request.
    """

    def __init__(self, app: ASGIApp, shop: Shop) -> None:
        self._app = app
        self._metrics = shop.metrics
        self._slow_s = shop.settings.slow_request_ms / 1000
        self._failures = Throttle()
        # Made here, since this is after the fork: it tells processes apart, and tells nothing else of them.
        self._served_by = (b"x-served-by", secrets.token_hex(4).encode())
        self._log = log("shop.requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, send, self._served_by)
        self._metrics.began()
        with structlog.contextvars.bound_contextvars(request_id=exchange.id):
            try:
                await self._answer(exchange, receive)
            finally:
                self._note(exchange)

    async def _answer(self, exchange: Exchange, receive: Receive) -> None:
        try:
            await self._app(exchange.scope, receive, exchange.send)
        except Exception as error:
            if self._failures.allows():
                self._log.error(
                    "request failed",
                    path=exchange.scope["path"],
                    held_back=self._failures.held_back(),
                    exc_info=error,
                )
            if exchange.started:  # too late for another answer: the server has to cut this one off
                raise
            sorry = JSONResponse({"detail": "Internal Server Error"}, 500)
            await sorry(exchange.scope, receive, exchange.send)

    def _note(self, exchange: Exchange) -> None:
        method, seconds = exchange.scope["method"], exchange.seconds()
        self._metrics.ended(method, exchange.route, exchange.status, seconds)
        if seconds > self._slow_s:
            self._log.warning(
                "slow request",
                method=method,
                path=exchange.scope["path"],
                status=exchange.status,
                seconds=round(seconds, 3),
            )


class EndsWithClient:
    """Cancels the work for a request when its client goes away, down to the query in Postgres."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        first = await receive()
        if first["type"] == "http.disconnect":
            return
        if first.get("more_body"):  # a body that is still coming in: its reader notices a client that goes
            await self._app(scope, _replay(first, receive), send)
            return
        await self._watched(scope, first, receive, send)

    async def _watched(self, scope: Scope, first: Message, receive: Receive, send: Send) -> None:
        work = asyncio.current_task()
        assert work is not None
        answered = asyncio.Event()
        gone = asyncio.Event()

        async def send_and_see(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered.set()
            await send(message)

        async def watch() -> None:
            await receive()  # after the body, the only message left is the disconnect
            if not answered.is_set():
                gone.set()
                work.cancel()

        watcher = asyncio.create_task(watch())
        try:
            await self._app(scope, _replay(first, receive), send_and_see)
        except asyncio.CancelledError:
            if not gone.is_set() or work.uncancel():  # cancelled by somebody else, too
                raise
        finally:
            watcher.cancel()


def _replay(first: Message, receive: Receive) -> Receive:
    """A ``receive`` that gives ``first`` and then goes on with the real one."""
    pending = [first]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
