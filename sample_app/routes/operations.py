"""For whoever runs the shop: is it healthy, and what is it doing?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from redis import RedisError
from sqlalchemy import text

from sample_app.shop import Shop, TheShop

router = APIRouter(tags=["operations"])

DEPENDENCY_TIMEOUT_S = 1.0


class Health(BaseModel):
    """Each dependency is ``ok`` or says in one line what is wrong with it."""

    status: str
    postgres: str
    redis: str


class Memory(BaseModel):
    """In megabytes."""

    rss: float
    vms: float


class Cpu(BaseModel):
    """Percent of one core since the last look, and the number of threads."""

    percent: float
    threads: int


class Connections(BaseModel):
    """Connections of this process's pool in use, and clients of the Redis server (None: no answer)."""

    database: int
    redis: int | None


class CacheUse(BaseModel):
    """Entries in this process's own cache, and the share of all cache reads that were answered."""

    local_size: int
    hit_rate: float


class RequestCounts(BaseModel):
    active: int
    total: int
    errors: int


class DebugMetrics(BaseModel):
    """The troubleshooting guide's monitoring document, about the process that answers."""

    memory: Memory
    cpu: Cpu
    connections: Connections
    cache: CacheUse
    requests: RequestCounts


@router.get("/ready")
async def read_ready() -> dict[str, str]:
    """200 as soon as this process answers at all, whatever it depends on."""
    return {"status": "ready"}


@router.get("/health")
async def read_health(shop: TheShop, response: Response) -> Health:
    """200 where Postgres and Redis both answer within a second, else 503 with the reason."""
    postgres, redis = await asyncio.gather(_state_of(_ask_postgres(shop)), _state_of(_ask_redis(shop)))
    healthy = postgres == redis == "ok"
    response.status_code = 200 if healthy else 503
    return Health(status="ok" if healthy else "unavailable", postgres=postgres, redis=redis)


async def _state_of(asked: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(DEPENDENCY_TIMEOUT_S):
            await asked
    except TimeoutError:
        return f"no answer within {DEPENDENCY_TIMEOUT_S:g} s"
    except Exception as error:  # noqa: BLE001 (whatever a driver raises, it is the finding)
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "ok"


async def _ask_postgres(shop: Shop) -> None:
    async with shop.database.reading() as connection:
        await connection.execute(text("SELECT /* health */ 1"))


async def _ask_redis(shop: Shop) -> int:
    clients = await shop.cache.redis.info("clients")
    return int(clients["connected_clients"])


@router.get("/debug/metrics")
async def read_debug_metrics(shop: TheShop) -> DebugMetrics:
    """Memory, CPU, connections, cache and requests of this process at a glance."""
    process = shop.metrics.process
    memory = process.memory_info()
    return DebugMetrics(
        memory=Memory(rss=memory.rss / 2**20, vms=memory.vms / 2**20),
        cpu=Cpu(percent=process.cpu_percent(), threads=process.num_threads()),
        connections=Connections(database=shop.database.checked_out(), redis=await _redis_clients(shop)),
        cache=CacheUse(local_size=shop.local.size(), hit_rate=shop.reads.hit_rate()),
        requests=RequestCounts(
            active=shop.metrics.active, total=shop.metrics.total, errors=shop.metrics.errors
        ),
    )


class PoolUse(BaseModel):
    """Connections of one pool to Postgres: how many it may keep, has, lends now, and has beyond its size."""

    size: int
    open: int
    in_use: int
    overflow: int


@router.get("/debug/pools")
async def read_pools(shop: TheShop) -> list[PoolUse]:
    """Each pool of this process, that of most routes first."""
    return [
        PoolUse(
            size=pool.size(),
            open=pool.checkedin() + pool.checkedout(),
            in_use=pool.checkedout(),
            overflow=max(0, pool.overflow()),
        )
        for pool in shop.pools()
    ]


async def _redis_clients(shop: Shop) -> int | None:
    try:
        async with asyncio.timeout(DEPENDENCY_TIMEOUT_S):
            return await _ask_redis(shop)
    except (RedisError, OSError, TimeoutError):
        return None


@router.get("/metrics")
def read_metrics(shop: TheShop) -> Response:
    """The same for Prometheus. A plain function: it runs in a thread and keeps nobody waiting."""
    return Response(generate_latest(shop.metrics.registry), media_type=CONTENT_TYPE_LATEST)
