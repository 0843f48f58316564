"""``lab doctor``: what this machine can do, and how noisy it is."""

from __future__ import annotations

import json as json_
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.catalog import stacks
from lab.cli.history import tally
from lab.cli.leftovers import leftovers
from lab.errors import Exit, LabError
from lab.heartbeat import Cpu, Heartbeat, steal_share
from lab.loads.open import Open
from lab.runner.calibration import Aim, calibrate
from lab.runner.clock import MonotonicClock
from lab.runner.machine import this_machine
from lab.store.history import past, placebos
from lab.verdict import MOST_OF_CEILING

NOISE_S = 1.5
NOISY_S = 0.1
NEEDED_MB = 2000


@dataclass(frozen=True)
class Finding:
    """One examined thing. ``needed`` findings that are not ok make the machine unfit."""

    what: str
    ok: bool
    text: str
    needed: bool = False


def examine(out: Path, *, json: bool) -> Exit:
    """Examine everything, say it, and return OK where at least one stack can run."""
    with _load_driver() as driver:  # it starts while the stacks are looked at
        findings = [_platform(), *_stacks(), _disk(), _writable(out)]
        findings += [_generator(driver), _noise(), error_rate(out), _left(out)]
    fit = any(f.ok for f in findings if f.what.endswith(" stack")) and all(f.ok for f in findings if f.needed)
    if json:
        found = {"schema": "lab.doctor/1", "fit": fit, "findings": [asdict(f) for f in findings]}
        sys.stdout.write(json_.dumps(found, indent=1) + "\n")
    else:
        for finding in findings:
            word = "ok" if finding.ok else "NO" if finding.needed else "--"
            sys.stdout.write(f"{word:>3}  {finding.what}: {finding.text}\n")
        sys.stdout.write("this machine is fit\n" if fit else "this machine is not fit: see the lines above\n")
    return Exit.OK if fit else Exit.VOID


def _platform() -> Finding:
    machine = this_machine()
    text = (
        f"{machine.kernel}, Python {machine.python}, {machine.cores} cores, {machine.memory_bytes >> 30} GB"
    )
    if platform.system() == "Windows":
        return Finding("platform", False, f"{text}; use a Linux container or WSL 2", needed=True)
    return Finding("platform", True, text, needed=True)


def _stacks() -> list[Finding]:
    found = []
    for kind, make in sorted(stacks().items()):
        stack = make()
        reason = stack.available()
        missing = [] if reason else stack.missing_images()
        text = reason or (f"not present yet: {', '.join(missing)}" if missing else "ready")
        found.append(Finding(f"{kind} stack", not reason, text))
    return found


def _disk() -> Finding:
    folder = Path(tempfile.gettempdir())
    free_mb = shutil.disk_usage(folder).free >> 20
    return Finding("disk", free_mb > NEEDED_MB, f"{free_mb} MB free below {folder}", needed=True)


def _writable(out: Path) -> Finding:
    there = next(p for p in (out.resolve(), *out.resolve().parents) if p.exists())
    ok = os.access(there, os.W_OK)
    return Finding("reports", ok, f"{out} can{'' if ok else 'not'} be written", needed=True)


def _noise() -> Finding:
    try:
        overshoot, steal = _listen()
    except LabError as error:
        return Finding("noise", False, error.what)
    text = f"worst stall {overshoot * 1e3:.0f} ms in {NOISE_S:g} s, {steal:.1%} of CPU time stolen"
    return Finding("noise", overshoot < NOISY_S, text)


def _listen() -> tuple[float, float]:
    with tempfile.TemporaryDirectory(prefix="lab-") as folder:
        heartbeat = Heartbeat.start(Path(folder), own=lambda _record: None)
        try:
            begin, cpu = time.monotonic_ns(), Cpu.read()
            time.sleep(NOISE_S)  # the thing measured is this stretch of time itself
            return heartbeat.worst_between(begin, time.monotonic_ns()), steal_share(cpu, Cpu.read())
        finally:
            heartbeat.close()


@contextmanager
def _load_driver() -> Iterator[tuple[Open, Path]]:
    with tempfile.TemporaryDirectory(prefix="lab-") as name:
        folder = Path(name)
        load = Open(folder, own=lambda _record: None)
        try:
            yield load, folder
        finally:
            load.close()


def _generator(driver: tuple[Open, Path]) -> Finding:
    load, folder = driver
    try:
        load.ready()
        found = calibrate(load, Aim(), clock=MonotonicClock(), scratch=folder, own=lambda _record: None)
    except LabError as error:
        return Finding("load generator", False, error.what)
    text = (
        f"up to {MOST_OF_CEILING * found.ceiling_per_s:,.0f} requests a second"
        f" ({MOST_OF_CEILING:.0%} of {found.ceiling_per_s:,.0f}); an answer that takes no time reads"
        f" {found.floor_p50_ms:.2f} ms (p99 {found.floor_p99_ms:.2f} ms),"
        f" requests leave {found.schedule_error_p99_ms:.2f} ms late (p99)"
    )
    return Finding("load generator", True, text)


def error_rate(out: Path) -> Finding:
    """How often a placebo was called RESOLVED on this machine; never makes it unfit."""
    found = placebos(past(out).runs)
    return Finding("error rate", found.resolved.k == 0, tally(found))


def _left(out: Path) -> Finding:
    left = leftovers(out)
    text = (
        "nothing is left of killed runs" if not left else f"{len(left)} killed runs left something: lab clean"
    )
    return Finding("left behind", not left, text)
