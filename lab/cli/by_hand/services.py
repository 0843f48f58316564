"""``lab ps``, ``lab logs`` and ``lab probe``: looking at the stack that is up."""

from __future__ import annotations

import json as json_
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.cli.by_hand.keeper import ask
from lab.cli.by_hand.own import Named
from lab.errors import LabError

FOLLOW_LINES = 1000  # as many new ones between two looks are not missed
FOLLOW_EVERY_S = 0.3


def ps(out: Path, *, json: bool) -> None:
    """A line for each service."""
    rows = ask(out, "status")["services"]
    if json:
        _say(json_.dumps({"schema": "lab.ps/1", "services": rows}, indent=1))
        return
    _say(f"{'SERVICE':<9} {'STATE':<7} {'PORT':>5} {'CPU':>6} {'MEMORY':>9}  PIDS")
    for row in rows:
        pids = row["pids"]
        shown = " ".join(map(str, pids[:3])) + (f" and {len(pids) - 3} more" if len(pids) > 3 else "")
        line = f"{row['service']:<9} {row['state']:<7} {row['port']:>5} {row['cpu_share']:>6.1%}"
        _say(f"{line} {row['memory_mb']:>6.1f} MB  {shown}".rstrip())


def logs(out: Path, service: str | None, lines: int, *, follow: bool) -> None:
    """The last lines of a service, or of all; with ``follow`` also those to come, until Ctrl-C."""
    if lines < 0:
        raise LabError("there is no such number of lines", where="-n", do="write -n 20")
    chosen = [service] if service else [row["service"] for row in ask(out, "status")["services"]]
    width = max(map(len, chosen)) if len(chosen) > 1 else 0
    seen = {name: _log(out, name, FOLLOW_LINES if follow else lines) for name in chosen}
    for name in chosen:
        _print(name, seen[name][-lines:] if lines else [], width)
    while follow:
        time.sleep(FOLLOW_EVERY_S)
        for name in chosen:
            now = _log(out, name, FOLLOW_LINES)
            _print(name, news(seen[name], now), width)
            seen[name] = now


def _log(out: Path, service: str, lines: int) -> list[str]:
    text: str = ask(out, "logs", service=service, lines=max(lines, 1))["log"]
    return text.splitlines()


def news(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """The lines of ``now`` that follow the end of ``before``, where both are the last lines of one log."""
    for kept in range(min(len(before), len(now)), 0, -1):
        if before[-kept:] == now[:kept]:
            return list(now[kept:])
    return list(now)


def _print(service: str, lines: Sequence[str], width: int) -> None:
    for line in lines:
        _say(f"{service:<{width}} | {line}" if width else line)
    sys.stdout.flush()


def probe(out: Path, words: Sequence[str], named: Named, *, json: bool) -> None:
    """What a probe sees now: what a person would type, and the answer; or the numbers that it reads.

    It looks at the servers that are ``named``, or else at the stack that is up.
    """
    seen = _of_own(words, named) if named else ask(out, "probe", words=list(words))
    if seen.get("picture"):
        out.mkdir(parents=True, exist_ok=True)
        file = out / f"{seen['probe']}.svg"
        file.write_text(seen.pop("picture"))
        seen["file"] = str(file)
    if json:
        _say(json_.dumps({"schema": "lab.probe/1", **seen}, indent=1))
    elif "text" in seen:
        _say(f"# {seen['title']}\n$ {seen['command']}\n{seen['text']}")
        if "file" in seen:
            _say(f"the picture is {seen['file']}")
    else:
        for name, value in seen["readings"].items():
            _say(f"{seen['probe']}.{name} {value:g}")


def _of_own(words: Sequence[str], named: Named) -> dict[str, Any]:
    from lab.catalog import kinds
    from lab.cli.by_hand.own import own, refuse_unnamed
    from lab.runner.keeper.seeing import seen
    from lab.scenario.words import from_words

    kind, one = from_words("probe", words, kinds().probes)
    running = own(named)
    refuse_unnamed(kind, one, running)
    return {"probe": kind, **seen(one, running)}


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
