"""The four requests that every generator makes: weights, two headers, a status and a text to be checked."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from lab.model.scenario import Expect, Request, Values

HEADERS = {"X-Client": "load-benchmark", "Accept-Language": "en-GB,en;q=0.8"}
PRODUCTS = 5000
PAGES = 40
IN_STOCK = '"in_stock":true'  # in the body of every product
ORDER = {"lines": [{"product": 17, "count": 2}], "pay": "card"}
_FILLING = "words that fill an answer up to the size that a small JSON answer of a shop has, " * 4


@dataclass(frozen=True, kw_only=True)
class Route:
    name: str
    weight: int
    method: str
    path: str  # with {id} or {page}
    location: str  # of nginx


ROUTES = (
    Route(name="product", weight=4, method="GET", path="/products/{id}", location="/products/"),
    Route(name="search", weight=3, method="GET", path="/search?q=lamp&page={page}", location="/search"),
    Route(name="basket", weight=2, method="GET", path="/basket", location="= /basket"),
    Route(name="order", weight=1, method="POST", path="/orders", location="= /orders"),
)


def body_of(route: Route) -> str:
    """The JSON that the server answers with, some 400 bytes."""
    in_stock = {"in_stock": True} if route.name == "product" else {}
    return json.dumps({"route": route.name, **in_stock, "text": _FILLING}, separators=(",", ":"))


def requests() -> tuple[Request, ...]:
    """The routes as the lab's own requests."""
    product, search, basket, order = ROUTES
    return (
        Request(
            name=product.name,
            get=product.path,
            weight=product.weight,
            headers=HEADERS,
            values={"id": Values(uniform=(1, PRODUCTS))},
            expect=Expect(status=(200,), contains=IN_STOCK),
        ),
        Request(
            name=search.name,
            get="/search",
            query={"q": "lamp", "page": "{page}"},
            weight=search.weight,
            headers=HEADERS,
            values={"page": Values(uniform=(1, PAGES))},
            expect=Expect(status=(200,)),
        ),
        Request(
            name=basket.name,
            get=basket.path,
            weight=basket.weight,
            headers=HEADERS,
            expect=Expect(status=(200,)),
        ),
        Request(
            name=order.name,
            post=order.path,
            weight=order.weight,
            headers=HEADERS,
            body=ORDER,
            expect=Expect(status=(200,)),
        ),
    )


def drawn(count: int, seed: int) -> list[tuple[Route, str]]:
    """``count`` routes by weight, each with its path filled in."""
    draw = random.Random(seed)
    routes = draw.choices(ROUTES, [route.weight for route in ROUTES], k=count)
    return [(r, r.path.format(id=draw.randint(1, PRODUCTS), page=draw.randint(1, PAGES))) for r in routes]


def nginx_locations() -> str:
    """One location for each route, answering from the configuration itself."""
    return "\n".join(
        f"    location {route.location} {{ return 200 '{body_of(route)}'; }}" for route in ROUTES
    )


def wrk_script(*, check: bool) -> str:
    """A Lua script for wrk: 1,000 requests drawn by weight, made once; with ``check`` each answer is looked at.

    wrk calls ``response`` with headers and body only where a script defines it, and that costs it time.
    """
    body = json.dumps(ORDER, separators=(",", ":"))
    headers = ", ".join(f'["{name}"] = "{value}"' for name, value in HEADERS.items())
    rows = []
    for route, path in drawn(1000, seed=1):
        extra = f"posting, '{body}'" if route.method == "POST" else "headers"
        rows.append(f'  wrk.format("{route.method}", "{path}", {extra}),')
    return _LUA % (headers, headers, "\n".join(rows)) + (_LUA_CHECK % IN_STOCK if check else "")


_LUA = """
local headers = { %s }
local posting = { %s, ["Content-Type"] = "application/json" }
local ready, at = nil, 0
function init(args)
  ready = {
%s
  }
end
function request()
  at = at %% #ready + 1
  return ready[at]
end
"""

_LUA_CHECK = """
local threads = {}
function setup(thread) table.insert(threads, thread) end
wrong = 0
function response(status, headers, body)
  if status ~= 200 then
    wrong = wrong + 1
  elseif string.find(body, '"product"', 1, true) and not string.find(body, '%s', 1, true) then
    wrong = wrong + 1
  end
end
function done(summary, latency, requests)
  local all = 0
  for _, thread in ipairs(threads) do all = all + thread:get("wrong") end
  io.write("wrong answers: " .. all .. "\\n")
end
"""
