"""The bodies of POST /embeddings: the client's read, the provider's written and read, and one made of our own vectors.

Base64 is little-endian float32, which is what OpenAI's SDK asks for when its caller names no format.
"""

import struct
from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.domain.answer import Usage
from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.client_json import InvalidBody, decode_object, decode_value, invalid_field
from headgate.protocol.errors import classify
from headgate.protocol.usage import usage_of

__all__ = [
    "Embeddings",
    "EmbeddingsReply",
    "InvalidBody",
    "embeddings_body",
    "embeddings_to_upstream",
    "parse_embeddings",
    "read_embeddings",
]

MAX_INPUTS: Final = 2048
MAX_DIMENSIONS: Final = 65_536

_NULL: Final = Raw(b"null")
_EMPTY: Final = frozenset({b"null", b'""', b"{}"})
_REWRITTEN: Final = frozenset({"model", "headgate"})
_Token = Annotated[int, Meta(ge=0, le=2**31 - 1)]
_Input = Annotated[list[str | list[_Token] | _Token], Meta(min_length=1, max_length=MAX_INPUTS)]


class Embeddings(Struct, frozen=True, kw_only=True):
    """One request. `texts` are the inputs, empty where they are token ids; `count` is how many vectors come back.

    `controls` are those of the body's `headgate` object; `fields` the raw values.
    """

    model: str
    texts: tuple[str, ...]
    count: int
    token_count: int | None
    encoding_format: Literal["float", "base64"]
    dimensions: int | None
    user: str | None
    controls: dict[str, object]
    fields: dict[str, Raw]


class EmbeddingsReply(Struct, frozen=True):
    """A provider's answer in short: how many vectors it holds, and what it cost."""

    count: int
    usage: Usage | None
    model: str


class _Body(Struct, gc=False):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: str | _Input
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=MAX_DIMENSIONS)] | None = None
    user: str | None = None
    headgate: dict[str, object] | None = None


class _Row(Struct, gc=False):
    embedding: Raw = _NULL


class _Reply(Struct, gc=False):
    data: list[_Row] | None = None
    usage: Raw = _NULL
    model: str | None = None
    error: Raw = _NULL


_HINTS: Final = {
    "model": "Name a model of kind embedding.",
    "input": f"Give a text or a list of 1 to {MAX_INPUTS} texts.",
    "encoding_format": 'Use "float" or "base64".',
    "dimensions": f"Use a whole number from 1 to {MAX_DIMENSIONS}, or leave it out.",
    "user": "Give a text, or leave it out.",
    "headgate": "It is an object of controls.",
}
_TYPED: Final = frozenset(_Body.__struct_fields__)
_decode_body: Final = msgspec.json.Decoder(_Body).decode
_decode_reply: Final = msgspec.json.Decoder(_Reply).decode
_encode: Final = msgspec.json.Encoder().encode


def parse_embeddings(body: bytes, *, tokens_allowed: bool = False) -> Embeddings:
    """The client's body. Raises `InvalidBody`; token ids pass only where the model's provider has their vocabulary."""
    fields = decode_object(body)
    try:
        read = _decode_body(body)
    except msgspec.ValidationError as error:
        raise invalid_field(error, _HINTS) from None
    for name in fields.keys() - _TYPED:
        decode_value(name, fields[name])
    texts, count, tokens = _inputs(read.input)
    if tokens is not None and not tokens_allowed:
        raise InvalidBody("'input' holds token ids, which this model cannot read: give the text itself.", "input")
    return Embeddings(
        model=read.model,
        texts=texts,
        count=count,
        token_count=tokens,
        encoding_format=read.encoding_format or "float",
        dimensions=read.dimensions,
        user=read.user,
        controls=read.headgate or {},
        fields=fields,
    )


def embeddings_to_upstream(embeddings: Embeddings, *, model: str) -> bytes:
    """The body for the provider: our model, the rest byte for byte. Null fields are left out."""
    kept = {name: raw for name, raw in embeddings.fields.items() if name not in _REWRITTEN and raw != _NULL}
    return _encode({"model": model, **kept})


def read_embeddings(body: bytes, count: int) -> EmbeddingsReply | Failure:
    """The summary of a 200 body, or why it is no answer: an error inside it, no JSON, not `count` vectors."""
    try:
        read = _decode_reply(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return classify(200, body, {})
    if read.data is None or bytes(read.error) not in _EMPTY:
        return classify(200, body, {})
    vectors = sum(row.embedding != _NULL for row in read.data)
    if vectors != count:
        message = f"The reply holds {vectors} vectors for {count} inputs."
        return Failure(FailureKind.MALFORMED_BODY, status=200, message=message, body=body)
    return EmbeddingsReply(count, usage_of(read.usage), read.model or "")


def embeddings_body(
    model: str,
    vectors: Sequence[Sequence[float]],
    encoding_format: Literal["float", "base64"],
    prompt_tokens: int,
) -> bytes:
    """The answer that holds `vectors`, in the order of the inputs."""
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": list(vector) if encoding_format == "float" else _base64(vector),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": prompt_tokens, "total_tokens": prompt_tokens}
    return _encode({"object": "list", "data": data, "model": model, "usage": usage})


def _base64(vector: Sequence[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _inputs(given: str | list[str | list[int] | int]) -> tuple[tuple[str, ...], int, int | None]:
    """The texts, the number of inputs, and the number of token ids where the inputs are those."""
    inputs = [given] if isinstance(given, str) else given
    texts = tuple(each for each in inputs if isinstance(each, str))
    if len(texts) == len(inputs):
        for index, text in enumerate(texts):
            if not text:
                place = "input" if isinstance(given, str) else f"input[{index}]"
                raise InvalidBody(f"'{place}' is empty, which has no vector: give a text or leave it out.", place)
        return texts, len(texts), None
    lists = [each for each in inputs if isinstance(each, list)]
    if len(lists) == len(inputs) and all(lists):
        return (), len(lists), sum(map(len, lists))
    if not texts and not lists:
        return (), 1, len(inputs)
    raise InvalidBody(f"'input' mixes kinds or holds an empty list. {_HINTS['input']}", "input")
