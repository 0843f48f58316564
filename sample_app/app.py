"""The app, put together: routes, the modules below ``problems``, and what stands around every request."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from sample_app.loop import watch_loop
from sample_app.middleware import EndsWithClient, Observed
from sample_app.modules import Variant, chosen_variants, problem_modules
from sample_app.routes import customers, debug, operations, orders, products, reports
from sample_app.settings import Settings
from sample_app.shop import Shop

_SETTLING_S = 0.4


def _config_hash(settings: Settings, chosen: Mapping[str, Variant]) -> int:
    """Of the settings and of what serves, however it was chosen; tells two apart without telling what they are."""
    serving = [f"{variant.__module__}.{variant.__name__}" for variant in chosen.values()]
    return zlib.crc32(f"{settings.model_dump_json(exclude={'code'})} {serving}".encode())


async def _settled(shop: Shop) -> None:
    """Wait a moment for requests that were cut off: each still has to tell Postgres to stop its query."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SETTLING_S):
            while shop.metrics.active:
                await asyncio.sleep(0.01)


def create_app(settings: Settings) -> FastAPI:
    """The shop, ready to serve; connects to nothing yet. Raises :class:`SettingsError`."""
    chosen = chosen_variants(settings.code)
    shop = Shop(settings)
    config = _config_hash(settings, chosen)
    shop.metrics.watch("shop_config_hash", "Another number where the app runs otherwise", lambda: config)

    @asynccontextmanager
    async def open_shop(_app: FastAPI) -> AsyncIterator[None]:
        clock = asyncio.create_task(watch_loop(shop.metrics.late.inc))
        yield
        clock.cancel()
        await _settled(shop)
        await shop.close()

    app = FastAPI(title="Shop", lifespan=open_shop)
    app.state.shop = shop
    for router in (products.router, customers.router, orders.router, reports.router, operations.router):
        app.include_router(router)
    if settings.debug:
        app.include_router(debug.router)
    for name, module in problem_modules().items():
        app.include_router(module.routes(chosen[name](shop)))
    app.add_middleware(EndsWithClient)
    app.add_middleware(Observed, shop=shop)  # added last, so it stands outside
    return app
