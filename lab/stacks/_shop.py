"""How the lab calls the app: as a program, by name. Nothing in its arguments or environment tells which
variant of the code it runs; that comes in by a pipe or a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from lab.errors import EnvironmentFailed
from lab.model.stack import ArmSpec
from lab.stacks._postgres import ROLE


def settings(arm: ArmSpec, database_url: str, redis_url: str) -> bytes:
    """The settings document that the app reads at its start."""
    more = {name.lower(): value for name, value in arm.environment.items()}
    urls = {"database_url": database_url, "redis_url": redis_url}
    # Its port is one of this machine's loopback, so nobody but the lab's probes can look that closely.
    return json.dumps({**urls, "code": dict(arm.code), "debug": True, **more}).encode()


def balancer_settings(arm: ArmSpec, backends: Sequence[str]) -> bytes:
    """The settings document that the balancer reads at its start."""
    return json.dumps({"backends": list(backends), "code": dict(arm.code)}).encode()


def changed(
    now: ArmSpec, made: ArmSpec, code: Mapping[str, str | None] | None, settings: Mapping[str, object] | None
) -> ArmSpec:
    """``now`` with these variants and settings; None puts back what the arm was ``made`` with."""
    kept, first = ({name.lower(): text for name, text in arm.environment.items()} for arm in (now, made))
    return replace(
        now,
        code=_over(now.code, made.code, code or {}),
        environment=_over(kept, first, {name.lower(): value for name, value in (settings or {}).items()}),
    )


def _over(now: Mapping[str, str], made: Mapping[str, str], asked: Mapping[str, object]) -> dict[str, str]:
    put = {name: made.get(name) if value is None else str(value) for name, value in asked.items()}
    return {name: text for name, text in {**now, **put}.items() if text is not None}


def command(arm: ArmSpec, service: str, port: int) -> list[str]:
    """-P: what lies in the current folder is never taken for the app."""
    return [sys.executable, "-P", *program(arm, service), "--port", str(port), "--settings", "-"]


def program(arm: ArmSpec, service: str) -> list[str]:
    """The words that run an instance of the app, or the balancer, which belongs to it."""
    if service in arm.apps:
        return ["-m", arm.app, "--processes", str(arm.processes)]
    return ["-m", f"{arm.app}.balancer"]


def environment() -> dict[str, str]:
    """This process's environment without the lab's own settings, which may name the scenario."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("LAB_", "SHOP_"))}


def app_version() -> str:
    try:
        return version("incident-lab")
    except PackageNotFoundError:
        return "unknown"


@lru_cache(maxsize=8)
def data_version(app: str) -> str:
    """Changes whenever the app's schema or rows would. Raises EnvironmentFailed."""
    return _data(app, "--version").strip()


def load_data(app: str, superuser_url: str) -> str:
    """Fill the database; returns the loader's own last word. Raises EnvironmentFailed."""
    return _data(app, "--database-url", superuser_url, "--owner", ROLE).strip()


def _data(app: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-P", "-m", f"{app}.data", *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        timeout=600,
    )
    if ran.returncode:
        raise EnvironmentFailed(
            what="the app's data could not be made",
            where=f"python -m {app}.data",
            why="\n".join(ran.stderr.splitlines()[-15:]),
            do="look at the app's data module; a full disk fails here as well",
        )
    return ran.stdout
