"""What a load may say: how much is asked in a block, and by whom. Pure."""

from __future__ import annotations

from lab.model.scenario import Load
from lab.scenario.parts import Parts
from lab.scenario.reading import Reading

AMOUNTS = ("rate", "stages", "users")
_SLACK_S = 1e-3


def check_load(reading: Reading, parts: Parts) -> None:
    """Note what does not fit together in the load of a block."""
    load = parts.load
    if load is None:
        return
    named = [key for key in AMOUNTS if reading.has(("load", key))]
    if len(named) == 1:
        {"rate": _rate, "stages": _stages, "users": _users}[named[0]](reading, load)
    elif named:
        message = f"a load has exactly one of {', '.join(AMOUNTS)}: here {' and '.join(named)}"
        reading.problem(("load", named[1]), message, key=True)
    else:
        reading.problem(("load",), "missing key 'rate' (or stages, or users): write rate: 100/s")
    if load.timeout <= 0:
        reading.problem(("load", "timeout"), "a time-out is above 0")
    _journeys(reading, load)


def _rate(reading: Reading, load: Load) -> None:
    if load.rate <= 0:
        reading.problem(("load", "rate"), "a rate is above 0")


def _stages(reading: Reading, load: Load) -> None:
    at = ("load", "stages")
    if not load.stages:
        reading.problem(at, "the list is empty: write at least one, for example {rate: 50/s, length: 1s}")
        return
    instant = [n for n, stage in enumerate(load.stages) if stage.length <= 0]
    for n in instant:
        reading.problem((*at, n, "length"), "a stage lasts longer than 0")
    if instant:
        return
    if load.rate <= 0:
        reading.problem(at, "in all of these stages nothing is due: one of them needs a rate above 0")
    total = sum(stage.length for stage in load.stages)
    if abs(total - load.block) > _SLACK_S * 1.001:
        message = f"the stages last {_ms(total)}, the block {_ms(load.block)}: together they fill the block"
        reading.problem(at, message)


def _users(reading: Reading, load: Load) -> None:
    if load.users < 1:
        reading.problem(("load", "users"), "a load has at least one user")
    if reading.has(("load", "arrivals")):
        message = "users ask again when they have their answer: without a rate no arrivals, leave out"
        reading.problem(("load", "arrivals"), message, key=True)


def _journeys(reading: Reading, load: Load) -> None:
    if load.locustfile is None:
        if reading.has(("load", "classes")):
            message = "classes are those of a locustfile: name it, or leave out"
            reading.problem(("load", "classes"), message, key=True)
        return
    if reading.has(("load", "requests")):
        message = "a load has requests or a locustfile, not both"
        reading.problem(("load", "requests"), message, key=True)
    if not load.locustfile.endswith(".py") or not load.locustfile.isprintable():
        reading.problem(("load", "locustfile"), "a locustfile is a Python file such as shop_users.py")
    if reading.has(("load", "classes")) and not load.classes:
        reading.problem(("load", "classes"), "the list is empty: name a user class, or leave out for all")
    for n, name in enumerate(load.classes):
        if not name.isidentifier():
            reading.problem(("load", "classes", n), f"{name!r} is not the name of a class")
        elif name in load.classes[:n]:
            reading.problem(("load", "classes", n), f"the class {name} is named twice")


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:g}ms"
