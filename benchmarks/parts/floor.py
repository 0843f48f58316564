"""The floor of a machine: how late a bare timerfd loop wakes up. ``python -m parts.floor``.

A question ``{"start_ns", "rate", "length_s", "seed"}`` on stdin is answered with the lateness of each wake-up
for Poisson moments, ns. No generator on this core and in this scheduling class can be more punctual.
"""

from __future__ import annotations

import json
import random
import sys
import time

from parts.timer import NS, Timer


def moments(start_ns: int, rate: float, length_s: float, seed: int) -> list[int]:
    """Poisson moments in the window."""
    draw = random.Random(seed)
    at, end, found = float(start_ns), start_ns + length_s * NS, []
    while (at := at + draw.expovariate(rate) * NS) < end:
        found.append(int(at))
    return found


def lateness(timer: Timer, planned: list[int]) -> list[int]:
    late = []
    for due_ns in planned:
        if due_ns > time.monotonic_ns():
            timer.set(due_ns)
            timer.clear()
        late.append(max(time.monotonic_ns() - due_ns, 0))
    return late


def main() -> None:
    timer = Timer(blocking=True)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        planned = moments(asked["start_ns"], asked["rate"], asked["length_s"], asked["seed"])
        print(json.dumps(lateness(timer, planned)), flush=True)


if __name__ == "__main__":
    main()
