"""What differs between the problem and each fix, as the reader sees it."""

from __future__ import annotations

from lab.catalog import code_difference
from lab.model.scenario import Scenario
from lab.plan import problem_module


def fix_sources(scenario: Scenario) -> dict[str, str]:
    """Fix name to a unified diff of the app's code, or the statement that the fix executes."""
    found = {}
    for name, fix in scenario.fixes.items():
        variant = getattr(fix.params, "variant", None)
        if variant is not None:
            found[name] = code_difference(scenario.stack.app, problem_module(scenario), "problem", variant)
        else:
            found[name] = str(getattr(fix.params, "run", ""))
    return found
