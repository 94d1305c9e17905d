"""How a request that got no answer is told its client: the upstream's own error, or a refusal of ours."""

from typing import Final

from headgate.decide.actions import Ending
from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.failure import Failure
from headgate.protocol.errors import redact
from headgate.protocol.openai import error_body
from headgate.runtime.outcome import Answered
from headgate.server.errors import TYPES, refusal_parts
from headgate.server.forms import Form
from headgate.server.gateway import Gateway
from headgate.server.labels import JSON, NO_RETRY, lines_of

Outgoing = tuple[int, bytes, bytes]
"""Status, header lines and body."""

UNREADABLE: Final = "The provider answered with status {} and a body that is no JSON. Is its address right?"

_OPENINGS: Final = frozenset({b"{", b"["})
_RELAYED: Final = lines_of([JSON, NO_RETRY])
_OURS: Final = frozenset({b"x-request-id", b"request-id"})
"""Headers that the labels say as well."""


def overhead_s(gateway: Gateway, answered: Answered, started_at: float) -> float:
    """Time that was neither the upstream's nor spent waiting."""
    return max(0.0, gateway.now() - started_at - answered.upstream_s - answered.journey.waited_s)


def told(gateway: Gateway, answered: Answered, marks: bytes, form: Form | None = None) -> Outgoing:
    """What goes out for an ending without an answer; `marks` are the labels as lines."""
    finish, journey = answered.finish, answered.journey
    match finish.ending:
        case Ending.RELAY:
            assert finish.failure is not None
            own = journey.request.own_key is not None or not gateway.handling.redact
            return _relayed(finish.failure, marks, form, journey.request.id, own=own)
        case Ending.REFUSAL:
            assert finish.refusal is not None
            return refused(finish.refusal, journey.request.id, marks, form)
        case _:
            raise AssertionError(f"{finish.ending} is not for a whole answer")


def refused(refusal: Refusal, name: str, marks: bytes, form: Form | None = None) -> Outgoing:
    """A refusal that carries labels."""
    status, headers, body = (refusal_parts if form is None else form.refuse)(refusal, name)
    return status, lines_of(header for header in headers if header[0] not in _OURS) + marks, body


def unreadable(failure: Failure) -> Refusal:
    """For an answer that the machine took and its API's words cannot say."""
    return Refusal(RefusalCode.UPSTREAM_FAILED, failure.message or "The upstream's answer cannot be read.", 502)


def _relayed(failure: Failure, marks: bytes, form: Form | None, name: str, *, own: bool) -> Outgoing:
    """The upstream's own error, byte for byte if it is JSON; where the key is not the caller's without what names its
    owner."""
    assert failure.status is not None
    body = failure.body if own else redact(failure.body)
    if body.lstrip()[:1] not in _OPENINGS:  # a page of somebody between us and the provider, or of nobody's address
        text = UNREADABLE.format(failure.status)
        body = error_body(text, TYPES[RefusalCode.UPSTREAM_FAILED], RefusalCode.UPSTREAM_FAILED)
    if form is not None:
        body = form.relayed(failure.status, body, name)
    return failure.status, _RELAYED + marks, body
