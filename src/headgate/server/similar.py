"""From a chat and its route to what is asked of earlier requests: the last message, and the key of all the rest.

It also fetches a provider's vector of a message, as a request of its own that waits for nothing.
"""

from functools import partial
from typing import Any, Final

import msgspec

from headgate.cache.key import Space, canonical, key_of
from headgate.cache.likeness import MAX_TEXT_CHARS
from headgate.decide.actions import Ending
from headgate.domain.answer import Refusal
from headgate.domain.request import Request
from headgate.domain.time import Instant, Seconds
from headgate.protocol.chat import Chat
from headgate.protocol.embeddings import parse_embeddings
from headgate.runtime.errand_embeddings import EmbeddingsErrand
from headgate.runtime.similar import SimilarWish
from headgate.server.auth import Identity
from headgate.server.controls import NO_CONTROLS
from headgate.server.embeddings import request_of
from headgate.server.gateway import Gateway

FETCHED_WITHIN_S: Final[Seconds] = 2.0
"""A vector that takes longer is worth less than the answer itself."""
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class _Asker(msgspec.Struct, frozen=True):
    """Who fetches a vector."""

    gateway: Gateway
    identity: Identity
    name: str


class _Vector(msgspec.Struct):
    embedding: list[float]


class _Vectors(msgspec.Struct):
    data: list[_Vector]


def similar_wish(
    gateway: Gateway, chat: Chat, request: Request, space: Space, models: tuple[str, ...]
) -> SimilarWish | None:
    """What is asked of earlier requests; None where the route asks nothing, or the last message is not one of a user in
    words, within the bound."""
    told = gateway.intake.similar_of(request.route)
    if told is None:
        return None
    messages: list[Any] = _decode(chat.fields["messages"])
    last = messages[-1]
    text = _text(last)
    if text is None:
        return None
    rest = _encode([*messages[:-1], {**last, "content": None}])
    form = canonical({**chat.fields, "messages": rest}, models, chat.ask_tokens)
    if form is None:
        return None
    kind = told.by.value if told.model is None else told.model
    context = key_of(space, form + b"\nsimilar by " + kind.encode())
    fetch = None if told.model is None else partial(_fetched, gateway, request, told.model)
    return SimilarWish(context, text, told.least_similarity, fetch)


def _text(last: dict[str, Any]) -> str | None:
    """The words of a message, where it is a user's and holds nothing else."""
    content = last.get("content")
    if isinstance(content, list) and len(content) == 1 and content[0].keys() == {"type", "text"}:
        content = content[0]["text"]
    if last.get("role") != "user" or not isinstance(content, str) or not 0 < len(content) <= MAX_TEXT_CHARS:
        return None
    return content


async def _fetched(gateway: Gateway, request: Request, model: str, text: str) -> list[float] | None:
    """A provider's vector, asked for as the tenant's own request; None where none comes at once."""
    asked = parse_embeddings(_encode({"model": model, "input": text, "encoding_format": "float"}))
    asker = _Asker(gateway, Identity(tenant=request.tenant), f"{request.id}-similar")
    now = gateway.now()
    made = request_of(asker, asked, NO_CONTROLS, now)
    if isinstance(made, Refusal):
        return None
    deadline_at = Instant(min(now + FETCHED_WITHIN_S, request.deadline_at))
    made = msgspec.structs.replace(made, deadline_at=deadline_at, patience_until=now, priority=request.priority)
    answered = await gateway.driver.ask(made, EmbeddingsErrand(asked))
    if answered.finish.ending is not Ending.ANSWER or answered.body is None:
        return None
    try:
        return msgspec.json.decode(answered.body, type=_Vectors).data[0].embedding
    except (msgspec.DecodeError, UnicodeError, IndexError):
        return None
