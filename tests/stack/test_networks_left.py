"""A killed run whose network was made, or is still being made, when it died."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lab.cli.leftovers import clean_up
from lab.reaper import RESOURCES
from lab.store import RunFolder
from tests.fake_plan import plan, scenario


@pytest.fixture
def engine(docker_or_skip: Any) -> Iterator[Any]:
    import docker

    with closing(docker.from_env()) as client:
        yield client


def killed_run(out: Path, label: str, *others: dict[str, str]) -> None:
    folder = RunFolder.create(out, scenario().source, "k3v9x2", plan())
    lines = [json.dumps({"own": one}) for one in ({"label": label}, *others)]
    (folder.path / RESOURCES).write_text("\n".join(lines) + "\n")


def test_a_network_without_a_container_is_found_and_removed(engine: Any, tmp_path: Path) -> None:
    name = f"left-{secrets.token_hex(4)}"
    engine.networks.create(name, labels={"incident-lab.run": name})
    killed_run(tmp_path, f"incident-lab.run={name}")
    clean_up(tmp_path, dry_run=False)
    assert engine.networks.list(names=[name]) == []


def test_a_network_that_the_engine_makes_after_the_first_look_is_removed(engine: Any, tmp_path: Path) -> None:
    name = f"late-{secrets.token_hex(4)}"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    killed_run(tmp_path, f"incident-lab.run={name}", {"folder": str(scratch)})

    def make_late() -> None:
        while scratch.exists():  # the first look has begun to remove
            threading.Event().wait(0.01)
        engine.networks.create(name, labels={"incident-lab.run": name})

    maker = threading.Thread(target=make_late)
    maker.start()
    clean_up(tmp_path, dry_run=False)
    maker.join()
    try:
        assert engine.networks.list(names=[name]) == []
    finally:
        for network in engine.networks.list(names=[name]):
            network.remove()
