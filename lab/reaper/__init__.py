"""Nothing survives a run: a process of its own that removes what a dead lab left behind.

A run starts one reaper and tells it, line by line on its standard input, what it owns. When that input
ends, because the lab ended in any way at all (SIGKILL too), the reaper removes whatever is still there.
The same lines lie in ``resources.jsonl`` of the run folder, for ``lab clean`` after both have died.

A resource is one JSON object with one of these keys:

- ``process``: a pid, ended with its children. ``signal`` names what it is asked with first (SIGQUIT lets
  Postgres free its shared memory). ``started`` and ``boot`` tell it from a later process with its number.
- ``process_group``: the same for every member of a group that the process with that pid leads.
- ``proxy``: its name on the link at ``url``, which somebody else runs.
- ``label``: ``key=value``; every container and network that carries it, whenever it was made.
- ``cgroup``: the path of a control group; what is still in it ends first. Owned before it is made.
- ``folder``: a path. Processes that stand in it without a terminal end first: they are servers of the run
  that were started but not yet named when the lab died.

Removing what is gone already does nothing, so only what is to outlive the run has to be released.
Imports the standard library and psutil only, since it has to start fast.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import psutil

from lab.reaper import proxies
from lab.reaper.processes import children, end_processes, leader_of, members_of

RESOURCES = "resources.jsonl"
LOG = "reaper.log"
_CLOCK_S = 2.0  # a start time is reckoned from the boot time, which moves when the clock is set

Resource = Mapping[str, Any]


class Reaper:
    """The lab's end of the line to its reaper. Safe to use from several threads."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], records: IO[bytes]) -> None:
        self._folder = folder
        self._process = process
        self._records = records
        self._lock = threading.Lock()

    @classmethod
    def start(cls, folder: Path) -> Reaper:
        """Start the reaper of the run whose folder is ``folder``, in a session of its own."""
        with (folder / LOG).open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lab.reaper"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        return cls(folder, process, (folder / RESOURCES).open("ab"))

    @property
    def pid(self) -> int:
        return self._process.pid

    def own(self, resource: Resource) -> None:
        """Have ``resource`` removed when this process ends. On disk when this returns."""
        named = _named(resource)
        if named is not None:
            self._tell({"own": named})

    def release(self, ident: str) -> None:
        """Let the resource outlive the run that was owned with ``"id": ident``."""
        self._tell({"release": ident})

    def close(self) -> None:
        """Have everything removed that is still there; returns when that is done. Safe to call twice."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._records.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            self._records.write(line)
            self._records.flush()
            os.fsync(self._records.fileno())
            with contextlib.suppress(BrokenPipeError):  # a dead reaper: the file still has it for lab clean
                assert self._process.stdin is not None
                self._process.stdin.write(line)
                self._process.stdin.flush()


def recorded(folder: Path) -> list[Resource]:
    """What the run of ``folder`` owned and did not release, in order. A torn last line is passed over."""
    try:
        lines = (folder / RESOURCES).read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return owned(lines)


def reap(resources: Iterable[Resource], *, report: Callable[[str], None]) -> list[str]:
    """Remove what is still there, newest first: processes, proxies, containers, networks, control groups, folders.

    Returns one line for each thing that was found and removed; ``report`` gets these lines as they come,
    and one for whatever could not be removed.
    """
    removed: list[str] = []

    def done(line: str) -> None:
        removed.append(line)
        report(line)

    newest_first = list(resources)[::-1]
    for key, remove in (
        ("process", _reap_process),
        ("process_group", _reap_group),
        ("proxy", _reap_proxy),
        ("label", _reap_label),
        ("cgroup", _reap_cgroup),
        ("folder", _reap_folder),
    ):
        for resource in (one for one in newest_first if key in one):
            try:
                remove(resource, done)
            except Exception as error:  # noqa: BLE001 - one stubborn thing must not keep the others alive
                report(f"could not remove {key} {resource[key]}: {error}")
    return removed


def remaining(resources: Iterable[Resource]) -> list[Resource]:
    """Those of ``resources`` that are still there, without touching any."""
    return [resource for resource in resources if _is_there(resource)]


def _is_there(resource: Resource) -> bool:
    if "process" in resource:
        return _find(resource["process"], resource) is not None
    if "process_group" in resource:
        group = resource["process_group"]
        return resource.get("boot") == _boot() and any(leader_of(p) == group for p in psutil.process_iter())
    if "proxy" in resource:
        return proxies.is_there(resource["url"], resource["proxy"])
    if "label" in resource:
        return _labelled(resource["label"])
    return Path(resource.get("cgroup") or resource.get("folder", "")).is_dir()


def _labelled(label: str) -> bool:
    import docker

    try:
        with contextlib.closing(docker.from_env(timeout=10)) as engine:
            chosen = {"label": label}  # a network stands there before its first container does
            containers = engine.containers.list(all=True, filters=chosen, ignore_removed=True)
            return bool(containers or engine.networks.list(filters=chosen))
    except docker.errors.DockerException:
        return False


def owned(lines: Iterable[str | bytes]) -> list[Resource]:
    """What lines of the reaper's protocol own and do not release."""
    kept: list[Resource] = []
    for line in lines:
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if "own" in message:
            kept.append(message["own"])
        elif "release" in message:
            kept = [one for one in kept if one.get("id") != message["release"]]
    return kept


def _named(resource: Resource) -> Resource | None:
    """The resource with start time and boot added to its pid; None for a process that has ended already."""
    pid = resource.get("process", resource.get("process_group"))
    if pid is None or "started" in resource:
        return resource
    try:
        return {**resource, "started": psutil.Process(pid).create_time(), "boot": _boot()}
    except psutil.NoSuchProcess:
        return None


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(int(psutil.boot_time()))


def _reap_process(resource: Resource, done: Callable[[str], None]) -> None:
    process = _find(resource["process"], resource)
    if process is None:
        return
    name = process.name()
    end_processes([process, *children(process)], ask=resource.get("signal"))
    done(f"ended process {process.pid} ({name})")


def _reap_group(resource: Resource, done: Callable[[str], None]) -> None:
    group = resource["process_group"]
    if resource.get("boot") != _boot() or (psutil.pid_exists(group) and _find(group, resource) is None):
        return  # the number belongs to somebody else by now
    members = members_of(group)
    if members:
        end_processes(members, ask=resource.get("signal"))
        done(f"ended process group {group} ({len(members)} processes)")


def _find(pid: int, resource: Resource) -> psutil.Process | None:
    """The very process that was owned, or None where it has ended."""
    if resource.get("boot") != _boot():
        return None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - float(resource["started"])) <= _CLOCK_S
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _reap_proxy(resource: Resource, done: Callable[[str], None]) -> None:
    if proxies.remove(resource["url"], resource["proxy"]):
        done(f"removed proxy {resource['proxy']} of {resource['url']}")


def _reap_label(resource: Resource, done: Callable[[str], None]) -> None:
    import docker

    with contextlib.closing(docker.from_env(timeout=30)) as engine:
        chosen = {"label": resource["label"]}
        for container in engine.containers.list(all=True, filters=chosen, ignore_removed=True):
            with contextlib.suppress(docker.errors.NotFound):
                container.remove(force=True, v=True)
                done(f"removed container {container.short_id}")
        for network in engine.networks.list(filters=chosen):
            with contextlib.suppress(docker.errors.NotFound):
                network.remove()
                done(f"removed network {network.short_id}")


def _reap_cgroup(resource: Resource, done: Callable[[str], None]) -> None:
    group = Path(resource["cgroup"])
    if not group.is_dir():
        return
    members = {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
    if os.getpid() in members:  # a reaper that was started while the lab tried the group out
        members.remove(os.getpid())
        with contextlib.suppress(OSError):
            (group.parent / "cgroup.procs").write_text(str(os.getpid()))
    end_processes([process for process in psutil.process_iter() if process.pid in members])
    group.rmdir()
    done(f"removed control group {group.name}")


def _reap_folder(resource: Resource, done: Callable[[str], None]) -> None:
    folder = Path(resource["folder"]).resolve()
    ended = 0
    while standing := [process for process in psutil.process_iter() if _stands_in(process, folder)]:
        end_processes(standing)  # and look again: one may have started another meanwhile
        ended += len(standing)
    if ended:
        done(f"ended {ended} processes in {folder}")
    if folder.exists():
        shutil.rmtree(folder)
        done(f"removed folder {folder}")


def _stands_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.terminal() is None and Path(process.cwd()).is_relative_to(folder)
    except (psutil.Error, OSError):
        return False
