"""How equal are equal arms? Three of the same code, started anew again and again, compared as the judge compares."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from parts.equal import ANY, COUNTS, DESIGN, Comparison, Restart, places, summary
from parts.equal_run import restart
from parts.findings import Cell, Findings, Goal, Table, as_json, as_text, say

from lab.catalog import kinds, stacks
from lab.cli.stacks import choose_stack
from lab.errors import Exit, LabError

RESTARTS = 4
EACH = ("restart", "arms", "measure", "scale", "a to b", "lower", "upper", "any gain", f"gain of {COUNTS:g}")
ALL = (
    "measure",
    "unit",
    "middle",
    "scale",
    "compared",
    "furthest off",
    "bounds +-",
    "apart by any gain",
    f"apart by {COUNTS:g}",
    "sd of log, least",
    "sd of log, most",
)

PLACE = ("arms", "measure", "scale", "a to b, middle", "a above b", "a below b")


def main(words: Sequence[str] | None = None) -> int:
    """Exit code: 0 all goals met, 1 one missed, else an error's."""
    given = _options(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begun = time.monotonic()
    restarts = 1 if given.quick else given.restarts
    try:
        with _folder(given.keep) as out:
            found = findings(_measure(given, restarts, out))
    except LabError as error:
        print(error, file=sys.stderr)
        return error.exit
    except KeyboardInterrupt:
        say("stopped; nothing is left running")
        return Exit.INTERRUPTED
    if given.json:
        told = as_json("verdict_equal", found, restarts, given.quick, time.monotonic() - begun)
        print(json.dumps(told | {"stack": given.stack}))
    else:
        print(as_text(found))
    return Exit.REFUTED if any(goal.met is False for goal in found.goals) else Exit.OK


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="verdict_equal", description=__doc__)
    parser.add_argument("--stack", choices=sorted(stacks()), default="embedded", help="default: %(default)s")
    parser.add_argument(
        "--restarts", type=int, default=RESTARTS, help="of all three arms (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the first; each next one is 1 higher")
    parser.add_argument("--quick", action="store_true", help="one restart, to the first look: no result")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the run folders here")
    given = parser.parse_args(words)
    if given.restarts < 1:
        parser.error("--restarts must be 1 or more")
    return given


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where run folders go: away with the program, unless they are to be kept."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="verdict-equal-") as name:
        yield Path(name)


def _measure(given: argparse.Namespace, restarts: int, out: Path) -> list[Restart]:
    stack, _ = choose_stack(given.stack)
    looks = 1 if given.quick else len(DESIGN.looks)
    done = []
    for n in range(1, restarts + 1):
        say(f"restart {n} of {restarts}, {given.stack}")
        seed = given.seed + n - 1
        done.append(restart(n, stack=stack, kinds=kinds(), seed=seed, looks=looks, out=out))
    return done


def findings(restarts: Sequence[Restart]) -> Findings:
    """Each comparison, what they say together, and whether equal arms were told apart."""
    valid = [one for one in restarts if not one.void]
    found = Findings(
        tables=[_each([one for r in valid for one in r.comparisons]), _all(valid), _places(valid)],
        goals=[_goal(valid)],
        notes=[
            _pairs(valid, ANY, "any gain"),
            _pairs(valid, COUNTS, f"a gain of {COUNTS:g}"),
            _BY_CHANCE,
            _SCALES,
        ],
    )
    found.notes += [f"restart {one.n} is left out: {one.void}" for one in restarts if one.void]
    return found


_SCALES = (
    "ratio: a / b, and off is the larger of it and its inverse, less 1; difference: a - b."
    " Bounds are those of the newest look"
)
_BY_CHANCE = (
    "arms that differ in nothing but their blocks would be told apart by any gain in at most"
    f" {2 * sum(DESIGN.alpha):.1%} of comparisons"
)


def _each(comparisons: Sequence[Comparison]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.restart,
            " / ".join(one.arms),
            one.spec.name,
            one.spec.scale,
            one.effect.estimate,
            one.effect.lower,
            one.effect.upper,
            "better" if ANY in one.apart else "-",
            "better" if COUNTS in one.apart else "-",
        )
        for one in comparisons
    ]
    return Table(title="Equal arms, two by two", columns=EACH, rows=rows)


def _all(restarts: Sequence[Restart]) -> Table:
    measures = restarts[0].plan.measures if restarts else ()
    rows: list[tuple[Cell, ...]] = []
    for one in (summary(restarts, spec) for spec in measures):
        low, high = one.spread or (None, None)
        rows.append(
            (
                one.spec.name,
                one.spec.unit,
                one.middle,
                one.spec.scale,
                one.compared,
                one.off,
                one.reach,
                one.apart_any,
                one.apart_counts,
                low,
                high,
            )
        )
    return Table(title="By measure", columns=ALL, rows=rows)


def _places(restarts: Sequence[Restart]) -> Table:
    measures = restarts[0].plan.measures if restarts else ()
    rows: list[tuple[Cell, ...]] = [
        (" / ".join(one.arms), spec.name, spec.scale, one.middle, one.above, one.below)
        for spec in measures
        for one in places(restarts, spec)
    ]
    return Table(title="By place in the plan, over all restarts", columns=PLACE, rows=rows)


def _goal(restarts: Sequence[Restart]) -> Goal:
    looked = [one for r in restarts for one in r.comparisons if one.looks]
    apart = sum(COUNTS in one.apart for one in looked)
    return Goal(
        goal=f"equal arms told apart by a gain of {COUNTS:g}",
        bar="none",
        found=f"{apart} of {len(looked)} comparisons",
        met=apart == 0 if looked else None,
    )


def _pairs(restarts: Sequence[Restart], factor: float, what: str) -> str:
    pairs = sum(len({one.arms for one in r.comparisons if one.looks}) for r in restarts)
    apart = sum(len(r.told_apart(factor)) for r in restarts)
    share = f" ({apart / pairs:.0%})" if pairs else ""
    return f"told apart by {what} on some measure: {apart} of {pairs} pairs of arms{share}"


if __name__ == "__main__":
    sys.exit(main())
