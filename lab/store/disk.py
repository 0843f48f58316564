"""Bytes of a run folder to objects and back to people: what goes wrong with them, in words."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from lab.errors import EnvironmentFailed, LabError

T = TypeVar("T")

SCHEMAS = {
    "plan.json": "lab.plan/1",
    "blocks.jsonl": "lab.blocks/1",
    "events.jsonl": "lab.events/1",
    "verdict.json": "lab.verdict/1",
    "run.json": "lab.run/1",
    "evidence": "lab.evidence/1",
}


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: type[T]) -> TypeAdapter[T]:
    """The one adapter of a type: making it is slow, so it is made once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Failures of the disk, in words."""
    try:
        yield
    except OSError as failed:
        raise disk_error(failed, path) from failed


def disk_error(failed: OSError, path: Path) -> LabError:
    where, why = str(path), failed.strerror or str(failed)
    if failed.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentFailed(
            "the disk is full", where=where, why=why, do="free some space, or name another folder with --out"
        )
    if isinstance(failed, FileNotFoundError):
        return LabError(
            "a file of the run is missing", where=where, why=why, do="is this a run folder of lab?"
        )
    if isinstance(failed, FileExistsError | NotADirectoryError):
        return LabError(
            "the folder cannot be made", where=where, why=why, do="name another folder with --out"
        )
    if isinstance(failed, PermissionError) or failed.errno == errno.EROFS:
        return LabError(
            "the folder cannot be written or read",
            where=where,
            why=why,
            do="change its permissions, or name another folder with --out",
        )
    return EnvironmentFailed("the disk did not answer as it should", where=where, why=why)


def parsed(content: bytes, where: object) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as broken:
        raise LabError("this is not JSON", where=str(where), why=str(broken)) from broken
    if not isinstance(found, dict):
        raise LabError("expected a JSON object", where=str(where))
    return found


def check_schema(kept: Mapping[str, Any], file: str, where: object) -> None:
    ours, _, version = SCHEMAS[file].partition("/")
    theirs, _, found = str(kept.get("schema", f"{ours}/1")).partition("/")
    if theirs != ours or not found.isdecimal():
        raise LabError(f"expected {ours}/{version}, found {kept.get('schema')!r}", where=str(where))
    if int(found) > int(version):
        raise LabError(
            f"written by a newer lab: {ours} version {found}",
            where=str(where),
            why=f"this lab reads {ours} up to version {version}",
            do="upgrade it: pip install --upgrade incident-lab",
        )


def valid(kind: type[T], kept: object, where: object) -> T:
    try:
        return adapter(kind).validate_python(kept)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise LabError(
            f"{key}: {first['msg']}", where=str(where), why="the file was changed or damaged"
        ) from wrong
