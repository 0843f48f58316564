"""One JSON object a line on standard output, with the request's id on every line that a request causes."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb

import structlog
from structlog.typing import EventDict, WrappedLogger

_HERE = str(Path(__file__).parent)

Log = structlog.stdlib.BoundLogger


def log(name: str) -> Log:
    """The logger of one part of the shop, named in business words."""
    named: Log = structlog.stdlib.get_logger(name)
    return named


def set_up_logs(level: str) -> None:
    """Send structlog and the standard library (uvicorn, SQLAlchemy) through one JSON formatter."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _short_trace,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[output], level=level, force=True)


def _short_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """An exception as its type, its text and the shop's functions on the way to it: one line, not fifty."""
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        event["error"] = f"{type(raised).__name__}: {raised}"
        way = extract_tb(raised.__traceback__)
        ours = [frame for frame in way[:-1] if frame.filename.startswith(_HERE)]
        event["at"] = " > ".join(f"{frame.name}:{frame.lineno}" for frame in [*ours, *way[-1:]])
    return event


class Throttle:
    """Lets at most one line a second through and counts the rest, so that an outage cannot flood the log."""

    def __init__(self, every_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._last = float("-inf")
        self._held_back = 0

    def allows(self) -> bool:
        now = self._clock()
        if now - self._last < self._every_s:
            self._held_back += 1
            return False
        self._last = now
        return True

    def held_back(self) -> int:
        """How many lines were held back since the last one that went through."""
        held_back, self._held_back = self._held_back, 0
        return held_back
