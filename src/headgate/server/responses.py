"""The words of `POST /responses` around a chat: its request, response object, events; errors are OpenAI's as they are.

Nothing is stored, so a response can be read only once, as the answer to its request.
"""

from typing import Final

import msgspec

from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.responses import Asked, chat_body
from headgate.protocol.responses_reply import response_body
from headgate.protocol.responses_stream import ResponseStream
from headgate.server.errors import refusal_parts
from headgate.server.forms import Form


class _Response:
    __slots__ = ("_asked", "_created", "_id")

    def __init__(self, asked: Asked, name: str, created: int) -> None:
        self._asked = asked
        self._id = f"resp_{name.removeprefix('req_')}"
        self._created = created

    @property
    def body(self) -> bytes:
        return self._asked.body

    @property
    def notes(self) -> tuple[str, ...]:
        return self._asked.notes

    def whole(self, completion: bytes) -> bytes | Failure:
        try:
            return response_body(completion, self._asked, self._id, self._created)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return Failure(FailureKind.MALFORMED_BODY, status=200, message="The reply is no completion.")

    def stream(self) -> ResponseStream:
        return ResponseStream(self._asked, self._id, self._created)


def _read(body: bytes, name: str, created: int) -> _Response:
    return _Response(chat_body(body), name, created)


RESPONSES: Final = Form(
    read=_read,
    refuse=refusal_parts,
    relayed=lambda _status, body, _name: body,
    lines=lambda _name: b"",
)
