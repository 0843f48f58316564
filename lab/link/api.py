"""Toxiproxy's HTTP API, route by route, with its statuses, bodies and content types (those of version 2.12)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.link import asked
from lab.link.proxies import Proxies
from lab.link.refused import Refused

SPOKEN = "2.12.0"
_LARGEST_BODY = 1 << 20
_BODY_S = 15.0
_PLAIN = "text/plain; charset=utf-8"
Answer = Callable[[Request], Awaitable[Response]]


def application(proxies: Proxies, more: list[Route]) -> ASGIApp:
    """The API over these proxies; ``more`` are routes beside it."""
    here = Toxiproxy(proxies)
    starlette = Starlette(
        routes=[*here.routes(), *more],
        exception_handlers={Refused: _refused, HTTPException: _unknown},  # type: ignore[dict-item]
    )
    return NoBrowsers(starlette)


class NoBrowsers:
    """A page that somebody has open must not drive the proxy: browsers are refused, as by Toxiproxy."""

    def __init__(self, behind: ASGIApp) -> None:
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._behind
        if any(name == b"user-agent" and value.startswith(b"Mozilla/") for name, value in scope["headers"]):
            answer = _plain("User agent not allowed", 403)
        await answer(scope, receive, send)


class Toxiproxy:
    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies

    def routes(self) -> list[Route]:
        one, toxics = "/proxies/{proxy}", "/proxies/{proxy}/toxics"
        table: list[tuple[str, str, Answer]] = [
            ("POST", "/reset", self.reset),
            ("GET", "/proxies", self.index),
            ("POST", "/proxies", self.create),
            ("POST", "/populate", self.populate),
            ("GET", one, self.show),
            ("POST PATCH", one, self.update),
            ("DELETE", one, self.delete),
            ("GET", toxics, self.toxics),
            ("POST", toxics, self.add_toxic),
            ("GET", toxics + "/{toxic}", self.show_toxic),
            ("POST PATCH", toxics + "/{toxic}", self.update_toxic),
            ("DELETE", toxics + "/{toxic}", self.delete_toxic),
            ("GET", "/version", self.version),
        ]
        return [Route(path, answer, methods=methods.split()) for methods, path, answer in table]

    async def reset(self, _request: Request) -> Response:
        await self._proxies.reset()
        return Response(status_code=204)

    async def index(self, _request: Request) -> Response:
        return as_json({proxy.name: proxy.shown() for proxy in self._proxies.all()})

    async def create(self, request: Request) -> Response:
        proxy = await self._proxies.add(asked.new_proxy(asked.body(await sent(request))))
        return as_json(proxy.shown(), 201)

    async def populate(self, request: Request) -> Response:
        done, failed = await self._proxies.populate(asked.proxies(await sent(request)))
        shown: dict[str, Any] = {"proxies": [proxy.shown() for proxy in done]}
        if failed is None:
            return as_json(shown, 201)
        return as_json({"error": failed.message, "status": failed.status, **shown}, failed.status)

    async def show(self, request: Request) -> Response:
        return as_json(self._proxy(request).shown())

    async def update(self, request: Request) -> Response:
        name = self._proxy(request).name
        given = asked.body(await sent(request))
        wanted = asked.proxy(given, before=self._proxies.named(name).asked())
        return as_json((await self._proxies.change(name, wanted)).shown())

    async def delete(self, request: Request) -> Response:
        await self._proxies.remove(request.path_params["proxy"])
        return Response(status_code=204)

    async def toxics(self, request: Request) -> Response:
        return as_json(self._proxy(request).shown_toxics())

    async def add_toxic(self, request: Request) -> Response:
        self._proxy(request)
        toxic = asked.toxic(asked.body(await sent(request)))
        self._proxy(request).add(toxic)
        return as_json(toxic.shown())

    async def show_toxic(self, request: Request) -> Response:
        return as_json(self._proxy(request).toxic(request.path_params["toxic"]).shown())

    async def update_toxic(self, request: Request) -> Response:
        name = request.path_params["toxic"]
        self._proxy(request).toxic(name)
        given = asked.body(await sent(request))
        toxic = self._proxy(request).toxic(name)
        self._proxy(request).change(toxic, *asked.changed(given, toxic))
        return as_json(toxic.shown())

    async def delete_toxic(self, request: Request) -> Response:
        proxy = self._proxy(request)
        proxy.remove(proxy.toxic(request.path_params["toxic"]))
        return Response(status_code=204)

    async def version(self, _request: Request) -> Response:
        text = f'{{"version": "{SPOKEN}"}}\n'
        return Response(text, headers={"content-type": "application/json;charset=utf-8"})

    def _proxy(self, request: Request) -> Any:
        return self._proxies.named(request.path_params["proxy"])


async def sent(request: Request) -> bytes:
    """The body, of at most 1 MiB and within 15 s. Refused otherwise."""
    found = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            async for part in request.stream():
                found += part
                if len(found) > _LARGEST_BODY:
                    raise Refused(413, f"request body too large: at most {_LARGEST_BODY} bytes are read")
    except TimeoutError:
        raise Refused(408, f"the request body did not come within {_BODY_S:.0f} s") from None
    return bytes(found)


def as_json(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value, separators=(",", ":")), status, media_type="application/json")


async def _refused(_request: Request, refused: Refused) -> Response:
    # As plain text, because Toxiproxy's errors are: it hands them to a function that says so.
    return _plain(as_json({"error": refused.message, "status": refused.status}).body, refused.status)


async def _unknown(_request: Request, wrong: HTTPException) -> Response:
    if wrong.status_code == 404:
        return _plain("404 page not found", 404)
    return Response(status_code=wrong.status_code, headers=wrong.headers)


def _plain(text: str | bytes | memoryview, status: int) -> Response:
    content = text.encode() if isinstance(text, str) else bytes(text)
    headers = {"content-type": _PLAIN, "x-content-type-options": "nosniff"}
    return Response(content + b"\n", status, headers=headers)
