"""Limit headers of replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.limits import SeenLimits
from headgate.protocol.limits import read_limit_headers, read_retry_after

SIX = {
    "content-type": "application/json",
    "x-ratelimit-limit-requests": "1000",
    "x-ratelimit-limit-tokens": "8000",
    "x-ratelimit-remaining-requests": "823",
    "x-ratelimit-remaining-tokens": "7656",
    "x-ratelimit-reset-requests": "4h14m52.8s",
    "x-ratelimit-reset-tokens": "2.579s",
}
NAMES = [
    *SIX,
    "retry-after",
    "retry-after-ms",
    "x-ratelimit-limit-audio-seconds",
    "x-ratelimit-remaining-audio-seconds",
]


def test_the_six_headers_of_a_groq_reply_are_read() -> None:
    """Requests and tokens, each with limit and rest; the time until full says no more while something is left."""
    assert read_limit_headers(SIX) == SeenLimits(1000, 823, None, 8000, 7656, None)


def test_the_resets_are_read_where_nothing_is_left() -> None:
    """Each for itself: what is exhausted has its time until full."""
    spent = {**SIX, "x-ratelimit-remaining-requests": "0"}
    assert read_limit_headers(spent) == SeenLimits(1000, 0, 15292.8, 8000, 7656, None)
    spent = {**SIX, "x-ratelimit-remaining-tokens": "0"}
    assert read_limit_headers(spent) == SeenLimits(1000, 823, None, 8000, 0, 2.579)


def test_audio_headers_and_the_wait_of_a_refusal_are_read() -> None:
    """Audio seconds count whole; retry-after is in seconds."""
    headers = {
        "x-ratelimit-limit-audio-seconds": "7200",
        "x-ratelimit-remaining-audio-seconds": "7199.8",
        "retry-after": "35",
    }
    assert read_limit_headers(headers) == SeenLimits(limit_audio_s=7200, remaining_audio_s=7199, retry_after_s=35.0)


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/html"}, {"x-ratelimit-limit-tokens": "many"}])
def test_a_reply_without_a_readable_limit_says_nothing(headers: dict[str, str]) -> None:
    """Absent and unreadable are the same: None."""
    assert read_limit_headers(headers) is None


@pytest.mark.parametrize("text", ["-1", "NaN", "inf", "8_000", "٨", "", "0x10", "9" * 40])
def test_an_unreadable_count_hides_only_itself(text: str) -> None:
    """The other headers of the reply still count."""
    seen = read_limit_headers({**SIX, "x-ratelimit-remaining-tokens": text})
    assert seen is not None
    assert (seen.remaining_tokens, seen.limit_tokens, seen.remaining_requests) == (None, 8000, 823)


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("2", 2.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("1000000000000", 86400.0),
        ("-3", None),
        ("NaN", None),
        ("inf", None),
        ("12s", None),
        ("3, 5", None),
        ("", None),
        ("Fri, 20 Nov 2026 12:00:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_nothing(text: str, seconds: float | None) -> None:
    """At most a day; what is no number of seconds is left to a guess, not to chance."""
    assert read_retry_after({"retry-after": text}) == seconds


def test_milliseconds_win_over_seconds() -> None:
    """The finer header is the one both SDKs believe first; an unreadable one falls back."""
    assert read_retry_after({"retry-after-ms": "250", "retry-after": "1"}) == 0.25
    assert read_retry_after({"retry-after-ms": "soon", "retry-after": "1"}) == 1.0


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30)))
def test_no_header_makes_the_reader_fail(headers: dict[str, str]) -> None:
    """Whatever a provider writes, every number that comes out is within its bounds."""
    seen = read_limit_headers(headers)
    if seen is not None:
        assert all(value is None or 0 <= value <= 10**12 for value in _values(seen))


def _values(seen: SeenLimits) -> list[float | None]:
    assert seen.others == (), "Groq shows no others"
    return [getattr(seen, name) for name in SeenLimits.__struct_fields__ if name != "others"]
