"""The other generators: stock Locust always; wrk, ab and h2load where they are installed. All of them closed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import EnvironmentFailed
from parts.processes import Child, Ended, run_to_end, standing
from parts.shop import wrk_script

CONNECTIONS = 64
_SLACK_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Requests made and the CPU seconds that they took."""

    requests: int
    cpu_s: float
    seconds: float

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / max(self.requests, 1) * 1e6


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One generator: ``asks`` says what it asks for; ``run`` takes a length in seconds."""

    name: str
    asks: str
    run: Callable[[float], Cost]


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window of stock Locust, in its own figures; seconds."""

    requests: int
    failures: int
    cpu_s: float
    seconds: float
    p50_s: float
    p90_s: float
    p99_s: float
    max_s: float


class Stock:
    """A stock Locust that runs until it is closed."""

    def __init__(self, user: str, users: int, url: str, *, core: int, realtime: bool, log: Path) -> None:
        with standing(core, realtime=realtime):
            self._child = Child("stock", user, str(users), url, log=log)
        self._child.hear()

    def window(self, length_s: float, start_ns: int = 0) -> Window:
        """Measure from ``start_ns`` on (0: now)."""
        answer = self._child.ask({"start_ns": start_ns, "length_s": length_s}, length_s + _SLACK_S)
        return Window(**answer)

    def close(self) -> None:
        self._child.close()


def peers(url: str, folder: Path, core: int, realtime: bool) -> tuple[Peer, ...]:
    """Those that this machine has."""
    bench = _Bench(url, folder, core, realtime)
    found = [
        Peer(name="Locust FastHttpUser", asks="the shop, all checked", run=bench.stock("Fast")),
        Peer(name="Locust HttpUser", asks="the shop, all checked", run=bench.stock("Http")),
    ]
    if shutil.which("wrk"):
        found += [
            Peer(name="wrk with script", asks="the shop, all checked", run=bench.wrk("checked")),
            Peer(name="wrk, unchecked script", asks="the shop, statuses counted", run=bench.wrk("unchecked")),
            Peer(name="wrk plain", asks="one GET", run=bench.wrk("")),
        ]
    if shutil.which("h2load"):
        found.append(Peer(name="h2load --h1", asks="one GET", run=bench.h2load))
    if shutil.which("ab"):
        found.append(Peer(name="ab -k", asks="one GET", run=bench.ab))
    return tuple(found)


@dataclass(frozen=True)
class _Bench:
    url: str
    folder: Path
    core: int
    realtime: bool

    def stock(self, user: str) -> Callable[[float], Cost]:
        def run(length_s: float) -> Cost:
            log = self.folder / f"{user}.log"
            stock = Stock(user, CONNECTIONS, self.url, core=self.core, realtime=self.realtime, log=log)
            try:
                window = stock.window(length_s)
            finally:
                stock.close()
            if window.failures:
                raise EnvironmentFailed(f"{window.failures} requests of stock Locust failed", where=str(log))
            return Cost(requests=window.requests, cpu_s=window.cpu_s, seconds=window.seconds)

        return run

    def wrk(self, kind: str) -> Callable[[float], Cost]:
        """``kind``: a script that looks at every answer, one that only asks, or none."""
        script: list[str] = []
        if kind:
            file = self.folder / f"{kind}.lua"
            file.write_text(wrk_script(check=kind == "checked"))
            script = ["-s", str(file)]

        def run(length_s: float) -> Cost:
            command = [
                "wrk",
                "-t1",
                f"-c{CONNECTIONS}",
                f"-d{_whole(length_s)}s",
                *script,
                f"{self.url}/basket",
            ]
            ended = self._run(command, length_s)
            if "Non-2xx" in ended.printed or _number(r"wrong answers: (\d+)", ended, 0):
                raise EnvironmentFailed("wrk got wrong answers", why=ended.printed[-500:])
            return self._cost(_number(r"(\d+) requests in", ended), ended, length_s)

        return run

    def h2load(self, length_s: float) -> Cost:
        command = ["h2load", "--h1", "-t1", f"-c{CONNECTIONS}", f"-D{_whole(length_s)}", f"{self.url}/basket"]
        ended = self._run(command, length_s)
        return self._cost(_number(r"(\d+) succeeded", ended), ended, length_s)

    def ab(self, length_s: float) -> Cost:
        limits = ["-t", str(_whole(length_s)), "-n", "100000000"]
        ended = self._run(["ab", "-k", "-c", str(CONNECTIONS), *limits, f"{self.url}/basket"], length_s)
        return self._cost(_number(r"Complete requests:\s+(\d+)", ended), ended, length_s)

    def _run(self, command: list[str], length_s: float) -> Ended:
        with standing(self.core, realtime=self.realtime):
            return run_to_end(command, length_s + _SLACK_S)

    @staticmethod
    def _cost(requests: int, ended: Ended, length_s: float) -> Cost:
        return Cost(requests=requests, cpu_s=ended.cpu_s, seconds=float(_whole(length_s)))


def _whole(length_s: float) -> int:
    """These tools take whole seconds."""
    return max(1, round(length_s))


def _number(pattern: str, ended: Ended, missing: int | None = None) -> int:
    found = re.search(pattern, ended.printed)
    if found:
        return int(found[1])
    if missing is not None:
        return missing
    raise EnvironmentFailed("a generator printed no count", why=ended.printed[-500:])
