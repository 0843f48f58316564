"""A deadlock of the app's own is counted by the time at which its request has failed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from lab.model.stack import Running
from lab.probes.deadlocks import Deadlocks

LINES, AT_ONCE, ROUNDS = 12, 4, 20


def status(arm: Running, products: list[int]) -> int:
    """Of a parcel with these products, sent back."""
    body = json.dumps({"items": [{"product_id": product, "quantity": 1} for product in products]})
    request = Request(f"{arm.url}/returns", body.encode(), {"Content-Type": "application/json"})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_each_failed_booking_is_a_deadlock_that_is_counted_at_once(arm: Running) -> None:
    there, back = list(range(1, LINES + 1)), list(range(LINES, 0, -1))
    before, failed = Deadlocks().read(arm)["ended"], 0
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for _ in range(ROUNDS):
            slips = [there, back] * (AT_ONCE // 2)
            failed += list(threads.map(status, [arm] * AT_ONCE, slips)).count(500)
            if failed:
                break
    assert failed
    assert Deadlocks().read(arm)["ended"] - before == failed


def test_bookings_in_one_order_make_none(arm: Running) -> None:
    before = Deadlocks().read(arm)["ended"]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        slips = [list(range(1, LINES + 1))] * (AT_ONCE * 5)
        assert set(threads.map(status, [arm] * len(slips), slips)) == {204}
    assert Deadlocks().read(arm)["ended"] == before
