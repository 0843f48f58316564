"""``lab link``: the proxy alone, for poking at with curl or a client of Toxiproxy."""

from __future__ import annotations

import sys

from lab.link.serve import serve

_USE = """the link answers at {url} as a Toxiproxy does; Ctrl-C ends it with all its proxies

a proxy in front of a Redis:
  curl {url}/proxies -d '{{"name": "redis", "upstream": "127.0.0.1:6379"}}'
its answers 100 ms later:
  curl {url}/proxies/redis/toxics -d '{{"type": "latency", "attributes": {{"latency": 100}}}}'
as before:
  curl -X POST {url}/reset

The first answer says under "listen" where the proxy is to be found.
"""


def stand(host: str, port: int, seed: int) -> None:
    """Serve until Ctrl-C or SIGTERM. LabError where the address is taken."""

    def ready(url: str) -> None:
        sys.stdout.write(_USE.format(url=url))
        sys.stdout.flush()

    serve(host, port, str(seed), ready, with_input=False)
