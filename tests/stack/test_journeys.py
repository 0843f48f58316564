"""Users' own locustfiles as the load: their journeys at planned moments, their mistakes in plain words."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from journeys_under_test import SHOP
from load_under_test import Loading, failures, found, loading
from running import ROOT
from running import lab as run_lab
from web_under_test import serving

from lab.errors import EnvironmentFailed, LabError
from lab.loads._locustfile import user_classes
from lab.loads.open import Failure

EXPECTED = {
    ("login", Failure.NONE, 200), ("page", Failure.NONE, 200), ("order", Failure.STATUS, 500),
    ("picky", Failure.CONTENT, 200), ("content", Failure.NONE, 404), ("stumble", Failure.JOURNEY, 0),
    ("first", Failure.NONE, 200), ("second", Failure.NONE, 200), ("third", Failure.RESET, 0),
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "prices.py").write_text("OF = {'lamp': 12}\n")
    (folder / "shop_users.py").write_text(SHOP)
    return folder / "shop_users.py"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loading]:
    with loading(tmp_path_factory.mktemp("journeys")) as one:
        yield one


def heard(shop: Path) -> Counter[str]:
    return Counter((shop.parent / "heard.txt").read_text().splitlines())


def test_each_arrival_is_a_journey_and_each_request_a_row(shop: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(shop.parent, tmp_path / "shop") / shop.name
    with loading(tmp_path) as lab, serving() as site:
        load = lab.play(site.url, rate=120, length_s=1.0, locustfile=copy)
        url, asked = site.url, len(site.requests)
    rows, checks = load.samples, load.checks
    assert set(found(load)) == EXPECTED
    assert (checks.executor, checks.because) == ("flow", "its journeys are those of shop_users.py")
    assert checks.asked == checks.sent == 120 and checks.achieved == 1.0
    assert checks.recorded == checks.counted == len(rows)
    raised = sum(n for (_, failure, _), n in found(load).items() if failure is Failure.JOURNEY)
    assert asked == len(rows) - raised
    assert (np.diff(rows["due_ns"]) >= 0).all() and (rows["sent_ns"] >= rows["due_ns"]).all()
    assert set(rows["bytes"][rows["status"] > 0]) == {5}
    told = heard(copy)
    assert told[f"start {url}"] == 1
    assert {word: n for word, n in told.items() if word.startswith("request")} == {
        f"request {load.names[name]}": n for name, n in Counter(rows["name"].tolist()).items()
    }
    users = found(load)["login", Failure.NONE, 200]
    assert told["bye"] == users < 60
    log = (tmp_path / "logs" / "load.log").read_text()
    assert log.count("out of lamps") == 1 and "shop_users.py:" in log and "Traceback" not in log


def test_a_user_stays_in_its_task_set_and_goes_on_where_locust_would_not_wait(
    lab: Loading, shop: Path
) -> None:
    walker = {"locustfile": shop, "user_classes": ("Walker",), "connections": 1}
    with serving() as site:
        loads = [lab.play(site.url, rate=60, length_s=0.25, **walker) for _ in range(2)]
    asked = [target for _, target, _ in site.requests]
    # Leaving a task set takes the user to the next task at once: third and first are one journey.
    assert asked == (["/ok/1", "/chunked", "/half"] * 15)[: 1 + 15 + 2 * 14]
    assert [load.checks.asked for load in loads] == [15, 15]
    assert sum(load.checks.recorded for load in loads) == len(asked)


def test_waiting_for_a_turn_is_latency_of_the_first_request(lab: Loading, shop: Path) -> None:
    one = {"locustfile": shop, "user_classes": ("Patient",), "connections": 1}
    with serving(delay_s=0.05) as site:
        load = lab.play(site.url, rate=50, length_s=0.4, **one)
        assert site.most_open == 1
    rows = load.samples
    planned = lab.start_ns + np.arange(20) * 20_000_000
    assert load.checks.queued >= 15
    assert (rows["due_ns"] >= planned).all() and np.median(rows["due_ns"] - planned) < 20_000_000
    assert load.latency_s.max() > 20 * 0.05 - 0.4


@pytest.mark.parametrize("name", ["Slow", "SlowToo"])
def test_each_request_of_a_journey_has_its_time_out(lab: Loading, shop: Path, name: str) -> None:
    with serving() as site:
        load = lab.play(site.url, rate=50, length_s=0.2, timeout_s=0.4, locustfile=shop, user_classes=(name,))
    assert found(load) == {("hang", Failure.TIMEOUT, 0): 10, ("after", Failure.NONE, 200): 10}
    hung = load.samples["error"] == Failure.TIMEOUT
    assert load.latency_s[hung] == pytest.approx(0.4)
    assert load.checks.counted == load.checks.recorded == 20


def test_a_journey_without_end_is_ended_and_counted(lab: Loading, shop: Path) -> None:
    endless = {"locustfile": shop, "user_classes": ("Endless", "Sleeper")}
    with serving() as site:
        began = time.monotonic()
        load = lab.play(site.url, rate=50, length_s=0.2, timeout_s=0.3, **endless)
        took_s = time.monotonic() - began
        after = lab.play(site.url, locustfile=shop, user_classes=("Patient",))
    assert failures(load) == {Failure.TIMEOUT} and set(load.names) == {"again", "Sleeper"}
    assert load.checks.asked == 10 <= len(load.samples)
    assert load.checks.counted == load.checks.recorded == len(load.samples)
    assert took_s < 10
    assert failures(after) == {Failure.NONE}


def test_an_arrival_that_never_had_its_turn_is_not_left_out(lab: Loading, shop: Path) -> None:
    with serving() as site:
        load = lab.play(
            site.url, rate=50, length_s=0.4, timeout_s=0.3, connections=2, locustfile=shop,
            user_classes=("Sleeper",),
        )  # fmt: skip
    assert found(load) == {("Sleeper", Failure.TIMEOUT, 0): 20}
    assert load.latency_s == pytest.approx(0.3)
    assert set(load.samples["sent_ns"]) == {0} and load.checks.sent == 2


def test_closed_users_of_a_locustfile_heed_its_waits(lab: Loading, shop: Path) -> None:
    with serving() as site:
        load = lab.play(site.url, rate=0, users=3, length_s=0.5, locustfile=shop, user_classes=("Patient",))
    assert found(load).keys() == {("one", Failure.NONE, 200)}
    assert 3 <= len(load.samples) <= 3 * 4
    assert load.checks.executor == "closed" and load.checks.counted == len(load.samples) == len(site.requests)


def test_a_thousand_names_are_enough(lab: Loading, tmp_path: Path) -> None:
    many = tmp_path / "many_names.py"
    many.write_text(
        "from locust import FastHttpUser, task\n"
        "class Many(FastHttpUser):\n"
        "    @task\n"
        "    def ask(self):\n"
        "        for n in range(15):\n"
        "            many = self.environment.events.request\n"
        "            for k in range(100):\n"
        "                many.fire(request_type='X', name=f'{n}/{k}', response_time=1.0, response_length=0)\n"
    )
    load = lab.play("http://127.0.0.1:9", rate=10, length_s=0.1, locustfile=many)
    assert len(load.samples) == 1500 == load.checks.counted
    assert len(load.names) == 1001 and load.names[-1] == "(further names)"


BAD = {
    "raises.py": ("x = 1\nraise ValueError('no lamps')\n", "raises.py:2", "ValueError: no lamps"),
    "missing.py": (
        "import no_such_module.of_mine\n",
        "missing.py:1",
        "'no_such_module', which is not installed",
    ),
    "syntax.py": ("class A(\n", "syntax.py:1", "SyntaxError: '(' was never closed"),
    "exits.py": ("import sys\n\nsys.exit('enough')\n", "exits.py:3", "SystemExit: enough"),
    "nobody.py": ("from locust import HttpUser\n", "nobody.py", "nothing in it inherits from Locust's"),
    "idle.py": ("from locust import User\nclass Idle(User): pass\n", "idle.py", ""),
    "json.py": ("", "json.py", "there is a module 'json' already"),
    "shop.py": (
        "from locust import User, task\nclass A(User):\n  @task\n  def a(self): ...\n",
        "shop.py",
        "are A",
    ),
}


@pytest.mark.parametrize("name", [*BAD, "absent.py"])
def test_a_mistake_in_a_locustfile_is_told_before_anything_starts(tmp_path: Path, name: str) -> None:
    text, where, why = BAD.get(name, (None, "absent.py", ""))
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(LabError) as told:
        user_classes(tmp_path / name, ("B",) if name == "shop.py" else ())
    assert told.value.where.endswith(where) and why in told.value.why
    assert told.value.what and told.value.do and told.value.exit == 2


def test_a_good_locustfile_tells_its_classes(shop: Path) -> None:
    assert user_classes(shop) == ("Buyer", "Walker")
    assert user_classes(shop, ("Slow", "Buyer")) == ("Slow", "Buyer")


def test_the_driver_itself_says_what_is_wrong(lab: Loading, shop: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="no user class 'Nobody'"):
        lab.play("http://127.0.0.1:9", locustfile=shop, user_classes=("Nobody",))
    with pytest.raises(EnvironmentFailed, match=r"there is no locustfile absent\.py"):
        lab.play("http://127.0.0.1:9", locustfile=tmp_path / "absent.py")


def scenario(folder: Path, load: str) -> Path:
    """The scenario of the missing index with another load."""
    text = (ROOT / "scenarios" / "missing-index.yaml").read_text()
    head, _, rest = text.partition("  requests:\n")
    _, _, tail = rest.partition("\nfaults:")
    path = folder / "own-users.yaml"
    path.write_text(f"{head}{load}\nfaults:{tail}")
    return path


def test_a_scenario_names_its_own_users(tmp_path: Path, shop: Path) -> None:
    (tmp_path / "loads").mkdir()
    copy = Path(shutil.copy(shop, tmp_path / "loads"))
    shutil.copy(shop.parent / "prices.py", tmp_path / "loads")
    path = scenario(tmp_path, "  locustfile: loads/shop_users.py\n  classes: [Walker]\n")
    done = run_lab("plan", str(path), "--json", timeout=60)
    assert done.returncode == 0, done.stderr
    (plan,) = json.loads(done.stdout)
    assert Path(plan["block"]["locustfile"]) == copy and plan["block"]["user_classes"] == ["Walker"]
    copy.write_text("import nothing_like_it\n")
    for word in ("run", "check"):
        done = run_lab(word, str(path), timeout=60)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert f"{copy}:1" in done.stderr and "'nothing_like_it', which is not installed" in done.stderr


def test_the_command_line_names_users_instead_of_requests(shop: Path) -> None:
    done = run_lab("run", "missing-index", "--locustfile", str(shop), "--dry-run", timeout=60)
    assert done.returncode == 0, done.stderr
    assert "load: 30 journeys of shop_users.py a second" in done.stdout
