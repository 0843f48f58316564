"""Quantities as people write them in a scenario file: every one carries its unit.

Each annotated type parses the written form and holds a plain float in the base unit of its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_NUMBER = r"(?P<number>\d+(?:\.\d+)?)\s*"
_DURATIONS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATES = {"/s": 1.0, "/min": 1 / 60}
_SHARES = {"%": 0.01}
_SIZES = {
    "B": 1.0,
    **dict.fromkeys(("kB", "KB"), 1e3),
    "MB": 1e6,
    "GB": 1e9,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
}


def _quantity(what: str, units: Mapping[str, float], example: str) -> BeforeValidator:
    alternatives = "|".join(re.escape(u) for u in sorted(units, key=len, reverse=True))
    pattern = re.compile(rf"^{_NUMBER}(?P<unit>{alternatives})$")

    def parse(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"expected a {what} such as {example}")
        if isinstance(value, int | float):
            raise ValueError(f"{value} has no unit: write a {what} such as {example}")
        found = pattern.match(value.strip())
        if found is None:
            raise ValueError(f"{value!r} is not a {what}: write it as {example} (units: {', '.join(units)})")
        return float(found["number"]) * units[found["unit"]]

    return BeforeValidator(parse)


def _schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Seconds = Annotated[
    float,
    _quantity("duration", _DURATIONS, "500ms"),
    _schema(r"^\d+(\.\d+)?\s*(us|ms|s|m|min|h)$", "500ms"),
]
PerSecond = Annotated[
    float, _quantity("rate", _RATES, "100/s"), _schema(r"^\d+(\.\d+)?\s*(/s|/min)$", "100/s")
]
Share = Annotated[float, _quantity("share", _SHARES, "5%"), _schema(r"^\d+(\.\d+)?\s*%$", "5%")]
Bytes = Annotated[
    float,
    _quantity("size", _SIZES, "100KB"),
    _schema(r"^\d+(\.\d+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)$", "100KB"),
]
