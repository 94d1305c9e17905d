"""The pretend embeddings, which exist by a switch only, and the list of models."""

import struct
from base64 import b64decode
from math import sqrt
from typing import Any

import groq as groq_sdk
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulator.asking import KEY, MODEL, ORG, decoded, error, groq
from tests.simulator.uploading import send, served

from headgate.domain.limits import Dimension
from headgate.simulator.embeddings import DIMENSIONS, MOST_INPUTS, vector
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.offer import Offer
from headgate.simulator.settings import Organisation

NOMIC = "nomic-embed-text-v1_5"
OFFERED = Offer(embeddings=True)


@pytest.mark.parametrize(
    "fields, status, text",
    [
        ({}, 200, ""),
        ({"input": ["one", "two"], "encoding_format": "base64", "user": "u"}, 200, ""),
        ({"encoding_format": "int8"}, 400, "encoding_format"),
        ({"input": ""}, 400, "not empty"),
        ({"input": []}, 400, "string or an array"),
        ({"input": [1, 2]}, 400, "not empty"),
        ({"input": ["x"] * (MOST_INPUTS + 1)}, 400, "maximum number of items"),
        ({"input": "word " * 9000}, 400, "tokens or fewer"),
        ({"dimensions": 64}, 400, "property 'dimensions' is unsupported"),
        ({"model": MODEL}, 400, "does not support embeddings"),
        ({"model": "text-embedding-3-small"}, 404, "does not exist"),
        ({"model": None}, 400, "'model'"),
    ],
)
def test_embedding_request_is_judged(fields: dict[str, Any], status: int, text: str) -> None:
    """The rules that the SDK states, each with its refusal."""
    script = send(groq(offer=OFFERED), "POST", "embeddings", {"model": NOMIC, "input": "hello"} | fields)
    assert script.status == status, script.body
    if text:
        assert text in error(script)["message"]


def test_model_does_not_exist_without_the_switch() -> None:
    """By default it is a 404 like any unknown model, as on the wire."""
    refused = send(groq(), "POST", "embeddings", {"model": NOMIC, "input": "hello"})
    assert (refused.status, error(refused)["code"]) == (404, "model_not_found")


def test_both_encodings_hold_the_same_vectors() -> None:
    """base64 is the floats as little-endian 32-bit numbers; usage counts the inputs together."""
    pretend, asked = groq(offer=OFFERED), {"model": NOMIC, "input": ["a red boat", "a blue boat"]}
    plain = decoded(send(pretend, "POST", "embeddings", asked))
    coded = decoded(send(pretend, "POST", "embeddings", asked | {"encoding_format": "base64"}))
    for index, (one, other) in enumerate(zip(plain["data"], coded["data"], strict=True)):
        assert one["index"] == other["index"] == index
        assert struct.unpack(f"<{DIMENSIONS}f", b64decode(other["embedding"])) == pytest.approx(one["embedding"])
    assert plain["usage"]["prompt_tokens"] == plain["usage"]["total_tokens"] > 0
    assert (plain["object"], plain["model"]) == ("list", NOMIC)


@given(text=st.text(min_size=1, max_size=200))
def test_vector_is_a_unit_and_always_the_same(text: str) -> None:
    """Whatever the text: 768 numbers of length one (or none where words undo each other), equal each time."""
    made = vector(text)
    assert made == vector(text)
    assert len(made) == DIMENSIONS
    assert sqrt(sum(value * value for value in made)) == pytest.approx(1.0) or not any(made)


def test_texts_that_share_words_are_near() -> None:
    """Nearer than texts that share none."""

    def alike(one: str, other: str) -> float:
        return sum(a * b for a, b in zip(vector(one), vector(other), strict=True))

    assert alike("the price of tea in China", "tea prices: the price in China") > 0.5
    assert alike("the price of tea in China", "seven grey cats sleep") < 0.2


def test_embeddings_are_metered_where_limits_are_set() -> None:
    """Tokens count in the buckets that an organisation has for the model; faults strike."""
    limits = {NOMIC: {Dimension.TPM: 50}}
    pretend = groq(offer=OFFERED, organisation=Organisation(limits=limits))
    asked = {"model": NOMIC, "input": "word " * 30}
    used = decoded(send(pretend, "POST", "embeddings", asked))["usage"]["total_tokens"]
    assert pretend.level(ORG, NOMIC, Dimension.TPM, 0.0) == used
    refused = send(pretend, "POST", "embeddings", asked)
    assert (refused.status, error(refused)["type"]) == (429, "tokens")
    assert send(groq(Fault(FaultKind.OVER_CAPACITY), offer=OFFERED), "POST", "embeddings", asked).status == 503


async def test_both_sdks_embed() -> None:
    """The Groq SDK asks for floats, the OpenAI SDK for base64, and both see the same numbers."""
    async with served(offer=OFFERED) as (server, client):
        mine = await client.embeddings.create(model=NOMIC, input=["hello", "world"])
        coded = await client.embeddings.create(model=NOMIC, input="hello", encoding_format="base64")
        async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{server.base_url}/v1") as other:
            theirs = await other.embeddings.create(model=NOMIC, input="hello")
    assert isinstance(coded.data[0].embedding, str)
    assert theirs.data[0].embedding == pytest.approx(mine.data[0].embedding)
    assert len(mine.data) == 2


async def test_groq_sdk_lists_retrieves_and_cannot_delete_models() -> None:
    """The list and one model (its id with a slash, as the SDK quotes it) tell what they can; nobody may delete one."""
    async with served() as (_, client):
        models = (await client.models.list()).data
        one: Any = await client.models.retrieve(MODEL)
        with pytest.raises(groq_sdk.NotFoundError):
            await client.models.delete(MODEL)
        with pytest.raises(groq_sdk.NotFoundError):
            await client.models.retrieve("nope")
    assert MODEL in {model.id for model in models}
    assert one.name
    assert one.supported_features == ["tools", "json_mode", "structured_outputs", "reasoning"]
    assert set(one.pricing) == {"prompt", "completion", "image", "request", "input_cache_read"}
    assert float(one.pricing["completion"]) == pytest.approx(0.6e-6)
    kinds: Any = {model.id: model for model in models}
    assert kinds["whisper-large-v3"].input_modalities == ["audio"]
    assert kinds["canopylabs/orpheus-v1-english"].output_modalities == ["audio"]
