"""The socket of a keeper: a line of JSON asks, a line of JSON answers. Only its owner can connect."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol

LONGEST_BYTES = 4_000_000
ASKED_WITHIN_S = 10.0

Message = Mapping[str, Any]


class Answering(Protocol):
    """Who answers; called in a thread of its own for each connection."""

    def answer(self, request: Message) -> Message: ...

    def unheard(self, request: Message, reply: Message) -> None:
        """Whoever asked has gone away before the reply."""


class _Conversation(socketserver.StreamRequestHandler):
    timeout = ASKED_WITHIN_S

    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        desk = self.server.desk
        try:
            while line := self.rfile.readline(LONGEST_BYTES):
                request = _request(line)
                reply = desk.answer(request)
                try:
                    self.wfile.write(json.dumps(reply).encode() + b"\n")
                except OSError:
                    desk.unheard(request, reply)
                    return
        except OSError:  # it never finished its question
            return


def _request(line: bytes) -> Message:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"ask": "?"}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads: ClassVar[bool] = True  # type: ignore[misc]
    block_on_close: ClassVar[bool] = False  # type: ignore[misc]

    def __init__(self, path: Path, desk: Answering) -> None:
        self.desk = desk
        super().__init__(str(path), _Conversation)


@contextmanager
def listening(path: Path, desk: Answering) -> Iterator[None]:
    """Answer on the Unix domain socket ``path`` (mode 0600, in a folder of this user alone) meanwhile."""
    with _Server(path, desk) as server:
        path.chmod(0o600)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="keeper", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
