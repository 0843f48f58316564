"""What disturbs a block, what ends a run, and what only a faulty app does: rule by rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from verdict_series import ILL, P50, WELL, Story, make_plan, story

from lab.model.load import SAMPLE, BlockLoad, BlockOrder, Failure, GeneratorChecks
from lab.model.run import Block
from lab.model.scenario import Request, Stage
from lab.runner.validity import Surroundings, around, breaches, connections_for, fatal, peak_rate
from lab.verdict import judge

CLEAN = GeneratorChecks(
    asked=1000, sent=1000, answered=1000, schedule_error_p50_s=0.0, schedule_error_p99_s=0.0,
    cpu_share_max=0.1, idle_connections=True, achieved=1.0, cpu_s=0.05, queued=0, retried=0,
    recorded=1000, counted=1000,
)  # fmt: skip
CALM = Surroundings(
    schedule_error_s=0.0, overshoot_s=0.0, steal=0.0, healthy_p50_s=0.005, most_waiting=400, p99_s=0.1
)


def rules(checks: dict[str, Any] | None = None, **beside: float) -> tuple[str, ...]:
    found = breaches(replace(CLEAN, **(checks or {})), replace(CALM, **beside))
    return tuple(rule for rule, _ in found)


def test_a_clean_block_breaks_no_rule() -> None:
    assert rules() == ()


@pytest.mark.parametrize(
    ("rule", "checks", "beside"),
    [
        ("stall", {}, {"overshoot_s": 0.21}),
        ("steal", {}, {"steal": 0.06}),
        ("others", {}, {"others": 0.16}),
        ("cpu", {"cpu_share_max": 0.71}, {}),
        ("late", {}, {"schedule_error_s": 0.003}),
        ("unsent", {"achieved": 0.99}, {}),
        ("connections", {"queued": 2, "idle_connections": False}, {"most_waiting": 513}),
        ("own-delay", {"own_delay_p99_s": 0.011}, {}),
        ("dropped", {}, {"dropped": 2}),
        ("sums", {"counted": 999}, {}),
        ("workers", {"workers": 2, "workers_lost": 1}, {}),
    ],
)
def test_each_breach_is_found_by_its_own_rule(
    rule: str, checks: dict[str, Any], beside: dict[str, float]
) -> None:
    assert rules(checks, **beside) == (rule,)


@pytest.mark.parametrize(
    ("checks", "beside"),
    [
        ({"queued": 900, "idle_connections": False}, {"most_waiting": 512}),
        ({"queued": 1, "idle_connections": False}, {"most_waiting": 513}),
        ({"queued": 900, "idle_connections": False, "achieved": 0.2}, {"schedule_error_s": 1.9}),
        ({"own_delay_p99_s": 0.9, "queued": 900, "idle_connections": False}, {}),
        ({"own_delay_p99_s": 0.0099}, {}),
        ({"own_delay_p99_s": 0.0019}, {"p99_s": 0.001}),
        ({"workers": 2}, {}),
        ({}, {"dropped": 1}),
    ],
    ids=[
        "the app holds every connection that can be needed",
        "one request in a thousand waited",
        "all wait for the app, so all are late",
        "waiting for the app is no delay of the generator",
        "below a tenth of what is measured",
        "below the lateness that is allowed",
        "all workers came back",
        "one request in a thousand was dropped",
    ],
)
def test_what_the_app_did_or_what_changes_nothing_is_no_breach(
    checks: dict[str, Any], beside: dict[str, float]
) -> None:
    assert rules(checks, **beside) == ()


def test_closed_load_is_never_late_nor_short() -> None:
    short: dict[str, Any] = {"achieved": 0.1, "own_delay_p99_s": 1.0, "queued": 500}
    assert len(rules(short, schedule_error_s=1.0, most_waiting=9999)) == 4
    assert rules({**short, "executor": "closed"}, schedule_error_s=1.0, most_waiting=9999) == ()
    assert rules({**short, "executor": "closed", "cpu_share_max": 0.9}) == ("cpu",)


def test_every_reason_has_its_number() -> None:
    (said,) = (said for _, said in breaches(replace(CLEAN, queued=40), replace(CALM, most_waiting=1000)))
    assert said == "40 of 1000 requests waited for one of 512 connections, 1000 can be needed"


@pytest.mark.parametrize(
    ("peak", "timeout_s", "connections"),
    [(0.0, 2.0, 512), (100, 2.0, 512), (1000, 2.0, 2500), (333, 1.7, 708), (20_000, 2.0, 8192)],
)
def test_connections_suffice_for_all_that_can_wait_within_bounds(
    peak: float, timeout_s: float, connections: int
) -> None:
    assert connections_for(peak, timeout_s) == connections


def test_the_peak_is_the_highest_end_of_any_stage() -> None:
    assert (
        peak_rate((Stage(rate=10, length=1), Stage(rate=10, to=50, length=1), Stage(rate=0, length=1))) == 50
    )
    assert peak_rate(()) == 0


def order(*stages: Stage) -> BlockOrder:
    return BlockOrder(
        n=1, url="http://127.0.0.1:1", start_ns=0, stages=stages, arrivals="constant", seed=1, timeout_s=2.0,
        requests=(Request(name="page", get="/"),), samples=Path("1.npy"),
    )  # fmt: skip


def test_surroundings_are_read_from_order_and_samples() -> None:
    samples = np.zeros(100, SAMPLE)
    samples["sent_ns"] = samples["due_ns"] + 1_000_000
    samples["done_ns"] = samples["due_ns"] + 50_000_000
    samples["error"][:3] = Failure.LOCAL
    samples["error"][3:9] = Failure.RESET
    load = BlockLoad(n=1, samples=samples, names=("page",), checks=CLEAN, schedule_sha256="")
    beside = around(
        order(Stage(rate=100, to=300, length=1)), load, overshoot_s=0.1, steal=0.0, healthy_p50_s=0.0
    )
    assert (beside.most_waiting, beside.dropped, beside.overshoot_s) == (600, 3, 0.1)
    assert beside.p99_s == pytest.approx(0.05)
    assert beside.schedule_error_s == pytest.approx(0.001)


def test_an_empty_block_has_surroundings_too() -> None:
    load = BlockLoad(n=1, samples=np.zeros(0, SAMPLE), names=(), checks=CLEAN, schedule_sha256="")
    assert around(order(), load, overshoot_s=0.0, steal=0.0, healthy_p50_s=0.0).p99_s == 0


def test_a_lost_worker_is_fatal_and_nothing_else_is() -> None:
    assert fatal(replace(CLEAN, cpu_share_max=1.0, achieved=0.1)) == ""
    assert fatal(replace(CLEAN, workers=2, workers_lost=1)) == (
        "1 of 2 load workers was lost in the middle of a block"
    )


def changed(block: Block, **changes: Any) -> Block:
    return replace(block, **changes)


def resolved() -> Story:
    return (
        story(P50, placebo=True)
        .strata(2, healthy=WELL, problem=ILL, placebo=ILL, fix=WELL)
        .tail("fix", 11, WELL)
    )


@pytest.mark.parametrize("phase", ["slot", "tail", "closing"])
def test_a_block_that_broke_the_generator_voids_every_verdict(phase: Any) -> None:
    told = resolved()
    assert told.verdict().state == "resolved"
    told.blocks[-1] = changed(told.blocks[-1], phase=phase, void="1 of 2 load workers was lost")
    judgement = told.judge()
    assert {(v.state, v.reason_code) for v in judgement.verdicts} == {("void", "generator-lost")}
    assert judgement.void == (
        f"1 of 2 load workers was lost (block {told.blocks[-1].n}, arm fix), so no verdict of this run counts"
    )
    assert (judgement.open, judgement.tail) == ((), ())


def disturb(told: Story, number: int, *broken: str) -> Story:
    for i in range(number):
        told.blocks[i] = changed(told.blocks[i], disturbed=True, reasons=("why",) * len(broken), rules=broken)
    return told


def test_a_disturbed_run_names_what_disturbed_most_and_what_to_do() -> None:
    told = disturb(disturb(resolved(), 12, "cpu"), 3, "stall", "late")
    assert told.judge().void == (
        "the machine or the load generator disturbed 12 of 24 slots (50 %, at most 33 % allowed), so no verdict is"
        " possible; most often the generator used up its core (9 of 12): lower the rate, or share it between"
        " processes with --workers"
    )


def test_of_equally_common_disturbances_the_machines_own_is_named() -> None:
    told = disturb(resolved(), 12, "late", "stall")
    assert "most often the machine stood still (12 of 12)" in (told.judge().void or "")


def test_an_old_record_without_rules_still_says_that_it_was_disturbed() -> None:
    assert (disturb(resolved(), 12).judge().void or "").endswith("so no verdict is possible")


@pytest.mark.parametrize(("share", "void"), [(None, False), (0.6, False), (0.61, True)])
def test_a_plan_above_60_percent_of_the_ceiling_gets_no_verdict(share: float | None, void: bool) -> None:
    told = resolved()
    judgement = judge(told.plan, told.blocks, share)
    assert {v.reason_code == "generator-saturated" for v in judgement.verdicts} == {void}
    assert bool(judgement.void) is void


def test_closed_load_carries_a_warning() -> None:
    plan = make_plan(P50)
    closed = replace(plan, block=replace(plan.block, users=10, rate=0.0))
    (warning,) = Story(closed).judge().warnings
    assert warning.startswith("closed load: 10 users each waited")
    assert Story(plan).judge().warnings == ()
