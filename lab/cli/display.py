"""Progress of a run on stderr: a live line for each arm on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.model.run import Block, Judgement, Plan

HEARTBEAT_S = 10.0


def display_for(*, quiet: bool, verbose: bool, color: str) -> Display:
    """The display that fits where stderr goes."""
    if quiet:
        return Display()
    if sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb":
        return LiveDisplay(_console(color), verbose=verbose)
    return PlainDisplay(verbose=verbose)


def _console(color: str) -> Console:
    plain = color == "never" or (color == "auto" and bool(os.environ.get("NO_COLOR")))
    return Console(stderr=True, no_color=plain, force_terminal=True if color == "always" else None)


class Display:
    """A display that shows nothing; the others show some of what it is told."""

    @contextmanager
    def of(self, scenario: str, why: str) -> Iterator[None]:
        """Everything shown inside belongs to one run of ``scenario``; ``why`` names the stack."""
        del scenario, why
        yield

    def phase(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def planned(self, plan: Plan) -> None: ...

    def block(self, block: Block) -> None: ...

    def look(self, judgement: Judgement) -> None: ...


@dataclass
class Tally:
    """What is shown of an arm: its last block, and how many it has had."""

    blocks: int = 0
    disturbed: int = 0
    last: Block | None = None
    state: str = ""


def tallied(arms: dict[str, Tally], block: Block) -> None:
    tally = arms.setdefault(block.arm, Tally())
    tally.blocks += not block.disturbed
    tally.disturbed += block.disturbed
    tally.last = block


def values_of(block: Block | None) -> str:
    """The last values of an arm in a few words."""
    if block is None:
        return ""
    words = [f"{name} {value:.3g}" for name, value in block.values.items() if value is not None]
    p50, p99 = block.shown.get("p50_ms"), block.shown.get("p99_ms")
    if p50 is not None and p99 is not None:
        words.append(f"p50 {p50:.1f} ms, p99 {p99:.0f} ms")
    return " · ".join(words)


def states_of(judgement: Judgement) -> dict[str, str]:
    return {
        verdict.arm: "" if verdict.reason_code == "undecided" else verdict.state.upper().replace("-", " ")
        for verdict in judgement.verdicts
    }


@dataclass
class PlainDisplay(Display):
    """One plain line a phase, and at most one heartbeat in ten seconds."""

    verbose: bool = False
    arms: dict[str, Tally] = field(default_factory=dict)
    began: float = 0.0
    spoke: float = 0.0

    @contextmanager
    def of(self, scenario: str, why: str) -> Iterator[None]:
        self.arms, self.began = {}, time.monotonic()
        self._say(f"{scenario}: {why}")
        yield

    def _say(self, text: str) -> None:
        self.spoke = time.monotonic()
        sys.stderr.write(f"[{self.spoke - self.began:5.1f} s] {text}\n")
        sys.stderr.flush()

    def phase(self, text: str) -> None:
        self._say(text)

    def note(self, text: str) -> None:
        self._say(text)

    def planned(self, plan: Plan) -> None:
        self._say(f"{len(plan.arms)} arms, seed {plan.seed}")

    def block(self, block: Block) -> None:
        tallied(self.arms, block)
        if self.verbose:
            again = f" DISTURBED: {'; '.join(block.reasons)}" if block.disturbed else ""
            self._say(f"block {block.n} {block.arm}: {values_of(block)}{again}")
        elif time.monotonic() - self.spoke > HEARTBEAT_S:
            done = sum(tally.blocks for tally in self.arms.values())
            self._say(f"{done} blocks; last {block.arm}: {values_of(block)}")

    def look(self, judgement: Judgement) -> None:
        for arm, state in states_of(judgement).items():
            if state:
                self._say(f"{arm}: {state}")


class LiveDisplay(Display):
    """A table that stays in place while the run goes on, and makes room for the result."""

    def __init__(self, console: Console, *, verbose: bool) -> None:
        self.console, self.verbose = console, verbose
        self.arms: dict[str, Tally] = {}
        self.text, self.scenario, self.began = "", "", 0.0
        self.live: Live | None = None

    @contextmanager
    def of(self, scenario: str, why: str) -> Iterator[None]:
        self.arms, self.scenario, self.began = {}, scenario, time.monotonic()
        self.console.print(Text(f"{scenario}: {why}", style="dim"))
        with Live(
            get_renderable=self._table, console=self.console, refresh_per_second=4, transient=True
        ) as live:
            self.live = live
            yield
        self.live = None

    def _table(self) -> Table:
        title = f"{self.scenario}  {time.monotonic() - self.began:.0f} s  {self.text}"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, expand=False)
        for column in ("arm", "blocks", "last block", ""):
            table.add_column(column, justify="right" if column == "blocks" else "left", overflow="ellipsis")
        for name, tally in self.arms.items():
            disturbed = f" (+{tally.disturbed} disturbed)" if tally.disturbed else ""
            table.add_row(name, f"{tally.blocks}{disturbed}", values_of(tally.last), tally.state)
        return table

    def phase(self, text: str) -> None:
        self.text = text

    def note(self, text: str) -> None:
        self.console.print(Text(text, style="yellow"))

    def planned(self, plan: Plan) -> None:
        self.arms = {arm.name: Tally() for arm in plan.arms}

    def block(self, block: Block) -> None:
        tallied(self.arms, block)
        if block.disturbed and self.verbose:
            self.console.print(Text(f"block {block.n} {block.arm} disturbed: {'; '.join(block.reasons)}"))

    def look(self, judgement: Judgement) -> None:
        for arm, state in states_of(judgement).items():
            if arm in self.arms:
                self.arms[arm].state = state
