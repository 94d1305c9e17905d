"""Go's way of writing lengths of time, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.protocol.durations import LONGEST_TEXT, format_go_duration, parse_go_duration

WRITTEN = [
    # what live headers and bodies held (groq-api.md 2.2 and 2.3)
    ("562ms", 0.562),
    ("2.579s", 2.579),
    ("1m26.4s", 86.4),
    ("2m59.56s", 179.56),
    ("4h14m52.8s", 15292.8),
    ("11m0.528s", 660.528),
    ("0s", 0.0),
    ("3.179999999s", 3.179999999),
    ("1.482857142s", 1.482857142),
    # what Go writes at its borders
    ("1ns", 1e-9),
    ("1.5µs", 1.5e-6),
    ("999.999ms", 0.999999),
    ("1s", 1.0),
    ("59.999999999s", 59.999999999),
    ("1m0s", 60.0),
    ("1h0m0s", 3600.0),
    ("1h0m0.5s", 3600.5),
    ("24h0m0s", 86400.0),
]


@pytest.mark.parametrize("text, seconds", WRITTEN)
def test_a_length_go_wrote_is_read(text: str, seconds: float) -> None:
    """Every captured text gives its seconds."""
    assert parse_go_duration(text) == pytest.approx(seconds, abs=1e-12)


@pytest.mark.parametrize("text, seconds", WRITTEN)
def test_a_length_is_written_as_go_writes_it(text: str, seconds: float) -> None:
    """The same text comes out, unit choice and trailing zeros included."""
    assert format_go_duration(seconds) == text


def test_a_negative_length_is_written_with_its_sign() -> None:
    """Go puts the sign in front of the whole text."""
    assert format_go_duration(-61.5) == "-1m1.5s"


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("6m 11.52s", 371.52),
        (" 12s ", 12.0),
        ("12", 12.0),
        ("1.5", 1.5),
        ("7 s", 7.0),
        ("2us", 2e-6),
        ("2μs", 2e-6),
        ("1h", 3600.0),
        ("1s500ms", 1.5),
    ],
)
def test_a_careless_text_is_still_read(text: str, seconds: float) -> None:
    """Spaces, bare numbers and both letters mu are forgiven."""
    assert parse_go_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "s", "-5s", "-1", "+3s", "NaN", "nan", "inf", "1e9", "1_0s", "5s 3", "5 5s", "٣s", "12sec", "s12"),
        *("1s1h", "Fri, 20 Nov 2026 12:00:00 GMT", "9" * 400 + "s", " " * LONGEST_TEXT + "x"),
    ],
)
def test_a_text_that_is_no_length_is_none(text: str) -> None:
    """Signs, words, infinities, foreign digits and garbage are not guessed at."""
    assert parse_go_duration(text) is None


@given(st.text(max_size=60) | st.from_regex(r"[0-9hmsnµ. ]{0,40}", fullmatch=True))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    """Any text gives None or a finite number of seconds from 0."""
    seconds = parse_go_duration(text)
    assert seconds is None or 0 <= seconds < float("inf")


@given(st.integers(min_value=0, max_value=86_400 * 10**9))
def test_what_is_written_is_read_back(nanoseconds: int) -> None:
    """Up to a day no nanosecond is lost."""
    seconds = nanoseconds / 1e9
    assert round((parse_go_duration(format_go_duration(seconds)) or 0.0) * 1e9) == nanoseconds
