"""Owns what a request may want of the cache, and which answers may be kept. It reads no body and keeps nothing.

An answer is given again only where asking again would bring the same: complete, checked, of the model that was asked
for, and deterministic, which is temperature 0 unless somebody asked for the cache by name.
"""

from enum import StrEnum
from typing import Final

import msgspec

from headgate.domain.time import Seconds


class CacheMode(StrEnum):
    """How the cache takes part, where a request or its route says so. Nothing said: for deterministic requests."""

    ON = "on"
    OFF = "off"
    REFRESH = "refresh"
    ONLY = "only"


class CacheScope(StrEnum):
    """Who shares a cached answer."""

    USER = "user"
    TENANT = "tenant"
    SHARED = "shared"


class WhyNot(StrEnum):
    """Why an answer is not kept."""

    NO_ANSWER = "no_answer"
    NOT_UPSTREAM = "not_upstream"
    PARTIAL = "partial"
    CUT = "cut"
    STAND_IN = "stand_in"
    TOOL_CALLS = "tool_calls"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    VOIDED = "voided"


class Made(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer as the rules see it. `mended` is the reason that its label gives: how it was made, if it was.

    `cut_by_us`: its maximum was ours and not the client's. `calls_tools`: it calls a tool, or its model ran one.
    """

    is_answer: bool
    is_upstream: bool
    finish_reason: str
    mended: str
    model: str
    size_bytes: int
    cut_by_us: bool = False
    calls_tools: bool = False


COMPLETE: Final = frozenset({"stop", "tool_calls", "function_call", "length"})
"""How a whole answer ends; `length` only where the client's own maximum was reached, which asking again would not
change."""
HALF_MADE: Final = frozenset({"partial", "rescued", "cut"})
"""Answers of which we made more than the form."""


def takes_part(mode: CacheMode | None, *, deterministic: bool) -> bool:
    """Whether the cache has anything to do with a request."""
    return deterministic if mode is None else mode is not CacheMode.OFF


def looks_up(mode: CacheMode | None) -> bool:
    """Whether an answer from the cache will do, for a request that the cache takes part in."""
    return mode is not CacheMode.REFRESH


def why_not_kept(made: Made, models: tuple[str, ...], *, asked_for: bool, most_bytes: int) -> WhyNot | None:
    """None for an answer that may be kept under a key of these models. `asked_for`: the request or its route said `on`
    or `refresh`, so that answers which call tools are kept too."""
    if not made.is_answer:
        return WhyNot.NO_ANSWER
    if not made.is_upstream:
        return WhyNot.NOT_UPSTREAM
    if made.mended in HALF_MADE or made.finish_reason not in COMPLETE:
        return WhyNot.PARTIAL
    if made.finish_reason == "length" and made.cut_by_us:
        return WhyNot.CUT
    if made.model not in models:
        return WhyNot.STAND_IN
    if made.calls_tools and not asked_for:
        return WhyNot.TOOL_CALLS
    if made.size_bytes > most_bytes:
        return WhyNot.TOO_LARGE
    return None


def ttl_of(asked_s: int | None, longest_s: Seconds) -> Seconds:
    """How long an answer stays fresh: as long as the longest tier keeps it, or less where less was asked for."""
    return longest_s if asked_s is None else min(float(asked_s), longest_s)
