"""``python -m lab.reaper``: started by a run, never by hand."""

from __future__ import annotations

import signal
import sys

from lab.reaper import owned, reap


def main() -> int:
    """Read resources from standard input until it ends, then remove what is left of them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    reap(owned(sys.stdin.buffer), report=lambda line: print(line, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
