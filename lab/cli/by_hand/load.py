"""``lab load``: load on the stack that is up, until it is told to stop."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lab.catalog import load_scenario
from lab.cli.by_hand.keeper import ask, kept
from lab.driver.words import ORDERS
from lab.errors import LabError
from lab.model.load import BlockOrder
from lab.model.scenario import Load, Request, Stage
from lab.model.units import PerSecond
from lab.scenario.request_list import parse_requests

BLOCK_S = 1.0
TIMEOUT_S = 2.0
SEED = 7


def start(out: Path, name: str | None, rate: str | None, get: Sequence[str]) -> None:
    """Start the load of a scenario, or GET requests at a rate; return when it is on."""
    kept(out)
    named = name or f"GET {' '.join(get)}"
    told = ask(out, "load-start", order=ORDERS.dump_json(_order(name, rate, get)).decode(), name=named)
    _say(f"{named}: {_amount(told)} until lab load stop")


def _order(name: str | None, rate: str | None, get: Sequence[str]) -> BlockOrder:
    if name is not None and not get:
        scenario = load_scenario(name)
        return _of_scenario(scenario.load, Path(scenario.path), None if rate is None else _rate(rate))
    if name is not None or not get or rate is None:
        raise LabError(
            "which load?",
            why="it is that of a scenario, or a rate and at least one path",
            do="lab load start stampede, or lab load start --rate 100/s --get /products/top",
        )
    requests = {"requests": [{"name": path, "get": path} for path in get]}
    return _made((Stage(rate=_rate(rate), length=BLOCK_S),), parse_requests(json_.dumps(requests), "--get"))


def _of_scenario(load: Load, path: Path, rate: float | None) -> BlockOrder:
    steady = (Stage(rate=rate if rate is not None else load.rate, length=BLOCK_S),)
    written = tuple(Stage(rate=one.rate, length=one.length, to=one.to) for one in load.stages)
    locustfile = None if load.locustfile is None else (path.parent / load.locustfile).resolve()
    return _made(
        written if written and rate is None else steady,
        load.requests,
        arrivals=load.arrivals,
        timeout_s=load.timeout,
        locustfile=locustfile,
        user_classes=load.classes,
        users=0 if rate is not None else load.users,
    )


def _made(stages: tuple[Stage, ...], requests: tuple[Request, ...], **more: Any) -> BlockOrder:
    """An order without address, moment and file, which are the keeper's to say."""
    return BlockOrder(
        **{
            "n": 0,
            "url": "",
            "start_ns": 0,
            "stages": stages,
            "arrivals": "poisson",
            "seed": SEED,
            "timeout_s": TIMEOUT_S,
            "requests": requests,
            "samples": Path(),
            **more,
        }
    )


def _rate(text: str) -> float:
    written = f"{text}/s" if text.replace(".", "", 1).isdecimal() else text
    try:
        rate = TypeAdapter(PerSecond).validate_python(written)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise LabError("this is no rate", where="--rate", why=why, do="write --rate 100/s") from error
    if rate <= 0:
        raise LabError("this is no rate", where="--rate", why="a rate is above 0", do="write --rate 100/s")
    return rate


def status(out: Path, *, json: bool) -> None:
    """The figures of the load."""
    _show(ask(out, "load-status"), json=json)


def stop(out: Path, *, json: bool) -> None:
    """End the load, with its last figures."""
    _show(ask(out, "load-stop"), json=json)


def _show(told: Mapping[str, Any], *, json: bool) -> None:
    if json:
        _say(json_.dumps({"schema": "lab.load/1", **told}, indent=1))
        return
    _say(f"{told['name']}: {told['state']}, {_amount(told)} asked, {told['seconds']:.0f} s of load")
    _say(f"  all: {told['requests']:,} requests, {told['errors']:,} failed")
    if told["failed"]:
        _say(f"  failed: {told['failed']}")
    if told["window"]["requests"]:
        _show_last(told["window"])


def _show_last(window: Mapping[str, Any]) -> None:
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in window["errors"].items()) or "none failed"
    answered = f"{window['answered_per_s']:.1f}/s answered"
    _say(f"  last {window['seconds']:.0f} s: {window['requests']:,} requests, {answered}, {kinds}")
    _say("  latency: " + ", ".join(f"p{q} {_ms(window[f'p{q}_ms'])}" for q in (50, 95, 99)))


def _amount(told: Mapping[str, Any]) -> str:
    return f"{told['users']} users" if told["users"] else f"{told['asked_per_s']:g}/s"


def _ms(value: float | None) -> str:
    return "failed" if value is None else f"{value:.1f} ms"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
