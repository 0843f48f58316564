"""A closer look at a live process, for a moment. Served only where the settings say ``debug``: it costs speed,
and its lines may show what customers typed."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from cProfile import Profile
from io import StringIO
from pathlib import PurePath
from pstats import Stats
from threading import Lock
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

router = APIRouter(prefix="/debug", tags=["operations"])

Window = Annotated[float, Query(gt=0, le=30, description="Seconds")]
Top = Annotated[int, Query(ge=1, le=200)]
Order = Literal["cumulative", "tottime"]

_looking = Lock()
# SQLAlchemy holds itself at WARNING unless told otherwise; below INFO it logs every row.
_WORDY = {"": logging.DEBUG, "sqlalchemy": logging.INFO}


class LogLevel(BaseModel):
    """What it was before, and is again now."""

    was: str
    logged: str
    seconds: float


@contextmanager
def _alone() -> Iterator[None]:
    """There is one profiler, one tracer and one level for the whole process."""
    if not _looking.acquire(blocking=False):
        raise HTTPException(409, "somebody else is looking at this process")
    try:
        yield
    finally:
        _looking.release()


@router.get("/profile", response_class=PlainTextResponse)
async def read_profile(seconds: Window = 2, top: Top = 10, sort: Order = "cumulative") -> str:
    """cProfile of the event loop's thread; each time that a coroutine goes on counts as a call."""
    profiler, text = Profile(), StringIO()
    with _alone():
        profiler.enable()
        try:
            await asyncio.sleep(seconds)
        finally:
            profiler.disable()
    Stats(profiler, stream=text).strip_dirs().sort_stats(sort).print_stats(top)
    return text.getvalue()


@router.get("/allocations", response_class=PlainTextResponse)
async def read_allocations(seconds: Window = 2, top: Top = 10) -> str:
    """What was allocated within the window and is still held at its end, by line (tracemalloc)."""
    with _alone():
        tracemalloc.start()
        try:
            await asyncio.sleep(seconds)
            current, peak = tracemalloc.get_traced_memory()
            taken = tracemalloc.take_snapshot()
        finally:
            tracemalloc.stop()
    ours = taken.filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)])
    lines = [_line(entry) for entry in ours.statistics("lineno")[:top]]
    used = [f"Current memory usage: {current / 1e6:.1f} MB", f"Peak memory usage: {peak / 1e6:.1f} MB"]
    return "\n".join([*used, "", f"{'kB':>10}  {'blocks':>8}  line", *lines])


def _line(entry: tracemalloc.Statistic) -> str:
    frame = entry.traceback[0]
    where = "/".join(PurePath(frame.filename).parts[-2:])
    return f"{entry.size / 1e3:>10,.1f}  {entry.count:>8,}  {where}:{frame.lineno}"


@router.post("/log-level")
async def set_log_level(seconds: Window = 2) -> LogLevel:
    """Log everything for a while, every statement of SQLAlchemy with its values too, then as before."""
    with _alone():
        before = {name: logging.getLogger(name).level for name in _WORDY}
        try:
            for name, level in _WORDY.items():
                logging.getLogger(name).setLevel(level)
            await asyncio.sleep(seconds)
        finally:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)
    return LogLevel(was=logging.getLevelName(before[""]), logged="DEBUG", seconds=seconds)
