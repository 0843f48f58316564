"""Folders and files of the stacks: the cache, copies of data, and clear words when a disk refuses."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import EnvironmentFailed
from lab.model.stack import Report

_SAID_EVERY_S = 10.0
_WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EEXIST: "a file stands where a folder is needed",
}
_DO = "make room or make it writable; LAB_CACHE names another cache folder, TMPDIR another scratch folder"


def cache_folder() -> Path:
    """LAB_CACHE, XDG_CACHE_HOME/incident-lab, or ~/.cache/incident-lab; made if it is missing."""
    named, xdg = os.environ.get("LAB_CACHE"), os.environ.get("XDG_CACHE_HOME")
    base = Path(xdg) if xdg and Path(xdg).is_absolute() else Path.home() / ".cache"
    folder = Path(named) if named else base / "incident-lab"
    with disk_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not writable", str(folder))
    return folder


@contextmanager
def disk_words(folder: Path) -> Iterator[None]:
    """Turn an OSError of the body into an EnvironmentFailed that names the folder and what to do."""
    try:
        yield
    except OSError as error:
        why = _WHY.get(error.errno or 0, str(error))
        raise EnvironmentFailed(what="cannot write", where=str(folder), why=why, do=_DO) from error


@contextmanager
def locked(path: Path, report: Report, doing: str) -> Iterator[None]:
    """Hold the lock file ``path``; while another run holds it, say every 10 s what is waited for."""
    import fcntl

    with disk_words(path), path.open("ab") as lock:
        said = 0.0
        waker = threading.Event()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - said > _SAID_EVERY_S:
                    report(f"waiting for another run that is {doing}")
                    said = time.monotonic()
                waker.wait(0.1)
        yield


def clone(source: Path, target: Path, *, stands: Path | None = None) -> None:
    """Copy a folder with owners, modes and times, sharing blocks where the file system can.

    ``stands`` is a folder of the run where ``target`` does not lie in one.
    """
    with disk_words(target.parent):
        if not sys.platform.startswith("linux"):
            shutil.copytree(source, target, symlinks=True)
            return
        copied = subprocess.run(
            ["cp", "-a", "--reflink=auto", str(source.absolute()), str(target.absolute())],
            # It stands in the run's own folder, in a session of its own: should the lab die meanwhile, whoever
            # removes the folder finds it there, and ends it first.
            cwd=stands or target.parent,
            start_new_session=True,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
        if copied.returncode:
            full = "No space left" in copied.stderr
            # Killed by a signal it has said nothing.
            said = copied.stderr.strip() or f"cp ended with {copied.returncode}"
            raise OSError(errno.ENOSPC if full else errno.EIO, said.splitlines()[-1])


def remove(folder: Path) -> None:
    """Remove a folder and all below it, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
