"""Limit headers to `SeenLimits`: what a reply says about two buckets and about waiting.

Runs for every reply, so it looks up eleven names and parses only what is there. Nothing a provider writes makes it
raise: an unreadable value counts as absent.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Final

from headgate.domain.limits import DAY_S, SeenLimits
from headgate.domain.time import Seconds
from headgate.protocol.durations import parse_go_duration

LONGEST_WAIT_S: Final = DAY_S
"""No announced wait counts for more than a day: the longest window any provider meters."""

_LARGEST: Final = 10**12
_MOST_DIGITS: Final = 12


def read_limit_headers(headers: Mapping[str, str]) -> SeenLimits | None:
    """What the headers show (names in lower case), or None where no limit header is readable.

    Groq: `requests` is always the day and `tokens` always the minute; RPM, TPD, ITPM, OTPM and ASD have no header
    (groq-api.md 2.2, read 2026-11-20). A reset is read only where nothing remains: else it says what the others say.
    """
    get = headers.get
    limit_requests = get("x-ratelimit-limit-requests")
    limit_tokens = get("x-ratelimit-limit-tokens")
    limit_audio = get("x-ratelimit-limit-audio-seconds")
    remaining_requests = get("x-ratelimit-remaining-requests")
    remaining_tokens = get("x-ratelimit-remaining-tokens")
    remaining_audio = get("x-ratelimit-remaining-audio-seconds")
    seen = SeenLimits(
        _stated(limit_requests) if limit_requests else None,
        _count(remaining_requests) if remaining_requests else None,
        _wait(get("x-ratelimit-reset-requests")) if remaining_requests == "0" else None,
        _stated(limit_tokens) if limit_tokens else None,
        _count(remaining_tokens) if remaining_tokens else None,
        _wait(get("x-ratelimit-reset-tokens")) if remaining_tokens == "0" else None,
        _stated(limit_audio) if limit_audio else None,
        _count(remaining_audio) if remaining_audio else None,
        read_retry_after(headers) if "retry-after" in headers or "retry-after-ms" in headers else None,
    )
    return None if seen.remaining_tokens is None and seen == _NOTHING_SEEN else seen


def read_retry_after(headers: Mapping[str, str]) -> Seconds | None:
    """The announced wait, 0 to a day; None where it is absent, no number (an HTTP date, `12s`, `3, 5`) or below 0."""
    in_ms = headers.get("retry-after-ms")
    if in_ms is not None and (value := _number(in_ms)) is not None:
        return min(value / 1000, LONGEST_WAIT_S)
    in_s = headers.get("retry-after")
    if in_s is not None and (value := _number(in_s)) is not None:
        return min(value, LONGEST_WAIT_S)
    return None


def _count(text: str) -> int | None:
    """A whole number from 0; a fraction is cut off (audio seconds)."""
    if text.isdigit() and text.isascii() and len(text) <= _MOST_DIGITS:
        return int(text)
    value = _number(text)
    return int(value) if value is not None and value <= _LARGEST else None


_stated: Final = lru_cache(maxsize=256)(_count)
"""Limits are the same in every reply; what remains of them is not."""


def _wait(text: str | None) -> Seconds | None:
    seconds = parse_go_duration(text) if text else None
    return None if seconds is None else min(seconds, LONGEST_WAIT_S)


def _number(text: str) -> float | None:
    if "_" in text or not text.isascii():
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value >= 0 and isfinite(value) else None


_NOTHING_SEEN: Final = SeenLimits()
