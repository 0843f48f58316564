"""Scenario files: parsed whole or refused with every mistake at its line and column. Pure."""

from __future__ import annotations

from lab.model.kinds import Kinds
from lab.scenario.parse import parse, slug_of
from lab.scenario.problems import Problem, ScenarioInvalid
from lab.scenario.schema import json_schema
from lab.scenario.tree import LONGEST_BYTES

__all__ = ["LONGEST_BYTES", "Kinds", "Problem", "ScenarioInvalid", "json_schema", "parse", "slug_of"]
