"""The `usage` object of a reply, believed only within bounds.

A number that cannot be true (negative, a fraction, text, beyond ten million, more cached than prompted) makes the whole
usage unknown, so that the reservation is settled in full: wrong usage is never a credit (fault 38).
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.domain.answer import Usage
from headgate.domain.time import Seconds

MAX_USAGE_TOKENS: Final = 10_000_000
_LONGEST_S: Final = 86400.0

_Tokens = Annotated[int, Meta(ge=0, le=MAX_USAGE_TOKENS)]
_Time = Annotated[float, Meta(ge=0, le=_LONGEST_S)]


class _PromptDetails(Struct, gc=False):
    cached_tokens: _Tokens | None = None


class _CompletionDetails(Struct, gc=False):
    reasoning_tokens: _Tokens | None = None


class _Counts(Struct, gc=False):
    prompt_tokens: Annotated[int, Meta(ge=1, le=MAX_USAGE_TOKENS)]
    completion_tokens: _Tokens = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class UsageTold(_Counts, gc=False):
    """A `usage` object in which every value can be true by itself. Times are in seconds."""

    queue_time: _Time | None = None
    prompt_time: _Time | None = None
    completion_time: _Time | None = None


class _UsageOfAnyTimes(_Counts, gc=False):
    queue_time: object = None
    prompt_time: object = None
    completion_time: object = None


_decode: Final = msgspec.json.Decoder(UsageTold).decode
_decode_any_times: Final = msgspec.json.Decoder(_UsageOfAnyTimes).decode


def usage_of(raw: Raw | bytes) -> Usage | None:
    """What a `usage` value says, or None where it is absent or cannot be true. Never raises."""
    try:
        return believed(_decode(raw))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _usage_of_any_times(raw)


def believed(told: UsageTold) -> Usage | None:
    """The usage, or None where its values contradict each other."""
    prompt, completion = told.prompt_tokens_details, told.completion_tokens_details
    cached = (prompt.cached_tokens or 0) if prompt is not None else 0
    if cached > told.prompt_tokens:
        return None
    return Usage(
        told.prompt_tokens,
        told.completion_tokens,
        cached,
        (completion.reasoning_tokens or 0) if completion is not None else 0,
        told.queue_time,
        told.prompt_time,
        told.completion_time,
    )


def _usage_of_any_times(raw: Raw | bytes) -> Usage | None:
    """Times only inform; a wrong one is left out without doubting the tokens."""
    try:
        read = _decode_any_times(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    times = (_time(value) for value in (read.queue_time, read.prompt_time, read.completion_time))
    counts = (read.prompt_tokens, read.completion_tokens, read.prompt_tokens_details, read.completion_tokens_details)
    return believed(UsageTold(*counts, *times))


def _time(value: object) -> Seconds | None:
    return value if isinstance(value, float | int) and type(value) is not bool and 0 <= value <= _LONGEST_S else None
