"""The first connections fail, later ones succeed: what a client does that tries again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from lab.faults._toxic import FORM, PATIENCE_S, Linked, found
from lab.faults._wire import tries
from lab.link.client import LinkClient
from lab.model.dose import Dose
from lab.model.stack import Running


@dataclass(frozen=True, config=FORM, kw_only=True)
class FailFirst:
    """Reset the next so many new ``connections`` of the app to a service; what is connected stays so.

    Not with a real Toxiproxy, which cannot count.
    """

    link: Linked
    connections: Annotated[int, Field(ge=1, le=1000)]

    needs: ClassVar[frozenset[str]] = frozenset({"link", "own-link"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The link."""
        return f"link {self.link}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"link", "proxy", "fail_first"}``. Raises EnvironmentFailed without a link."""
        point, _ = found(running, self.link)
        return {"link": point.api, "proxy": point.proxy, "fail_first": 0}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Have them fail, yield how many; none fails any more afterwards."""
        point, _ = found(running, self.link)
        client = LinkClient(point.api)
        try:
            client.fail_first(point.proxy, self.connections)
            yield {"proxy": point.proxy, "connections": self.connections}
        finally:
            client.fail_first(point.proxy, 0)

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """How many connections fail before the first that succeeds; as many shall fail again afterwards.

        Some may have been the app's own, where it opened any meanwhile.
        """
        point = running.link(self.link)
        failed = 0
        while failed <= self.connections and self._fails(point.listen):
            failed += 1
        if failed:
            LinkClient(point.api).fail_first(point.proxy, self.connections)
        return (
            Dose(
                what="connections that failed",
                unit="connections",
                asked=self.connections,
                delivered=failed,
                slack=self.connections - 1,
            ),
        )

    def _fails(self, address: tuple[str, int]) -> bool:
        return tries(self.link, address, 1, PATIENCE_S)[0].ending != "answered"
