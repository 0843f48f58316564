"""One run from plan to verdict: folder, reaper, generator, heartbeat, arms, blocks, verdict."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lab.errors import Exit, LabError
from lab.heartbeat import Heartbeat
from lab.loads.open import Open
from lab.model.kinds import Kinds
from lab.model.load import ALONE, Sharing
from lab.model.report import Generator, RunInfo
from lab.model.run import Judgement, Plan
from lab.model.scenario import Scenario
from lab.model.stack import RunContext, Stack
from lab.plan import estimate
from lab.reaper import Reaper
from lab.runner.bench import Bench
from lab.runner.calibration import aim_of, calibrate, refuse_above_ceiling
from lab.runner.clock import MonotonicClock
from lab.runner.counters import counter_probes
from lab.runner.experiment import Experiment
from lab.runner.guards import Guards
from lab.runner.machine import refuse_without_room, this_machine
from lab.runner.measuring import measuring
from lab.runner.neighbours import Neighbours
from lab.runner.outcome import exit_of, what_failed
from lab.runner.progress import Progress
from lab.runner.quiet import Quiet
from lab.runner.sampling import gauges_of
from lab.store import RunFolder
from lab.verdict import judge


@dataclass(frozen=True, kw_only=True)
class Request:
    """One run as asked for. ``judged`` is False where the experiment was changed by hand (``--rate``);
    ``allow`` are the hosts that its load may reach beside this machine, ``link_url`` as in RunContext."""

    scenario: Scenario
    plan: Plan
    stack: Stack
    kinds: Kinds
    out: Path
    again: str
    budget_s: float | None = None
    wait: bool = True
    judged: bool = True
    sharing: Sharing = ALONE
    allow: tuple[str, ...] = ()
    link_url: str = ""


@dataclass
class Finished:
    """A run that ended: its folder, its verdicts, its exit code, and what stopped it early, if anything."""

    folder: RunFolder
    judgement: Judgement
    exit: Exit
    stopped: BaseException | None = None


def run(request: Request, progress: Progress) -> Finished:
    """Do the run. Errors and interrupts end it in order: faults undone, servers gone, verdict written.

    They come back in ``Finished.stopped``, so that a partial report can be written before they are told.
    """
    folder = RunFolder.create(request.out, request.scenario.source, secrets.token_hex(4), request.plan)
    began = time.monotonic()
    info = _info(request, folder)
    folder.write_run(info)  # a run that is killed still says what it was
    context: list[Experiment] = []
    versions: dict[str, str] = {}
    generator: list[Generator] = []
    stopped: BaseException | None = None
    try:
        with folder.lock():
            _perform(request, folder, progress, context, versions, generator)
    except (LabError, KeyboardInterrupt, SystemExit) as error:
        stopped = error
    known = _used(generator[0], context) if generator else None
    failed = what_failed(stopped)
    blocks = context[0].blocks if context else []
    judgement = judge(request.plan, blocks, known.share_of_ceiling if known else None, failed)
    exit_code = exit_of(judgement, stopped, judged=request.judged)
    folder.write_judgement(judgement)
    folder.write_run(
        replace(
            info,
            versions=versions,
            generator=known,
            load_s=round(context[0].bench.load_s, 1) if context else 0.0,
            wall_s=round(time.monotonic() - began, 1),
            exit=int(exit_code),
            warnings=judgement.warnings,
            failed=failed,
        )
    )
    return Finished(folder=folder, judgement=judgement, exit=exit_code, stopped=stopped)


def _used(calibrated: Generator, context: list[Experiment]) -> Generator:
    """With the executor of the blocks themselves, where there were any."""
    executor, because = context[0].bench.made_by if context else ("", "")
    return replace(calibrated, executor=executor, because=because) if executor else calibrated


def _info(request: Request, folder: RunFolder) -> RunInfo:
    return RunInfo(
        run=folder.id,
        scenario=request.scenario.slug,
        stack=request.plan.stack,
        seed=request.plan.seed,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=this_machine(),
        exit=int(Exit.TERMINATED),
        again=request.again,
    )


def _perform(
    request: Request,
    folder: RunFolder,
    progress: Progress,
    context: list[Experiment],
    versions: dict[str, str],
    generator: list[Generator],
) -> None:
    with ExitStack() as resources:
        reaper = Reaper.start(folder.path)
        resources.callback(reaper.close)
        scratch = resources.enter_context(_scratch(reaper))
        refuse_without_room(scratch, len(request.plan.arms) * estimate(request.plan).disk_mb_per_arm)
        run_context = RunContext(
            id=folder.id,
            folder=folder.path,
            scratch=scratch,
            seed=request.plan.seed,
            report=progress.phase,
            own=reaper.own,
            link_url=request.link_url,
        )
        request.stack.prepare(run_context)
        resources.enter_context(measuring(progress.note, wait=request.wait))
        load = resources.enter_context(_load(request, folder, reaper, progress))
        progress.phase("calibrating the load generator")
        aim = aim_of(request.plan, request.scenario)
        generator.append(calibrate(load, aim, clock=MonotonicClock(), scratch=scratch, own=reaper.own))
        refuse_above_ceiling(generator[0], aim)
        heartbeat = Heartbeat.start(folder.path, own=reaper.own)
        resources.callback(heartbeat.close)
        quiet = Quiet()
        resources.callback(quiet.close)
        guards = Guards(request.scenario.stop, scratch, MonotonicClock())
        bench = _bench(request, folder, load, heartbeat, quiet, guards)
        experiment = Experiment(
            plan=request.plan,
            scenario=request.scenario,
            stack=request.stack,
            context=run_context,
            folder=folder,
            bench=bench,
            progress=progress,
            versions=versions,
            budget_s=request.budget_s,
        )
        context.append(experiment)
        progress.planned(request.plan)
        experiment.run()
        progress.phase("stopping")


def _bench(
    request: Request, folder: RunFolder, load: Open, heartbeat: Heartbeat, quiet: Quiet, guards: Guards
) -> Bench:
    measures = (*request.scenario.symptoms, *request.scenario.guardrails)
    return Bench(
        plan=request.plan,
        scenario=request.scenario,
        folder=folder,
        load=load,
        heartbeat=heartbeat,
        clock=MonotonicClock(),
        probes=counter_probes(measures, request.kinds),
        gauges=gauges_of(measures, request.kinds),
        quiet=quiet,
        guards=guards,
        neighbours=Neighbours(),
    )


@contextmanager
def _load(request: Request, folder: RunFolder, reaper: Reaper, progress: Progress) -> Iterator[Open]:
    """The load generator with all its workers, ready for orders."""
    sharing = request.sharing
    load = Open(
        folder.path,
        own=reaper.own,
        workers=sharing.workers,
        join=sharing.join,
        bind=sharing.bind,
        allow=request.allow,
    )
    try:
        if sharing.join:
            progress.phase(f"waiting for {sharing.join} to join: lab worker --master {load.listening()}")
        load.ready()
        yield load
    finally:
        load.close()


@contextmanager
def _scratch(reaper: Reaper) -> Iterator[Path]:
    """A folder for the data of servers, gone with the run. Traversable, since Postgres may run as another user."""
    with tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        reaper.own({"folder": str(folder)})
        yield folder
