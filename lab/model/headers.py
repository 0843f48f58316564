"""What HTTP lets a header say, and which headers the load writes itself."""

from __future__ import annotations

import re

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A header's name, or a method."""

CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header's text may hold: with a line's end in it, it would be two."""

OURS = frozenset({"host", "content-length", "transfer-encoding", "connection"})
"""In small letters: they follow from the address and the body, and from how connections are kept."""


def is_json(content_type: str) -> bool:
    """Whether a media type stands for JSON: ``application/json``, ``application/problem+json; charset=utf-8``."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind.endswith(("/json", "+json"))
