"""What an upstream exchange means for a journey: transport errors, statuses and bodies become the machine's events.

Pure, so that the simulated driver reads replies through the very same code as the live one.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headgate.decide import events as e
from headgate.decide.actions import Call
from headgate.decide.settling import ABOUT_WORDS
from headgate.domain.answer import RefusalCode, Reply
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import SeenLimits
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.dialect import Dialect
from headgate.protocol.errors import classify, redact
from headgate.protocol.openai import error_body
from headgate.protocol.sse import error_event
from headgate.protocol.stream import StreamReader
from headgate.runtime.errand import Errand
from headgate.runtime.json_stream import JsonStream
from headgate.runtime.upstream import UpstreamErrorKind as Kind

OK: Final = 200
SLOW: Final = frozenset({Kind.FIRST_BYTE_TIMEOUT, Kind.TOTAL_TIMEOUT, Kind.IDLE_TIMEOUT})
MALFORMED: Final = frozenset({Kind.MALFORMED, Kind.TOO_LARGE})


BROKE_OFF: Final = "The provider's stream broke off before its end."
TOLD: Final = {
    Kind.TOTAL_TIMEOUT: "The deadline was over before the answer ended; `x-headgate-deadline-ms` gives it more time.",
    Kind.IDLE_TIMEOUT: "The provider's stream stopped, and nothing more came of it.",
}
"""What a client is told of a stream that it has seen a part of."""


def broken(kind: Kind, *, written: bool, streaming: bool = False, began: bool = False) -> Failure:
    """The failure behind a transport error. `streaming`: a 200 stream was open; `began`: it had shown a token."""
    if began:
        code = RefusalCode.DEADLINE_EXCEEDED if kind is Kind.TOTAL_TIMEOUT else None
        return Failure(FailureKind.STREAM_BROKE_LATE, code=code, message=TOLD.get(kind, BROKE_OFF), written=written)
    if kind in SLOW:
        failure = FailureKind.TOO_SLOW
    elif kind in MALFORMED:
        failure = FailureKind.MALFORMED_BODY
    elif streaming:
        failure = FailureKind.STREAM_BROKE_EARLY
    else:
        failure = FailureKind.NETWORK
    return Failure(failure, message=f"upstream: {kind}", written=written)


def cancelled(*, written: bool) -> Failure:
    """Our own side stopped the call."""
    return Failure(FailureKind.CANCELLED, message="cancelled", written=written)


def whole(
    errand: Errand,
    call: Call,
    dialect: Dialect,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    wall: Callable[[], float],
) -> tuple[e.Replied | e.Failed, bytes]:
    """The event of a reply that was read whole, and its body as the client asked for it. `wall` gives Unix seconds,
    for errors that name an instant."""
    if status != OK:
        failure = dialect.classify(status, body, headers, wall_s=wall())
        return e.Failed(call.number, failure, dialect.read_limits(headers)), body
    outcome = errand.read(call, body, headers)
    limits = dialect.read_limits(headers)
    if type(outcome) is Failure:
        return e.Failed(call.number, outcome, limits), body
    return e.Replied(call.number, outcome, limits), errand.given(call, body)


def unwritable(call: int, problem: InvalidBody) -> e.Failed:
    """Nothing was sent: this provider could only have refused it. The client is told what a 400 would have told it."""
    body = error_body(problem.message, "invalid_request_error", "invalid_request", param=problem.param)
    return e.Failed(
        call, Failure(FailureKind.BAD_REQUEST, status=400, message=problem.message, written=False, body=body)
    )


def ended(call: int, outcome: Reply | Failure, limits: SeenLimits | None) -> e.Replied | e.Failed:
    """The event of a call that came to this."""
    return e.Replied(call, outcome, limits) if isinstance(outcome, Reply) else e.Failed(call, outcome, limits)


def early(failure: Failure) -> Failure:
    """A stream whose first words and whose end came in one piece broke after them, but nobody was shown any.

    If it says that its words were wrong, it is what the same error would have been before the stream.
    """
    if failure.kind is not FailureKind.STREAM_BROKE_LATE:
        return failure
    told = classify(OK, failure.body, {}).kind if failure.code in ABOUT_WORDS else FailureKind.STREAM_BROKE_EARLY
    return msgspec.structs.replace(failure, kind=told)


def outcome_of(reader: StreamReader, watch: JsonStream | None) -> Reply | Failure:
    """What a committed stream came to, now that nothing more is read of it."""
    if watch is not None and watch.problem:
        return off_form(watch.problem, began=True)
    return reader.end()


def off_form(problem: str, *, began: bool) -> Failure:
    """A stream whose text cannot be, or was not, what the client asked for; `began`: somebody has seen some of it."""
    kind = FailureKind.STREAM_BROKE_LATE if began else FailureKind.INVALID_JSON
    return Failure(kind, status=OK, code="json_validate_failed", message=problem)


def late(outcome: Reply | Failure) -> Reply | Failure:
    """After the first token every failure is the same one: the stream broke, whatever it broke of."""
    if isinstance(outcome, Reply) or outcome.kind is FailureKind.STREAM_BROKE_LATE:
        return outcome
    return msgspec.structs.replace(outcome, kind=FailureKind.STREAM_BROKE_LATE)


def break_event(failure: Failure) -> bytes:
    """The SSE error event that ends a committed stream: never a clean end."""
    text = redact(failure.message.encode()).decode(errors="replace") or BROKE_OFF
    return error_event(error_body(text, "upstream_error", failure.code or "upstream_failed"))
