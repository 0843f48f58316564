"""What process faults share: a service that has to be there, and how it looks to whoever connects to it."""

from __future__ import annotations

import socket

from lab.errors import EnvironmentFailed
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName

_ASKED = {
    "redis": b"PING\r\n",
    "postgres": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",  # SSLRequest: answered with one byte, before any login
}
_ASKED_APP = b"GET /health HTTP/1.0\r\n\r\n"
_TRIES = 5
_CLOSED_WITHIN_S = 0.2


def need_up(running: Running, service: ServiceName) -> None:
    """Raises EnvironmentFailed where the arm has no such service, or it is down."""
    if service not in running.services:
        raise EnvironmentFailed(
            what=f"there is no {service} in this stack",
            where=running.name,
            why=f"it has {', '.join(running.services)}",
            do="name one of them; the scenario's stack says which services and how many instances there are",
        )
    if not running.alive(service):
        raise EnvironmentFailed(
            what=f"{service} is down already",
            where=running.name,
            why=f"a fault needs a target that is there; its log ends with:\n{running.logs(service)}",
            do="see what ended it in the log of the service in the run folder",
        )


def start_again(running: Running, service: ServiceName) -> None:
    """Nothing where somebody else has started it."""
    if not running.alive(service):
        running.start(service)


def gone(running: Running, service: ServiceName) -> tuple[Dose, Dose]:
    """That no process of it is left, and that whoever connects is turned away."""
    refused = sum(_refuses(running, service) for _ in range(_TRIES))
    return (
        Dose(what="processes gone", unit="of 1", asked=1, delivered=float(not running.alive(service))),
        Dose(what="connections refused", unit=f"of {_TRIES}", asked=_TRIES, delivered=refused),
    )


def answers(running: Running, service: ServiceName, within_s: float) -> bool:
    """Whether it takes a connection and says anything at all to a question. Raises EnvironmentFailed where
    it takes none."""
    try:
        with socket.create_connection(running.address(service), timeout=2) as line:
            line.settimeout(within_s)
            line.sendall(_ASKED.get(service, _ASKED_APP))
            return bool(line.recv(1))
    except TimeoutError:
        return False
    except OSError as error:
        raise EnvironmentFailed(
            what=f"{service} takes no connection",
            where=running.name,
            why=f"{error}\n{running.logs(service)}",
            do="see the log of the service in the run folder",
        ) from error


def _refuses(running: Running, service: ServiceName) -> bool:
    """Refused, or taken by the container engine's forwarder and closed at once."""
    try:
        with socket.create_connection(running.address(service), timeout=_CLOSED_WITHIN_S) as line:
            return line.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
