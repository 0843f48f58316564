"""The run folder: everything a run leaves behind, one file for each kind of fact.

Each file names its schema and version. A newer version is refused in plain words, an older one is read;
a last line that a crash cut short is dropped and said in :attr:`RunFolder.warnings`.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lab.errors import LabError
from lab.model.report import Event, RunInfo
from lab.model.run import Block, Judgement, Plan
from lab.model.stack import Evidence
from lab.store.disk import SCHEMAS, adapter, check_schema, disk, parsed, valid

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

PLAN, _BLOCKS, _EVENTS = "plan.json", "blocks.jsonl", "events.jsonl"
_JUDGEMENT, _RUN, _SCENARIO, _LOCK = "verdict.json", "run.json", "scenario.yaml", "run.lock"
_SAFE = re.compile(r"[^A-Za-z0-9._-]")


@dataclass
class RunFolder:
    """One run on disk. Writing is safe from several threads; ``warnings`` says what reading had to drop."""

    path: Path
    warnings: list[str] = field(default_factory=list)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @classmethod
    def create(cls, out: Path, scenario: str, run_id: str, plan: Plan) -> RunFolder:
        """A new folder ``<UTC time>-<run_id>`` below ``out``, with ``plan.json`` in it before anything else.

        ``scenario`` is the text of the scenario file, kept byte for byte. LabError where ``out`` cannot be
        written, EnvironmentFailed where the disk is full.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        folder = cls(out / f"{stamp}-{_SAFE.sub('-', run_id)}")
        with disk(folder.path):
            folder.path.mkdir(parents=True)
            (folder.path / "samples").mkdir()
            (folder.path / "evidence").mkdir()
        folder.write_plan(plan)
        folder._replace(_SCENARIO, scenario.encode())
        folder._append(_BLOCKS, {"schema": SCHEMAS[_BLOCKS], "run": run_id})
        anchor = {"schema": SCHEMAS[_EVENTS], "run": run_id, "t_ns": time.monotonic_ns()}
        folder._append(_EVENTS, anchor | {"wall": datetime.now(UTC).isoformat()})
        return folder

    @property
    def id(self) -> str:
        return self.path.name.partition("-")[2]

    # plan, verdict, run ---------------------------------------------------------------------------

    def write_plan(self, plan: Plan) -> None:
        self._write(PLAN, plan)

    def read_plan(self) -> Plan:
        return self._read(PLAN, Plan)

    def write_judgement(self, judgement: Judgement) -> None:
        self._write(_JUDGEMENT, judgement)

    def read_judgement(self) -> Judgement | None:
        """None where the run ended before a verdict was written."""
        return self._read(_JUDGEMENT, Judgement) if (self.path / _JUDGEMENT).exists() else None

    def write_run(self, info: RunInfo) -> None:
        self._write(_RUN, info)

    def read_run(self) -> RunInfo:
        if not (self.path / _RUN).exists():
            raise LabError(
                "this run did not come to its end",
                where=str(self.path / _RUN),
                why="it is still going on" if self.alive else "it was killed before it could say how it went",
                do=f"see what its blocks say: lab judge {self.id}",
            )
        return self._read(_RUN, RunInfo)

    def read_scenario(self) -> str:
        """The text of the scenario as it was when the run began."""
        with disk(self.path / _SCENARIO):
            return (self.path / _SCENARIO).read_bytes().decode()

    # blocks and events ----------------------------------------------------------------------------

    def append_block(self, block: Block) -> None:
        """A line of ``blocks.jsonl``, on the disk when this returns."""
        self._append(_BLOCKS, adapter(Block).dump_python(block, mode="json"))

    def read_blocks(self) -> list[Block]:
        return [valid(Block, line, where) for line, where in self._lines(_BLOCKS)]

    def event(
        self, kind: str, arm: str, what: str, data: Mapping[str, Any] | None = None, t_ns: int | None = None
    ) -> None:
        """A line of ``events.jsonl``. ``t_ns`` is on ``time.monotonic_ns``; now, where it is not given."""
        moment = time.monotonic_ns() if t_ns is None else t_ns
        seen = Event(t_ns=moment, kind=kind, arm=arm, what=what, data=dict(data or {}))
        self._append(_EVENTS, adapter(Event).dump_python(seen, mode="json"))

    def read_events(self) -> list[Event]:
        return [valid(Event, line, where) for line, where in self._lines(_EVENTS)]

    # samples and evidence -------------------------------------------------------------------------

    def samples_path(self, block: int) -> Path:
        """Where the request records of a block lie: due_ns, sent_ns, done_ns, status, bytes, name, error."""
        return self.path / "samples" / f"{block}.npy"

    def read_samples(self, block: int) -> np.ndarray[Any, Any] | None:
        """The request records of a block; None where none were kept, or the file was cut short."""
        import numpy as np

        path = self.samples_path(block)
        if not path.exists():
            return None
        try:
            found: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
        except (ValueError, EOFError, OSError) as failed:
            self.warnings.append(f"samples/{path.name} cannot be read and is left out: {failed}")
            return None
        return found

    def save_evidence(self, name: str, evidence: Evidence) -> Path:
        """Keep what a diagnosis probe saw under ``evidence/``; ``name`` is ``arm.probe``."""
        plain = adapter(Evidence).dump_python(evidence, mode="json")
        kept = {"schema": SCHEMAS["evidence"], "name": name, "evidence": plain}
        file = f"evidence/{_SAFE.sub('-', name)}.json"
        self._replace(file, json.dumps(kept, indent=1, ensure_ascii=False).encode())
        return self.path / file

    def read_evidence(self) -> dict[str, Evidence]:
        """All evidence by name, sorted by name."""
        found = {}
        for path in sorted((self.path / "evidence").glob("*.json")):
            kept = parsed(path.read_bytes(), path)
            check_schema(kept, "evidence", path)
            found[str(kept["name"])] = valid(Evidence, kept["evidence"], path)
        return found

    # the lock of a living run ---------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held by the process that does the run, and gone with it however it ends."""
        path = self.path / _LOCK
        with disk(path):
            held = path.open("a")
        with held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as taken:
                raise LabError(
                    "this run is still going on in another process",
                    where=str(path),
                    do="wait until it has ended, or stop it with Ctrl-C where it was started",
                ) from taken
            yield

    @property
    def alive(self) -> bool:
        """Whether a living process holds the lock of this run."""
        try:
            with (self.path / _LOCK).open() as probe:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    # how bytes reach the disk ---------------------------------------------------------------------

    def _write(self, file: str, value: object) -> None:
        self._replace(file, adapter(type(value)).dump_json(value, indent=1))

    def _replace(self, file: str, content: bytes) -> None:
        """Whole or not at all: a reader never meets half a file."""
        path = self.path / file
        draft = path.with_name(f".{path.name}.draft")
        with self._writing, disk(path):
            with draft.open("wb") as writing:
                writing.write(content)
                writing.flush()
                os.fsync(writing.fileno())
            draft.replace(path)

    def _append(self, file: str, line: Mapping[str, Any]) -> None:
        path = self.path / file
        with self._writing, disk(path), path.open("ab") as writing:
            writing.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            writing.flush()
            os.fsync(writing.fileno())

    def _read(self, file: str, kind: type[T]) -> T:
        path = self.path / file
        with disk(path):
            content = path.read_bytes()
        kept = parsed(content, path)
        check_schema(kept, file, path)
        return valid(kind, kept, path)

    def _lines(self, file: str) -> Iterator[tuple[dict[str, Any], str]]:
        """The objects of a JSON-lines file after its header, each with ``file:line`` for errors."""
        path = self.path / file
        with disk(path):
            lines = path.read_bytes().split(b"\n")
        whole = [(n, line) for n, line in enumerate(lines, 1) if line.strip()]
        for n, line in whole:
            try:
                kept = parsed(line, f"{path}:{n}")
            except LabError:
                if n != len(lines):  # a finished line ends with a newline, so only the last can be cut short
                    raise
                self.warnings.append(f"{file}: the last line was cut short and is left out")
                return
            if "schema" in kept:
                check_schema(kept, file, f"{path}:{n}")
            else:
                yield kept, f"{path}:{n}"
