"""How long a probe looks, and how much it shows: both have an end, so that it may be used on a busy server."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab.model.units import Seconds

Window = Annotated[Seconds, Field(gt=0, le=30)]
Lines = Annotated[int, Field(ge=1, le=200)]


def shortened(line: str, widest: int = 160) -> str:
    """On one line, with an ellipsis where the rest is cut off."""
    flat = " ".join(line.split())
    return flat if len(flat) <= widest else flat[: widest - 1] + "…"
