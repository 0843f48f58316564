"""``python -m lab.link``: the link in a process of its own. Says where its API is, as one JSON line, and ends with
SIGTERM, SIGINT, or its standard input where that is a pipe: so it cannot outlive whoever started it."""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys

from lab.errors import LabError
from lab.link.serve import DEFAULT_PORT, serve


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.link", description="A TCP proxy with toxics.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes any (default: %(default)s)")
    parser.add_argument("--seed", default="1", help="repeats what chance decides")
    given = parser.parse_args()

    def ready(url: str) -> None:
        print(json.dumps({"api": url, "pid": os.getpid()}), flush=True)

    try:
        serve(given.host, given.port, given.seed, ready, with_input=_is_pipe(0))
    except LabError as error:
        print(f"lab.link: {error}", file=sys.stderr)
        return int(error.exit)
    return 0


def _is_pipe(descriptor: int) -> bool:
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


if __name__ == "__main__":
    sys.exit(main())
