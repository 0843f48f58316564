"""Toxics by type, and one toxic of a proxy."""

from __future__ import annotations

import pkgutil
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal

from lab.link import toxics
from lab.link.stage import AnyStage

Stream = Literal["upstream", "downstream"]
STREAMS: tuple[Stream, ...] = ("upstream", "downstream")


@dataclass(frozen=True)
class Type:
    """A file of the folder: its attributes and what it does to one direction of a connection."""

    attributes: type[Any]
    stage: type[AnyStage]


@dataclass(eq=False, kw_only=True)
class Toxic:
    """One toxic of a proxy. ``number`` tells apart all that a proxy ever had; ``toxicity`` is the share of
    connections that it covers, 0 to 1."""

    name: str
    type: str
    stream: Stream
    toxicity: float
    attributes: Any
    number: int = 0

    def shown(self) -> dict[str, object]:
        """As the API shows it."""
        return {
            "attributes": asdict(self.attributes),
            "name": self.name,
            "type": self.type,
            "stream": self.stream,
            "toxicity": int(self.toxicity) if self.toxicity.is_integer() else self.toxicity,
        }


@lru_cache(maxsize=1)
def types() -> dict[str, Type]:
    """All toxics of the folder by type."""
    names = sorted(module.name for module in pkgutil.iter_modules(toxics.__path__))
    return {name: _type(name) for name in names}


def _type(name: str) -> Type:
    module = import_module(f"{toxics.__name__}.{name}")
    stage = "".join(part.capitalize() for part in name.split("_"))
    return Type(attributes=module.Attributes, stage=getattr(module, stage))
