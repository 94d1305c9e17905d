"""The words of Anthropic's `POST /messages` around a chat, and the door of `POST /messages/count_tokens`.

Versions and betas in headers are not looked at: what this API means by a field does not depend on them here.
"""

from typing import Final

import msgspec

from headgate.decide.learned import weight
from headgate.domain.answer import Refusal
from headgate.domain.failure import Failure
from headgate.domain.request import Need
from headgate.protocol.anthropic import Asked, chat_body, count_tokens
from headgate.protocol.anthropic_errors import refusal_body, translated_error
from headgate.protocol.anthropic_reply import message_body
from headgate.protocol.anthropic_stream import MessageStream
from headgate.server.errors import Parts, refusal_headers
from headgate.server.forms import Form
from headgate.server.labels import Header, lines_of
from headgate.server.visit import Visit


class _Message:
    __slots__ = ("_asked", "_id")

    def __init__(self, asked: Asked, name: str) -> None:
        self._asked = asked
        self._id = name.removeprefix("req_")

    @property
    def body(self) -> bytes:
        return self._asked.body

    @property
    def notes(self) -> tuple[str, ...]:
        return self._asked.notes

    def whole(self, completion: bytes) -> bytes | Failure:
        return message_body(completion, self._asked, self._id)

    def stream(self) -> MessageStream:
        return MessageStream(self._asked, self._id)


def _read(body: bytes, name: str, created: int) -> _Message:  # noqa: ARG001 a message has no time
    return _Message(chat_body(body), name)


def request_id(name: str) -> Header:
    """The id under the name that Anthropic's SDK reads."""
    return (b"request-id", name.encode())


def refuse_as_anthropic(refusal: Refusal, name: str) -> Parts:
    """A refusal in Anthropic's shape."""
    headers = [*refusal_headers(refusal, name), request_id(name)]
    return refusal.status, headers, refusal_body(refusal, name)


MESSAGES: Final = Form(
    read=_read,
    refuse=refuse_as_anthropic,
    relayed=translated_error,
    lines=lambda name: lines_of([request_id(name)]),
)


async def count(visit: Visit, body: bytes, started_at: float) -> None:  # noqa: ARG001 it takes no time
    """An upper estimate of the prompt's tokens, by what was learned of the model that would serve. No call is made."""
    gateway = visit.gateway
    model, size = count_tokens(body)
    resolution = gateway.intake.resolve(model, Need.NONE, substitute=False)
    if resolution is None or not resolution.candidates:
        await visit.refuse(gateway.unknown_model(model))
        return
    tokens = gateway.driver.gate.learned.prompt_tokens(resolution.candidates[0], weight(size))
    answer = msgspec.json.encode({"input_tokens": max(1, tokens)})
    await visit.reply(answer, headers=((b"content-type", b"application/json"), request_id(visit.name)))
