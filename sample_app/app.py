"""The app, put together: routes, the modules below ``problems``, and what stands around every request."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, cast

from fastapi import APIRouter, FastAPI

from sample_app import problems
from sample_app.middleware import EndsWithClient, Observed
from sample_app.routes import customers, operations, orders, products
from sample_app.settings import Settings, SettingsError
from sample_app.shop import Shop

DEFAULT_VARIANT = "problem"
_SETTLING_S = 0.4


class ProblemModule(Protocol):
    """What a module below ``problems`` offers.

    ``VARIANTS`` are functions of one signature, each of which serves the same answers from a
    :class:`Shop`; ``routes`` puts the chosen one behind its path.
    """

    VARIANTS: tuple[Callable[[Shop], Any], ...]

    def routes(self, serve: Any) -> APIRouter: ...


def problem_modules() -> Mapping[str, ProblemModule]:
    """Every module of the folder by its name; a new file is found without a list to edit."""
    names = sorted(found.name for found in iter_modules(problems.__path__))
    return {name: cast(ProblemModule, import_module(f"{problems.__name__}.{name}")) for name in names}


def chosen_variants(code: Mapping[str, str]) -> list[tuple[ProblemModule, Callable[[Shop], Any]]]:
    """Each module with the variant that serves. Raises :class:`SettingsError` for a name nobody knows."""
    modules = problem_modules()
    for name in code:
        if name not in modules:
            raise SettingsError(f"bad settings: code: no module {name!r} (known: {', '.join(modules)})")
    chosen = []
    for name, module in modules.items():
        variants = {variant.__name__: variant for variant in module.VARIANTS}
        wanted = code.get(name, DEFAULT_VARIANT)
        if wanted not in variants:
            raise SettingsError(
                f"bad settings: code.{name}: no variant {wanted!r} (known: {', '.join(variants)})"
            )
        chosen.append((module, variants[wanted]))
    return chosen


def _config_hash(settings: Settings, chosen: list[tuple[ProblemModule, Callable[[Shop], Any]]]) -> int:
    """Of the settings and of what serves, however it was chosen; tells two apart without telling what they are."""
    serving = [f"{variant.__module__}.{variant.__name__}" for _, variant in chosen]
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
        yield
        await _settled(shop)
        await shop.close()

    app = FastAPI(title="Shop", lifespan=open_shop)
    app.state.shop = shop
    for router in (products.router, customers.router, orders.router, operations.router):
        app.include_router(router)
    for module, variant in chosen:
        app.include_router(module.routes(variant(shop)))
    app.add_middleware(EndsWithClient)
    app.add_middleware(Observed, shop=shop)  # added last, so it stands outside
    return app
