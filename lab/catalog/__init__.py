"""What there is: plug-ins by kind, scenarios by name, and the source of the app's problem modules."""

from __future__ import annotations

from lab.catalog.folders import kinds, loads, plugins, stacks
from lab.catalog.scenarios import control_names, load_scenario, scenario_folder, scenario_names
from lab.catalog.source import code_difference, code_of, labels_of

__all__ = [
    "code_difference",
    "code_of",
    "control_names",
    "kinds",
    "labels_of",
    "load_scenario",
    "loads",
    "plugins",
    "scenario_folder",
    "scenario_names",
    "stacks",
]
