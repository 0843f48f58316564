"""``lab worker``: this process becomes a worker of a run elsewhere."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from typing import NoReturn

from lab.cli.hosts import allowed
from lab.cli.typed import seconds_of
from lab.driver.options import Address
from lab.errors import LabError


def work(master: str, wait: str, allow: Sequence[str]) -> NoReturn:
    """Does not return: the driver, which Locust patches as a whole, takes this process over. LabError for an
    address that cannot be one. ``allow`` are the hosts that it may load beside the app and this machine."""
    try:
        address = Address.parse(master)
        socket.getaddrinfo(address.host, address.port)
    except ValueError as wrong:
        raise LabError(str(wrong), where="--master", do="write it as 192.0.2.7:5557") from None
    except OSError as unknown:
        raise LabError(f"nobody knows {address.host}", where="--master", why=str(unknown)) from None
    wait_s = seconds_of(wait, where="--wait")
    command = [sys.executable, "-P", "-m", "lab.driver", "--master", str(address), "--wait", f"{wait_s}"]
    command += [f"--allow={host}" for host in allowed(allow)]
    os.execv(sys.executable, command)
