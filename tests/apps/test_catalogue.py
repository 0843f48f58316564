"""What the variants of the catalogue do with the page, the columns and the encoding that a client asks for."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest
from asking import Answer, ask

from sample_app.app import create_app
from sample_app.data import PRODUCTS

NAMED = "/catalogue?page=3&size=10&fields=id,name,unheard_of"
ALL, SOME = 7, 2  # columns


def answered(settings_of, variant: str, target: str, **headers: str) -> Answer:
    async def story() -> Answer:
        app = create_app(settings_of({"large_payload": variant}))
        async with app.router.lifespan_context(app):
            return await ask(app, target, headers={"Accept-Encoding": headers.get("accept", "identity")})

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("variant", "rows", "first", "columns"),
    [
        ("problem", PRODUCTS, 1, ALL),
        ("pagination", 10, 21, ALL),
        ("field_filtering", PRODUCTS, 1, SOME),
        ("compression", PRODUCTS, 1, ALL),
        ("reference", 10, 21, SOME),
    ],
)
def test_what_of_the_question_is_heeded(
    variant: str, rows: int, first: int, columns: int, settings_of
) -> None:
    products: list[dict[str, Any]] = json.loads(answered(settings_of, variant, NAMED).body)
    assert (len(products), products[0]["id"], len(products[0])) == (rows, first, columns)


def test_only_a_client_that_can_unpack_gets_a_packed_answer(settings_of) -> None:
    plain = answered(settings_of, "compression", "/catalogue")
    packed = answered(settings_of, "compression", "/catalogue", accept="br, gzip")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 4


@pytest.mark.parametrize("query", ["page=0", "size=101", "fields=" + "x" * 201])
def test_a_question_out_of_bounds_is_refused(query: str, settings_of) -> None:
    assert answered(settings_of, "problem", f"/catalogue?{query}").status == 422
