"""The parts of a stack that is kept up: words to faults, faults that stand, the socket, the figures of a load."""

from __future__ import annotations

import contextlib
import json
import math
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from lab.catalog import kinds
from lab.cli.by_hand.faults import dose_words
from lab.cli.by_hand.keeper import ask, living
from lab.cli.by_hand.services import news
from lab.errors import EnvironmentFailed, Exit, LabError
from lab.model.dose import Dose
from lab.model.run import Arm
from lab.model.stack import Running
from lab.model.units import Seconds
from lab.runner.arms import LiveArm
from lab.runner.keeper.desk import Desk
from lab.runner.keeper.figures import WINDOW_S, Figures, Piece, percentile_ms
from lab.runner.keeper.listening import listening
from lab.runner.keeper.load import SteadyLoad
from lab.runner.keeper.standing import StandingFaults
from lab.scenario.words import from_words
from lab.store import RunFolder


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Said:
    """What a kind looks like to the words of a command line."""

    text: str
    workers: int = 1
    grace: Seconds = 5.0
    ids: tuple[int, ...] = ()
    again: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})


def said(*words: str) -> Said:
    kind, params = from_words("fault", words, {"said": Said})
    assert kind == "said"
    return cast(Said, params)


def refused(*words: str) -> str:
    with pytest.raises(LabError) as error:
        said(*words)
    return str(error.value)


def test_target_and_kind_stand_in_either_order_and_the_service_may_be_named() -> None:
    assert said("ranking", "said") == said("said", "ranking") == said("said", "text=ranking")
    assert said("redis", "said", "ranking") == said("said", "ranking")


def test_values_are_read_as_in_a_scenario_file() -> None:
    found = said("said", "text='5'", "workers=3", "grace=500ms", "ids=[1, 2]", "again=true", "extra={a: 1}")
    assert (found.text, found.workers, found.grace) == ("5", 3, 0.5)
    assert (found.ids, found.again, found.extra) == ((1, 2), True, {"a": 1})


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
@example("SELECT 1: a, b # no comment")
@example("- no list")
@example("*no alias")
@example("a=b")
def test_text_arrives_as_it_was_written(text: str) -> None:
    if text[0] in "[{'\"" or re.fullmatch(r"[-+.\d~].*|true|false|null", text, re.IGNORECASE):
        return  # a number, a list, a text in quotes: it is read as in a file
    assert said("said", f"text={text}").text == text


@given(st.lists(st.text(max_size=20), max_size=4))
@example(["said", "text=[1"])
@example(["said", "=x"])
@example(["said", "text=a\nb"])
def test_whatever_is_typed_is_read_or_refused_in_words(words: list[str]) -> None:
    try:
        from_words("fault", words, {"said": Said, "kill": Said})
    except LabError as error:
        assert type(error) is LabError and error.what and error.why and error.do


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("sad", "x"), "did you mean 'said'"),
        ((), "there is said"),
        (("said",), "missing key 'text'"),
        (("said", "text=a", "wokers=1"), "did you mean 'workers'"),
        (("said", "text=a", "grace=5"), "grace: 5 has no unit"),
        (("said", "text=a", "workers=many"), "workers: expected a whole number, got 'many' (text)"),
        (("said", "text=a", "text=b"), "text is given twice"),
        (("said", "a", "b"), "what is 'b'?"),
        (("said", "a", "text=b"), "what is 'a'?"),
    ],
)
def test_a_mistake_is_told_with_its_key(words: Sequence[str], told: str) -> None:
    assert told in refused(*words)


def test_the_words_of_every_mistake_come_at_once() -> None:
    told = refused("said", "workers=x", "grace=1")
    assert "workers" in told and "grace" in told and "missing key 'text'" in told


def test_every_kind_of_fault_is_known_by_its_name() -> None:
    for kind in kinds().faults:
        try:
            assert from_words("fault", [kind], kinds().faults)[0] == kind
        except LabError as error:
            assert f"({kind})" in str(error)


# -- faults that stand -----------------------------------------------------------------------------------

DONE: list[str] = []


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Standing:
    """A fault that writes down what becomes of it."""

    name: str

    needs: ClassVar[frozenset[str]] = frozenset({"redis"})
    event: ClassVar[str | None] = None

    @property
    def target(self) -> str:
        return self.name

    def undo(self, running: Running) -> Mapping[str, Any]:
        if self.name == "nowhere":
            raise EnvironmentFailed("there is no nowhere", why="it is not there", do="name another")
        return {"undo": self.name}

    @contextmanager
    def inject(self, running: Running) -> Iterator[Mapping[str, Any]]:
        try:
            DONE.append(f"on {self.name}")
            yield {}
        finally:
            DONE.append(f"off {self.name}")
            if self.name == "stubborn":
                raise ValueError("it will not heal")

    def dose(self, running: Running) -> tuple[Dose, ...]:
        if self.name == "interrupted":
            raise KeyboardInterrupt
        on = DONE.count(f"on {self.name}") - DONE.count(f"off {self.name}")
        stays = (on > 0 and self.name != "toothless") or self.name == "sticky"
        return (Dose(what="effect", unit="", asked=1, delivered=float(stays)),)


class Passing(Standing):
    event = "passing"


class Composing(Standing):
    composes = True


class Setting(Standing):
    def undo(self, running: Running) -> Mapping[str, Any]:
        return {"config": {"maxmemory": "0"}}


class NotHere(Standing):
    needs = frozenset({"a volcano"})


KINDS = {
    "standing": Standing,
    "passing": Passing,
    "composing": Composing,
    "not-here": NotHere,
    "setting": Setting,
}


@pytest.fixture
def faults(tmp_path: Path) -> Iterator[StandingFaults]:
    DONE.clear()
    (tmp_path / "events.jsonl").write_text('{"schema": "lab.events/1"}\n')
    one = LiveArm(arm=Arm(name="shop", role="problem", group=1), running=cast(Running, SimpleNamespace()))
    unmet = lambda need: "" if need == "redis" else "no such"  # noqa: E731
    found = StandingFaults(one, KINDS, unmet, RunFolder(tmp_path))
    yield found
    with contextlib.suppress(ValueError):  # of the stubborn one
        found.close()


def test_a_fault_stands_until_it_is_removed(faults: StandingFaults) -> None:
    first, second = faults.add(["standing", "a"]), faults.add(["standing", "b"])
    assert [fault["target"] for fault in faults.standing()] == ["a", "b"]
    assert first["doses"][0]["bit"] is True
    faults.remove(str(first["id"]))
    assert [fault["id"] for fault in faults.standing()] == [second["id"]]
    assert DONE == ["on a", "on b", "off a"]


def test_all_heal_in_reverse_order_at_the_end(faults: StandingFaults) -> None:
    for name in "abc":
        faults.add(["standing", name])
    faults.close()
    assert DONE == ["on a", "on b", "on c", "off c", "off b", "off a"]


def test_one_that_does_not_heal_is_told_and_does_not_keep_the_others(faults: StandingFaults) -> None:
    number = faults.add(["standing", "stubborn"])["id"]
    faults.add(["standing", "b"])
    for _ in range(2):  # the second time it is no better
        with pytest.raises(EnvironmentFailed, match="it will not heal"):
            faults.remove(str(number))
    assert "it will not heal" in faults.standing()[0]["failed"]
    assert [fault["target"] for fault in faults.standing()] == ["stubborn", "b"]
    faults.add(["standing", "late"])
    faults.close()
    assert DONE[-2:] == ["off late", "off b"]


def test_one_that_is_still_there_after_its_undo_is_told(faults: StandingFaults) -> None:
    number = faults.add(["standing", "sticky"])["id"]
    with pytest.raises(EnvironmentFailed, match="still there after its undo"):
        faults.remove(str(number))
    assert [fault["id"] for fault in faults.standing()] == [number], "it can be asked again"


def test_one_of_two_that_compose_heals_although_the_other_is_felt(faults: StandingFaults) -> None:
    first = faults.add(["composing", "a"])["id"]
    faults.add(["composing", "a"])
    faults.remove(str(first))
    assert [fault["id"] for fault in faults.standing()] == [first + 1]


def test_all_that_can_be_healed_are_healed_although_one_cannot(faults: StandingFaults) -> None:
    for name in ("a", "stubborn", "b"):
        faults.add(["standing", name])
    with pytest.raises(EnvironmentFailed, match="healed were standing on b, standing on a"):
        faults.remove("all")
    assert [fault["target"] for fault in faults.standing()] == ["stubborn"]


def test_two_that_set_the_same_parameter_are_refused(faults: StandingFaults) -> None:
    faults.add(["setting", "a"])
    with pytest.raises(LabError, match="setting sets what setting has set already") as refused:
        faults.add(["setting", "b"])
    assert refused.value.where == "fault 1: maxmemory"
    assert DONE == ["on a"]


def test_an_interrupt_while_it_is_measured_undoes_it(faults: StandingFaults) -> None:
    with pytest.raises(KeyboardInterrupt):
        faults.add(["standing", "interrupted"])
    assert DONE == ["on interrupted", "off interrupted"]
    assert faults.standing() == []


@pytest.mark.parametrize("kind", ["standing", "passing"])
def test_one_that_does_not_bite_is_undone_and_told(kind: str, faults: StandingFaults) -> None:
    with pytest.raises(EnvironmentFailed, match=f"{kind} on toothless did not bite") as refused:
        faults.add([kind, "toothless"])
    told = refused.value
    assert "effect: asked 1, measured 0; it is undone" in told.why
    assert "--keep" in told.do
    assert (DONE, faults.standing()) == (["on toothless", "off toothless"], [])


def test_one_that_does_not_bite_stands_where_it_is_to_be_kept(kept: Path) -> None:
    with pytest.raises(LabError, match="did not bite") as refused:
        ask(kept, "add-fault", words=["standing", "toothless"])
    assert refused.value.exit == Exit.VOID
    number = ask(kept, "add-fault", words=["standing", "toothless"], keep=True)["id"]
    [fault] = ask(kept, "list-faults")["faults"]
    assert (fault["id"], fault["doses"][0]["bit"]) == (number, False)


def test_one_that_composes_stands_although_what_is_measured_is_not_its_own(faults: StandingFaults) -> None:
    faults.add(["composing", "toothless"], keep=True)
    assert faults.add(["composing", "toothless"])["id"] == 2


def test_one_that_passes_by_itself_does_not_stand(faults: StandingFaults) -> None:
    assert "id" not in faults.add(["passing", "a"])
    assert DONE == ["on a", "off a"]
    assert faults.standing() == []


def test_twice_at_once_is_refused_unless_the_kind_composes(faults: StandingFaults) -> None:
    faults.add(["standing", "a"])
    with pytest.raises(LabError, match="standing acts on a already"):
        faults.add(["standing", "a"])
    faults.add(["composing", "a"])
    faults.add(["composing", "a"])
    assert len(faults.standing()) == 3


@pytest.mark.parametrize("words", [["not-here", "a"], ["standing", "nowhere"], ["standing"]])
def test_what_cannot_be_done_leaves_nothing(words: list[str], faults: StandingFaults) -> None:
    with pytest.raises(LabError):
        faults.add(words)
    assert (DONE, faults.standing()) == ([], [])


def test_the_undo_is_on_disk_before_the_fault_is_done(faults: StandingFaults, tmp_path: Path) -> None:
    faults.add(["standing", "a"])
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()[1:]]
    assert [event["kind"] for event in events] == ["undo-planned", "fault-on", "dose"]
    assert events[0]["data"] == {"undo": "a", "target": "a"}


# -- the socket ------------------------------------------------------------------------------------------


@pytest.fixture
def kept(faults: StandingFaults, tmp_path: Path) -> Iterator[Path]:
    """A keeper of nothing but faults, in this process; the folder in which its ``up.json`` lies."""
    import psutil

    running = cast(Running, SimpleNamespace(url="http://127.0.0.1:1", dsn="", redis_url=""))
    load = SteadyLoad(running.url, tmp_path, tmp_path, lambda _: None)
    desk = Desk(running, faults, load, {})
    threading.Thread(target=desk.work, daemon=True).start()
    process = psutil.Process()
    with TemporaryDirectory() as short:
        path = Path(short) / "keeper"
        state = {"pid": process.pid, "started": process.create_time(), "socket": str(path)}
        (tmp_path / "up.json").write_text(json.dumps(state))
        with listening(path, desk):
            assert path.stat().st_mode & 0o777 == 0o600
            yield tmp_path


def test_the_socket_answers_and_raises_what_the_keeper_raised(kept: Path) -> None:
    number = ask(kept, "add-fault", words=["a", "standing"])["id"]
    assert [fault["id"] for fault in ask(kept, "list-faults")["faults"]] == [number]
    with pytest.raises(LabError, match="there is no fault '99'"):
        ask(kept, "remove-fault", which="99")
    with pytest.raises(LabError, match="does not know what it is asked"):
        ask(kept, "make-coffee")
    with pytest.raises(LabError, match="no load has been started"):
        ask(kept, "load-status")
    assert ask(kept, "remove-fault", which="all")["removed"][0]["target"] == "a"


@pytest.mark.parametrize("line", [b"no json\n", b"[]\n", b'{"ask": "add-fault"}\n', b"{}\n"])
def test_a_malformed_request_is_answered_and_harms_nobody(line: bytes, kept: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(json.loads((kept / "up.json").read_text())["socket"])
        client.sendall(line)
        assert "error" in json.loads(client.makefile("rb").readline())
    assert ask(kept, "list-faults") == {"faults": []}


def test_a_fault_that_nobody_heard_of_is_healed(kept: Path) -> None:
    """Ctrl-C in ``lab fault add``: the person sees no id, so that nothing may stand."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(json.loads((kept / "up.json").read_text())["socket"])
        client.sendall(b'{"ask": "add-fault", "words": ["standing", "a"]}\n')
        client.shutdown(socket.SHUT_RDWR)
    until(lambda: "off a" in DONE)
    until(lambda: ask(kept, "list-faults") == {"faults": []})


def until(condition: Callable[[], bool]) -> None:
    waker = threading.Event()
    for _ in range(1000):
        if condition():
            return
        waker.wait(0.02)
    raise AssertionError("not within 20 s")


def test_nothing_is_up_where_the_process_is_another_one(kept: Path) -> None:
    assert living(kept) is not None
    state = json.loads((kept / "up.json").read_text())
    for wrong in ({"pid": 2**22 + 1}, {"started": state["started"] - 60}):
        (kept / "up.json").write_text(json.dumps(state | wrong))
        with pytest.raises(LabError, match="nothing is up"):
            ask(kept, "list-faults")


@pytest.mark.parametrize(
    ("dose", "words"),
    [
        (
            Dose(what="held", unit="bytes", asked=3e7, delivered=30_572_544, counts="at-least"),
            "held: asked at least 30,000,000 bytes, measured 30,572,544 bytes",
        ),
        (
            Dose(what="delay", unit="ms", asked=100, delivered=0.25, slack=2),
            "delay: asked 100 ms, measured 0.25 ms: IT DOES NOT BITE",
        ),
        (
            Dose(what="delay", unit="ms", asked=100, delivered=None),
            "delay: asked 100 ms, not measurable: IT DOES NOT BITE",
        ),
    ],
)
def test_a_dose_that_does_not_bite_is_said(dose: Dose, words: str) -> None:
    assert dose_words({**asdict(dose), "bit": dose.bit}) == words


# -- figures and logs ------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0.0, 10.0), st.sampled_from([0, 0, 0, 1, 3])), min_size=1, max_size=60),
    st.sampled_from([50, 95, 99]),
)
def test_a_failed_request_is_slower_than_any_answer(seen: list[tuple[float, int]], q: int) -> None:
    latency, error = np.array([s for s, _ in seen]), np.array([e for _, e in seen], np.uint8)
    found = percentile_ms(latency, error, q)
    ranked = sorted(math.inf if failed else seconds for seconds, failed in seen)
    expected = ranked[max(math.ceil(q / 100 * len(ranked)), 1) - 1]
    assert found == (None if expected == math.inf else expected * 1e3)


@given(st.lists(st.tuples(st.floats(0.3, 4.0), st.integers(0, 20)), min_size=1, max_size=40))
def test_the_window_holds_the_last_seconds_and_the_totals_everything(pieces: list[tuple[float, int]]) -> None:
    figures = Figures()
    for length, n in pieces:
        figures.add(Piece(length, np.full(n, 0.01), np.zeros(n, np.uint8)))
    told = figures.told()
    assert told["requests"] == sum(n for _, n in pieces)
    seconds, first = told["window"]["seconds"], figures.recent[0].length_s
    assert seconds - first < WINDOW_S
    assert seconds >= min(WINDOW_S, sum(length for length, _ in pieces)) - 1e-9
    answered = told["window"]["answered_per_s"] * seconds
    assert answered == pytest.approx(told["window"]["requests"])


@given(st.integers(0, 60), st.integers(0, 30), st.integers(30, 50))
def test_following_a_log_shows_each_line_once(before: int, more: int, window: int) -> None:
    log = [f"line {n}" for n in range(before + more)]
    assert news(log[:before][-window:], log[-window:]) == log[before:]
