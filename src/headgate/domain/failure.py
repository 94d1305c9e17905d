"""What went wrong upstream, as a value: never an exception in the core."""

from enum import StrEnum
from typing import Final, final

import msgspec

from headgate.domain.limits import Dimension
from headgate.domain.time import Seconds


class FailureKind(StrEnum):
    """The rows of the remedy table (`headgate.decide.remedies`), in its order."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    TOKENS_PER_MINUTE = "tokens_per_minute"
    DAILY_LIMIT = "daily_limit"
    REQUEST_TOO_LARGE = "request_too_large"
    CONTEXT_OVERFLOW = "context_overflow"
    INVALID_KEY = "invalid_key"
    ACCESS_DENIED = "access_denied"
    SPEND_LIMIT = "spend_limit"
    MODEL_GONE = "model_gone"
    OVER_CAPACITY = "over_capacity"
    FLEX_FULL = "flex_full"
    INVALID_JSON = "invalid_json"
    MALFORMED_BODY = "malformed_body"
    TOOL_CALL_FAILED = "tool_call_failed"
    SAFETY_REFUSAL = "safety_refusal"
    NETWORK = "network"
    TOO_SLOW = "too_slow"
    STREAM_BROKE_EARLY = "stream_broke_early"
    STREAM_BROKE_LATE = "stream_broke_late"
    BAD_REQUEST = "bad_request"
    NO_KEY_LEFT = "no_key_left"
    CANCELLED = "cancelled"


REFUSED_BEFORE_GENERATION: Final = frozenset(
    {
        FailureKind.REQUESTS_PER_MINUTE,
        FailureKind.TOKENS_PER_MINUTE,
        FailureKind.DAILY_LIMIT,
        FailureKind.REQUEST_TOO_LARGE,
        FailureKind.CONTEXT_OVERFLOW,
        FailureKind.INVALID_KEY,
        FailureKind.ACCESS_DENIED,
        FailureKind.SPEND_LIMIT,
        FailureKind.MODEL_GONE,
        FailureKind.FLEX_FULL,
        FailureKind.BAD_REQUEST,
    }
)
"""Failures that prove the provider generated nothing: such a call is no attempt and costs nothing."""


@final
class Failure(msgspec.Struct, frozen=True):
    """One classified failure of one call.

    `written` says whether the last byte of the request left; `body` is the upstream's own error body for relaying
    (it may name an organisation: redact it before a client who does not own the key sees it).
    """

    kind: FailureKind
    status: int | None = None
    code: str | None = None
    type: str | None = None
    message: str = ""
    dimension: Dimension | None = None
    limit: int | None = None
    used: int | None = None
    requested: int | None = None
    wait_s: Seconds | None = None
    organisation: str | None = None
    failed_generation: str | None = None
    written: bool = True
    body: bytes = b""

    @property
    def proves_nothing_generated(self) -> bool:
        """Whether the provider refused before generating. A 400 whose body cannot be read proves nothing."""
        if self.status == 429:
            return True
        if self.kind not in REFUSED_BEFORE_GENERATION:
            return False
        return self.status not in {400, 422} or bool(self.message or self.code or self.type)

    @property
    def is_attempt(self) -> bool:
        """Whether the call may have made the provider generate (design 2, `attempt`)."""
        return self.written and not self.proves_nothing_generated
