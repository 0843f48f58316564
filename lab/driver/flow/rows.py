"""Samples whose number nobody knows beforehand: what journeys and closed users ask. No I/O, no gevent."""

from __future__ import annotations

import time
from array import array

import numpy as np

from lab.driver.observing import Backends
from lab.driver.words import NONE_SEEN, SAMPLE, Failure, Samples

MOST_NAMES = 1000
OTHERS = "(further names)"  # a client that puts an id in each name would fill the report with them


class Rows:
    """One row for each request, in the order in which they ended. ``timeout_ns`` counts from the due moment."""

    def __init__(self, timeout_ns: int) -> None:
        self.timeout_ns = timeout_ns
        self._due_ns, self._sent_ns, self._done_ns = array("q"), array("q"), array("q")
        self._status, self._bytes = array("h"), array("i")
        self._name, self._error = array("H"), array("B")
        self._key, self._version, self._backend = array("q"), array("q"), array("H")
        self._names: dict[str, int] = {}
        self._backends = Backends()

    def __len__(self) -> int:
        return len(self._due_ns)

    def add(
        self,
        name: str,
        failure: Failure,
        *,
        due_ns: int,
        sent_ns: int,
        done_ns: int = 0,
        status: int = 0,
        size: int = 0,
        key: int = NONE_SEEN,
        version: int = NONE_SEEN,
        backend: str = "",
    ) -> None:
        """A request ended, now unless ``done_ns`` says when. ``sent_ns`` 0: it was never sent. ``backend`` is the
        text of the answer's header."""
        done_ns = max(done_ns or time.monotonic_ns(), due_ns)
        last = due_ns + self.timeout_ns
        if failure is Failure.TIMEOUT or (done_ns > last and failure is not Failure.JOURNEY):
            # An answer after the time-out is none: nobody waits for it any more.
            failure, done_ns, status, size = Failure.TIMEOUT, last, 0, 0
            version, backend = NONE_SEEN, ""
        self._due_ns.append(due_ns)
        self._sent_ns.append(sent_ns)
        self._done_ns.append(done_ns)
        self._status.append(min(max(status, 0), 999))
        self._bytes.append(min(max(size, 0), 2**31 - 1))
        self._error.append(failure)
        self._name.append(self._index(name))
        self._key.append(key)
        self._version.append(version)
        self._backend.append(self._backends.number(backend))

    def names(self) -> tuple[str, ...]:
        """As met; at most ``MOST_NAMES``, the others under one name."""
        return tuple(self._names)

    def backends(self) -> tuple[str, ...]:
        """The instances that said they answered, as met."""
        return self._backends.names()

    def answered(self) -> int:
        """How many had a complete answer."""
        return int(np.count_nonzero((np.asarray(self._status) > 0) | (np.asarray(self._error) == 0)))

    def samples(self) -> Samples:
        """All rows, in order of their due moments."""
        rows = np.zeros(len(self), dtype=SAMPLE)
        columns = (
            ("due_ns", self._due_ns), ("sent_ns", self._sent_ns), ("done_ns", self._done_ns),
            ("status", self._status), ("bytes", self._bytes), ("error", self._error), ("name", self._name),
            ("key", self._key), ("version", self._version), ("backend", self._backend),
        )  # fmt: skip
        for column, values in columns:
            # A copy: an array that numpy looks at cannot grow.
            rows[column] = np.array(values)
        rows["tries"] = rows["sent_ns"] > 0
        return rows[np.argsort(rows["due_ns"], kind="stable")]

    def _index(self, name: str) -> int:
        if name not in self._names and len(self._names) >= MOST_NAMES:
            name = OTHERS
        return self._names.setdefault(name, len(self._names))
