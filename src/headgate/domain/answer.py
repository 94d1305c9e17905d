"""What comes back: usage, the summary of a reply, refusals, and the outcome of a request."""

from enum import StrEnum
from typing import final

import msgspec

from headgate.domain.failure import FailureKind
from headgate.domain.limits import Amounts
from headgate.domain.time import Seconds


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What the provider says one call used. Cached prompt tokens are not metered (groq-api.md 2.1).

    `audio_s` are the seconds of audio that were heard, `characters` those that were spoken: neither is a token.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    queue_time_s: Seconds | None = None
    prompt_time_s: Seconds | None = None
    completion_time_s: Seconds | None = None
    audio_s: int = 0
    characters: int = 0

    def metered(self) -> Amounts:
        """What the provider's limiter counts for this call."""
        fresh_tokens = self.prompt_tokens - self.cached_tokens
        return Amounts(fresh_tokens if fresh_tokens > 0 else 0, self.completion_tokens, self.audio_s)


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The summary of one complete upstream answer; its text stays with the driver."""

    finish_reason: str
    usage: Usage | None = None
    model: str = ""
    has_content: bool = True


class Source(StrEnum):
    """Where an answer came from: the value of `x-headgate-source`."""

    UPSTREAM = "upstream"
    CACHE = "cache"
    LOCAL = "local"


class RefusalCode(StrEnum):
    """The codes of Headgate's own errors (design 10)."""

    NO_CAPACITY = "no_capacity"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    BUDGET_EXCEEDED = "budget_exceeded"
    MODEL_NOT_FOUND = "model_not_found"
    UPSTREAM_FAILED = "upstream_failed"
    UPSTREAM_KEY_REJECTED = "upstream_key_rejected"
    INVALID_REQUEST = "invalid_request"
    INVALID_API_KEY = "invalid_api_key"
    FORBIDDEN = "forbidden"
    NOT_CACHED = "not_cached"
    CONTENT_FILTER = "content_filter"


class Tried(msgspec.Struct, frozen=True):
    """One call that was made for a request and did not answer it."""

    provider: str
    model: str
    failure: FailureKind
    duration_ms: int


@final
class Refusal(msgspec.Struct, frozen=True):
    """What the client gets when nothing could answer. `retry_after_s` is given if and only if retrying can help.

    `untried`: nothing was exhausted yet, so that a client may repeat it by itself.
    """

    code: RefusalCode
    message: str
    status: int
    retry_after_s: Seconds | None = None
    param: str | None = None
    tried: tuple[Tried, ...] = ()
    untried: bool = False
