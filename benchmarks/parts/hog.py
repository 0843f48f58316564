"""A neighbour that takes most of a core: ``python -m parts.hog BUSY_S REST_S``. It ends with its stdin.

It rests now and then, so that it hurts and does not silence whoever shares its core.
"""

from __future__ import annotations

import json
import select
import sys
import time


def main() -> None:
    busy_s, rest_s = float(sys.argv[1]), float(sys.argv[2])
    print(json.dumps({}), flush=True)
    while True:
        end = time.monotonic() + busy_s
        while time.monotonic() < end:
            pass
        ended, _, _ = select.select([0], [], [], rest_s)
        if ended:
            return


if __name__ == "__main__":
    main()
