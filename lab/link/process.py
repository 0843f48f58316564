"""Starts a link in a process of its own and ends it."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import IO, Any

from lab.errors import EnvironmentFailed
from lab.link.client import LinkClient

_READY_S = 30.0
_GONE_S = 5.0


class Link:
    """A running link. It ends when it is told to, and with this process."""

    def __init__(self, process: subprocess.Popen[bytes], client: LinkClient) -> None:
        self._process = process
        self.client = client

    @classmethod
    def start(cls, seed: int, own: Callable[[Mapping[str, Any]], None], port: int = 0) -> Link:
        """Start one on loopback; returns when its API answers. EnvironmentFailed where it does not come up.

        ``own`` is told the process before anything else, so that it can be removed whatever happens.
        """
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lab.link", "--port", str(port), "--seed", str(seed)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
            try:
                own({"process": process.pid})
                return cls(process, LinkClient(_hear(process, log)))
            except BaseException:
                _end(process)
                raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """End it. Safe to call twice."""
        _end(self._process)


def _hear(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    assert process.stdout is not None
    heard, _, _ = select.select([process.stdout], [], [], _READY_S)
    line = process.stdout.readline() if heard else b""
    if line:
        return str(json.loads(line)["api"])
    process.kill()
    process.wait()
    log.seek(0)
    raise EnvironmentFailed(
        "the link did not come up",
        where=f"process {process.pid}",
        why=log.read().decode(errors="replace").strip() or f"no word within {_READY_S:.0f} s",
        do="lab doctor",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(timeout=_GONE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
