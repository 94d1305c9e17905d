"""Which requests the cache takes part in, and which answers are kept."""

from typing import Any

import pytest

from headgate.cache.marks import ALL, MOST_MARKS, Kind, Marks, mark_of, marks_of
from headgate.cache.rules import CacheMode, Made, WhyNot, looks_up, takes_part, ttl_of, why_not_kept

GOOD = {
    "is_answer": True, "is_upstream": True, "finish_reason": "stop", "mended": "", "model": "m", "size_bytes": 100,
}  # fmt: skip


def verdict(*, asked_for: bool = False, **made: Any) -> WhyNot | None:
    return why_not_kept(Made(**{**GOOD, **made}), ("m",), asked_for=asked_for, most_bytes=1000)


@pytest.mark.parametrize(
    "made, why",
    [
        ({}, None),
        ({"is_answer": False}, WhyNot.NO_ANSWER),
        ({"is_upstream": False}, WhyNot.NOT_UPSTREAM),
        ({"mended": "partial"}, WhyNot.PARTIAL),
        ({"mended": "cut"}, WhyNot.PARTIAL),
        ({"mended": "rescued"}, WhyNot.PARTIAL),
        ({"mended": "mended"}, None),
        ({"mended": "requests_per_minute"}, None),
        ({"finish_reason": "content_filter"}, WhyNot.PARTIAL),
        ({"finish_reason": ""}, WhyNot.PARTIAL),
        ({"finish_reason": "length"}, None),
        ({"finish_reason": "length", "cut_by_us": True}, WhyNot.CUT),
        ({"model": "other"}, WhyNot.STAND_IN),
        ({"finish_reason": "tool_calls", "calls_tools": True}, WhyNot.TOOL_CALLS),
        ({"calls_tools": True}, WhyNot.TOOL_CALLS),
        ({"size_bytes": 1001}, WhyNot.TOO_LARGE),
    ],
)
def test_only_whole_answers_are_kept(made: dict[str, Any], why: WhyNot | None) -> None:
    """Each rule by itself."""
    assert verdict(**made) is why


def test_tool_calls_are_kept_where_they_are_asked_for() -> None:
    """And nothing else that is not kept otherwise."""
    assert verdict(asked_for=True, finish_reason="tool_calls", calls_tools=True) is None
    assert verdict(asked_for=True, is_upstream=False) is WhyNot.NOT_UPSTREAM


@pytest.mark.parametrize(
    "mode, deterministic, part, looks",
    [
        (None, True, True, True),
        (None, False, False, True),
        (CacheMode.ON, False, True, True),
        (CacheMode.OFF, True, False, True),
        (CacheMode.REFRESH, False, True, False),
        (CacheMode.ONLY, False, True, True),
    ],
)
def test_modes(mode: CacheMode | None, *, deterministic: bool, part: bool, looks: bool) -> None:
    """Without a word it is temperature 0 that decides."""
    assert takes_part(mode, deterministic=deterministic) is part
    if part:
        assert looks_up(mode) is looks


def test_asked_time_is_a_bound() -> None:
    """A request can shorten the time of its answer and not stretch it beyond what the tiers allow."""
    assert ttl_of(None, 600.0) == 600.0
    assert ttl_of(60, 600.0) == 60.0
    assert ttl_of(86_400, 600.0) == 600.0


def test_marks_only_move_forward() -> None:
    """An older invalidation changes nothing."""
    marks = Marks()
    assert marks.void("tag:a", 10.0)
    assert not marks.void("tag:a", 9.0)
    assert not marks.absorb({"tag:a": 10.0})
    assert marks.generation == 1
    assert marks.is_void(("tag:a",), 9.9)
    assert not marks.is_void(("tag:a",), 10.0)
    assert not marks.is_void(("tag:b",), 0.0)
    marks.void(ALL, 20.0)
    assert marks.is_void((), 19.0)


def test_too_many_marks_void_more_and_never_less() -> None:
    """The number that is remembered is bounded."""
    marks = Marks()
    for number in range(MOST_MARKS + 1):
        marks.void(f"tag:{number}", 100.0 + number)
    assert len(marks.before) <= MOST_MARKS
    assert all(marks.is_void((f"tag:{number}",), 99.0 + number) for number in range(MOST_MARKS + 1))


def test_old_marks_are_forgotten_when_nothing_can_be_older() -> None:
    """What they make void is gone by then."""
    marks = Marks()
    marks.void("tag:a", 100.0)
    marks.prune(100.0)
    assert marks.before
    marks.prune(101.0)
    assert not marks.before
    assert not marks.absorb({"tag:a": 100.0}, 101.0), "what is forgotten is no news, however often it is told"
    assert marks.absorb({"tag:a": 101.0}, 101.0)


def test_entries_bear_what_they_can_be_forgotten_by() -> None:
    """Tenant, model and tags; a single key needs no mark."""
    bears = marks_of("acme", "m", ("prices",))
    assert bears == ("tenant:acme", "model:m", "tag:prices")
    assert {mark_of(Kind.TENANT, "acme"), mark_of(Kind.MODEL, "m"), mark_of(Kind.TAG, "prices")} == set(bears)
