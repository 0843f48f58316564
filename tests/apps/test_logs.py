"""The log: one JSON object a line, whoever writes it, and nothing in it that a person has to unpick."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from sample_app.logs import log, set_up_logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, configured = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**configured)


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def fail() -> None:
    raise ValueError("no such\nthing")


def test_both_kinds_of_logger_write_the_same_lines(capsys) -> None:
    set_up_logs("INFO")
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        log("shop.orders").info("placed", order=7)
        logging.getLogger("uvicorn.error").info("started %s", "well")
        log("shop.orders").debug("not at this level")
    ours, theirs = written(capsys)
    assert (ours["event"], ours["order"], ours["logger"], ours["level"]) == (
        "placed",
        7,
        "shop.orders",
        "info",
    )
    assert (theirs["event"], theirs["logger"], theirs["level"]) == ("started well", "uvicorn.error", "info")
    assert ours["request_id"] == theirs["request_id"] == "abc"
    assert ours["timestamp"].endswith("Z")


@pytest.mark.parametrize("by", ["ours", "theirs"])
def test_an_exception_is_one_line_without_file_names(by: str, capsys) -> None:
    set_up_logs("INFO")
    try:
        fail()
    except ValueError as error:
        if by == "ours":
            log("shop.orders").error("failed", exc_info=error)
        else:
            logging.getLogger("uvicorn.error").exception("failed")
    [line] = written(capsys)
    assert line["error"] == "ValueError: no such\nthing"
    assert re.fullmatch(r"fail:\d+", line["at"])
    assert ".py" not in json.dumps(line)
