"""The door of `POST /embeddings`: a provider's vectors, or our own under the one name that is nobody else's."""

import asyncio
from typing import Final

import msgspec

from headgate.catalog import Kind
from headgate.decide.learned import weight
from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.limits import Amounts
from headgate.domain.request import Request
from headgate.local.embedding import MAX_DIMENSIONS, MIN_DIMENSIONS, embed
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.embeddings import Embeddings, embeddings_body, parse_embeddings
from headgate.protocol.prompt import measure
from headgate.runtime.errand_embeddings import EmbeddingsErrand
from headgate.server.controls import Controls, read_controls
from headgate.server.fetching import Asker, fetch, sized, watched
from headgate.server.labels import JSON, lines_of, local_labels
from headgate.server.visit import Visit, send_whole

LOCAL_EMBEDDINGS: Final = "headgate/local-embeddings"
OUR_PREFIX: Final = "headgate/local"
LOCAL_DIMENSIONS: Final = 512
MAX_LOCAL_CHARS: Final = 4_000_000
"""Characters of one request that we make vectors of ourselves: half a second of one core."""
READS_TOKENS: Final = frozenset({"openai"})
"""Providers whose models read token ids of a vocabulary that clients have."""
SAFETY_TOKENS: Final = 8
"""What an input may take beyond its estimate."""


async def embeddings(visit: Visit, body: bytes, started_at: float) -> None:
    """Answer one request."""
    asked = parse_embeddings(body, tokens_allowed=True)
    controls = read_controls(visit.scope["headers"], asked.controls, visit.identity)
    if asked.model == LOCAL_EMBEDDINGS:
        await _local(visit, asked, started_at)
        return
    request = request_of(visit, asked, controls, started_at)
    if isinstance(request, Refusal):
        await visit.refuse(request)
        return
    await fetch(visit, request, EmbeddingsErrand(asked), controls, started_at)


def request_of(asker: Asker, asked: Embeddings, controls: Controls, now: float) -> Request | Refusal:
    """The facts of a request for a provider's vectors. Those of two models cannot be compared, so only organisations
    stand in for each other. Raises InvalidBody."""
    request = sized(asker, asked.model, Kind.EMBEDDING, controls, Amounts(input_tokens=_tokens(asked)), now)
    if isinstance(request, Refusal):
        return _our_own_meant(asked.model, request)
    request = msgspec.structs.replace(request, candidates=request.candidates[:1], elsewhere=())
    model = asker.gateway.catalog.model(request.candidates[0])
    if asked.token_count is not None and (model is None or model.provider not in READS_TOKENS):
        raise _no_tokens(asked.model)
    return request


def _our_own_meant(name: str, refusal: Refusal) -> Refusal:
    """The refusal, with our own vectors named where their name was nearly given: no provider lists them."""
    if refusal.code is RefusalCode.MODEL_NOT_FOUND and name.startswith(OUR_PREFIX):
        text = f"The model `{name[:100]}` is not known here. Did you mean `{LOCAL_EMBEDDINGS}`?"
        return msgspec.structs.replace(refusal, message=text)
    return refusal


def _tokens(asked: Embeddings) -> int:
    """What the inputs take, estimated from their characters unless they are counted already."""
    if asked.token_count is not None:
        return asked.token_count
    size = measure(asked.texts, messages=0, tools=0, images=0)
    return round(weight(size)) + SAFETY_TOKENS * asked.count


def _no_tokens(model: str) -> InvalidBody:
    return InvalidBody(f"'input' holds token ids, which `{model}` cannot read: give the text itself.", "input")


def own_dimensions(asked: Embeddings) -> int:
    """How many dimensions our own vectors of a request have. Raises InvalidBody for what we make none of."""
    dimensions = LOCAL_DIMENSIONS if asked.dimensions is None else asked.dimensions
    if asked.token_count is not None:
        raise _no_tokens(LOCAL_EMBEDDINGS)
    if not MIN_DIMENSIONS <= dimensions <= MAX_DIMENSIONS:
        text = f"'dimensions' is {dimensions}: {LOCAL_EMBEDDINGS} has from {MIN_DIMENSIONS} to {MAX_DIMENSIONS}."
        raise InvalidBody(text, "dimensions")
    characters = sum(map(len, asked.texts))
    if characters > MAX_LOCAL_CHARS:
        text = (
            f"'input' has {characters:,} characters; at most {MAX_LOCAL_CHARS:,} are taken at once: send it in parts."
        )
        raise InvalidBody(text, "input")
    return dimensions


async def _local(visit: Visit, asked: Embeddings, started_at: float) -> None:
    dimensions = own_dimensions(asked)
    answer = await watched(visit, asyncio.to_thread(_body, asked, dimensions))  # the first of all imports numpy
    if answer is None:
        return
    spent_s = visit.gateway.now() - started_at
    marks = local_labels(visit.name, LOCAL_EMBEDDINGS, overhead_s=spent_s)
    await send_whole(visit.scope, visit.send, 200, lines_of([JSON]) + marks, answer)


def _body(asked: Embeddings, dimensions: int) -> bytes:
    """No tokens were used: none were made."""
    return embeddings_body(LOCAL_EMBEDDINGS, embed(asked.texts, dimensions), asked.encoding_format, 0)
