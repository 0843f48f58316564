"""Scenarios by name, plug-ins by folder, and the app's source without importing it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab import catalog
from lab.errors import LabError
from lab.scenario import ScenarioInvalid


def test_the_scenarios_of_the_checkout() -> None:
    assert {"missing-index", "redis-down", "stampede"} <= set(catalog.scenario_names())
    assert list(catalog.scenario_names()) == sorted(catalog.scenario_names())


def test_by_name_and_by_path_are_the_same_scenario() -> None:
    path = catalog.scenario_folder() / "stampede.yaml"
    assert catalog.load_scenario("stampede") == catalog.load_scenario(path)


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(LabError) as caught:
        catalog.load_scenario("stampde")
    assert caught.value.do == "did you mean stampede?"
    assert "missing-index" in caught.value.why


def test_a_name_far_from_all_gets_none() -> None:
    with pytest.raises(LabError) as caught:
        catalog.load_scenario("zzz")
    assert "did you mean" not in caught.value.do


@pytest.mark.parametrize("path", ["no/such.yaml", "such.yml"])
def test_a_missing_file(path: str) -> None:
    with pytest.raises(LabError, match="there is no file"):
        catalog.load_scenario(path)


def test_a_folder_is_not_a_scenario(tmp_path: Path) -> None:
    with pytest.raises(LabError) as caught:
        catalog.load_scenario(f"{tmp_path}/")
    assert "Is a directory" in caught.value.why


def test_a_huge_file_is_refused_without_reading_all_of_it(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate(3_000_000_000)  # a hole: reading it whole would take the memory
    with pytest.raises(ScenarioInvalid, match="longer than"):
        catalog.load_scenario(huge)


def test_kinds_carry_dashes_and_no_private_module() -> None:
    known = catalog.kinds()
    assert {"drop-index", "expire-key", "kill"} <= set(known.faults)
    assert {"code", "sql"} <= set(known.fixes)
    assert {"postgres", "redis"} <= set(known.counters)
    assert {"connections", "memory"} <= set(known.gauges)
    assert not [kind for kind in (*known.faults, *known.fixes, *known.probes) if kind.startswith("-")]
    assert "explain" in known.evidence
    assert {"expiry", "flush", "restart"} <= known.events


class _Point:
    def __init__(self, name: str) -> None:
        self.name, self.value = name, f"outside:{name}"

    def load(self) -> type[object]:
        return type("Outside", (), {})


def test_an_outside_package_adds_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.catalog.folders.entry_points", lambda group: [_Point("slow-disk")])
    assert "slow-disk" in catalog.plugins("faults")


def test_a_kind_that_exists_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.catalog.folders.entry_points", lambda group: [_Point("kill")])
    with pytest.raises(LabError, match="'kill' exists twice"):
        catalog.plugins("faults")


def test_labels_of_the_app_are_read_from_its_source() -> None:
    assert {"ranking", "customer_orders"} <= catalog.labels_of("sample_app")
    assert catalog.labels_of("no_such_app") == frozenset()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An app that cannot be imported, so that a test fails should anything try to."""
    problems = tmp_path / "some_app" / "problems"
    problems.mkdir(parents=True)
    (tmp_path / "some_app" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (problems / "slow.py").write_text(
        '"""Words."""\n\n\ndef problem(x):\n    """Waits."""\n    return wait(x)\n\n\n'
        "@decorated\nasync def fixed(x):\n    return await Queue(x, wait(x))\n\n\nclass Fixed:\n    pass\n"
        "\n\nSIZE = 5\n\n\nclass Queue:\n    size = SIZE\n\n\ndef wait(x):\n    return x\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "some_app"


def test_code_of_a_variant_with_its_decorators(app: str) -> None:
    assert catalog.code_of(app, "slow", "problem").startswith("def problem(x):\n")
    assert (
        catalog.code_of(app, "slow", "fixed")
        == "@decorated\nasync def fixed(x):\n    return await Queue(x, wait(x))\n"
    )
    assert catalog.code_of(app, "slow", "Fixed") == "class Fixed:\n    pass\n"


def test_the_difference_of_two_variants(app: str) -> None:
    lines = catalog.code_difference(app, "slow", "problem", "fixed").splitlines()
    assert lines[:2] == ["--- problems/slow.py: problem", "+++ problems/slow.py: fixed"]
    assert "-def problem(x):" in lines
    assert "+async def fixed(x):" in lines
    assert lines[-7:] == ["+", "+", "+SIZE = 5", "+", "+", "+class Queue:", "+    size = SIZE"]
    assert not [line for line in lines if "def wait" in line], "both share it"
    assert catalog.code_difference(app, "slow", "problem", "problem") == ""


def test_a_module_that_is_not_python_is_told(app: str, tmp_path: Path) -> None:
    (tmp_path / app / "problems" / "odd.py").write_text("def problem(:\n")
    with pytest.raises(LabError, match="not Python") as caught:
        catalog.code_of(app, "odd", "problem")
    assert caught.value.where.endswith("odd.py:1:13")


def test_what_is_not_there_is_told(app: str) -> None:
    with pytest.raises(LabError, match="no variant 'fixd'") as caught:
        catalog.code_of(app, "slow", "fixd")
    assert "problem, fixed, Fixed, Queue, wait" in caught.value.why
    with pytest.raises(LabError, match="no problem module fast"):
        catalog.code_of(app, "fast", "fixed")
    with pytest.raises(LabError, match="there is no app 'no_such_app'"):
        catalog.code_of("no_such_app", "slow", "fixed")
    with pytest.raises(LabError, match="there is no app"):
        catalog.code_of("../some_app", "slow", "fixed")


HEAVY = (
    "psycopg",
    "redis",
    "docker",
    "testcontainers",
    "locust",
    "gevent",
    "numpy",
    "sample_app",
    "sqlalchemy",
)


def test_the_catalogue_is_cheap() -> None:
    """Reading every scenario imports no driver: `lab list` has to be quick."""
    program = (
        "import json, sys; from lab import catalog;"
        "[catalog.load_scenario(name) for name in catalog.scenario_names()];"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == []
