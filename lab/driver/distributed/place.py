"""Where a process stands: which clock and which loopback it shares with others."""

from __future__ import annotations

import socket
from pathlib import Path


def clock() -> str:
    """Equal in processes whose monotonic clocks read the same."""
    return f"{_machine()} {_namespace('time')}"


def network() -> str:
    """Equal in processes for which 127.0.0.1 is the same place."""
    return f"{_machine()} {_namespace('net')}"


def _machine() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def _namespace(kind: str) -> str:
    try:
        return str(Path(f"/proc/self/ns/{kind}").readlink())
    except OSError:
        return ""
