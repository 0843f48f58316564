"""Serve the shop: ``python -m sample_app --port 8000 --settings shop.json``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from sample_app.modules import chosen_variants
from sample_app.serving import end, listen, serve, serve_in_children
from sample_app.settings import SettingsError, read_settings


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sample_app", description="Serve the shop.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--processes", type=int, default=1, help="processes that share the port")
    parser.add_argument("--settings", help="JSON file, or - for standard input; without it SHOP_* variables")
    chosen = parser.parse_args(argv)
    if chosen.processes < 1:
        parser.error("--processes must be at least 1")
    return chosen


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 after SIGTERM, 1 where the port cannot be had, 2 for unusable settings."""
    chosen = _arguments(argv)
    try:
        settings = read_settings(chosen.settings)
        chosen_variants(settings.code)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        sockets = listen(chosen.host, chosen.port, chosen.processes)
    except OSError as error:
        print(f"cannot listen on {chosen.host}:{chosen.port}: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, end)  # uvicorn shuts down first and then comes back to these
    signal.signal(signal.SIGINT, end)
    return serve(settings, sockets[0]) if len(sockets) == 1 else serve_in_children(settings, sockets)


if __name__ == "__main__":
    sys.exit(main())
