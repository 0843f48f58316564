"""The disk fills up under a service: a file in its own data folder, no larger than it can do no harm elsewhere."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from lab.errors import EnvironmentFailed
from lab.faults._service import need_up
from lab.model.dose import Dose
from lab.model.stack import Running, ServiceName
from lab.model.units import Bytes

_FILE = "filler"
_LEFT_BYTES, _LEFT_SHARE = 1e9, 0.2
_SLACK = 0.01


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DiskFill:
    """Fill ``bytes`` (1 GB at most) of the disk that ``service`` writes to; healed by removing the file.

    Refused where less than 1 GB would be left and less than a fifth of the disk.
    """

    service: ServiceName
    bytes: Annotated[Bytes, Field(ge=1e6, le=1e9)]

    needs: ClassVar[frozenset[str]] = frozenset({"disk"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        """The disk of the service."""
        return f"disk of {self.service}"

    def undo(self, running: Running) -> Mapping[str, Any]:
        """``{"service": ..., "remove": path}``. Raises EnvironmentFailed where there is no room or no service."""
        need_up(running, self.service)
        self._room(running)
        return {"service": self.service, "remove": self._path(running)}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        """Write the file, yield ``{"filled": path}``, remove it."""
        need_up(running, self.service)
        self._room(running)
        path, size = self._path(running), f"{self.bytes:.0f}"
        file = shlex.quote(path)
        try:
            fill = f"fallocate -l {size} {file} 2>/dev/null || head -c {size} /dev/zero > {file}"
            running.run(self.service, "sh", "-c", fill)
            yield {"filled": path}
        finally:
            self._remove(running, path)

    def _remove(self, running: Running, path: str) -> None:
        try:
            running.remove_file(self.service, path)
        except (
            EnvironmentFailed
        ):  # it went down, or came up, while that was done: there are two ways to do it
            running.remove_file(self.service, path)

    def _path(self, running: Running) -> str:
        return f"{running.data_folder(self.service)}/{_FILE}"

    def _room(self, running: Running) -> None:
        table = running.run(self.service, "df", "-Pk", running.data_folder(self.service))
        _, total, _, free, *_ = (table.splitlines()[-1]).split()
        left = int(free) * 1024 - self.bytes
        if left < _LEFT_BYTES and left < _LEFT_SHARE * int(total) * 1024:
            raise EnvironmentFailed(
                what=f"will not fill {self.bytes / 1e6:g} MB of the disk",
                where=f"{self.service} of {running.name}",
                why=f"it has {int(free) / 1e6:.1f} GB free, and others need room too",
                do="ask for less, or make room: 1 GB or a fifth of the disk has to be left",
            )

    def dose(self, running: Running) -> tuple[Dose, ...]:
        """Size of the file, and what the file system has really given it. In bytes.

        Not measurable while the service is down and its files are out of this machine's sight.
        """
        size, taken = self._size(running) or (None, None)
        slack = _SLACK * self.bytes
        return (
            Dose(what="size of the file", unit="bytes", asked=self.bytes, delivered=size),
            Dose(what="disk taken", unit="bytes", asked=self.bytes, delivered=taken, slack=slack),
        )

    def _size(self, running: Running) -> tuple[int, int] | None:
        """As a program beside the service sees it, or, where none can run, the kernel of this machine."""
        path = self._path(running)
        file = shlex.quote(path)
        look = f"test ! -e {file} || {{ wc -c < {file}; du -k {file}; }}"
        try:
            seen = running.run(self.service, "sh", "-c", look)
        except EnvironmentFailed:
            return _size_by_kernel(running.pids(self.service), path)
        size, blocks, *_ = [int(word) for word in seen.split() if word.isdigit()] or [0, 0]
        return size, blocks * 1024


def _size_by_kernel(pids: Sequence[int], path: str) -> tuple[int, int] | None:
    """A paused container keeps its processes, and with them the way to its files."""
    for pid in pids[:1]:
        root = Path(f"/proc/{pid}/root")
        try:
            found = (root / path.lstrip("/")).stat()
        except FileNotFoundError:
            return (0, 0) if root.exists() else None
        except OSError:
            return None
        return found.st_size, found.st_blocks * 512
    return None
