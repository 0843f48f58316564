"""The app of an arm, started anew in another form, and what it says of itself then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.request import ProxyHandler, build_opener

from lab.errors import EnvironmentFailed
from lab.faults._noted import Noted
from lab.model.dose import Dose
from lab.model.stack import Running

_ASKED_S = 5
_CONFIG = "shop_config_hash "


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Which life of the process it is, by the kernel or the engine, and the app's own hash of its settings."""

    life: str
    config: str


_BEFORE: Noted[Seen] = Noted()


@contextmanager
def restarted(
    running: Running,
    target: str,
    *,
    code: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Iterator[None]:
    """The app with this code or these settings; started anew as it was before when the context ends."""
    code, settings = code or {}, settings or {}
    with _BEFORE.kept(running, target, seen(running)):
        try:
            running.restart_app(code=code, settings=settings)
            yield
        finally:
            running.restart_app(code=dict.fromkeys(code), settings=dict.fromkeys(settings))


def doses(running: Running, target: str) -> tuple[Dose, ...]:
    """Whether it is another process, and whether it says that it runs with other settings."""
    before = _BEFORE.of(running, target)
    now = None if before is None else seen(running)
    started = None if before is None or now is None else int(now.life != before.life)
    changed = None if before is None or now is None else int(now.config != before.config)
    return (
        Dose(what="app started anew", unit="times", asked=1, delivered=started),
        Dose(what="app with other settings", unit="of 1", asked=1, delivered=changed),
    )


def seen(running: Running) -> Seen:
    """What can be told of the app now. Raises EnvironmentFailed where it does not answer or is another app."""
    try:
        with build_opener(ProxyHandler({})).open(f"{running.url}/metrics", timeout=_ASKED_S) as answer:
            lines = answer.read().decode().splitlines()
        config = next(line for line in lines if line.startswith(_CONFIG))
    except (OSError, StopIteration) as error:
        raise EnvironmentFailed(
            what="the app does not tell how it is set",
            where=f"{running.url}/metrics of {running.name}",
            why=f"{error or f'no line {_CONFIG!r}'}\n{running.logs('app')}",
            do="look at the log of the app in the run folder",
        ) from error
    return Seen(life=running.life("app"), config=config)
