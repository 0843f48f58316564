"""Which lines of the app's own code its time goes through: a line profile by sampling, of the live process.

line_profiler counts every line of functions that were chosen before the start, and slows them down. py-spy
looks from outside, so that nothing is chosen, started anew or slowed; what it cannot tell is how often a line ran.
"""

from __future__ import annotations

import linecache
import re
from collections import Counter
from pathlib import PurePath
from typing import ClassVar

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.model.stack import Evidence, Running
from lab.probes import _asking, _sampled
from lab.probes._processes import Several, serving
from lab.probes._window import Lines, Window, shortened

Line = tuple[str, int]  # file, number
_FRAME = re.compile(r"(?P<name>.+) \((?P<file>.+):(?P<line>\d+)\)")
_LIBRARY = re.compile(r"site-packages|dist-packages|/lib/python|^<")
_HEAD = ("% within", "% at it", "line", "code")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class LineProfile:
    """The ``top`` lines by the share of samples in which the line, or what it calls, was running.

    ``code`` limits it to files whose path holds this text; without it, everything but libraries. Needs load.
    """

    code: str = ""
    of: Several = None
    window: Window = 2.0
    top: Lines = 15

    needs: ClassVar[frozenset[str]] = frozenset({"app"})

    def capture(self, running: Running) -> Evidence:
        """An aligned table. Raises EnvironmentFailed without py-spy or the right to use it."""
        pid = serving(running, self.of)
        within, at, samples = counted(_sampled.recorded(pid, "raw", self.window), self.code)
        rows = [
            (n * 100 / samples, at[line] * 100 / samples, _place(line), _source(pid, line))
            for line, n in within.most_common(self.top)
        ]
        told = f"{samples:,} samples of running code, {_sampled.RATE} a second"
        return Evidence(
            title="Line profile, by sampling",
            command=" ".join(_sampled.command(pid, "raw", "samples.txt", self.window)),
            text=f"{_asking.table(_HEAD, rows)}\n{told}" if rows else f"no line of the app was seen: {told}",
            kind="line-profile",
        )


def counted(stacks: str, code: str = "") -> tuple[Counter[Line], Counter[Line], int]:
    """Samples within each line, samples at it (no line of the app below), and all samples, of py-spy's raw text:
    frames with semicolons between them, the outermost first, a space, a number."""
    within: Counter[Line] = Counter()
    at: Counter[Line] = Counter()
    samples = 0
    for text in stacks.splitlines():
        frames, _, number = text.rpartition(" ")
        n = int(number)
        samples += n
        own = [line for line in map(_line, frames.split(";")) if line is not None and _shown(line[0], code)]
        for line in set(own):
            within[line] += n
        if own:
            at[own[-1]] += n
    return within, at, samples


def _line(frame: str) -> Line | None:
    found = _FRAME.fullmatch(frame)
    return (found["file"], int(found["line"])) if found else None


def _shown(file: str, code: str) -> bool:
    return code in file if code else _LIBRARY.search(file) is None


def _place(line: Line) -> str:
    return f"{'/'.join(PurePath(line[0]).parts[-2:])}:{line[1]}"


def _source(pid: int, line: Line) -> str:
    """As the process sees its files, which may be in a container."""
    file, number = line
    return shortened(
        linecache.getline(f"/proc/{pid}/root{file}", number) or linecache.getline(file, number), 80
    )
