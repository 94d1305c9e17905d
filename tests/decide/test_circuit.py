"""Circuits open on bad health, let one probe through, and close again; repeats stay within their budget."""

import random

from hypothesis import given
from hypothesis import strategies as st

from headgate.decide.circuit import IN_A_ROW, LONGEST_OPEN_S, Circuit, RepeatBudget


def opened(at: float = 100.0) -> tuple[Circuit, random.Random]:
    circuit, dice = Circuit(), random.Random(1)
    for n in range(IN_A_ROW):
        circuit.ended(f"call-{n}", False, at, dice)
    return circuit, dice


def test_a_fresh_circuit() -> None:
    """It is closed and lets calls through."""
    circuit = Circuit()
    assert circuit.is_closed
    assert circuit.may_call(0.0)


def test_five_failures_in_a_row() -> None:
    """They open it for about five seconds."""
    circuit, _ = opened()
    assert not circuit.may_call(103.9)
    assert circuit.may_call(106.1)


def test_half_of_ten_calls_failed() -> None:
    """Half is enough; a little less than half is not, nor are nine calls."""
    for failures, calls, opens in ((5, 10, True), (4, 10, False), (5, 9, False)):
        circuit, dice = Circuit(), random.Random(1)
        for n in range(calls - failures):
            circuit.ended(f"ok-{n}", True, 1.0, dice)
        for n in range(failures):
            if n % 4 == 3:
                circuit.failed_in_a_row = 0
            circuit.ended(f"bad-{n}", False, 1.0, dice)
        assert circuit.is_closed is not opens, (failures, calls)


def test_old_failures_are_forgotten() -> None:
    """What is older than the window no longer counts."""
    circuit, dice = Circuit(), random.Random(1)
    for n in range(4):
        circuit.ended(f"bad-{n}", False, 0.0, dice)
    circuit.ended("ok", True, 40.0, dice)
    for n in range(4):
        circuit.ended(f"worse-{n}", False, 41.0, dice)
    assert circuit.is_closed


def test_half_open() -> None:
    """One probe goes through and nobody else; its success closes the circuit, its failure doubles the wait."""
    circuit, dice = opened()
    now = circuit.open_until
    circuit.started("probe", now)
    assert not circuit.may_call(now)
    assert circuit.ended("probe", False, now, dice)
    assert circuit.open_s == 10.0
    now = circuit.open_until
    circuit.started("second", now)
    circuit.ended("second", True, now, dice)
    assert circuit.is_closed


def test_stragglers() -> None:
    """The end of a call from before the circuit opened neither closes nor reopens it."""
    circuit, dice = opened()
    before = circuit.open_until
    circuit.ended("old", False, 101.0, dice)
    assert circuit.open_until == before
    circuit.ended("older", True, 101.0, dice)
    assert not circuit.is_closed


def test_a_probe_without_a_verdict() -> None:
    """A probe that ended in a quota error leaves the next call free to probe."""
    circuit, dice = opened()
    now = circuit.open_until
    circuit.started("probe", now)
    circuit.ended("probe", None, now, dice)
    assert circuit.may_call(now)


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=60), st.randoms())
def test_any_history(history: list[tuple[float, bool]], dice: random.Random) -> None:
    """However it went, the wait is bounded and a healthy target is closed again by its next probe."""
    circuit, now = Circuit(), 0.0
    for n, (gap, ok) in enumerate(history):
        now += gap
        if circuit.may_call(now):
            circuit.started(f"c{n}", now)
            circuit.ended(f"c{n}", ok, now, dice)
    assert circuit.open_until - now <= LONGEST_OPEN_S * 1.2
    later = max(now, circuit.open_until)
    assert circuit.may_call(later)
    circuit.started("last", later)
    circuit.ended("last", True, later, dice)
    assert circuit.is_closed


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=200))
def test_repeats_within_ten_seconds(steps: list[tuple[float, bool]]) -> None:
    """At every repeat that the budget allowed, repeats of the last 10 s are at most 20 % of its calls, or 3."""
    budget, now = RepeatBudget(), 0.0
    calls: list[tuple[float, bool]] = []
    for gap, wants in steps:
        now += gap
        repeat = wants and budget.allows(now)
        budget.note(repeat, now)
        calls.append((now, repeat))
        recent = [is_repeat for at, is_repeat in calls if at > now - 10.0]
        if repeat:
            assert sum(recent) <= max(3, 0.2 * len(recent))
