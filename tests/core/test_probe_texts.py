"""The pure parts of the diagnosis probes: what they make of tables, logs and samples, and servers of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.cli.by_hand import services
from lab.cli.by_hand.own import Named, own, refuse_unnamed
from lab.errors import LabError
from lab.probes import _sockets
from lab.probes._sockets import Socket
from lab.probes._timing import written
from lab.probes._window import shortened
from lab.probes.debug_logging import since
from lab.probes.event_loop import EventLoop
from lab.probes.flame_graph import frames
from lab.probes.line_profile import LineProfile, counted
from lab.probes.locks import Locks
from lab.probes.process import Process
from lab.probes.query_log import statements
from lab.probes.tcp_connections import grouped

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 101 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 102 1 0 100 0 0 10 0
"""
TCP6 = (
    "   0: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:1538 08"
    " 00000000:00000010 00:00000000 00000000 0 0 103 1 0 100 0 0 10 0\n"
    "   1: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A"
    " 00000000:00000000 00:00000000 00000000 0 0 104 1 0 100 0 0 10 0\n"
)


def test_the_kernels_table_of_sockets_is_read() -> None:
    assert _sockets.parsed(TCP + TCP6) == [
        Socket("LISTEN", "127.0.0.1:8080", "0.0.0.0:0", 3, "101"),
        Socket("ESTABLISHED", "127.0.0.1:8080", "127.0.0.1:50000", 0, "102"),
        Socket("CLOSE_WAIT", "127.0.0.1:50001", "127.0.0.1:5432", 16, "103"),
        Socket("LISTEN", "[::1]:8081", "[::]:0", 0, "104"),
    ]


def test_connections_are_counted_by_state_and_by_service_or_as_clients() -> None:
    assert grouped(_sockets.parsed(TCP + TCP6), {5432: "postgres"}) == [
        (1, "ESTABLISHED", "clients of port 8080", 0),
        (1, "CLOSE_WAIT", "postgres", 16),
    ]


STACKS = """main (/srv/app/main.py:9);serve (/srv/app/shop.py:4);get (/usr/lib/python3.11/http.py:7) 6
main (/srv/app/main.py:9);serve (/srv/app/shop.py:4);serve (/srv/app/shop.py:4) 3
idle (<frozen runpy>:1) 1
"""


def test_samples_are_counted_within_a_line_once_and_at_the_last_line_of_the_app() -> None:
    within, at, samples = counted(STACKS)
    assert samples == 10
    assert within == {("/srv/app/main.py", 9): 9, ("/srv/app/shop.py", 4): 9}
    assert at == {("/srv/app/shop.py", 4): 9}
    assert counted(STACKS, "http.py")[1] == {("/usr/lib/python3.11/http.py", 7): 6}
    assert counted("") == ({}, {}, 0)


def test_frames_of_a_flame_graph_are_the_widest_first_and_each_once() -> None:
    drawn = (
        "<title>all (10 samples, 100.00%)</title><title>f (a.py:1) (1 sample, 10.00%)</title>"
        "<title>&lt;module&gt; (b.py:2) (1,234 samples, 40.00%)</title>"
        "<title>f (a.py:1) (3 samples, 30.00%)</title>"
    )
    assert frames(drawn) == [("all", 100.0), ("<module> (b.py:2)", 40.0), ("f (a.py:1)", 30.0)]


def test_statements_of_the_log_are_those_that_ran_in_one_line_each() -> None:
    log = (
        "x LOG:  duration: 0.020 ms  parse <unnamed>: SELECT 1\n"
        "x LOG:  duration: 12.500 ms  execute <unnamed>: SELECT /* ranking */ a\n\tFROM b\n"
        "x DETAIL:  Parameters: $1 = '7'\n"
        "x LOG:  duration: 1.000 ms  statement: COMMIT\n"
    )
    told = [line.split(maxsplit=2) for line in statements(log)]
    assert told == [["12.500", "ms", "SELECT /* ranking */ a FROM b"], ["1.000", "ms", "COMMIT"]]


def test_new_lines_of_a_log_are_those_after_the_last_that_was_known() -> None:
    assert since(["a", "b"], ["a", "b", "c"]) == ["c"]
    assert since(["a", "b"], ["b", "c", "d"]) == ["c", "d"]
    assert since([], ["a"]) == since(["x"], ["a"]) == ["a"]
    assert since(["a"], ["a"]) == []


def test_what_is_long_is_cut_and_curl_is_told_all_moments() -> None:
    assert shortened("SELECT\n  1") == "SELECT 1"
    assert shortened("x" * 9, 5) == "xxxx…"
    assert written("connect", "total") == r"time_connect: %{time_connect}s\ntime_total: %{time_total}s\n"


def test_servers_of_ones_own_are_known_by_their_addresses() -> None:
    named = Named(
        url="http://127.0.0.1:8000/", dsn="host=db port=6432 password=x", redis_url="redis://u:p@cache/0"
    )
    running = own(named)
    assert (running.url, running.services) == ("http://127.0.0.1:8000", ("app", "postgres", "redis"))
    addresses = [running.address(name) for name in running.services]
    assert addresses == [("127.0.0.1", 8000), ("db", 6432), ("cache", 6379)]
    assert not Named() and Named(pid=1)


def test_a_log_of_ones_own_is_read_from_its_file_or_asked_for(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\ntwo\nthree\n")
    running = own(Named(url="http://127.0.0.1:1", logs=(f"app={log}",)))
    assert running.logs("app", 2) == "two\nthree"
    assert "--log postgres=FILE" in running.logs("postgres")
    log.unlink()
    assert "cannot be read" in running.logs("app")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (Named(url="localhost:8000"), "--url"),
        (Named(url="http://127.0.0.1:99999"), "--url"),
        (Named(redis_url="http://127.0.0.1"[:4]), "--redis-url"),
        (Named(dsn="nonsense"), "--dsn"),
        (Named(url="http://x", logs=("app",)), "--log"),
        (Named(url="http://x", logs=("kafka=file",)), "--log"),
    ],
)
def test_an_address_that_is_none_is_told_with_an_example(named: Named, told: str) -> None:
    with pytest.raises(LabError) as caught:
        own(named)
    assert told in caught.value.where and caught.value.do.startswith("write ")


def test_a_probe_of_a_server_that_was_not_named_says_which_option_names_it() -> None:
    by_pid = own(Named(pid=1))
    refuse_unnamed("process", Process(), by_pid)
    refuse_unnamed("line-profile", LineProfile(), by_pid)
    for kind, probe, option in (("locks", Locks(), "--dsn"), ("event-loop", EventLoop(), "--url")):
        with pytest.raises(LabError, match=kind) as caught:
            refuse_unnamed(kind, probe, by_pid)
        assert option in caught.value.do


def test_lab_changes_nothing_of_ones_own() -> None:
    with pytest.raises(LabError, match="only looks"):
        own(Named(url="http://127.0.0.1:1")).kill("app")


def test_a_picture_becomes_a_file_beside_the_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    told = {"probe": "flame-graph", "title": "t", "command": "c", "text": "x", "picture": "<svg/>"}
    monkeypatch.setattr(services, "ask", lambda *_, **__: dict(told))
    services.probe(tmp_path / "new", ["flame-graph"], Named(), json=True)
    shown = json.loads(capsys.readouterr().out)
    assert Path(shown["file"]).read_text() == "<svg/>" and "picture" not in shown
    services.probe(tmp_path / "new", ["flame-graph"], Named(), json=False)
    assert capsys.readouterr().out.endswith("flame-graph.svg\n")
