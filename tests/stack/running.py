"""Running the command as a person does, and looking for what it may have left."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from lab.reaper import recorded, remaining

ROOT = Path(__file__).parents[2]
OURS = (
    "sample_app",
    "lab.driver",
    "lab.heartbeat",
    "lab.reaper",
    "lab/reaper",
    "valkey-server",
    "postgres",
)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def start(*words: str, cwd: Path = ROOT, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *words],
        cwd=cwd,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that started the tests in the background has SIGINT ignored, and so would all its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def lab(*words: str, timeout: float = 400, **more: str) -> subprocess.CompletedProcess[str]:
    process = start(*words, **more)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def run_folder(out: Path) -> Path:
    return next(path.parent for path in sorted(out.glob("*/plan.json")))


def left_of(out: Path, began: float) -> list[str]:
    """Processes of ours that began since ``began``, resources, ports and temporary folders of runs below ``out``."""
    left = [
        f"process {p.pid}: {' '.join(p.cmdline())[:100]}"
        for p in psutil.process_iter()
        if p.is_running() and p.status() != psutil.STATUS_ZOMBIE and p.create_time() > began - 1 and _ours(p)
    ]
    for folder in (path.parent for path in out.glob("*/plan.json")):
        resources = recorded(folder)
        left += [f"{resource}" for resource in remaining(resources)]
        left += [f"folder {r['folder']}" for r in resources if "folder" in r and Path(r["folder"]).exists()]
        left += [f"port of {url}" for url in _urls(folder) if _listens(url)]
    return left


def _ours(process: psutil.Process) -> bool:
    try:
        words = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return any(word in words for word in OURS)


def _urls(folder: Path) -> list[str]:
    lines = (folder / "events.jsonl").read_text().splitlines()[1:]
    return [e["what"] for e in map(json.loads, lines) if e["kind"] == "arm-up"]


def _listens(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0
