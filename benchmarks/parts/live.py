"""Live controls: one run of the product, the line that it leaves behind, and what all lines say together."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lab.errors import Exit, LabError
from lab.model.run import control_fix, placebo_fix
from lab.store.history import Outcome
from lab.verdict.tally import Tally

Kind = Literal["plain", "placebo", "perfect"]
KINDS: tuple[Kind, ...] = ("plain", "placebo", "perfect")
SCHEMA = "lab.live/1"
MOST_S = 1800.0  # of one run; the longest scenario takes a few minutes
UNDO_S = 120.0  # for a run that was told to stop
_STOPPED = (Exit.INTERRUPTED, Exit.TERMINATED, -signal.SIGINT, -signal.SIGTERM)

Words = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One run. ``verdicts`` holds how each fix and control ended, none where the run came to no judgement.

    ``seconds`` is how long the whole command took; ``load_s`` what the report says of the time under load.
    """

    scenario: str
    kind: Kind
    seed: int
    exit: int
    seconds: float
    verdicts: tuple[Outcome, ...] = ()
    run: str = ""
    stack: str = ""
    load_s: float | None = None
    schema: str = SCHEMA

    @property
    def key(self) -> tuple[str, Kind, int]:
        return self.scenario, self.kind, self.seed

    @property
    def controls(self) -> list[Outcome]:
        """The verdicts that were asked for: placebos, or the healthy arm in the place of a fix."""
        perfect = control_fix("perfect")
        return [v for v in self.verdicts if (v.fix == perfect if self.kind == "perfect" else v.placebo)]

    @property
    def judged(self) -> list[Outcome]:
        """The controls that say something of the error rate: judged, to an end, and not void."""
        if self.kind == "perfect":
            return [one for one in self.controls if one.state != "void" and not one.open]
        return [one for one in self.controls if one.counted]

    @property
    def wrong(self) -> int:
        """Placebos that were called RESOLVED, or perfect fixes that were not."""
        if self.kind == "perfect":
            return sum(not one.resolved for one in self.judged)
        return sum(one.resolved for one in self.judged)


def tally(lines: Iterable[Line]) -> Tally:
    """Wrong verdicts, k, of the controls judged, n."""
    kept = list(lines)
    return Tally(sum(line.wrong for line in kept), sum(len(line.judged) for line in kept))


def command(lab: Words, scenario: str, kind: Kind, seed: int, more: Words = ()) -> list[str]:
    """The words of one run of the product. ``more`` are options that every run has."""
    asked = ["run", scenario] if kind == "plain" else ["verify", f"--{kind}", scenario]
    return [*lab, *asked, "--seed", str(seed), "--json", *more]


def run_once(lab: Words, scenario: str, kind: Kind, seed: int, more: Words = ()) -> Line:
    """One run as a subprocess. LabError where the command refused or was stopped by somebody else.

    A KeyboardInterrupt is passed on to the run, which has a while to undo what it did.
    """
    words = command(lab, scenario, kind, seed, more)
    begun = time.monotonic()
    code, out, err = _finish(words)
    if code == Exit.USAGE or code in _STOPPED:
        raise LabError(
            "the lab refused the run" if code == Exit.USAGE else "the run was stopped",
            where=" ".join(words),
            why=err.strip()[-2000:],
            do="see what it says, then start again: what is done stays done",
            exit=Exit.USAGE if code == Exit.USAGE else Exit.INTERRUPTED,
        )
    told = _report(out)
    return Line(
        scenario=scenario,
        kind=kind,
        seed=seed,
        exit=code,
        seconds=round(time.monotonic() - begun, 1),
        verdicts=tuple(_outcome(v, "reason_code") for v in told.get("verdicts", ())),
        run=str(told.get("run", "")),
        stack=str(told.get("stack", "")),
        load_s=told.get("load_s"),
    )


def _finish(words: Words) -> tuple[int, str, str]:
    """Exit code, stdout and stderr. The run has a session of its own: one Ctrl-C reaches it once, through us."""
    try:
        process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    except OSError as wrong:
        raise LabError(
            "the lab could not be started", where=words[0], why=str(wrong), do="name it with --lab"
        ) from None
    try:
        out, err = process.communicate(timeout=MOST_S)
    except (KeyboardInterrupt, subprocess.TimeoutExpired) as why:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=UNDO_S)
        if process.poll() is None:
            process.kill()
            process.wait()
        if isinstance(why, KeyboardInterrupt):
            raise
        return Exit.VOID, "", f"it did not end within {MOST_S / 60:.0f} minutes"
    return process.returncode, out, err


def _report(out: str) -> Mapping[str, Any]:
    try:
        told = json.loads(out)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _outcome(told: Mapping[str, Any], code: str) -> Outcome:
    return Outcome(fix=told["fix"], state=told["state"], code=told[code])


def read_lines(path: Path) -> list[Line]:
    """All runs of a file; none where there is no file. A line that was torn at the very end is cut off."""
    try:
        text = path.read_text() if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            with path.open("r+") as file:
                file.truncate(len(whole.encode()))
    except (OSError, UnicodeDecodeError) as wrong:
        raise LabError("the file of runs cannot be read", where=str(path), why=str(wrong)) from None
    return [_line(kept, f"{path}:{n}") for n, kept in enumerate(whole.splitlines(), 1)]


def _line(kept: str, where: str) -> Line:
    try:
        told = json.loads(kept)
        if told["schema"] != SCHEMA or told["kind"] not in KINDS:
            raise KeyError(told["schema"], told["kind"])
        verdicts = tuple(_outcome(verdict, "code") for verdict in told.pop("verdicts"))
        return Line(**told, verdicts=verdicts)
    except (ValueError, KeyError, TypeError) as wrong:
        raise LabError(
            "this line is no run of verdict_live", where=where, why=repr(wrong), do="name another file"
        ) from None


def append(path: Path, line: Line) -> None:
    """Add a run, on disk before the next one starts."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(json.dumps(asdict(line)) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as wrong:
        raise LabError("the run could not be kept", where=str(path), why=str(wrong)) from None


def name_of(kind: Kind) -> str:
    """What is counted, in a word or two."""
    return {"plain": placebo_fix(), "placebo": control_fix("placebo"), "perfect": control_fix("perfect")}[
        kind
    ]
