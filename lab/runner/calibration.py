"""What the load generator can do on this machine, found out before each run against a server that does nothing.

A generator at its limit reports its own queues as the app's latency. So a run that asks for more than
60 % of what was found here is refused before an arm is started.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import EnvironmentFailed
from lab.model.load import BlockLoad, BlockOrder, Executor, Failure, Load
from lab.model.report import Generator
from lab.model.run import Plan
from lab.model.scenario import Arrivals, Expect, Request, Scenario, Stage
from lab.runner.clock import Clock
from lab.runner.shaping import highest_rate
from lab.verdict import MOST_OF_CEILING

PLAIN = Request(name="plain", get="/")

_WARM_S, _FLOOR_S, _FLOOR_RATE = 0.1, 0.4, 500.0
_CEILING_S, _MOST_RATE = 0.4, 25_000.0  # a block's plan takes the longer the more arrivals it has
_TRIES = 3  # before a rate is refused: what else goes on here can only make the ceiling seem lower
_TIMEOUT_S, _SLACK_S, _UP_S = 5.0, 10.0, 10.0
_SATURATED, _OVERRAN = 0.9, 1.1
_ANSWERED = 0.99


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a run will ask of the generator. ``peak_rate`` is None where no rate is asked for: users who each
    wait for their answer, or no run at all."""

    requests: tuple[Request, ...] = (PLAIN,)
    arrivals: Arrivals = "poisson"
    seed: int = 1
    peak_rate: float | None = None
    executor: Executor | None = None


def aim_of(plan: Plan, scenario: Scenario) -> Aim:
    """The calibrating load of a run: its own requests, or a plain one by *flow* where users' own code makes
    them. LabError where the load has nothing that a fault of the load could change."""
    block = plan.block
    peak = None if block.users else highest_rate(plan, scenario)
    if block.users or block.locustfile is not None:
        return Aim(arrivals=block.arrivals, seed=block.arrivals_seed, peak_rate=peak, executor="flow")
    requests = tuple(_answerable(request) for request in scenario.load.requests)
    return Aim(requests=requests, arrivals=block.arrivals, seed=block.arrivals_seed, peak_rate=peak)


def _answerable(request: Request) -> Request:
    """The same work, with an answer that the null server gives, and out of the way in Locust's statistics."""
    expect = Expect(
        status=(200,) if request.expect.status else (), contains="answer" if request.expect.contains else ""
    )
    return replace(request, name=f"calibration {request.name}", expect=expect)


def calibrate(
    load: Load, aim: Aim, *, clock: Clock, scratch: Path, own: Callable[[Mapping[str, Any]], None]
) -> Generator:
    """Measure the generator's floor and ceiling for ``aim``; about a second.

    EnvironmentFailed where it cannot even load a server that does nothing.
    """
    with null_server(scratch, own) as url:
        trial = _Trial(load, aim, url, clock, scratch)
        trial.run(_FLOOR_RATE, _WARM_S)
        floor = trial.run(_FLOOR_RATE, _FLOOR_S)
        # A request costs about half as much CPU where many come at once.
        ceiling, rate = 0.0, 2 * ceiling_per_s(floor, _FLOOR_S)
        for _ in range(_TRIES):
            block = trial.run(min(rate, _MOST_RATE), _CEILING_S)
            ceiling = rate = max(ceiling, ceiling_per_s(block, _CEILING_S))
            if _share(aim, ceiling) <= MOST_OF_CEILING:
                break
    p50, p99 = np.percentile(floor.latency_s * 1e3, [50, 99])
    return Generator(
        executor=floor.checks.executor,
        ceiling_per_s=round(ceiling),
        floor_p50_ms=round(float(p50), 3),
        floor_p99_ms=round(float(p99), 3),
        schedule_error_p99_ms=round(floor.checks.schedule_error_p99_s * 1e3, 3),
        share_of_ceiling=None if aim.peak_rate is None else round(_share(aim, ceiling), 4),
        workers=floor.checks.workers,
    )


def refuse_above_ceiling(generator: Generator, aim: Aim) -> None:
    """EnvironmentFailed where the run asks for more than 60 % of what the generator can do here."""
    if generator.share_of_ceiling is None or generator.share_of_ceiling <= MOST_OF_CEILING:
        return
    most = MOST_OF_CEILING * generator.ceiling_per_s
    raise EnvironmentFailed(
        f"the load of {aim.peak_rate:,.0f} requests a second is too much for the generator on this machine",
        why=(
            f"it can make {generator.ceiling_per_s:,.0f} a second ({generator.executor}); above"
            f" {MOST_OF_CEILING:.0%} of that, latency would be the generator's own"
        ),
        do=f"ask for at most {most:,.0f} (load.rate in the scenario, or --rate), or share it: --workers N",
    )


def ceiling_per_s(block: BlockLoad, length_s: float) -> float:
    """Requests a second that all workers could make at the CPU cost of this block.

    Where the generator fell behind with a core used up, no more than it really made.
    """
    checks = block.checks
    ceiling = checks.answered / max(checks.cpu_s, 1e-9) * checks.workers
    took_s = float(block.samples["done_ns"].max() - block.samples["due_ns"].min()) / 1e9
    if checks.cpu_share_max > _SATURATED and took_s > _OVERRAN * length_s:
        return min(ceiling, checks.answered / took_s)
    return ceiling


def _share(aim: Aim, ceiling: float) -> float:
    return (aim.peak_rate or 0.0) / ceiling


@dataclass
class _Trial:
    """Short blocks against the null server. Numbered below zero: a run's own blocks count from one."""

    load: Load
    aim: Aim
    url: str
    clock: Clock
    scratch: Path
    n: int = -1

    def run(self, rate: float, length_s: float) -> BlockLoad:
        """EnvironmentFailed where the server's answers do not come through."""
        self.n -= 1
        lead_ns = int(self.load.lead_s(rate * length_s) * 1e9)
        self.load.begin(
            BlockOrder(
                n=self.n,
                url=self.url,
                start_ns=self.clock.now_ns() + lead_ns,
                stages=(Stage(rate=rate, length=length_s),),
                arrivals=self.aim.arrivals,
                seed=self.aim.seed,
                timeout_s=_TIMEOUT_S,
                requests=self.aim.requests,
                samples=self.scratch / "calibration.npy",
                executor=self.aim.executor,
            )
        )
        block = self.load.finish(length_s + _TIMEOUT_S + _SLACK_S)
        if not len(block.samples) or block.checks.answered < _ANSWERED * block.checks.asked:
            raise _unfit(block)
        return block


def _unfit(block: BlockLoad) -> EnvironmentFailed:
    failures = Counter(Failure(int(code)).name.lower() for code in block.samples["error"] if code)
    said = ", ".join(f"{name} {count}" for name, count in failures.most_common()) or "none was made"
    return EnvironmentFailed(
        "the load generator cannot even load a server that does nothing",
        why=f"{block.checks.answered} of {block.checks.asked} requests were answered ({said})",
        do="see logs/load.log in the run folder; is this machine out of memory, ports or open files?",
    )


@contextmanager
def null_server(scratch: Path, own: Callable[[Mapping[str, Any]], None]) -> Iterator[str]:
    """The base address of a null server in a process of its own, gone afterwards."""
    log = scratch / "null-server.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lab.driver.null"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            start_new_session=True,
        )
    own({"process": process.pid})
    try:
        yield f"http://127.0.0.1:{_port(process, log)}"
    finally:
        _end(process)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    assert process.stdout is not None
    heard, _, _ = select.select([process.stdout], [], [], _UP_S)
    line = process.stdout.readline() if heard else b""
    if not line:
        raise EnvironmentFailed(
            "the server that the generator is calibrated against did not start",
            why="\n".join(log.read_text(errors="replace").splitlines()[-8:]) or "it said nothing",
            do="run it again; python -m lab.driver.null shows what it says",
        )
    return int(json.loads(line)["port"])


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
