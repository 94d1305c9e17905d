"""The `usage` object of a reply, believed only within bounds.

A number that cannot be true (negative, a fraction, text, beyond ten million, more cached than prompted) makes the whole
usage unknown, so that the reservation is settled in full: wrong usage is never a credit (fault 38).
"""

from math import isfinite
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.domain.answer import Usage
from headgate.domain.time import Seconds

MAX_USAGE_TOKENS: Final = 10_000_000
_LONGEST_S: Final = 86400.0

_Tokens = Annotated[int, Meta(ge=0, le=MAX_USAGE_TOKENS)]


class _PromptDetails(Struct, gc=False):
    cached_tokens: _Tokens | None = None


class _CompletionDetails(Struct, gc=False):
    reasoning_tokens: _Tokens | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: Annotated[int, Meta(ge=1, le=MAX_USAGE_TOKENS)]
    completion_tokens: _Tokens = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    queue_time: object = None
    prompt_time: object = None
    completion_time: object = None


_decode: Final = msgspec.json.Decoder(_Usage).decode


def usage_of(raw: Raw | bytes) -> Usage | None:
    """What a `usage` value says, or None where it is absent or cannot be true. Never raises."""
    try:
        read = _decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    prompt, completion = read.prompt_tokens_details, read.completion_tokens_details
    cached = (prompt.cached_tokens or 0) if prompt is not None else 0
    if cached > read.prompt_tokens:
        return None
    return Usage(
        read.prompt_tokens,
        read.completion_tokens,
        cached,
        (completion.reasoning_tokens or 0) if completion is not None else 0,
        _seconds(read.queue_time),
        _seconds(read.prompt_time),
        _seconds(read.completion_time),
    )


def _seconds(value: object) -> Seconds | None:
    """Times only inform; a wrong one is left out without doubting the tokens."""
    if type(value) is float or type(value) is int:
        return value if isfinite(value) and 0 <= value <= _LONGEST_S else None
    return None
