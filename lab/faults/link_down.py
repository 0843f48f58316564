"""Nobody is there: the address of a server refuses connections, and what was connected is cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PATIENCE_S, Linked, found
from lab.faults._wire import tries
from lab.link.client import LinkClient
from lab.model.dose import Dose
from lab.model.stack import Running

_TRIES = 5


@dataclass(frozen=True, config=FORM, kw_only=True)
class LinkDown:
    """Cut all connections of the app to a service and refuse new ones; the service itself goes on."""

    link: Linked

    needs: ClassVar[frozenset[str]] = frozenset({"link"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The link."""
        return f"link {self.link}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"link", "proxy", "enabled"}``. Raises EnvironmentFailed without a link."""
        point, proxy = found(running, self.link)
        return {"link": point.api, "proxy": point.proxy, "enabled": proxy.enabled}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Disable the proxy, yield its name, enable it."""
        point, _ = found(running, self.link)
        client = LinkClient(point.api)
        try:
            client.disable(point.proxy)
            yield {"proxy": point.proxy, "enabled": False}
        finally:
            client.enable(point.proxy)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """The share of new connections that are refused, or cut without an answer."""
        fared = tries(self.link, running.link(self.link).listen, _TRIES, PATIENCE_S)
        refused = sum(one.ending in ("refused", "cut") for one in fared)
        return (Dose(what="connections refused", unit="%", asked=100, delivered=100 * refused / len(fared)),)
