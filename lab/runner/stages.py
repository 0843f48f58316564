"""The life of a group of arms around its blocks: warm, checked, broken, mended, looked at, healed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from lab.errors import EnvironmentFailed
from lab.model.run import Plan
from lab.model.scenario import Closing, Scenario
from lab.model.stack import CounterProbe, Evidence, GaugeProbe
from lab.runner.arms import LiveArm, watch_idle
from lab.runner.bench import Bench
from lab.runner.faults import fault_on, prove, prove_healed, try_out
from lab.runner.progress import Progress
from lab.runner.readings import latencies_ms, recovery_s
from lab.runner.shaping import of_the_stack
from lab.store import RunFolder

ACTING_S = 1.6  # of load at most, while a fix is applied: one that takes longer goes on without it
AT_WORK_S = 0.6  # of load before the first probe looks: it shall see a system at work, not one that begins to
EVIDENCE_S = 1.6  # of load, while the probes look


@dataclass(frozen=True)
class Stages:
    """What happens to arms before their first and after their last block."""

    plan: Plan
    scenario: Scenario
    folder: RunFolder
    bench: Bench
    progress: Progress

    def before_blocks(self, live: dict[str, LiveArm]) -> None:
        """Warm up, check the counters, switch standing faults on, apply fixes and take evidence."""
        self._settle(live)
        self._preflight(next(iter(live.values())))
        faulty = [one for one in live.values() if one.arm.faulty]
        self._break(faulty)
        self.progress.phase("applying fixes and taking evidence under load")
        for one in faulty or live.values():  # where nothing is wrong, all arms have the same past
            self._mend(one)
        self._watch_idle(live)  # with the faults on: some keep an arm busy although nobody asks it anything

    def after_blocks(self, live: dict[str, LiveArm]) -> None:
        """Heal every standing fault, under load where the scenario asks how long recovery takes."""
        faulty = [one for one in live.values() if one.arm.faulty]
        if self.scenario.closing is not None:
            for one in faulty:
                self.progress.phase(f"healing {one.name}")
                self._closing_episode(one, self.scenario.closing)
        self.progress.phase("healing")
        _side_by_side(faulty, self._heal)

    def _heal(self, one: LiveArm) -> None:
        one.thaw()
        one.faults.close()
        for use in of_the_stack(self.scenario, "standing"):
            prove_healed(use, one, self.folder)

    def _settle(self, live: dict[str, LiveArm]) -> None:
        self.progress.phase("warming up")
        for one in live.values():
            load = self.bench.warm_up(one)
            if len(load.samples) and bool(load.failed.all()):
                raise EnvironmentFailed(
                    f"no request of the warm-up succeeded in arm {one.name}",
                    where=one.running.url,
                    why=f"the app's last lines:\n{one.running.logs('app', 8)}",
                    do="try the request by hand after 'lab up', or see logs/ in the run folder",
                )
            if len(load.samples) and (one.arm.role == "healthy" or not self.bench.healthy_p50_s):
                times = sorted(latencies_ms(load.samples))
                self.bench.healthy_p50_s = float(times[len(times) // 2]) / 1e3

    def _watch_idle(self, live: dict[str, LiveArm]) -> None:
        watch_idle(live, self.bench.clock)
        if self.bench.neighbours is not None:
            shares = {one.running.name: one.idle_share for one in live.values()}
            self.bench.neighbours.watch_idle(shares, [one.running for one in live.values()])

    def _preflight(self, one: LiveArm) -> None:
        """A counter that lags would book one block's work into the next: refuse before it can."""
        probes: Mapping[str, CounterProbe | GaugeProbe] = {**self.bench.probes, **self.bench.gauges.probes}
        for name, probe in probes.items():
            wrong = probe.preflight(one.running)
            if wrong:
                raise EnvironmentFailed(
                    f"what {name!r} reads cannot be trusted",
                    where=one.running.url,
                    why=wrong,
                    do="use a server that counts at once and in full, or measure something else",
                )

    def _break(self, faulty: list[LiveArm]) -> None:
        """Standing faults on, for good; those of each block once, to see that they bite and heal."""
        standing, passing = (of_the_stack(self.scenario, when) for when in ("standing", "each-block"))
        kinds = ", ".join(use.kind for use in (*standing, *passing))
        self.progress.phase(f"faults on {len(faulty)} arms: {kinds or 'none that the stack has'}")

        def break_one(one: LiveArm) -> None:
            for use in standing:
                one.faults.enter_context(fault_on(use, one, self.folder))
                prove(use, one, self.folder)
            try_out(passing, one, self.folder)

        _side_by_side(faulty, break_one)

    def _mend(self, one: LiveArm) -> None:
        """Load while an arm gets its fix, or the side effects of the fixes without their content; then load
        while evidence is taken, so that it shows what the fix has left, however long that took."""

        def act(start_ns: int) -> None:
            self.bench.clock.sleep_until(start_ns)
            self.bench.actions.before_blocks(one)

        def look(start_ns: int) -> None:
            self.bench.clock.sleep_until(start_ns + int(AT_WORK_S * 1e9))
            self._take_evidence(one)

        self._under_load(one, min(self.plan.block.warm_up_s, ACTING_S), act)
        if self.scenario.evidence and one.arm.role in ("problem", "fix"):
            windows_s = sum(getattr(use.params, "window", 0.0) for use in self.scenario.evidence)
            self._under_load(one, AT_WORK_S + EVIDENCE_S + windows_s, look)

    def _under_load(self, one: LiveArm, length_s: float, during: Callable[[int], None]) -> None:
        length_s = self._long_enough(length_s)
        self.bench.run(one, length_s, self.plan.block.gap_s, during=during, recurring=True)

    def _long_enough(self, length_s: float) -> float:
        """For what faults of the load change in a block: a spike is not in one that is over before it."""
        return max(length_s, self.plan.block.length_s) if self.bench.shaping.uses else length_s

    def _take_evidence(self, one: LiveArm) -> None:
        for name, use in zip(self.scenario.evidence_names, self.scenario.evidence, strict=True):
            try:
                captured = use.params.capture(one.running)
                seen = replace(captured, title=use.title or captured.title)
            except Exception as error:  # noqa: BLE001  evidence is never worth a run
                reason = str(error).strip().splitlines() or [type(error).__name__]
                text = f"could not be read: {reason[0]}"
                seen = Evidence(title=use.title or use.kind, command="", text=text)
            self.folder.save_evidence(f"{one.name}.{name}", seen)

    def _closing_episode(self, one: LiveArm, closing: Closing) -> None:
        healed: list[int] = []

        def heal(start_ns: int) -> None:
            self.bench.clock.sleep_until(start_ns + int(closing.heal_at * 1e9))
            one.faults.close()
            healed.append(self.bench.clock.now_ns())

        outcome = self.bench.run(one, self._long_enough(closing.length), self.plan.block.gap_s, during=heal)
        seconds = recovery_s(outcome.reading.load, healed[0])
        self.folder.event("recovered", one.name, "closing", {"seconds": seconds, "healed_ns": healed[0]})


def _side_by_side(arms: Iterable[LiveArm], do: Callable[[LiveArm], None]) -> None:
    """To as many arms at once as there are cores: what a fault does is measured, and busy cores would show in it."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done in [pool.submit(do, one) for one in arms]:
            done.result()
