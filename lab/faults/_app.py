"""The app of an arm, started anew in another form, and what it says of itself then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, build_opener

from lab.errors import EnvironmentFailed
from lab.faults._noted import Noted
from lab.model.dose import Dose
from lab.model.stack import Running

_ASKED_S = 5.0
_LAST_S = 1.0  # an undo waits no longer for what it only wants to know
_CONFIG = "shop_config_hash "


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Which life of the process it is, by the kernel or the engine, and the app's own hash of its settings."""

    life: str
    config: str


@dataclass(kw_only=True)
class _Hashes:
    """The app before the fault, its hash right after, and, once it is healed, its hash right before the undo."""

    before: Seen
    on: str
    last: str | None = None
    healed: bool = False

    def other(self, now: str) -> bool:
        """Whether the app runs otherwise than before the fault.

        Where something else has set it anew meanwhile it cannot be as before: then, after the undo, whether it
        runs as it did with the fault.
        """
        if self.healed and self.last != self.on:
            return now != self.before.config and now in (self.on, self.last)
        return now != self.before.config


_NOTED: Noted[_Hashes] = Noted()


def undo_of(running: Running, what: Mapping[str, Any]) -> dict[str, Any]:
    """``what`` to start the app with, and its hash as it is, which it then has again. EnvironmentFailed."""
    return {**what, "hash": seen(running).config}


@contextmanager
def restarted(
    running: Running,
    target: str,
    *,
    code: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Iterator[str]:
    """The app with this code or these settings, yields its hash; started anew as it was before at the end."""
    code, settings = code or {}, settings or {}
    before = seen(running)
    try:
        running.restart_app(code=code, settings=settings)
        hashes = _Hashes(before=before, on=seen(running).config)
        _NOTED.put(running, target, hashes)
        try:
            yield hashes.on
        finally:
            with suppress(EnvironmentFailed):  # it is down, or hangs: then nobody knows
                hashes.last = seen(running, _LAST_S).config
            hashes.healed = True
    finally:
        running.restart_app(code=dict.fromkeys(code), settings=dict.fromkeys(settings))


def doses(running: Running, target: str) -> tuple[Dose, ...]:
    """Whether it is another process, and whether it says that it runs with other settings; after the undo too."""
    hashes = _NOTED.of(running, target)
    now = None if hashes is None or not all(map(running.alive, running.instances)) else seen(running)
    started = None if hashes is None or now is None else int(now.life != hashes.before.life)
    other = None if hashes is None or now is None else int(hashes.other(now.config))
    return (
        Dose(what="app started anew", unit="times", asked=1, delivered=started),
        Dose(what="app with other settings", unit="of 1", asked=1, delivered=other),
    )


def seen(running: Running, within_s: float = _ASKED_S) -> Seen:
    """What can be told of the app now. Raises EnvironmentFailed where it does not answer or is another app."""
    try:
        with build_opener(ProxyHandler({})).open(f"{running.url}/metrics", timeout=within_s) as answer:
            lines = answer.read().decode().splitlines()
        config = next(line for line in lines if line.startswith(_CONFIG))
    except (OSError, StopIteration) as error:
        raise EnvironmentFailed(
            what="the app does not tell how it is set",
            where=f"{running.url}/metrics of {running.name}",
            why=f"{error or f'no line {_CONFIG!r}'}\n{running.logs(running.front)}",
            do="look at the log of the app in the run folder",
        ) from error
    return Seen(life=" ".join(map(running.life, running.instances)), config=config)
