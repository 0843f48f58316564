"""Does the generator notice that it was disturbed, and does it survive an overloaded server?"""

from __future__ import annotations

import sys
from collections import Counter
from statistics import median

from parts.findings import Cell, Findings, Goal, Options, Table, run_program
from parts.judged import BLOCKS, Run
from parts.overload import CAPACITY, IMPATIENT_S, OVER_S, PATIENT_S, Episode, episodes
from parts.processes import may_be_realtime
from parts.sabotage import BLOCK_S, CLEAN_KINDS, HOG_PRIORITY, ORDINARY_HOGS, all_runs

RUNS, QUICK_RUNS = 20, 3
BACK_S = 1.0
PROLONGED = 1.15  # a recovery so many times as long as it has to be is the generator's doing


def main() -> int:
    return run_program("load_sabotage", __doc__ or "", measure)


def measure(options: Options) -> Findings:
    seen = all_runs(options.folder, QUICK_RUNS if options.quick else RUNS)
    overloads = episodes(options.folder, 1 if options.quick else options.rounds)
    hog = (
        f"one realtime process of priority {HOG_PRIORITY}, above the driver's"
        if may_be_realtime()
        else f"{ORDINARY_HOGS} ordinary processes: realtime is not permitted here"
    )
    return Findings(
        tables=[_runs(seen), _episodes(overloads)],
        goals=[*_void_goals(seen), *_overload_goals(overloads)],
        notes=[
            f"a run is {BLOCKS} blocks of {BLOCK_S:g} s; it is void where more than a third of them are"
            " disturbed, a worker was lost or the driver failed",
            f"the hog: {hog}; an ordinary one does not reach a realtime driver",
            f"the overload: {2 * CAPACITY:.0f} a second for {OVER_S:g} s at a server that can do {CAPACITY:.0f}",
        ],
    )


def _runs(seen: dict[str, list[Run]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for kind, runs in seen.items():
        said = Counter(_rule(reason) for run in runs for reason in run.reasons) + Counter(
            run.void for run in runs if run.void and not run.reasons
        )
        often = "; ".join(f"{reason} ({n})" for reason, n in said.most_common(2))
        disturbed = sum(run.disturbed for run in runs)
        rows.append((kind, len(runs), sum(bool(run.void) for run in runs), disturbed, often))
    columns = ("what was done", "runs", "void", "blocks disturbed", "said most often")
    return Table(title="Runs, clean and sabotaged", columns=columns, rows=rows)


def _rule(reason: str) -> str:
    """A reason without its figures, so that equal ones can be counted."""
    return " ".join("#" if any(c.isdigit() for c in word) else word for word in reason.split())


def _void_goals(seen: dict[str, list[Run]]) -> list[Goal]:
    goals = []
    for kind, runs in seen.items():
        void, clean = sum(bool(run.void) for run in runs), kind in CLEAN_KINDS
        goals.append(
            Goal(
                goal=kind,
                bar="void in no run" if clean else "void in every run",
                found=f"{void} of {len(runs)} void",
                met=void == (0 if clean else len(runs)),
            )
        )
    return goals


def _episodes(overloads: list[Episode]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.timeout_s,
            one.asked,
            one.timed_out,
            one.queued,
            one.own_errors,
            one.recovered_s,
            one.expected_s,
            one.back_s,
            one.late_p50_s * 1e3,
            one.latency_p50_s * 1e3,
        )
        for one in overloads
    ]
    return Table(
        title="Overload: after it the server is done, then the driver is back on its schedule",
        columns=(
            "time-out s",
            "requests",
            "timed out",
            "queued",
            "other errors",
            "server done s",
            "at best s",
            "driver back s",
            "late p50 ms",
            "latency p50 ms",
        ),
        rows=rows,
    )


def _overload_goals(overloads: list[Episode]) -> list[Goal]:
    goals = []
    for timeout_s, who in ((PATIENT_S, "patient"), (IMPATIENT_S, "impatient")):
        mine = [one for one in overloads if one.timeout_s == timeout_s]
        back = max(one.back_s for one in mine)
        longer = median(one.recovered_s / one.expected_s for one in mine)
        errors = sum(one.own_errors for one in mine)
        goals += [
            Goal(
                goal=f"overload, {who} requests: back on schedule after the server's recovery",
                bar=f"within {BACK_S:g} s, every time",
                found=f"{back:.1f} s at worst",
                met=back <= BACK_S,
            ),
            Goal(
                goal=f"overload, {who} requests: errors that are not the server's",
                bar="none",
                found=str(errors),
                met=errors == 0,
            ),
            Goal(
                goal=f"overload, {who} requests: the driver does not prolong it",
                bar=f"at most {PROLONGED:g} times as long as it has to be",
                found=f"{longer:.2f} times",
                met=longer <= PROLONGED,
            ),
        ]
    return goals


if __name__ == "__main__":
    sys.exit(main())
