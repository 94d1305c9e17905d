"""Bodies of POST /embeddings: the client's, the provider's, and ours made of vectors."""

import json
import math
from contextlib import suppress
from typing import Any, Literal

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.embeddings import (
    InvalidBody,
    embeddings_body,
    embeddings_to_upstream,
    parse_embeddings,
    read_embeddings,
)

USAGE = {"prompt_tokens": 5, "total_tokens": 5}


def body(**fields: object) -> bytes:
    """The least request, and `fields`."""
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


def test_a_request_is_read() -> None:
    """Every field comes out typed; one text is one vector."""
    read = parse_embeddings(body(encoding_format="base64", dimensions=8, user="u", headgate={"task": "t"}))
    assert (read.model, read.texts, read.count, read.encoding_format) == ("m", ("hi",), 1, "base64")
    assert (read.dimensions, read.user, read.controls) == (8, "u", {"task": "t"})
    assert parse_embeddings(body(input=["a", "b"])).texts == ("a", "b")
    assert parse_embeddings(body()).encoding_format == "float"


@pytest.mark.parametrize(
    "tokens, count, total", [([1, 2, 3], 1, 3), ([[1, 2], [3]], 2, 3)], ids=["one input", "two inputs"]
)
def test_token_ids_pass_only_to_who_reads_them(tokens: object, count: int, total: int) -> None:
    """Our own vectors and most providers have no vocabulary for them."""
    read = parse_embeddings(body(input=tokens), tokens_allowed=True)
    assert (read.texts, read.count, read.token_count) == ((), count, total)
    assert json.loads(embeddings_to_upstream(read, model="x"))["input"] == tokens
    with pytest.raises(InvalidBody, match="give the text itself"):
        parse_embeddings(body(input=tokens))


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"input": ""}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": []}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": None}, "input"),
        ({"model": ""}, "model"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"headgate": 1}, "headgate"),
    ],
)
def test_what_has_no_vector_is_refused(fields: dict[str, object], param: str) -> None:
    """The refusal names the field."""
    with pytest.raises(InvalidBody) as refused:
        parse_embeddings(body(**fields), tokens_allowed=True)
    assert refused.value.param == param


def test_the_provider_gets_its_model_and_the_rest_as_it_came() -> None:
    """Controls and nulls stay here."""
    read = parse_embeddings(body(input=["a"], user=None, headgate={}, task="x", encoding_format="base64"))
    sent = json.loads(embeddings_to_upstream(read, model="served"))
    assert sent == {"model": "served", "input": ["a"], "task": "x", "encoding_format": "base64"}


@pytest.mark.parametrize("row", [[0.5, -0.25], "AAAAPwAAgL4="])
def test_an_answer_is_counted_and_settled(row: object) -> None:
    """Vectors as lists or base64 are both vectors; usage is what the call cost."""
    data = [{"object": "embedding", "index": 0, "embedding": row}]
    read = read_embeddings(json.dumps({"object": "list", "data": data, "model": "s", "usage": USAGE}).encode(), 1)
    assert not isinstance(read, Failure)
    assert (read.count, read.model) == (1, "s")
    assert read.usage is not None
    assert read.usage.prompt_tokens == 5


@pytest.mark.parametrize(
    "reply, kind",
    [
        (b"<html>", FailureKind.MALFORMED_BODY),
        (b"{}", FailureKind.MALFORMED_BODY),
        (b'{"data":[]}', FailureKind.MALFORMED_BODY),
        (b'{"data":[{"embedding":null}]}', FailureKind.MALFORMED_BODY),
        (b'{"data":[{"embedding":[1]},{"embedding":[1]}]}', FailureKind.MALFORMED_BODY),
    ],
)
def test_an_answer_without_its_vectors_is_a_failure(reply: bytes, kind: FailureKind) -> None:
    """One vector per input, or nothing."""
    read = read_embeddings(reply, 1)
    assert isinstance(read, Failure)
    assert read.kind is kind


def test_an_error_inside_a_200_is_that_error() -> None:
    """What the provider says is kept."""
    read = read_embeddings(b'{"data":[],"error":{"message":"no such model","code":"model_not_found"}}', 1)
    assert isinstance(read, Failure)
    assert read.code == "model_not_found"


class Embedder(httpx2.BaseTransport):
    """A server that answers with fixed vectors in the format it is asked for."""

    def __init__(self, vectors: list[list[float]]) -> None:
        self.vectors = vectors
        self.formats: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        read = parse_embeddings(request.read())
        self.formats.append(read.encoding_format)
        data = embeddings_body(read.model, self.vectors, read.encoding_format, 3)
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=data, request=request)


@pytest.mark.parametrize("chosen", [None, "float", "base64"])
def test_the_official_client_decodes_our_vectors(chosen: Literal["float", "base64"] | None) -> None:
    """Without a format it asks for base64 on its own, and gets the same numbers."""
    server = Embedder([[0.5, -0.25, 1.0], [0.0, 2.0, -8.0]])
    http = openai.DefaultHttpxClient(transport=server)
    official = openai.OpenAI(api_key="x", base_url="http://gate.example/v1", http_client=http, max_retries=0)
    format_: dict[str, Any] = {} if chosen is None else {"encoding_format": chosen}
    response = official.embeddings.create(model="m", input=["a", "b"], **format_)
    assert server.formats == [chosen or "base64"]
    assert [row.index for row in response.data] == [0, 1]
    if chosen != "base64":  # who asks for base64 by name gets it undecoded
        assert [row.embedding for row in response.data] == server.vectors
    assert (response.model, response.usage.prompt_tokens) == ("m", 3)


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1), max_size=3))
def test_floats_come_back_as_they_were(vectors: list[list[float]]) -> None:
    """The body is one that the SDK's type takes strictly."""
    read = CreateEmbeddingResponse.model_validate(json.loads(embeddings_body("m", vectors, "float", 0)), strict=True)
    assert [row.embedding for row in read.data] == vectors
    assert all(math.isfinite(each) for row in read.data for each in row.embedding)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_request_or_a_refusal(data: bytes) -> None:
    """Nothing but `InvalidBody` is raised; and any reply is vectors or a failure."""
    with suppress(InvalidBody):
        parse_embeddings(data)
    assert isinstance(read_embeddings(data, 1), Failure)
