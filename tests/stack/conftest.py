"""A link for the tests that want one, and a proxy through it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from link_under_test import Echo

from lab.link.client import LinkClient, LinkedProxy
from lab.link.process import Link


@pytest.fixture(scope="module")
def link() -> Iterator[Link]:
    link = Link.start(1, lambda _what: None)
    yield link
    link.close()


@pytest.fixture
def client(link: Link) -> Iterator[LinkClient]:
    yield link.client
    for name in link.client.proxies():
        link.client.delete(name)


@pytest.fixture
def echo() -> Iterator[Echo]:
    with closing(Echo()) as echo:
        yield echo


@pytest.fixture
def proxy(client: LinkClient, echo: Echo) -> LinkedProxy:
    return client.create("echo", echo.address)
