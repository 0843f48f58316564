"""What a run tells while it goes on. The command line decides how it looks; the engine only speaks."""

from __future__ import annotations

from typing import Protocol

from lab.model.run import Block, Judgement, Plan


class Progress(Protocol):
    """Listener of a run. Every call returns at once and never raises."""

    def phase(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def planned(self, plan: Plan) -> None: ...

    def block(self, block: Block) -> None: ...

    def look(self, judgement: Judgement) -> None: ...


class Silent:
    """A listener that says nothing."""

    def phase(self, text: str) -> None: ...

    def note(self, text: str) -> None: ...

    def planned(self, plan: Plan) -> None: ...

    def block(self, block: Block) -> None: ...

    def look(self, judgement: Judgement) -> None: ...
