"""What the balancer needs to know to run, as a JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class BalancerSettings(BaseModel):
    """``backends`` are the URLs of the instances, each of the form ``http://host:port``.

    ``code`` is that of the shop's settings: where it names a module that decides where requests go, the
    variant of it that decides. Without one each backend gets its turn.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backends: Annotated[tuple[Annotated[str, Field(pattern=r"^http://[^/]+:\d+$")], ...], Field(min_length=1)]
    code: Mapping[str, str] = Field(default_factory=dict)
    connect_timeout_s: float = Field(default=1.0, gt=0)
    timeout_s: float = Field(default=10.0, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
