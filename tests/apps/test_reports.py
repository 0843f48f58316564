"""The reports: products with like descriptions, and orders as a sheet."""

from __future__ import annotations

import asyncio
import csv
import io
import json

from asking import Answer, ask

from sample_app.app import create_app


def asked(settings_of, path: str) -> Answer:
    async def work() -> Answer:
        app = create_app(settings_of())
        async with app.router.lifespan_context(app):
            return await ask(app, path)

    return asyncio.run(work())


def test_ten_others_are_alike(settings_of) -> None:
    found = [product["id"] for product in json.loads(asked(settings_of, "/reports/alike/7").body)]
    assert len(set(found)) == 10
    assert 7 not in found
    assert asked(settings_of, "/reports/alike/999999").status == 404


def test_a_sheet_has_the_orders_that_were_asked_for(settings_of) -> None:
    answer = asked(settings_of, "/reports/orders.csv?first=11&count=3")
    head, *rows = csv.reader(io.StringIO(answer.body.decode()))
    assert head == ["id", "customer_id", "status", "total_cents", "created_at"]
    assert [row[0] for row in rows] == ["11", "12", "13"]
