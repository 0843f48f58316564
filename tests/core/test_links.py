"""Where a link stands: before the services that a fault acts on over the network, and nowhere else."""

from __future__ import annotations

import pytest
from scenario_text import FAULTS, WHOLE, only

from lab.catalog import kinds, load_scenario
from lab.errors import LabError
from lab.plan import linked_services
from lab.scenario import parse

LATENCY = "{kind: latency, link: redis, delay: 20ms}"
DOWN = "{kind: link-down, link: postgres}"


def linked(*faults: str, more: str = "") -> frozenset[str]:
    text = WHOLE.replace(FAULTS, f"faults: [{', '.join(faults)}]\n")
    return linked_services(parse(text + more, kinds(), "linked.yaml"))


def test_a_link_stands_before_each_service_that_a_fault_names() -> None:
    assert linked(LATENCY) == {"redis"}
    assert linked(LATENCY, DOWN, LATENCY.replace("20ms", "20ms, stream: upstream")) == {"redis", "postgres"}


def test_without_such_a_fault_nothing_stands_in_the_way() -> None:
    assert linked("{kind: kill, service: redis}") == frozenset()
    assert linked_services(load_scenario("missing-index")) == frozenset()


def test_a_link_to_what_is_not_there_is_refused() -> None:
    with pytest.raises(LabError, match="latency has no link to act on") as caught:
        linked(LATENCY, more="stack: {services: [postgres]}\n")
    assert "has no redis" in caught.value.why


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("{kind: latency, link: app, delay: 20ms}", "redis"),
        ("{kind: latency, link: redis}", "delay"),
        ("{kind: bandwidth, link: redis, rate: 10}", "has no unit"),
        ("{kind: limit-data, link: redis, bytes: 5B}", "from 2KB"),
    ],
)
def test_a_wrong_attribute_is_told_at_its_place(fault: str, words: str) -> None:
    problem = only(WHOLE.replace(FAULTS, f"faults: [{fault}]\n"))
    assert problem.line == WHOLE[: WHOLE.index(FAULTS)].count("\n") + 1
    assert words in problem.message
