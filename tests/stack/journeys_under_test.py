"""A locustfile as a person writes it, and users in it that behave badly."""

from __future__ import annotations

SHOP = """
from pathlib import Path

import gevent
from locust import FastHttpUser, HttpUser, SequentialTaskSet, between, events, task

import prices  # lies beside it

LOG = Path("heard.txt")  # beside it too


def note(text):
    with LOG.open("a") as log:
        log.write(text + "\\n")


@events.test_start.add_listener
def start(environment, **_):
    note("start " + environment.host)


@events.request.add_listener
def heard(name, exception, **_):
    note("request " + name)


class Buyer(HttpUser):
    weight = 2
    wait_time = between(60, 90)  # the schedule says when

    def on_start(self):
        self.client.get("/ok", name="login")

    def on_stop(self):
        note("bye")

    @task
    def buy(self):
        assert prices.OF["lamp"] == 12
        self.client.get("/ok?page=1", name="page")
        self.client.post("/fail", json={"lamp": 1}, name="order")

    @task
    def look(self):
        with self.client.get("/ok", name="picky", catch_response=True) as answer:
            answer.failure("no lamp in it")
        with self.client.get("/missing", name="content", catch_response=True) as answer:
            answer.success()

    @task
    def stumble(self):
        raise RuntimeError("out of lamps")


class Walker(FastHttpUser):
    @task
    class Through(SequentialTaskSet):
        @task
        def first(self):
            self.client.get("/ok/1", name="first")

        @task
        def second(self):
            self.client.post("/chunked", json={"a": 1}, name="second")

        @task
        def third(self):
            self.client.get("/half", name="third")
            self.interrupt()


class Slow(FastHttpUser):
    weight = 0

    @task
    def hang(self):
        self.client.get("/hang", name="hang")
        self.client.get("/ok", name="after")


class SlowToo(HttpUser):
    weight = 0

    @task
    def hang(self):
        self.client.get("/hang", name="hang")
        self.client.get("/ok", name="after")


class Endless(HttpUser):
    weight = 0

    @task
    def ask(self):
        while True:
            self.client.get("/hang", name="again")


class Sleeper(HttpUser):
    weight = 0

    @task
    def sleep(self):
        gevent.sleep(1000)


class Patient(FastHttpUser):
    weight = 0
    wait_time = between(0.15, 0.15)

    @task
    def one(self):
        self.client.get("/ok", name="one")
"""
