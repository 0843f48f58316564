"""How many statements a packing list costs, and the loader that gathers them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import pytest
from sqlalchemy import event

from sample_app.problems import n_plus_one
from sample_app.problems.n_plus_one import LENGTH, Loader
from sample_app.shop import Shop


async def statements(variant: Callable, settings_of) -> int:
    shop = Shop(settings_of())
    read, seen = variant(shop), []
    try:
        await read()  # opens the connections, each with statements of its own
        event.listen(
            shop.database._engine.sync_engine, "before_cursor_execute", lambda *call: seen.append(call[2])
        )
        assert len(await read()) == LENGTH
    finally:
        await shop.close()
    return len(seen)


@pytest.mark.parametrize(
    ("variant", "fewest", "most"),
    [
        (n_plus_one.problem, 1 + LENGTH + LENGTH // 2, 1 + 2 * LENGTH),  # a customer twice is asked for once
        (n_plus_one.eager_loading, 2, 2),
        (n_plus_one.dataloader, 3, 3),
        (n_plus_one.reference, 1, 1),
    ],
)
def test_statements_of_one_list(variant: Callable, fewest: int, most: int, settings_of) -> None:
    assert fewest <= asyncio.run(statements(variant, settings_of)) <= most


class Fetch:
    def __init__(self) -> None:
        self.batches: list[Sequence[int]] = []

    async def __call__(self, keys: Sequence[int]) -> Mapping[int, str]:
        self.batches.append(keys)
        if 0 in keys:
            raise ConnectionError("the database went away")
        return {key: str(key) for key in keys}


def test_keys_of_one_turn_are_one_batch_and_each_is_fetched_once() -> None:
    async def story() -> list[str]:
        loader = Loader(fetch)
        first = await asyncio.gather(*(loader.load(key) for key in (3, 1, 3)))
        return [*first, await loader.load(2)]

    fetch = Fetch()
    assert asyncio.run(story()) == ["3", "1", "3", "2"]
    assert fetch.batches == [[3, 1], [2]]


def test_an_error_reaches_all_who_asked_and_the_next_batch_starts_anew() -> None:
    async def story() -> tuple[list[object], str]:
        loader = Loader(fetch)
        failed = await asyncio.gather(loader.load(0), loader.load(1), return_exceptions=True)
        return list(failed), await loader.load(1)

    fetch = Fetch()
    failed, later = asyncio.run(story())
    assert [type(error) for error in failed] == [ConnectionError] * 2
    assert later == "1"
