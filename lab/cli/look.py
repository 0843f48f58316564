"""Commands that only look: list, show, plan, check, schema."""

from __future__ import annotations

import inspect
import json as json_
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.catalog import kinds, load_scenario, loads, scenario_names, stacks
from lab.cli.journeys import check_journeys
from lab.cli.run import Asked, plans
from lab.cli.stacks import choose_stack
from lab.errors import Exit, LabError
from lab.model.measures import described, measure_spec
from lab.model.scenario import Measure
from lab.plan import estimate
from lab.verdict import figures
from lab.verdict.calm import is_calm
from lab.verdict.exact import bad_share_below

if TYPE_CHECKING:
    from lab.model.run import Plan
    from lab.model.scenario import Scenario


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def _print_json(value: Any) -> None:
    _say(json_.dumps(value, indent=1, default=str))


# -- list ------------------------------------------------------------------------------------------


def _families() -> dict[str, dict[str, Any]]:
    known = kinds()
    return {
        "faults": dict(known.faults),
        "fixes": dict(known.fixes),
        "probes": dict(known.probes),
        "loads": dict(loads()),
        "stacks": dict(stacks()),
    }


def show_list(what: str, *, json: bool) -> None:
    """One line for each scenario or plug-in."""
    rows = _rows_of(what)
    if json:
        _print_json(
            {"schema": "lab.list/1", what: [dict(zip(("name", "text"), r, strict=True)) for r in rows]}
        )
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        _say(f"{name:<{width}}  {text}")


def _rows_of(what: str) -> list[tuple[str, str]]:
    if what == "scenarios":
        return _scenario_rows()
    return list(described(kinds()).items()) if what == "measures" else _kind_rows(what)


def _scenario_rows() -> list[tuple[str, str]]:
    return [(name, _title(name)) for name in scenario_names()]


def _title(name: str) -> str:
    scenario = load_scenario(name)
    return f"{scenario.prose.title} (fixes: {', '.join(scenario.fixes)})"


def _kind_rows(what: str) -> list[tuple[str, str]]:
    families = _families()
    if what not in families:
        raise LabError(
            f"there is no list of {what!r}",
            where="lab list",
            why=f"there are scenarios, measures, {', '.join(families)}",
        )
    return [(kind, _first_line(found)) for kind, found in sorted(families[what].items())]


def _first_line(found: Any) -> str:
    return (inspect.getdoc(found) or "").partition("\n")[0]


# -- show ------------------------------------------------------------------------------------------


def show_one(name: str) -> None:
    """A scenario's prose, or a plug-in's documentation and keys."""
    for family, members in _families().items():
        if name in members:
            _say(f"{name}  ({family.removesuffix('s')})\n")
            _say(inspect.getdoc(members[name]) or "")
            for key, field in getattr(members[name], "__dataclass_fields__", {}).items():
                _say(f"  {key}: {getattr(field.type, '__name__', field.type)}")
            return
    measures = described(kinds())
    if name in measures:
        _show_measure(name, measures[name])
        return
    _show_scenario(load_scenario(name))


def _show_measure(name: str, doc: str) -> None:
    spec = measure_spec(Measure(name=name, measure=name), kinds(), "primary")
    how = "a ratio (tau)" if spec.scale == "ratio" else "a difference (tolerance)"
    _say(f"{name}  (measure)\n")
    _say(f"{doc}.\n  unit: {spec.unit}\n  compared with healthy as {how}, or with its own limit (limit)")


def _show_scenario(scenario: Scenario) -> None:
    prose = scenario.prose
    _say(f"{scenario.slug}: {prose.title}\nguide: {prose.guide}\n")
    for word in ("problem", "symptom", "diagnosis", "cause"):
        _say(f"{word}\n  {getattr(prose, word).strip()}\n")
    for name, fix in scenario.fixes.items():
        kind = "documented" if fix.documented else "extra"
        expect = "" if fix.expect == ("resolved",) else f", expected {' or '.join(fix.expect)}"
        _say(f"fix {name} ({kind}{expect})\n  {fix.why.strip()}")
        if fix.costs:
            _say(f"  costs: {fix.costs.strip()}")
        _say()
    _say(f"run it: lab run {scenario.slug}")


# -- plan ------------------------------------------------------------------------------------------


def show_plans(asked: Asked) -> None:
    """The arms, the order of the first stratum, and minutes."""
    stack, why = choose_stack(asked.stack)
    found = list(plans(asked, stack))
    if asked.json:
        from pydantic import TypeAdapter

        from lab.model.run import Plan

        _print_json([TypeAdapter(Plan).dump_python(plan, mode="json") for _, plan in found])
        return
    for scenario, plan in found:
        _show_plan(scenario, plan, why)


def _show_plan(scenario: Scenario, plan: Plan, why: str) -> None:
    _say(f"{plan.scenario}  seed {plan.seed}  stack: {why}")
    _say(f"load: {_load(plan)}, blocks of {plan.block.length_s:g} s")
    for fault in scenario.faults:
        _say(f"fault: {fault.kind}, {fault.when}")
    for measure in plan.measures:
        limit = "" if measure.limit is None else f", limit {measure.limit:g} {measure.unit}"
        _say(f"{measure.role}: {measure.name} ({measure.measure}{limit})")
    for group in plan.groups:
        _say(f"group {group.n}: {', '.join(group.arms)}")
        _say(f"  first stratum: {' '.join(group.order[0])}")
    if not is_calm(plan):
        tail = plan.design.tail
        most = figures.share(bad_share_below(tail))
        _say(f"before RESOLVED: {tail} clean blocks of the fix, so that fewer than {most} are bad")
    minutes = [f"{seconds / 60:.1f}" for seconds in estimate(plan).looks]
    looks = ", ".join(str(n) for n in range(1, len(minutes) + 1))
    _say(f"minutes when decided at look {looks}: {', '.join(minutes)}")
    _say(f"disk: about {estimate(plan).disk_mb_per_arm} MB for each arm while it runs")


def _load(plan: Plan) -> str:
    block = plan.block
    what = "requests" if block.locustfile is None else f"journeys of {Path(block.locustfile).name}"
    if block.users:
        return f"{block.users} users, {what}"
    return f"{block.rate:g} {what} a second, {block.arrivals}"


# -- check and schema ------------------------------------------------------------------------------


def check_files(files: list[Path], *, json: bool) -> Exit:
    """Every mistake of every file; OK where there is none."""
    failed = False
    results = []
    for file in files:
        try:
            check_journeys(load_scenario(str(file)))
        except LabError as error:
            failed = True
            results.append({"file": str(file), "valid": False, "errors": _problems(error)})
            if not json:
                sys.stderr.write(f"lab: {error}\n")
        else:
            results.append({"file": str(file), "valid": True, "errors": []})
            if not json:
                _say(f"{file}: valid")
    if json:
        _print_json({"schema": "lab.check/1", "files": results})
    return Exit.USAGE if failed else Exit.OK


def _problems(error: LabError) -> list[dict[str, Any]]:
    problems = getattr(error, "problems", None)
    if problems is None:
        return [{"line": 0, "column": 0, "message": str(error)}]
    return [{"line": p.line, "column": p.col, "message": p.message} for p in problems]


def show_schema(what: str) -> None:
    """The JSON Schema for editors or consumers."""
    if what == "scenario":
        from lab.scenario import json_schema

        _print_json(json_schema(kinds()))
    elif what == "report":
        from lab.report import machine

        _print_json(machine.report_schema())
    else:
        raise LabError(
            f"there is no schema of {what!r}", where="lab schema", why="there are scenario and report"
        )
