"""Serve the balancer: ``python -m sample_app.balancer --port 8000 --settings balancer.json``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

from sample_app.balancer.backends import Backends
from sample_app.balancer.policy import Policy, RoundRobin
from sample_app.balancer.proxy import Balancer
from sample_app.balancer.settings import BalancerSettings
from sample_app.logs import set_up_logs
from sample_app.modules import balancing_modules, variant_of
from sample_app.serving import end, listen, serve_app
from sample_app.settings import SettingsError, read_document


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sample_app.balancer", description="Balance the shop.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--settings", required=True, help="JSON file, or - for standard input")
    return parser.parse_args(argv)


def policy_of(settings: BalancerSettings, backends: Backends) -> Policy:
    """By the module that ``code`` names; each in its turn without one. Raises SettingsError."""
    named = [name for name in balancing_modules() if name in settings.code]
    if len(named) > 1:
        raise SettingsError(f"bad settings: code: one module can decide, not {' and '.join(named)}")
    if not named:
        return Policy(pick=RoundRobin(backends))
    policy: Policy = variant_of(named[0], settings.code)(backends)
    return policy


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 after SIGTERM, 1 where the port cannot be had, 2 for unusable settings."""
    chosen = _arguments(argv)
    try:
        settings = read_document(BalancerSettings, chosen.settings)
        set_up_logs(settings.log_level)
        backends = Backends(settings.backends, settings.connect_timeout_s)
        balancer = Balancer(backends, policy_of(settings, backends), settings.timeout_s)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        (listening,) = listen(chosen.host, chosen.port, 1)
    except OSError as error:
        print(f"cannot listen on {chosen.host}:{chosen.port}: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return serve_app(balancer, listening)


if __name__ == "__main__":
    sys.exit(main())
