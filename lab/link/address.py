"""HOST:PORT as Toxiproxy writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """``127.0.0.1:6379``, ``[::1]:6379``, ``:6379`` (loopback) or nothing (any port of loopback).
        ValueError, in Toxiproxy's words, for anything else."""
        host, colon, port = text.rpartition(":")
        if text and not colon:
            raise ValueError(f"address {text}: missing port in address")
        if ":" in host and not (host.startswith("[") and host.endswith("]")):
            raise ValueError(f"address {text}: too many colons in address")
        if port and not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
            raise ValueError(f"address {port}: invalid port")
        return cls(host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port or 0))

    @classmethod
    def of(cls, name: Sequence[Any]) -> Address:
        """What a socket calls itself or its peer."""
        return cls(str(name[0]), int(name[1]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
