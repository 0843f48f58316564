"""Percent-encoding of what follows the host in an address (RFC 3986). Pure.

What is encoded already (``%20``) stays as it is, in paths and queries that were written as one text; the name
or the value of one query parameter means what it says, so that each ``%``, ``&`` and ``=`` in it is encoded.
"""

from __future__ import annotations

import re
from urllib.parse import quote

_IN_PATH = "!$&'()*+,;=:@/"
_IN_QUERY = _IN_PATH + "?"
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FOREIGN = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]")


def encoded_path(text: str) -> str:
    """A path or a piece of one; a ``?`` belongs to it."""
    return quote(_STRAY.sub("%25", text), safe=_IN_PATH + "%")


def encoded_query(text: str) -> str:
    """What follows the ``?``, or a piece of that: ``a=1&b=2``."""
    return quote(_STRAY.sub("%25", text), safe=_IN_QUERY + "%")


def encoded_value(text: str) -> str:
    """The name or the value of one query parameter, to the letter."""
    return quote(text, safe="")


def encoded(target: str) -> str:
    """A path with its query, from the slash on; the same text where it is encoded already.

    ValueError where it does not begin with a slash.
    """
    if not target.startswith("/"):
        raise ValueError(f"a path begins with a slash: {target!r} does not")
    if not (_FOREIGN.search(target) or _STRAY.search(target)):
        return target
    path, mark, query = target.partition("?")
    return encoded_path(path) + mark + encoded_query(query)
