"""The modules below ``problems``, found by their files, and which function of each is to run.

Most serve a path of the shop; some decide in the balancer where requests go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, cast

from fastapi import APIRouter

from sample_app import problems
from sample_app.settings import SettingsError

DEFAULT_VARIANT = "problem"
Variant = Callable[[Any], Any]


class ProblemModule(Protocol):
    """What a module below ``problems`` offers.

    ``VARIANTS`` are functions of one signature, each of which serves the same answers from a
    :class:`Shop`; ``routes`` puts the chosen one behind its path. A module without ``routes`` is for the
    balancer: its variants are functions ``(Backends) -> Policy``. Where a fix is to leave something out of the
    answer, ``same(body)`` says what of it no variant may change.
    """

    VARIANTS: tuple[Variant, ...]

    def routes(self, serve: Any) -> APIRouter: ...


@cache
def _modules() -> Mapping[str, ProblemModule]:
    """Every module of the folder by its name; a new file is found without a list to edit."""
    names = sorted(found.name for found in iter_modules(problems.__path__))
    return {name: cast(ProblemModule, import_module(f"{problems.__name__}.{name}")) for name in names}


def problem_modules() -> Mapping[str, ProblemModule]:
    """Those that serve a path."""
    return {name: module for name, module in _modules().items() if hasattr(module, "routes")}


def balancing_modules() -> Mapping[str, ProblemModule]:
    """Those that decide in the balancer."""
    return {name: module for name, module in _modules().items() if not hasattr(module, "routes")}


def variant_of(name: str, code: Mapping[str, str]) -> Variant:
    """The function of a module that is to run. Raises :class:`SettingsError` for a name nobody knows."""
    variants = {variant.__name__: variant for variant in _modules()[name].VARIANTS}
    wanted = code.get(name, DEFAULT_VARIANT)
    if wanted not in variants:
        raise SettingsError(
            f"bad settings: code.{name}: no variant {wanted!r} (known: {', '.join(variants)})"
        )
    return variants[wanted]


def chosen_variants(code: Mapping[str, str]) -> Mapping[str, Variant]:
    """The variant of each module. Raises :class:`SettingsError` for a name nobody knows."""
    for name in code:
        if name not in _modules():
            raise SettingsError(f"bad settings: code: no module {name!r} (known: {', '.join(_modules())})")
    return {name: variant_of(name, code) for name in _modules()}
