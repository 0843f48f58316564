"""``lab psql`` and ``lab redis-cli``: the servers' own clients, on the stack that is up."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lab.cli.by_hand.keeper import kept
from lab.errors import EnvironmentFailed, LabError


def psql(out: Path, words: Sequence[str]) -> None:
    """Become psql, as the superuser of the stack's Postgres."""
    url = _url(out, "postgres")
    program = shutil.which("psql") or _of_the_server()
    sys.stdout.flush()
    os.execv(program, [program, url, *words])


def _of_the_server() -> str:
    from lab.stacks._binaries import postgres_bin

    found = postgres_bin() / "psql"
    if not os.access(found, os.X_OK):
        raise EnvironmentFailed(
            "there is no psql on this machine",
            where=str(found),
            why="neither PATH nor the folder of the embedded Postgres has it",
            do="install the client of PostgreSQL; the address is in `lab up`'s output",
        )
    return str(found)


def redis_cli(out: Path, words: Sequence[str]) -> None:
    """Become valkey-cli or redis-cli where there is one; else send one command, or a line each."""
    url = _url(out, "redis")
    program = shutil.which("valkey-cli") or shutil.which("redis-cli")
    sys.stdout.flush()
    if program is not None:
        os.execv(program, [program, "-u", url, *words])
    if words:
        _send(url, [words])
    else:
        _send(url, _typed())


def _typed() -> Iterable[Sequence[str]]:
    """Commands from standard input, until it ends."""
    prompt = "redis> " if sys.stdin.isatty() else ""
    while True:
        try:
            words = shlex.split(input(prompt))
        except EOFError:
            return
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            continue
        if words:
            yield words


def _send(url: str, commands: Iterable[Sequence[str]]) -> None:
    from redis import Redis
    from redis.exceptions import RedisError, ResponseError

    failed: ResponseError | None = None
    with Redis.from_url(url, socket_timeout=10, socket_connect_timeout=2) as client:
        client.response_callbacks.clear()  # what the server says, not what Python makes of it
        for words in commands:
            failed = None
            try:
                _show(client.execute_command(*words))
            except ResponseError as error:
                failed = error
                sys.stderr.write(f"(error) {error}\n")
            except RedisError as error:
                raise EnvironmentFailed(
                    "redis did not answer", where=url, why=str(error), do="lab ps; lab logs redis"
                ) from error
    if failed is not None:
        sys.exit(1)


def _show(answer: Any) -> None:
    """As redis-cli does where its output is no terminal: plain lines."""
    if isinstance(answer, list):
        for one in answer:
            _show(one)
        return
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    sys.stdout.write(f"{'' if text is None else text}\n")


def _url(out: Path, service: str) -> str:
    url = str(kept(out)[service])
    if not url:
        raise LabError(f"this stack has no {service}", where=str(out), do="lab ps shows what it has")
    return url
