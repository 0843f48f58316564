"""A share's order that came from another process, made to fit where this one stands."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lab.driver.distributed.wire import Play
from lab.driver.options import Address
from lab.driver.words import BlockOrder


def order_here(play: Play, master: Address, folder: Path) -> BlockOrder:
    """The order with an address that leads to the app from here, and with its locustfile, kept in ``folder``
    where this machine has no such file. OSError where that cannot be written."""
    order = play.order
    if play.relay:
        relay = urlsplit(order.url)._replace(netloc=str(Address(master.host, play.relay)))
        order = replace(order, url=relay.geturl())
    if order.locustfile is None or play.journeys is None:
        return order
    return replace(order, locustfile=_file_here(order.locustfile, play.journeys, folder))


def _file_here(path: Path, text: str, folder: Path) -> Path:
    """``path`` where it holds ``text``; else a copy, always the same one for the same text."""
    try:
        if path.read_text() == text:
            return path
    except (OSError, UnicodeDecodeError):
        pass
    copy = folder / hashlib.sha256(text.encode()).hexdigest()[:12] / path.name
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
    return copy
