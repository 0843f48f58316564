"""What answers say of themselves: the version of a thing, and which instance of the app gave them. Pure.

Answers are whatever a failing app sends, so that nothing of theirs is kept beyond a bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.driver.words import MOST_BACKENDS, NONE_SEEN
from lab.model.scenario import Observe

_PLAIN = re.compile(
    r"[\x21-\x7e][\x20-\x7e]{0,99}"
)  # what is kept of a name: a hundred letters that can be shown


@dataclass(frozen=True)
class Sight:
    """What to look for in the answers of one kind of request; ``header`` in small letters, empty: none."""

    field: re.Pattern[bytes] | None
    header: str
    line: re.Pattern[bytes] | None

    @classmethod
    def of(cls, observe: Observe) -> Sight:
        field, header = observe.version.encode(), observe.backend.lower()
        # 18 digits fit the column; a number with a fraction or an exponent is no version.
        number = rb'"%b"\s*+:\s*+(\d{1,18})(?![\d.eE])'
        return cls(
            re.compile(number % re.escape(field)) if field else None,
            header,
            re.compile(rb"(?i)\n%b:([^\r\n]*)" % re.escape(header.encode())) if header else None,
        )

    def version(self, body: bytes | bytearray, start: int, end: int) -> int:
        """The version in these bytes of ``body``; ``NONE_SEEN`` where there is none."""
        found = None if self.field is None else self.field.search(body, start, end)
        return NONE_SEEN if found is None else int(found[1])

    def backend(self, head: bytes | bytearray, end: int) -> str:
        """The text of the header in the first ``end`` bytes of an answer; empty without one."""
        found = None if self.line is None else self.line.search(head, 0, end)
        return "" if found is None else found[1].decode("latin-1")


class Backends:
    """Numbers for the instances that answered, from 1 in the order in which they were met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Of the instance that a header names so; 0 for none, and for those beyond ``MOST_BACKENDS``."""
        found = _PLAIN.match(text.lstrip(" \t"))
        if found is None:
            return 0
        name = found[0].rstrip()
        if name not in self._numbers and len(self._numbers) >= MOST_BACKENDS:
            return 0
        return self._numbers.setdefault(name, len(self._numbers) + 1)

    def names(self) -> tuple[str, ...]:
        return tuple(self._numbers)
