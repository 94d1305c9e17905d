"""What is fetched for a request: how it is written for whoever serves it, how the reply is read, checked and mended.

The machine knows facts, the driver knows sockets; an errand knows the words. One is made by the door that took the
request, and asked anew for every call, because each call may go to another model of another provider.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from headgate.catalog import GROQ, Model
from headgate.decide import actions as a
from headgate.decide.journey import Journey
from headgate.domain.answer import Reply
from headgate.domain.failure import Failure
from headgate.domain.manner import Manner
from headgate.domain.request import Check, Request
from headgate.local.skills import Supplies
from headgate.local.template import LocalAnswer
from headgate.protocol.chat import Chat, to_upstream
from headgate.protocol.cleaning import NOTHING_TO_CLEAN, Cleaned, clean
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.dialect import Dialect
from headgate.protocol.images import image_problem
from headgate.protocol.layout import static_first
from headgate.protocol.reasoning import family_of
from headgate.protocol.rephrasing import rephrased
from headgate.protocol.reply import read_reply
from headgate.protocol.structured import AS_IT_IS, Restore, joined, shape
from headgate.runtime.answering import answer_locally, check, restored_body
from headgate.runtime.json_stream import JsonStream
from headgate.runtime.mending import Extracted, Wording, declared_tools, extracted_body, mended_body
from headgate.runtime.packing import FittedChat, fit_chat, read_again
from headgate.runtime.screening import Screening
from headgate.runtime.settings_model import HandlingSettings
from headgate.runtime.upstream import Body

CHAT_PATH: Final = "/chat/completions"
JSON: Final = b"application/json"
_REPHRASED: Final = Manner.REPHRASED
_NO_CHECK: Final = Check.NONE  # looking up a member of an enum costs as much as a call


class Errand(Protocol):
    """What the driver asks of an errand. `path` is the provider's, behind its base address."""

    path: str
    content_type: bytes
    include_usage: bool

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> Body:
        """The body of a call. Raises `InvalidBody` where this provider could only refuse it."""

    def read(self, call: a.Call, body: bytes, headers: Mapping[str, str]) -> Reply | Failure:
        """What a whole reply of status 200 says."""

    def given(self, call: a.Call, body: bytes) -> bytes:
        """The reply's body as the client asked for it."""

    def check(self, body: bytes) -> str:
        """What is wrong with an answer for the client who asked for it; "" if nothing is."""

    def mend(self, journey: Journey, body: bytes | None, wall_s: float) -> bytes | None:
        """A failed call's answer made into what was asked for; None where that cannot be."""

    def answer_locally(self, request: Request, reason: str, supplies: Supplies) -> LocalAnswer | None:
        """An answer without any model; None where only a refusal is honest, or a model may still be asked."""


class ChatErrand:
    """A chat completion. It remembers how each call was written, to bring the answer back to the client's form.

    `notes` say what the last call did otherwise than the client's own words, and why; they hold no values of theirs.
    """

    __slots__ = ("_handling", "_restores", "_trims", "chat", "include_usage", "notes")

    path = CHAT_PATH
    content_type = JSON

    def __init__(self, chat: Chat, handling: HandlingSettings) -> None:
        self.chat = chat
        self.include_usage = chat.include_usage
        self.notes: tuple[str, ...] = ()
        self._handling = handling
        if handling.static_first:
            chat.fields = static_first(chat).apply(chat.fields)
        self._restores: dict[int, Restore] | None = None
        self._trims: tuple[float, FittedChat] | None = None

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> bytes:
        chat = self.chat if not call.trim_to else self._trimmed(call.trim_to)
        if call.manner is _REPHRASED:
            chat = rephrased(chat)
        cleaned = self._written(chat, call, model, dialect) if self._handling.clean else NOTHING_TO_CLEAN
        if call.trim_to and self._trims is not None:
            self.notes = (*cleaned.notes, self._trims[1].told())
        return to_upstream(
            chat,
            dialect=dialect,
            model=model.sent_as(),
            max_completion_tokens=call.cap_tokens,
            service_tier=call.service_tier,
            cleaned=cleaned,
        )

    def _trimmed(self, most: float) -> Chat:
        """The chat with words of at most this weight; what it can be trimmed to where that is more."""
        if self._trims is None or self._trims[0] != most:
            chat = read_again(self.chat) if self._handling.static_first else self.chat
            self._trims = most, fit_chat(chat, most, nearly=False)
        return self._trims[1].chat

    def _written(self, chat: Chat, call: a.Call, model: Model, dialect: Dialect) -> Cleaned:
        """Everything that differs from the chat's body."""
        shaped = shape(chat, model, dialect, call.manner) if self._handling.remedies else AS_IT_IS
        messages_clean = chat.clean_messages and dialect.name == GROQ and not _has_parts(chat)
        if chat.prompt.images and (problem := image_problem(chat.fields["messages"], dialect, model.max_images)):
            raise InvalidBody(problem, "messages")
        if shaped is AS_IT_IS:
            if messages_clean and chat.fields.keys().isdisjoint(dialect.touched):
                return NOTHING_TO_CLEAN
        elif shaped.restore is not None:
            self._restores = {**(self._restores or {}), call.number: shaped.restore}
        cleaned = clean(
            chat.fields if shaped is AS_IT_IS else shaped.cleaned.apply(chat.fields),
            dialect,
            family_of(model.id),
            model.reasoning_efforts,
            messages_clean=messages_clean,
        )
        cleaned = joined(shaped.cleaned, cleaned)
        self.notes = cleaned.notes
        return cleaned

    def read(self, call: a.Call, body: bytes, headers: Mapping[str, str]) -> Reply | Failure:  # noqa: ARG002
        return read_reply(body)

    def given(self, call: a.Call, body: bytes) -> bytes:
        restore = self._restore(call.number)
        return body if restore is None else restored_body(body, restore)

    def check(self, body: bytes) -> str:
        return check(self.chat, body) if self._handling.remedies else ""

    def watch(self, max_event_bytes: int) -> JsonStream | None:
        """Who watches a stream of the answer; None where anything may come."""
        chat = self.chat
        if chat.check is Check.NONE or not self._handling.remedies:
            return None
        has_tools = bool(declared_tools(chat))
        return JsonStream(chat.check, chat.schema, has_tools=has_tools, max_event_bytes=max_event_bytes)

    def mend(self, journey: Journey, body: bytes | None, wall_s: float) -> bytes | None:
        failure = journey.failure
        assert failure is not None
        wording = Wording(body, failure.failed_generation, self._restore(journey.calls))
        return mended_body(self.chat, journey, wording, wall_s)

    def extract(
        self, journey: Journey, bodies: Mapping[int, bytes], wall_s: float, *, accepts_low: bool
    ) -> Extracted | None:
        """The best of all wrong answers so far, flagged as partial."""
        wordings = {
            each.call: Wording(bodies.get(each.call), each.generation, self._restore(each.call))
            for each in journey.wrong
        }
        return extracted_body(self.chat, journey, wordings, wall_s, accepts_low=accepts_low)

    def _restore(self, call: int) -> Restore | None:
        return None if self._restores is None else self._restores.get(call)

    def answer_locally(self, request: Request, reason: str, supplies: Supplies) -> LocalAnswer | None:
        return answer_locally(self.chat, request, reason, supplies)


def _has_parts(chat: Chat) -> bool:
    """Whether a message's content is a list of parts, whose own fields were not looked at."""
    for message in chat.messages:  # noqa: SIM110 - a generator costs twice as much on every request
        if type(message.content) is list:
            return True
    return False


def mended(errand: Errand, mend: a.Mend, journey: Journey, bodies: dict[int, bytes], wall_s: float) -> Extracted | None:
    """What comes of a `Mend`: a completion for the client and the call it is of. None where nothing does.

    Only chats are asked for a structure, so only their errands have anything to extract.
    """
    if mend.how is a.Mending.EXTRACT:
        if not isinstance(errand, ChatErrand):
            return None
        return errand.extract(journey, bodies, wall_s, accepts_low=mend.accepts_low)
    body = errand.mend(journey, bodies.get(mend.call), wall_s)
    return None if body is None else Extracted(mend.call, body)


def screened(errand: Errand, screening: Screening | None) -> tuple[str, ...]:
    """What a chat holds of the operator's blocklist."""
    return screening.categories(errand.chat) if screening is not None and isinstance(errand, ChatErrand) else ()


def watched(errand: Errand, request: Request, max_event_bytes: int) -> JsonStream | None:
    """Who watches the stream of a request; nobody, and at no cost, where no structure was asked for."""
    if request.check is _NO_CHECK or not isinstance(errand, ChatErrand):
        return None
    return errand.watch(max_event_bytes)
