"""What a stack cannot do with a link that somebody else runs (``--link``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.model.stack import Stack


def lacks_with(stack: Stack, url: str) -> Callable[[str], str]:
    """``Stack.lacks`` where the link at ``url`` is to be used; that of the stack itself without one.

    The link is asked only when a fault needs one. The answer then raises EnvironmentFailed where none runs there.
    """
    return (lambda capability: _lacks(stack, url, capability)) if url else stack.lacks


def _lacks(stack: Stack, url: str, capability: str) -> str:
    from lab.link.client import LinkClient
    from lab.stacks._link import on_this_machine

    if capability in ("link", "own-link") and "lent-link" not in stack.offers:
        return (
            f"what runs in the {stack.kind} stack cannot reach {url}, which listens on the loopback of this "
            "machine: use --stack embedded, or leave out --link"
        )
    if capability == "link":
        LinkClient(on_this_machine(url)).version()
    if capability == "own-link" and not LinkClient(on_this_machine(url)).is_ours():
        return f"only the lab's own link can do it, and {url} is a Toxiproxy: leave out --link"
    return stack.lacks(capability)
