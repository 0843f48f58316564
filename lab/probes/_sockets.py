"""TCP sockets of processes, as their own network namespace has them: a container's too."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import EnvironmentFailed

_STATES = (
    "?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
    "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Socket:
    """Both ends as ``address:port``; ``waiting`` are bytes received, or connections of a listener, not taken yet."""

    state: str
    local: str
    remote: str
    waiting: int
    inode: str = ""


def parsed(table: str) -> list[Socket]:
    """The lines of ``/proc/net/tcp`` or ``tcp6``, without their heading."""
    found = []
    for words in (line.split() for line in table.splitlines()[1:]):
        local, remote, state, queues, inode = words[1], words[2], int(words[3], 16), words[4], words[9]
        known = _STATES[state] if state < len(_STATES) else "?"
        waiting = int(queues.partition(":")[2], 16)
        found.append(Socket(known, _address(local), _address(remote), waiting, inode))
    return found


def _address(coded: str) -> str:
    """Hexadecimal, each 32 bits in this machine's order; an IPv4 address within IPv6 as what it is."""
    host, _, port = coded.partition(":")
    words = [bytes.fromhex(host[n : n + 8])[::-1] for n in range(0, len(host), 8)]
    packed = b"".join(words)
    if packed.startswith(bytes(10) + b"\xff\xff"):
        packed = packed[12:]
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{int(port, 16)}"


def of(pids: Iterable[int]) -> list[Socket]:
    """Of all these processes, each socket once. Raises EnvironmentFailed where they may not be seen."""
    pids = list(pids)
    if not Path("/proc/self/net/tcp").exists():
        return _by_psutil(pids)
    held, tables = set(), ""
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), _words(pid):
            held |= _inodes(pid)
            tables = tables or _tables(pid)
    return sorted(one for one in parsed(f"heading\n{tables}") if one.inode in held)


def _tables(pid: int) -> str:
    """Without their headings."""
    tables = [Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6")]
    return "".join(table.read_text().partition("\n")[2] for table in tables if table.exists())


def _inodes(pid: int) -> set[str]:
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = str(one.readlink())
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def _by_psutil(pids: list[int]) -> list[Socket]:
    import psutil

    found = set()
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            try:
                seen = psutil.Process(pid).net_connections("tcp")
            except psutil.AccessDenied as error:
                raise _not_allowed(pid) from error
            found |= {
                Socket(one.status, _joined(one.laddr), _joined(one.raddr), 0, str(one.fd)) for one in seen
            }
    return sorted(found)


def _joined(address: tuple[object, ...]) -> str:
    return ":".join(map(str, address[:2])) or "0.0.0.0:0"


@contextlib.contextmanager
def _words(pid: int) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise _not_allowed(pid) from error


def _not_allowed(pid: int) -> EnvironmentFailed:
    return EnvironmentFailed(
        what="the sockets of a process may not be seen",
        where=f"process {pid}",
        why="it belongs to another user",
        do="look as that user, or as root",
    )
