"""Owns `embed`: texts in, vectors out, a provider's or our own."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from headgate.local.embedding import embed as own_vectors
from headgate.protocol.embeddings import Embeddings as Asked
from headgate.protocol.embeddings import parse_embeddings
from headgate.runtime.errand_embeddings import EmbeddingsErrand
from headgate.sdk.asking import Asking
from headgate.sdk.options import call_body
from headgate.sdk.reading import brought
from headgate.sdk.results import Embeddings, facts, own_facts
from headgate.server.embeddings import LOCAL_EMBEDDINGS, own_dimensions, request_of


class _Row(msgspec.Struct):
    embedding: tuple[float, ...]
    index: int = 0


class _Body(msgspec.Struct):
    data: list[_Row]


_decode: Final = msgspec.json.Decoder(_Body).decode


async def vectors_of(
    asking: Asking, texts: str | Sequence[str], model: str, dimensions: int | None, options: Mapping[str, object]
) -> Embeddings:
    """The vectors of some texts. Raises a HeadgateError."""
    fields = {"model": model, "input": texts, "dimensions": dimensions}
    with asking.understood():
        asked = parse_embeddings(call_body(fields, options), tokens_allowed=True)
        controls = asking.controls(asked.controls)
        if asked.model == LOCAL_EMBEDDINGS:
            size = own_dimensions(asked)
            vectors = await asyncio.to_thread(_own, asked, size)  # the first of all imports numpy
            return Embeddings(vectors=vectors, **own_facts(asked.model, asking.name, controls.inactive))
        found = request_of(asking, asked, controls, asking.gateway.now())
    answered = await asking.gateway.driver.ask(asking.allowed(found), EmbeddingsErrand(asked))
    body = brought(answered)
    try:
        vectors = read_vectors(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise asking.unreadable(error, body) from None
    return Embeddings(vectors=vectors, **facts(answered, body, controls.inactive))


def read_vectors(body: bytes) -> tuple[tuple[float, ...], ...]:
    """The vectors of a provider's answer in the order of the texts, whatever order they stand in."""
    return tuple(row.embedding for row in sorted(_decode(body).data, key=lambda row: row.index))


def _own(asked: Asked, dimensions: int) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, own_vectors(asked.texts, dimensions)))
