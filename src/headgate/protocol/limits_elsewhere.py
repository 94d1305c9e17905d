"""Limit headers of providers other than Groq, to buckets that say which dimension they are of. Nothing is guessed.

The same header means another window elsewhere: Groq's `requests` is the day, OpenAI's is the minute for most accounts
and the day for some. What the numbers do not prove is not claimed: a wrong dimension would starve or flood a bucket.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Final

from headgate.domain.limits import DAY_S, MINUTE_S, Dimension, SeenBucket, SeenLimits
from headgate.domain.time import Seconds
from headgate.protocol.durations import parse_go_duration
from headgate.protocol.limits import LONGEST_WAIT_S, read_retry_after

AGREES_WITHIN: Final = 0.2
"""How far the window that the numbers show may lie from a minute or a day, as a share of it."""

_LARGEST: Final = 10**12
_MOST_DIGITS: Final = 13


def openai_buckets(headers: Mapping[str, str]) -> tuple[SeenBucket, ...]:
    """What OpenAI's headers show (groq-api.md 13, read 2026-11-20).

    Tokens are the minute's; a project's own limit stands beside the organisation's and the tighter one counts. The
    window of the requests is what reset × limit ÷ used gives, and without use there is nothing to tell it by.
    """
    tokens = _pair(headers, "tokens")
    project = _pair(headers, "project-tokens")
    if project is not None and (tokens is None or (project[1] or 0) < (tokens[1] or 0)):
        tokens = project
    found = []
    if tokens is not None:
        found.append(_bucket(Dimension.TPM, *tokens))
    if (requests := _pair(headers, "requests")) is not None:
        found += _requests(*requests)
    return tuple(found)


def proven_buckets(headers: Mapping[str, str]) -> tuple[SeenBucket, ...]:
    """The same names from a server that nobody knows: only what its own numbers prove."""
    found = []
    if (tokens := _pair(headers, "tokens")) is not None and _window_s(*tokens) == MINUTE_S:
        found.append(_bucket(Dimension.TPM, *tokens))
    if (requests := _pair(headers, "requests")) is not None:
        found += _requests(*requests)
    return tuple(found)


def mistral_buckets(headers: Mapping[str, str]) -> tuple[SeenBucket, ...]:
    """What Mistral's headers show: they name their window. The month's tokens are no dimension of ours.

    Both the names of 2026 and those of 2025 (`ratelimitbysize-*`, tokens per minute) are read.
    """
    found = []
    tokens = _counts(headers, "x-ratelimit-limit-tokens-minute", "x-ratelimit-remaining-tokens-minute")
    for former in ("", "x-"):
        suffix = "-minute" if former else ""
        tokens = tokens or _counts(
            headers, f"{former}ratelimitbysize-limit{suffix}", f"{former}ratelimitbysize-remaining{suffix}"
        )
    if tokens is not None:
        reset_s = _number(headers.get("ratelimitbysize-reset"))
        found.append(_bucket(Dimension.TPM, *tokens, None if reset_s is None else float(reset_s)))
    requests = _counts(headers, "x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute")
    if requests is not None:
        found.append(_bucket(Dimension.RPM, *requests, None))
    return tuple(found)


def no_buckets(_headers: Mapping[str, str]) -> tuple[SeenBucket, ...]:
    """Providers whose headers say nothing about limits (Gemini, OpenRouter)."""
    return ()


def seen_limits(buckets: Iterable[SeenBucket], headers: Mapping[str, str]) -> SeenLimits | None:
    """These buckets as `SeenLimits`: its requests are a day's and its tokens a minute's, the rest stands beside."""
    by_dimension = {bucket.dimension: bucket for bucket in buckets}
    requests = by_dimension.pop(Dimension.RPD, _UNSEEN)
    tokens = by_dimension.pop(Dimension.TPM, _UNSEEN)
    seen = SeenLimits(
        limit_requests=requests.limit,
        remaining_requests=requests.remaining,
        reset_requests_s=requests.reset_s,
        limit_tokens=tokens.limit,
        remaining_tokens=tokens.remaining,
        reset_tokens_s=tokens.reset_s,
        retry_after_s=read_retry_after(headers),
        others=tuple(by_dimension.values()),
    )
    return None if seen == _NOTHING_SEEN else seen


def _pair(headers: Mapping[str, str], name: str) -> tuple[int | None, int | None, Seconds | None] | None:
    """Limit, remaining and reset of OpenAI's naming; None where neither count is readable."""
    counts = _counts(headers, f"x-ratelimit-limit-{name}", f"x-ratelimit-remaining-{name}")
    if counts is None:
        return None
    reset = headers.get(f"x-ratelimit-reset-{name}")
    return (*counts, parse_go_duration(reset) if reset else None)


def _counts(headers: Mapping[str, str], limit: str, remaining: str) -> tuple[int | None, int | None] | None:
    found = _number(headers.get(limit)), _number(headers.get(remaining))
    return None if found == (None, None) else found


def _requests(limit: int | None, remaining: int | None, reset_s: Seconds | None) -> list[SeenBucket]:
    window_s = _window_s(limit, remaining, reset_s)
    if window_s is None:
        return []
    dimension = Dimension.RPM if window_s == MINUTE_S else Dimension.RPD
    return [_bucket(dimension, limit, remaining, reset_s)]


def _window_s(limit: int | None, remaining: int | None, reset_s: Seconds | None) -> Seconds | None:
    """A minute or a day, where the time until the bucket is full again proves it: what is used drains at
    limit ÷ window."""
    if limit is None or remaining is None or not reset_s or not 0 <= remaining < limit:
        return None
    shown_s = reset_s * limit / (limit - remaining)
    return next((each for each in (MINUTE_S, DAY_S) if abs(shown_s - each) <= AGREES_WITHIN * each), None)


def _bucket(dimension: Dimension, limit: int | None, remaining: int | None, reset_s: Seconds | None) -> SeenBucket:
    spent = remaining == 0 and reset_s is not None
    return SeenBucket(dimension, limit, remaining, min(reset_s, LONGEST_WAIT_S) if spent and reset_s else None)


def _number(text: str | None) -> int | None:
    """A whole number from 0; a fraction is cut off."""
    if text is None or len(text) > _MOST_DIGITS or not text.isascii() or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return int(value) if isfinite(value) and 0 <= value <= _LARGEST else None


_UNSEEN: Final = SeenBucket(Dimension.RPD)
_NOTHING_SEEN: Final = SeenLimits()
