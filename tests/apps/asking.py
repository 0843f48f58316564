"""Asking an app without a server in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Scope


@dataclass
class Answer:
    """Status 0: the app ended without an answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def ask(
    app: ASGIApp, target: str, gone: asyncio.Event | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """GET ``target``, a path that may have a query; the client stays until ``gone`` is set."""
    path, _, query = target.partition("?")
    gone = gone or asyncio.Event()
    answer = Answer()
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
        "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "http",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), text.encode()) for name, text in (headers or {}).items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await app(scope, receive, send)
    return answer


async def until(holds: Callable[[], object], what: str, deadline_s: float = 5.0) -> None:
    """Wait for a condition, and say which one did not come true."""
    try:
        async with asyncio.timeout(deadline_s):
            while not holds():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {deadline_s} s: {what}") from None
