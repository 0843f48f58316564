"""The balancer: what it passes on, what it says of a backend that fails, and what its parts decide."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asking import Answer, ask, until

from sample_app.balancer.__main__ import main, policy_of
from sample_app.balancer.backends import Backends
from sample_app.balancer.policy import HealthChecks, Outcome, Policy, Request, RoundRobin
from sample_app.balancer.proxy import Balancer
from sample_app.balancer.settings import BalancerSettings
from sample_app.modules import DEFAULT_VARIANT, balancing_modules

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
MODULES = balancing_modules()
CASES = [(name, variant) for name, module in MODULES.items() for variant in module.VARIANTS]


class Raw:
    """A backend that answers every request with the same bytes, and keeps what it was asked."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer, self.heads, self.bodies = answer, list[bytes](), list[bytes]()
        self.connections = self.left = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                self.bodies.append(await reader.readexactly(int(length[0].split(b":")[1])) if length else b"")
                writer.write(self.answer)
                if not self.answer:  # it thinks about it until nobody waits any more
                    await reader.read()
        except asyncio.IncompleteReadError:
            pass
        finally:
            self.left += 1
            writer.close()


@asynccontextmanager
async def backends(*raw: Raw) -> AsyncIterator[Backends]:
    servers = [await asyncio.start_server(one.serve, "127.0.0.1", 0) for one in raw]
    for one, server in zip(raw, servers, strict=True):
        one.url = "http://{}:{}".format(*server.sockets[0].getsockname())
    made = Backends([one.url for one in raw])
    try:
        yield made
    finally:
        made.close()
        for server in servers:
            server.close()


async def dead(made: Backends, index: int) -> None:
    """Nobody listens there any more."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    made[index].connections._port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


def balanced(made: Backends, **more: Any) -> Balancer:
    return Balancer(made, Policy(pick=RoundRobin(made), **more), timeout_s=0.3)


async def sent(app: Any, method: str, body: bytes = b"", headers: Any = (), query: bytes = b"") -> Answer:
    """As ``ask``, with more to say."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def first_body() -> Any:
            message = await receive()
            return {**message, "body": body} if message["type"] == "http.request" else message

        await app(
            {**scope, "method": method, "headers": list(headers), "query_string": query}, first_body, send
        )

    return await ask(wrapped, "/products")


def run(work: Callable[[], Any]) -> None:
    asyncio.run(work())


def test_a_request_and_its_answer_pass_without_what_is_about_one_connection() -> None:
    raw = Raw(
        b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nKeep-Alive: timeout=5\r\nX-Served-By: one\r\n"
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nmade"
    )

    async def work() -> None:
        async with backends(raw) as made:
            headers = [
                (b"host", b"shop"), (b"connection", b"x-secret"), (b"x-secret", b"1"), (b"te", b"trailers"),
                (b"x-request-id", b"abc"), (b"x-forwarded-for", b"10.0.0.1"),
            ]  # fmt: skip
            answer = await sent(balanced(made), "POST", b"{}", headers, b"page=2")
        assert (answer.status, answer.body, answer.headers["x-served-by"]) == (201, b"made", "one")
        assert answer.headers["content-length"] == "4" and "keep-alive" not in answer.headers
        head = raw.heads[0].decode()
        assert head.startswith("POST /products?page=2 HTTP/1.1\r\n") and raw.bodies == [b"{}"]
        assert "x-forwarded-for: 10.0.0.1, 127.0.0.1" in head and "x-request-id: abc" in head
        assert "x-secret" not in head and "te:" not in head

    run(work)


@pytest.mark.parametrize(
    ("method", "answer", "body"),
    [
        (
            "GET",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n",
            b"ok!",
        ),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 900\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        ("GET", b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", b"ok"),
    ],
    ids=["chunked", "head", "not modified", "interim", "close"],
)
def test_answers_end_where_they_end(method: str, answer: bytes, body: bytes) -> None:
    async def work() -> None:
        async with backends(Raw(answer)) as made:
            told = [await sent(balanced(made), method) for _ in range(3)]
            assert [(one.status in (200, 304), one.body) for one in told] == [(True, body)] * 3

    run(work)


def test_connections_are_kept_and_one_that_went_stale_is_no_failure() -> None:
    raw = Raw()

    async def work() -> None:
        async with backends(raw) as made:
            app = balanced(made)
            assert [(await ask(app, "/")).status for _ in range(20)] == [200] * 20
            assert raw.connections == 1
            raw.answer = OK.replace(b"ok", b"no")
            made[0].connections._idle[0]._transport.abort()  # type: ignore[union-attr]
            assert ((await ask(app, "/")).body, raw.connections, made[0].failed) == (b"no", 2, 0)

    run(work)


@pytest.mark.parametrize(
    ("answer", "status", "how"), [(b"", 504, "timeout"), (b"nonsense\r\n\r\n", 502, "cut")]
)
def test_a_backend_that_gives_no_answer_is_said(answer: bytes, status: int, how: str) -> None:
    heard: list[Outcome] = []

    async def work() -> None:
        async with backends(Raw(answer)) as made:
            told = await ask(balanced(made, done=lambda _backend, outcome: heard.append(outcome)), "/")
            assert (told.status, json.loads(told.body)) == (status, {"detail": how})
            assert (made[0].failed, made[0].in_flight) == (1, 0)
        assert [(one.status, one.failed) for one in heard] == [(0, how)]

    run(work)


def test_a_dead_backend_fails_its_share_unless_another_is_tried() -> None:
    async def work() -> None:
        async with backends(Raw(), Raw(), Raw()) as made:
            await dead(made, 1)
            once = balanced(made)
            assert [(await ask(once, "/")).status for _ in range(6)] == [200, 502, 200] * 2
            again = balanced(made, retries=1)
            assert {(await ask(again, "/")).status for _ in range(6)} == {200}
            assert {(await sent(again, "POST")).status for _ in range(6)} == {200}, "nothing had been sent"
            for backend in made:
                made.mark(backend, False, "told so")
            assert (await ask(again, "/")).status == 503

    run(work)


def test_what_may_do_harm_twice_is_sent_once() -> None:
    broken, well = Raw(b"nonsense\r\n\r\n"), Raw()

    async def work() -> None:
        async with backends(broken, well) as made:
            assert (await sent(balanced(made, retries=1), "GET")).status == 200
            assert (await sent(balanced(made, retries=1), "POST")).status == 502
        assert (len(broken.heads), len(well.heads)) == (2, 1)

    run(work)


def test_a_client_that_goes_takes_its_request_along() -> None:
    raw = Raw(b"")

    async def work() -> None:
        async with backends(raw) as made:
            gone = asyncio.Event()
            asking = asyncio.create_task(ask(balanced(made), "/", gone))
            await until(lambda: raw.heads, "the backend is asked")
            assert made[0].in_flight == 1
            gone.set()
            await asking
            await until(lambda: raw.left, "the backend's connection is closed")
            assert (made[0].in_flight, made[0].failed) == (0, 0)

    run(work)


def test_too_large_a_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sample_app.balancer.proxy.LARGEST_BODY", 10)
    monkeypatch.setattr("sample_app.balancer.connections.LARGEST_BODY", 10)

    async def work() -> None:
        async with backends(Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + b"x" * 11)) as made:
            assert (await sent(balanced(made), "POST", b"x" * 11)).status == 413
            assert (await sent(balanced(made), "POST", b"x")).status == 502

    run(work)


@pytest.mark.parametrize(
    ("checks", "fall", "rise", "transitions"),
    [("bgbg", 1, 1, 4), ("bgbgbb", 3, 1, 0), ("bbbg", 3, 1, 2), ("bggbgg", 1, 2, 4), ("bgbgbg", 1, 2, 1)],
)
def test_so_many_checks_in_a_row_decide(checks: str, fall: int, rise: int, transitions: int) -> None:
    made = Backends(["http://127.0.0.1:1"])
    health = HealthChecks(made, fall=fall, rise=rise)
    for check in checks:
        health.note(made[0], "HTTP 503" if check == "b" else "")
        health.note(made[0], None)  # what tells nothing changes nothing
    assert made[0].transitions == transitions
    assert made[0].ejections == (transitions + 1) // 2


def test_checks_take_a_dead_backend_out_and_bring_it_back() -> None:
    async def work() -> None:
        async with backends(Raw(), Raw(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"), Raw(b"")) as made:
            health = HealthChecks(made, every_s=0.01, timeout_s=0.1, fall=2)
            app = Balancer(made, Policy(pick=RoundRobin(made), watch=health.watch))
            async with app._own.router.lifespan_context(app._own):
                await until(lambda: len(made.in_rotation()) == 1, "two are out")
                told = json.loads((await ask(app, "/balancer/status")).body)
                assert [one["healthy"] for one in told["backends"]] == [True, False, False]
                assert (told["in_rotation"], told["transitions"], told["ejections"]) == (1, 2, 2)
                text = (await ask(app, "/balancer/metrics")).body.decode()
                assert 'balancer_backend_healthy{backend="app-2"} 0.0' in text
                assert 'balancer_backend_ejections_total{backend="app-3"} 1.0' in text

    run(work)


@pytest.mark.parametrize("document", ['{"backends": []}', '{"backends": ["ftp://x:1"]}', "not json"])
def test_unusable_settings_are_one_line_and_exit_2(document: str, tmp_path: Any, capsys: Any) -> None:
    written = tmp_path / "balancer.json"
    written.write_text(document)
    assert main(["--port", "0", "--settings", str(written)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("bad settings: ") and said.count("\n") == 1


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_every_policy_of_a_module_passes_requests_on(name: str, variant: Any) -> None:
    async def work() -> None:
        async with backends(Raw(), Raw(), Raw()) as made:
            settings = BalancerSettings(
                backends=tuple(one.url for one in made), code={name: variant.__name__}
            )
            app = Balancer(made, policy_of(settings, made))
            async with app._own.router.lifespan_context(app._own):
                assert [(await ask(app, "/")).body for _ in range(9)] == [b"ok"] * 9

    run(work)


def test_modules_of_the_balancer_are_neighbours_too() -> None:
    for module in MODULES.values():
        assert module.VARIANTS[0].__name__ == DEFAULT_VARIANT
        assert all(variant.__doc__ for variant in module.VARIANTS)


def test_without_a_module_each_has_its_turn() -> None:
    made = Backends(["http://127.0.0.1:1", "http://127.0.0.1:2"])
    policy = policy_of(BalancerSettings(backends=("http://127.0.0.1:1",), code={"stampede": "problem"}), made)
    picked = [policy.pick(Request("GET", "/")) for _ in range(4)]
    assert picked == [made[0], made[1]] * 2
