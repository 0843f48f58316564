"""All proxies by name. What changes one, or the list, goes one after another."""

from __future__ import annotations

import asyncio

from lab.link.alarms import Alarms
from lab.link.asked import ProxyAsked
from lab.link.proxy import Proxy
from lab.link.refused import Refused, no_proxy, proxy_exists
from lab.link.toxic import Toxic


class Proxies:
    """``seed`` decides what chance decides: which connections a toxic covers, jitter, sizes of slices."""

    def __init__(self, alarms: Alarms, seed: str) -> None:
        self._alarms, self._seed = alarms, seed
        self._by_name: dict[str, Proxy] = {}
        self._one_at_a_time = asyncio.Lock()

    def all(self) -> list[Proxy]:
        return list(self._by_name.values())

    def named(self, name: str) -> Proxy:
        if name not in self._by_name:
            raise no_proxy()
        return self._by_name[name]

    async def add(self, asked: ProxyAsked, toxics: list[Toxic] | None = None, fail_first: int = 0) -> Proxy:
        """A new proxy that has its toxics before it listens: all of it or nothing."""
        async with self._one_at_a_time:
            if asked.name in self._by_name:
                raise proxy_exists()
            return await self._add(asked, toxics or [], fail_first)

    async def change(self, name: str, asked: ProxyAsked) -> Proxy:
        async with self._one_at_a_time:
            proxy = self.named(name)
            await proxy.become(asked)
            return proxy

    async def remove(self, name: str) -> None:
        async with self._one_at_a_time:
            self.named(name).stop()
            del self._by_name[name]

    async def populate(self, several: list[ProxyAsked]) -> tuple[list[Proxy], Refused | None]:
        """Those that are there unchanged are kept, with their toxics; others are made anew. At the first that
        cannot be, those before it and the reason."""
        done: list[Proxy] = []
        async with self._one_at_a_time:
            for asked in several:
                try:
                    done.append(await self._populate(asked))
                except Refused as refused:
                    return done, refused
        return done, None

    async def reset(self) -> None:
        """Every proxy enabled, without toxics."""
        async with self._one_at_a_time:
            for proxy in self.all():
                await proxy.start()
                proxy.heal()

    def close(self) -> None:
        for proxy in self.all():
            proxy.stop()

    async def _add(self, asked: ProxyAsked, toxics: list[Toxic], fail_first: int) -> Proxy:
        proxy = Proxy(asked, self._alarms, self._seed)
        for toxic in toxics:
            proxy.add(toxic)
        proxy.fail_first = fail_first
        if asked.enabled:
            await proxy.start()
        self._by_name[asked.name] = proxy
        return proxy

    async def _populate(self, asked: ProxyAsked) -> Proxy:
        there = self._by_name.get(asked.name)
        if there is not None:
            if there.is_at(asked):
                await there.become(asked)
                return there
            there.stop()
            del self._by_name[asked.name]
        return await self._add(asked, [], 0)
