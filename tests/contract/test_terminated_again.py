"""``terminate-backends`` with ``again``: the sessions that the app opens after the first time go as well."""

from __future__ import annotations

import threading
from contextlib import suppress
from urllib.error import HTTPError

from arm_at_work import ask, sql

from lab.faults.terminate_backends import TerminateBackends
from lab.model.stack import Running

SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'shop'"


def sessions(arm: Running) -> set[int]:
    return {row[0] for row in sql(arm, SESSIONS)}


def test_sessions_opened_since_are_ended_too(arm: Running) -> None:
    ask(arm, "/customers/7")
    first, over, seen = sessions(arm), threading.Event(), set[int]()

    def come_back() -> None:
        while not over.wait(0.02):
            with suppress(HTTPError):  # over the connection that was ended
                ask(arm, "/customers/7")
            seen.update(sessions(arm) - first)

    visitor = threading.Thread(target=come_back)
    fault = TerminateBackends(again="1s")
    visitor.start()
    try:
        with fault.inject(arm) as done:
            over.set()
            visitor.join()
            (ended,) = fault.dose(arm)
    finally:
        over.set()
        visitor.join()
    assert ended.bit
    assert seen, "the app came back in between"
    assert done["terminated"] > len(first)
    assert not sessions(arm) & first


def test_nobody_has_come_back(arm: Running) -> None:
    with suppress(HTTPError):
        ask(arm, "/customers/7")
    ask(arm, "/customers/7")
    before = len(sessions(arm))
    fault = TerminateBackends(again="100ms")
    with fault.inject(arm) as done:
        (ended,) = fault.dose(arm)
    assert (done["terminated"], ended.bit) == (before, True)
