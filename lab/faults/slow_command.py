"""One slow command holds up everybody: Redis serves one command at a time, and this script computes for long."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.faults._noted import Noted
from lab.faults._redis import asked
from lab.model.dose import Dose
from lab.model.stack import Running
from lab.model.units import Seconds

if TYPE_CHECKING:
    from redis import Redis

# Real work, so many rounds of it: no server in use offers a script a clock that is running.
_SCRIPT = """
local text = string.rep('x', 1000)
for _ = 1, tonumber(ARGV[1]) do text = redis.sha1hex(text) .. text:sub(1, 960) end
return text:sub(1, 40)
"""
_TRIED, _TRIES = 2000, 3  # rounds of a trial: some 5 ms
_LONGEST_S = 4.0  # from 5 s on Redis answers BUSY instead of letting its clients wait
_PATIENCE_S = 30.0  # of a machine that is busy otherwise
_SLACK, _SLACK_MS = 0.25, 20.0
_SPEEDS: dict[str, float] = {}
_WAITED: Noted[Future[float]] = Noted()


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SlowCommand:
    """Have Redis work on one read-only script for ``length``; all other clients wait. Passes by itself."""

    length: Seconds

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    event: ClassVar[str | None] = "blockage"

    def __post_init__(self) -> None:
        if not 0 < self.length <= _LONGEST_S:
            raise ValueError(f"a slow command takes more than 0 and at most {_LONGEST_S:g}s")

    @property
    def target(self) -> str:
        return "redis"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """Nothing: it ends by itself. Raises EnvironmentFailed where Redis does not answer."""
        _rounds_each_second(running)
        return {}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Send the script, yield ``{"length_s": seconds}`` at once, and return when it has ended."""
        rounds = str(round(self.length * _rounds_each_second(running)))
        with _connected(running) as slow, _connected(running) as other, ThreadPoolExecutor(1) as pool:
            try:
                slow.sendall(_command("EVAL", _SCRIPT, "0", rounds))
                waited = pool.submit(_longest_ping, other, self.length)
                with _WAITED.kept(running, self.target, waited):
                    yield {"length_s": self.length}
            finally:
                with suppress(OSError):  # a server that died or was started again works on nothing any more
                    _receive(slow)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How long a PING of another client waited for its answer. Returns when the command has ended."""
        waited = _WAITED.of(running, self.target)
        lost = waited is None or waited.exception() is not None
        asked_ms = self.length * 1e3
        return (
            Dose(
                what="a PING of another client waited",
                unit="ms",
                asked=asked_ms,
                delivered=None if lost or waited is None else waited.result() * 1e3,
                slack=max(_SLACK_MS, _SLACK * asked_ms),
            ),
        )


def _rounds_each_second(running: Running) -> float:
    """How fast this arm's Redis computes when nobody disturbs it: the best of a few trials, made once."""
    if running.redis_url not in _SPEEDS:
        with asked(running, "reach Redis") as client:
            client.ping()
            _SPEEDS[running.redis_url] = _TRIED / min(_trial(client) for _ in range(_TRIES))
    return _SPEEDS[running.redis_url]


def _trial(client: Redis) -> float:
    """CPU seconds, which on a busy machine are fewer than those that pass: the command may last longer, not less."""
    began = _cpu_seconds(client)
    client.eval(_SCRIPT, 0, str(_TRIED))
    return _cpu_seconds(client) - began


def _cpu_seconds(client: Redis) -> float:
    told = client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


@contextmanager
def _connected(running: Running) -> Iterator[socket.socket]:
    # Plain sockets: a client that tries again after a time-out would have the script run twice.
    at = urlsplit(running.redis_url)
    with ExitStack() as open_:
        try:
            made = open_.enter_context(socket.create_connection((at.hostname, at.port), timeout=_PATIENCE_S))
            made.sendall(_command("PING"))
            _receive(made)  # now the server has taken it up: what is sent next is not behind other clients
        except OSError as error:
            raise EnvironmentFailed(
                what="could not send a slow command",
                where=f"redis of {running.name}",
                why=f"{error}\n{running.logs('redis')}",
                do="look at the log of redis in the run folder",
            ) from error
        yield made


def _command(*words: str) -> bytes:
    """As the protocol of Redis has it."""
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


def _longest_ping(connection: socket.socket, lasts_s: float) -> float:
    """The longest that one PING took, in seconds, of those sent one after another for so long: which client a
    server hears first is open. Raises OSError where no answer comes."""
    began, longest = perf_counter(), 0.0
    while (sent := perf_counter()) - began < lasts_s:
        connection.sendall(_command("PING"))
        _receive(connection)
        longest = max(longest, perf_counter() - sent)
    return longest


def _receive(connection: socket.socket) -> None:
    if not connection.recv(1024):
        raise ConnectionResetError("the server has gone")
