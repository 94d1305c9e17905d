"""Why an understood request is not admitted: faults that are whole answers, and shortages that faults make up."""

from collections.abc import Sequence
from typing import Final

from headgate.domain.limits import Dimension
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.faults import Fault, FaultKind, first
from headgate.simulator.limiter import Account, Charge, Shortage

STORED: Final = frozenset(
    {
        FaultKind.SERVER_ERROR,
        FaultKind.BAD_GATEWAY,
        FaultKind.MALFORMED_JSON,
        FaultKind.TRUNCATED_JSON,
        FaultKind.EMPTY_BODY,
        FaultKind.HTML,
        FaultKind.SLOW,
        FaultKind.STALLED,
        FaultKind.CUT,
        FaultKind.RESET_MIDWAY,
        FaultKind.RESET_AFTER_HEADERS,
        FaultKind.RESET_BEFORE_HEADERS,
    }
)
"""The faults that files and batches can have: they have neither limits nor models."""

METERED: Final = STORED | {
    FaultKind.SAFETY,
    FaultKind.RATE_LIMITED,
    FaultKind.OVER_CAPACITY,
    FaultKind.LIMITS_TOO_HIGH,
    FaultKind.LIMITS_TOO_LOW,
    FaultKind.LIMITS_ABSENT,
    FaultKind.LIMITS_GARBAGE,
    FaultKind.NO_RETRY_AFTER,
}
"""The faults that sound and embeddings can have."""

RESPONSES: Final = METERED | {
    FaultKind.FLEX_FULL,
    FaultKind.JSON_VALIDATE_FAILED,
    FaultKind.OUTPUT_PARSE_FAILED,
    FaultKind.TOOL_USE_FAILED,
    FaultKind.INVALID_JSON_CONTENT,
    FaultKind.OFF_SCHEMA_JSON,
    FaultKind.USAGE_NEGATIVE,
    FaultKind.USAGE_STRING,
    FaultKind.USAGE_HUGE,
    FaultKind.USAGE_MISSING,
    FaultKind.STREAM_ERROR_EVENT,
    FaultKind.CRLF,
}
"""The faults that the Responses API can have: those of chat that do not speak of a chat reply's own shape."""


def struck_by(faults: Sequence[Fault], model: str) -> Rejection | None:
    """The answer of the first fault that is a whole status."""
    for fault in faults:
        match fault.kind:
            case FaultKind.OVER_CAPACITY:
                return errors.over_capacity(model)
            case FaultKind.SERVER_ERROR:
                return errors.SERVER_ERROR
            case FaultKind.BAD_GATEWAY:
                return errors.BAD_GATEWAY
            case FaultKind.FLEX_FULL:
                return errors.FLEX_FULL
            case FaultKind.SAFETY if fault.value != "content":
                return errors.SAFETY
            case _:
                continue
    return None


def pretended(account: Account, held: Charge, faults: Sequence[Fault]) -> Shortage | None:
    """The shortage that a RATE_LIMITED fault makes up: of seconds for sound and of tokens else, where it names none."""
    fault = first(faults, FaultKind.RATE_LIMITED)
    if fault is None:
        return None
    dimension = Dimension(fault.value or (Dimension.ASH if held.audio_s else Dimension.TPM))
    limit = account.limits[account.dimensions.index(dimension)] if dimension in account.dimensions else 0
    match dimension:
        case Dimension.RPM | Dimension.RPD:
            requested = 1
        case Dimension.ASH | Dimension.ASD:
            requested = held.audio_s
        case _:
            requested = held.total
    return Shortage(dimension, limit, float(limit), requested, fault.delay_s or 2.0)
