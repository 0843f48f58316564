"""What holds for every module below ``problems``: a new file is tested before its author writes a test."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable

import pytest
from asking import Answer, ask
from redis import Redis

from sample_app.app import create_app
from sample_app.modules import DEFAULT_VARIANT, problem_modules

MODULES = problem_modules()
CASES = [(name, variant.__name__) for name, module in MODULES.items() for variant in module.VARIANTS]
ASKED_TWICE = 2  # with a cold cache, then with a warm one


def paths(name: str) -> list[str]:
    """The paths of a module, with a row that exists and one that does not where they name a row."""
    router = MODULES[name].routes(lambda *values: None)
    found = [route.path for route in router.routes if "GET" in route.methods]  # type: ignore[attr-defined]
    assert found, f"{name} serves nothing"
    filled = [[re.sub(r"\{[^}]*\}", row, path) for row in ("7", "999999")] for path in found]
    return sorted({path for both in filled for path in both})


async def answers(settings: object, name: str) -> list[tuple[int, object]]:
    """Where a fix is to leave something out, the module says with ``same`` what of a good answer must stay."""
    same: Callable[[bytes], object] = getattr(MODULES[name], "same", bytes)
    app = create_app(settings)  # type: ignore[arg-type]
    async with app.router.lifespan_context(app):
        found: list[Answer] = []
        for _ in range(ASKED_TWICE):
            found += [await ask(app, path) for path in paths(name)]
    return [(one.status, same(one.body) if one.status == 200 else one.body) for one in found]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_answers_are_those_of_the_problem(name, variant, settings_of, redis: Redis) -> None:
    expected = asyncio.run(answers(settings_of({name: DEFAULT_VARIANT}), name))
    redis.flushall()
    assert asyncio.run(answers(settings_of({name: variant}), name)) == expected
    assert {status for status, _ in expected} <= {200, 404}
    assert 200 in {status for status, _ in expected}


@pytest.mark.parametrize("name", MODULES)
def test_variants_are_neighbours_of_one_signature(name: str) -> None:
    variants = MODULES[name].VARIANTS
    assert variants[0].__name__ == DEFAULT_VARIANT
    assert len({inspect.signature(variant) for variant in variants}) == 1
    assert len({variant.__name__ for variant in variants}) == len(variants) > 1
    assert all(variant.__doc__ for variant in variants), "each says in a sentence what it does"


def test_what_a_client_sees_names_no_variant(settings_of) -> None:
    document = str(create_app(settings_of()).openapi()).lower()
    for name, variant in CASES:
        for word in {name, variant, name.replace("_", " "), variant.replace("_", " ")}:
            assert word not in document
