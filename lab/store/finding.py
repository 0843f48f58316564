"""Which run a person means."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from lab.errors import LabError
from lab.store.folder import PLAN, RunFolder


def runs(out: Path) -> list[RunFolder]:
    """Every run below ``out``, the newest first."""
    found = [path.parent for path in out.glob(f"*/{PLAN}")]
    return [RunFolder(path) for path in sorted(found, key=lambda p: p.name, reverse=True)]


def find(out: Path, asked: str | Path | None = None) -> RunFolder:
    """The run that is asked for: a folder, an id or its beginning, or a scenario; None is the newest.

    LabError that names what there is where nothing fits.
    """
    if asked is not None and (Path(asked) / PLAN).is_file():
        return RunFolder(Path(asked))
    known = runs(out)
    if not known:
        raise LabError(
            "there is no run yet",
            where=str(out),
            do="make one: lab run stampede, or name its folder with --out",
        )
    if asked is None:
        return known[0]
    word = Path(asked).name
    by_name = [run for run in known if word and (run.path.name.startswith(word) or run.id.startswith(word))]
    if by_name:
        return by_name[0]
    of_scenario = [run for run in known if _scenario_of(run) == word]
    if of_scenario:
        return of_scenario[0]
    raise _no_such_run(str(asked), out, known)


def _scenario_of(run: RunFolder) -> str:
    try:
        return run.read_plan().scenario
    except LabError:
        return ""


def _no_such_run(asked: str, out: Path, known: list[RunFolder]) -> LabError:
    names = {run.path.name for run in known} | {run.id for run in known} | {_scenario_of(r) for r in known}
    close = get_close_matches(asked, sorted(names - {""}), n=1)
    newest = f"{known[0].path.name} ({_scenario_of(known[0]) or 'unreadable'})"
    return LabError(
        f"no run is called {asked!r}",
        where=str(out),
        why=f"there are {len(known)}, the newest is {newest}",
        do=f"did you mean {close[0]}?" if close else "name a folder, an id or a scenario that was run",
    )
