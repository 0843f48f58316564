"""What the lab's link can do beyond Toxiproxy's API, under ``/lab/``."""

from __future__ import annotations

import os

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lab.link import asked
from lab.link.api import as_json, sent
from lab.link.proxies import Proxies
from lab.link.proxy import Proxy


class Beside:
    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies

    def routes(self) -> list[Route]:
        return [
            Route("/lab/health", self.health, methods=["GET"]),
            Route("/lab/proxies", self.create, methods=["POST"]),
            Route("/lab/proxies/{proxy}", self.show, methods=["GET"]),
            Route("/lab/proxies/{proxy}/fail_first", self.fail_first, methods=["POST"]),
            Route("/lab/proxies/{proxy}/connections", self.connections, methods=["GET"]),
        ]

    async def health(self, _request: Request) -> Response:
        proxies = self._proxies.all()
        return as_json(
            {
                "status": "ok",
                "pid": os.getpid(),
                "proxies": len(proxies),
                "connections": sum(len(proxy.connections) for proxy in proxies),
            }
        )

    async def create(self, request: Request) -> Response:
        """A proxy with ``toxics`` and ``fail_first`` in one step."""
        given = asked.body(await sent(request))
        wanted, toxics = asked.new_proxy(given), asked.toxics(given)
        proxy = await self._proxies.add(wanted, toxics, asked.of_proxy_fail_first(given))
        return as_json(_shown(proxy), 201)

    async def show(self, request: Request) -> Response:
        return as_json(_shown(self._named(request)))

    async def fail_first(self, request: Request) -> Response:
        """``{"connections": N}``: the next N new connections are reset; 0 takes it back."""
        self._named(request)
        number = asked.fail_first(asked.body(await sent(request)))
        proxy = self._named(request)
        proxy.fail_first = number
        return as_json(_shown(proxy))

    async def connections(self, request: Request) -> Response:
        """The open ones, the oldest first."""
        proxy = self._named(request)
        return as_json([one.shown() for one in sorted(proxy.connections, key=lambda one: one.number)])

    def _named(self, request: Request) -> Proxy:
        return self._proxies.named(request.path_params["proxy"])


def _shown(proxy: Proxy) -> dict[str, object]:
    return {**proxy.shown(), "fail_first": {"connections": proxy.fail_first}}
