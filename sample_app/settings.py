"""What the shop needs to know to run. Chosen once, at start: from a JSON document or from the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

ENVIRONMENT = ("database_url", "redis_url", "slow_request_ms", "pool_size", "log_level", "debug")


class SettingsError(Exception):
    """The settings cannot be used; the text is one line for the person who starts the app."""


class Settings(BaseModel):
    """``code`` picks, for a module below ``problems``, which of its functions serves (default ``problem``).

    It has no environment variable on purpose: what runs cannot be read off the process list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    database_url: str = "postgresql://shop@127.0.0.1:5432/shop"
    redis_url: str = "redis://127.0.0.1:6379/0"
    code: Mapping[str, str] = Field(default_factory=dict)
    slow_request_ms: float = Field(default=1000, gt=0)
    pool_size: int = Field(default=4, ge=1)  # two for each core of a small database server
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    debug: bool = False  # whoever can ask the app may then profile it, so only where nobody else can


Document = TypeVar("Document", bound=BaseModel)


def read_settings(source: str | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings from a JSON file, from standard input (``-``), or from ``SHOP_*`` variables (None).

    Raises :class:`SettingsError`.
    """
    return read_document(Settings, source, environment)


def read_document(
    form: type[Document], source: str | None, environment: Mapping[str, str] = os.environ
) -> Document:
    """The same for settings of another ``form``."""
    try:
        if source is None:
            return form.model_validate(_from_environment(environment))
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        return form.model_validate_json(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the settings: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise SettingsError(f"bad settings: {where}: {first['msg']}") from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    named = {name: environment.get(f"SHOP_{name.upper()}") for name in ENVIRONMENT}
    return {name: value for name, value in named.items() if value is not None}
