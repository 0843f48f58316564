"""The faults of Redis against a real server: they bite as measured, they heal, and what is wrong is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from time import perf_counter
from typing import Any

import pytest
from arm_at_work import ask, until
from pydantic import TypeAdapter, ValidationError
from redis import Redis
from redis.exceptions import ResponseError

from lab.errors import EnvironmentFailed
from lab.faults.expire_key import ExpireKey
from lab.faults.expire_pattern import ExpirePattern
from lab.faults.flush import Flush
from lab.faults.maxmemory import Maxmemory
from lab.faults.refuse_writes import RefuseWrites
from lab.faults.slow_command import SlowCommand
from lab.model.stack import Running
from lab.probes.health import Health


@pytest.fixture
def arm(each_arm: Running) -> Running:
    return each_arm


def made(kind: type[Any], **written: object) -> Any:
    return TypeAdapter(kind).validate_python(written)


PASSING = [
    made(ExpireKey, key="test:1"),
    made(ExpirePattern, pattern="test:*"),
    Flush(),
    made(SlowCommand, length="150ms"),
]
STANDING = [
    made(Maxmemory, share="50%"),
    made(RefuseWrites, how="min-replicas"),
    made(RefuseWrites, how="oom"),
    made(RefuseWrites, how="readonly"),
]
EXAMPLES = {type(fault): fault for fault in (*PASSING, *STANDING)}
KEYS = 2500  # more than one batch of a scan


@pytest.fixture
def client(arm: Running) -> Iterator[Redis]:
    """A client of the arm's Redis, which holds ``KEYS`` keys of a test and one of somebody else's."""
    with Redis.from_url(arm.redis_url, decode_responses=True) as client:
        client.flushdb()
        client.mset({f"test:{n}": "x" * 1000 for n in range(KEYS)} | {"other": "1"})
        yield client
        client.flushdb()


def condition(client: Redis) -> tuple[object, ...]:
    """What a fault may not change for longer than it lasts, and that writes are possible."""
    config = [
        client.config_get(name) for name in ("maxmemory*", "min-replicas*", "replica*", "busy*", "save")
    ]
    assert client.set("other", "1")
    return (*config, client.info("replication")["role"])


@pytest.mark.parametrize("fault", [*PASSING, *STANDING], ids=repr)
def test_it_bites_as_measured(fault: Any, arm: Running, client: Redis) -> None:
    assert not fault.dose(arm)[0].bit
    json.dumps(dict(fault.undo(arm)))
    with fault.inject(arm) as done:
        doses = fault.dose(arm)
        json.dumps(dict(done))
    assert doses
    if isinstance(fault, SlowCommand):  # this machine may be busy: it may take longer, never less
        assert doses[0].delivered is not None and doses[0].delivered >= doses[0].asked - doses[0].slack
    else:
        assert all(dose.bit for dose in doses), doses


@pytest.mark.parametrize("interruption", [None, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("fault", [*PASSING, *STANDING], ids=repr)
def test_it_heals_whatever_happens(
    fault: Any, interruption: type[BaseException] | None, arm: Running, client: Redis
) -> None:
    before = condition(client)
    with ExitStack() as stack:
        if interruption is not None:
            stack.enter_context(pytest.raises(interruption))
        stack.enter_context(fault.inject(arm))
        if interruption is not None:
            raise interruption
    assert condition(client) == before
    assert not fault.dose(arm)[0].bit


@pytest.mark.parametrize("fault", STANDING, ids=repr)
def test_it_heals_where_the_server_was_started_again_or_is_down(
    fault: Any, arm: Running, client: Redis
) -> None:
    before = condition(client)
    with fault.inject(arm):
        arm.restart("redis")
    assert condition(client) == before
    with fault.inject(arm):
        arm.kill("redis")
    arm.start("redis")
    assert condition(client) == before


@pytest.mark.parametrize("fault", [*PASSING, *STANDING], ids=repr)
def test_a_redis_that_is_down_is_told(fault: Any, arm: Running, client: Redis) -> None:
    arm.kill("redis")
    try:
        with pytest.raises(EnvironmentFailed, match="could not") as caught, fault.inject(arm):
            raise AssertionError("it did something to a server that is down")
        assert "redis of one" in caught.value.where
    finally:
        arm.start("redis")


def test_a_pattern_takes_what_it_names_and_nothing_else(arm: Running, client: Redis) -> None:
    with made(ExpirePattern, pattern="test:*").inject(arm) as done:
        assert done == {"deleted": KEYS}
    assert client.keys() == ["other"]
    with pytest.raises(EnvironmentFailed, match="no key matches 'test:"):
        made(ExpirePattern, pattern="test:*").undo(arm)


def test_the_cache_of_the_app_comes_back_after_a_flush(arm: Running, client: Redis) -> None:
    # The app's pooled connections died with servers of other tests: its first answer may still be an error.
    until(lambda: Health().capture(arm).text, lambda text: text.startswith("HTTP 200"))
    ask(arm, "/products/7")
    with Flush().inject(arm) as done:
        assert done["keys"] == KEYS + 2 and done["left"] == 0
        ask(arm, "/products/7")
    assert client.dbsize() == 1


def test_an_empty_cache_and_an_absent_key_did_not_bite(arm: Running, client: Redis) -> None:
    client.flushdb()
    for fault in (Flush(), ExpireKey(key="test:1")):
        with fault.inject(arm):
            assert not fault.dose(arm)[0].bit


def test_what_was_set_by_somebody_else_meanwhile_stays(arm: Running, client: Redis) -> None:
    with made(Maxmemory, bytes="20MB").inject(arm):
        client.config_set("maxmemory", 30_000_000)
    assert client.config_get("maxmemory*")["maxmemory"] == "30000000"
    assert client.config_get("maxmemory*")["maxmemory-policy"] == "noeviction"
    client.config_set("maxmemory", 0)


def test_a_limit_above_the_data_evicts_nothing_and_says_so(arm: Running, client: Redis) -> None:
    fault = made(Maxmemory, bytes="1GB")
    with fault.inject(arm):
        assert [dose.what for dose in fault.dose(arm) if not dose.bit] == ["keys evicted"]
    assert client.dbsize() == KEYS + 1


def test_refused_writes_within_a_memory_limit_heal_one_after_the_other(arm: Running, client: Redis) -> None:
    before = condition(client)
    with (
        made(Maxmemory, share="90%", policy="volatile-lru").inject(arm),
        made(RefuseWrites, how="oom").inject(arm),
    ):
        with pytest.raises(ResponseError, match="maxmemory"):
            client.set("other", "2")
        assert client.get("other") == "1"
    assert condition(client) == before


def pinged(client: Redis) -> float:
    """How long one PING takes, in seconds."""
    began = perf_counter()
    client.ping()
    return perf_counter() - began


def test_all_clients_wait_for_a_slow_command_and_only_for_its_time(arm: Running, client: Redis) -> None:
    with made(SlowCommand, length="200ms").inject(arm):
        # The first ones may be heard before the command, which another connection carries.
        waited = max(pinged(client) for _ in range(50))
    assert waited >= 0.15
    (slow, *_) = client.slowlog_get(1)
    assert b"sha1hex" in slow["command"] and slow["duration"] >= 150_000
    assert min(pinged(client) for _ in range(5)) < waited / 3


def test_a_slow_command_ends_with_a_server_that_dies(arm: Running, client: Redis) -> None:
    fault = made(SlowCommand, length="4s")
    began = perf_counter()
    with fault.inject(arm):
        arm.kill("redis")
        assert not fault.dose(arm)[0].bit
    assert perf_counter() - began < fault.length
    arm.start("redis")
    assert client.ping()


@pytest.mark.parametrize(
    ("kind", "written", "said"),
    [
        (ExpireKey, {"key": ""}, "empty key"),
        (ExpirePattern, {"pattern": "**"}, "flush"),
        (ExpirePattern, {"pattern": ""}, "flush"),
        (Flush, {"db": 1}, "nexpected keyword"),
        (Maxmemory, {}, "exactly one of bytes"),
        (Maxmemory, {"bytes": "1MB", "share": "5%"}, "exactly one of bytes"),
        (Maxmemory, {"share": "100%"}, "below 100%"),
        (Maxmemory, {"bytes": "0B"}, "0 is no limit"),
        (Maxmemory, {"bytes": "1MB", "policy": "noeviction"}, "allkeys-lru"),
        (Maxmemory, {"bytes": 5}, "has no unit"),
        (RefuseWrites, {"how": "politely"}, "min-replicas"),
        (SlowCommand, {"length": "5s"}, "at most 4s"),
        (SlowCommand, {"length": "0s"}, "more than 0"),
    ],
)
def test_wrong_attributes_are_told(kind: type[Any], written: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        made(kind, **written)


@pytest.mark.parametrize("fault", [*PASSING, *STANDING], ids=repr)
def test_its_target_has_a_name(fault: Any) -> None:
    assert fault.target and fault.needs == {"redis"}
