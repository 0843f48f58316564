"""What the bonus page lets in: few repeats beside new questions, and nobody while its breaker is open."""

from __future__ import annotations

import asyncio

import pytest

from sample_app.problems.retry_storm import PATIENCE_S, Bonus, Breaker, Busy, RetryBudget

ANSWER = Bonus(customer_id=1, points=0, place=None)


class Time:
    """Stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_repeats_add_a_tenth_however_many_are_asked() -> None:
    budget, customers, tries = RetryBudget(Time()), 1000, 6
    allowed = [budget.allows(customer) for customer in range(customers) for _ in range(tries)]
    repeats = sum(allowed) - customers
    assert all(allowed[::tries])  # every new question
    assert RetryBudget.SHARE * customers - 1 <= repeats <= RetryBudget.SHARE * customers + RetryBudget.SAVED


def test_after_a_while_the_same_customer_is_new() -> None:
    clock = Time()
    budget = RetryBudget(clock)
    asked = [budget.allows(7) for _ in range(20)]
    assert asked.count(True) == 1 + int(RetryBudget.SAVED)
    clock.now += RetryBudget.REMEMBERED_S + 0.01
    assert budget.allows(7)


class Server:
    """A breaker, and answers that take as long as the test says."""

    def __init__(self) -> None:
        self.clock = Time()
        self.breaker = Breaker(self.clock)
        self.asked = 0

    def ask(self, takes_s: float) -> Bonus:
        async def answer() -> Bonus:
            self.asked += 1
            self.clock.now += takes_s
            return ANSWER

        return asyncio.run(self.breaker.guarded(answer))


@pytest.fixture
def opened() -> Server:
    server = Server()
    for _ in range(Breaker.FAILURES):
        server.ask(PATIENCE_S)
    return server


def test_late_answers_open_it_and_then_nothing_is_asked(opened: Server) -> None:
    with pytest.raises(Busy):
        opened.ask(0.0)
    assert opened.asked == Breaker.FAILURES


def test_an_answer_in_time_closes_it_after_the_pause(opened: Server) -> None:
    opened.clock.now += Breaker.OPEN_S
    assert [opened.ask(0.0), opened.ask(0.0)] == [ANSWER, ANSWER]


def test_a_late_answer_after_the_pause_keeps_it_open(opened: Server) -> None:
    opened.clock.now += Breaker.OPEN_S
    opened.ask(PATIENCE_S)
    with pytest.raises(Busy):
        opened.ask(0.0)


def test_one_answer_in_time_and_the_count_begins_anew() -> None:
    server = Server()
    for takes_s in (*[PATIENCE_S] * (Breaker.FAILURES - 1), 0.0, *[PATIENCE_S] * (Breaker.FAILURES - 1)):
        server.ask(takes_s)
    assert server.ask(0.0) == ANSWER


def test_clients_that_leave_count_as_late() -> None:
    async def story() -> None:
        never = asyncio.Event()

        async def answer() -> Bonus:
            await never.wait()
            return ANSWER

        for _ in range(Breaker.FAILURES):
            asking = asyncio.ensure_future(server.breaker.guarded(answer))
            await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    server = Server()
    asyncio.run(story())
    with pytest.raises(Busy):
        server.ask(0.0)
