"""Which executor makes the requests of a block, and why not the fast one. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

from lab.driver.words import BlockOrder, Executor


def choose(order: BlockOrder) -> tuple[Executor, str]:
    """The executor's name, and what keeps *fast* from it (empty for *fast*).

    ValueError where the order names one that cannot do it.
    """
    name, because = _chosen(order)
    if order.retry is not None and name != "fast":
        raise ValueError(
            f"requests are tried again by the fast executor alone, which cannot run this: {because}"
        )
    return name, because


def _chosen(order: BlockOrder) -> tuple[Executor, str]:
    if order.users:
        return "closed", "its users wait for their answers"
    because = _beyond_fast(order)
    if order.executor == "fast" and because:
        raise ValueError(f"the fast executor cannot run this load: {because}")
    if order.executor == "closed":
        raise ValueError("closed load has no rate: say how many users it has")
    if order.executor == "flow":
        return "flow", because or "it was asked for"
    return ("flow", because) if because else ("fast", "")


def _beyond_fast(order: BlockOrder) -> str:
    if order.locustfile is not None:
        return f"its journeys are those of {order.locustfile.name}"
    scheme = urlsplit(order.url).scheme
    if scheme not in ("http", "https"):
        raise ValueError(f"{order.url!r} is not an http address")
    return "" if scheme == "http" else "https is not plain http"
