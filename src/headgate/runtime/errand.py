"""What is fetched for a request: how it is written for whoever serves it, how the reply is read, checked and mended.

The machine knows facts, the driver knows sockets; an errand knows the words. One is made by the door that took the
request, and asked anew for every call, because each call may go to another model of another provider.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from headgate.catalog import Model
from headgate.decide import actions as a
from headgate.decide.journey import Journey
from headgate.domain.answer import Reply
from headgate.domain.failure import Failure
from headgate.domain.request import Request
from headgate.local.template import LocalAnswer
from headgate.protocol.chat import Chat, to_upstream
from headgate.protocol.cleaning import NOTHING_TO_CLEAN, Cleaned, clean
from headgate.protocol.dialect import Dialect
from headgate.protocol.reasoning import family_of
from headgate.protocol.reply import read_reply
from headgate.runtime.answering import answer_locally, check, mended_body
from headgate.runtime.settings_model import HandlingSettings

CHAT_PATH: Final = "/chat/completions"
JSON: Final = b"application/json"


class Errand(Protocol):
    """What the driver asks of an errand. `path` is the provider's, behind its base address."""

    path: str
    content_type: bytes
    include_usage: bool

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> bytes:
        """The body of a call. Raises `InvalidBody` where this provider could only refuse it."""

    def read(self, call: a.Call, body: bytes, headers: Mapping[str, str]) -> Reply | Failure:
        """What a whole reply of status 200 says."""

    def given(self, call: a.Call, body: bytes) -> bytes:
        """The reply's body as the client asked for it."""

    def check(self, body: bytes) -> str:
        """What is wrong with an answer for the client who asked for it; "" if nothing is."""

    def mend(self, journey: Journey, body: bytes | None, wall_s: float) -> bytes | None:
        """A failed call's answer made into what was asked for; None where that cannot be."""

    def answer_locally(self, request: Request, reason: str) -> LocalAnswer | None:
        """An answer without any model; None where only a refusal is honest."""


class ChatErrand:
    """A chat completion."""

    __slots__ = ("_handling", "chat", "include_usage", "notes")

    path = CHAT_PATH
    content_type = JSON

    def __init__(self, chat: Chat, handling: HandlingSettings) -> None:
        self.chat = chat
        self.include_usage = chat.include_usage
        self.notes: tuple[str, ...] = ()
        self._handling = handling

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> bytes:
        chat = self.chat
        cleaned = self._cleaned(model, dialect) if self._handling.clean else NOTHING_TO_CLEAN
        return to_upstream(
            chat,
            dialect=dialect,
            model=model.sent_as,
            max_completion_tokens=call.cap_tokens,
            service_tier=call.service_tier,
            cleaned=cleaned,
        )

    def _cleaned(self, model: Model, dialect: Dialect) -> Cleaned:
        chat = self.chat
        messages_clean = chat.clean_messages and dialect.name == "groq"
        if messages_clean and chat.fields.keys().isdisjoint(dialect.touched):
            return NOTHING_TO_CLEAN
        cleaned = clean(
            chat.fields, dialect, family_of(model.id), model.reasoning_efforts, messages_clean=messages_clean
        )
        self.notes = cleaned.notes
        return cleaned

    def read(self, call: a.Call, body: bytes, headers: Mapping[str, str]) -> Reply | Failure:  # noqa: ARG002
        return read_reply(body)

    def given(self, call: a.Call, body: bytes) -> bytes:  # noqa: ARG002
        return body

    def check(self, body: bytes) -> str:
        return check(self.chat, body) if self._handling.remedies else ""

    def mend(self, journey: Journey, body: bytes | None, wall_s: float) -> bytes | None:
        return mended_body(self.chat, journey, body, wall_s)

    def answer_locally(self, request: Request, reason: str) -> LocalAnswer | None:
        return answer_locally(self.chat, request, reason)
