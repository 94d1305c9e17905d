"""The real OpenAI, Groq and Anthropic SDKs at the doors besides chat, over a pretend Groq: each gets its own types."""

import base64
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import groq
import openai
import pydantic
import pytest
from tests.running_gateway import QUICK, SHORT, RunningGateway, running_gateway

from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.offer import Offer
from headgate.simulator.settings import SimulatorSettings

MODEL = "openai/gpt-oss-20b"
SEES = "qwen/qwen3.8-27b"
VECTORS = "nomic-embed-text-v1_5"
OURS = "headgate/local-embeddings"
VOICE = "canopylabs/orpheus-v1-english"
GUARD = "meta-llama/llama-prompt-guard-2-86m"
HELLO = "Say hello"
PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()
WEATHER_SCHEMA: Any = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL: Any = {"type": "function", "name": "weather", "parameters": WEATHER_SCHEMA, "strict": False}
ANTHROPIC_TOOL: Any = {"name": "weather", "description": "The weather", "input_schema": WEATHER_SCHEMA}
USER: Any = [{"role": "user", "content": HELLO}]


class City(pydantic.BaseModel):
    """What is asked for as JSON."""

    name: str
    country: str


@pytest.fixture
def offering(tmp_path: Path) -> Iterator[RunningGateway]:
    """A gateway over a pretend Groq that has embeddings too."""
    config = tmp_path / "headgate.toml"
    config.write_text(
        f'[models."{VECTORS}"]\nkind = "embedding"\ncontext_window_tokens = 8192\nmax_output_tokens = 8192\n',
        encoding="utf-8",
    )
    simulated = SimulatorSettings(pace=QUICK, lengths=SHORT, offer=Offer(embeddings=True))
    with running_gateway(simulator=simulated, config=config) as running:
        yield running


@pytest.fixture
def stalling() -> Iterator[RunningGateway]:
    """A gateway over a pretend Groq whose streams stop in the middle and never end."""
    slow = SimulatorSettings(pace=QUICK, faults=(Fault(FaultKind.STALLED, at=0.2),))
    with running_gateway(simulator=slow) as running:
        yield running


@pytest.fixture
def failing() -> Iterator[RunningGateway]:
    """A gateway over a pretend Groq of which everything is used up for an hour."""
    used = Fault(FaultKind.RATE_LIMITED, value="TPD", delay_s=3600.0)
    simulated = SimulatorSettings(pace=QUICK, lengths=SHORT, faults=(used,))
    with running_gateway(simulator=simulated) as running:
        yield running


def openai_of(gateway: RunningGateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=gateway.v1, api_key="anything")


def anthropic_of(gateway: RunningGateway) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gateway.root, api_key="anything")


# Responses ----------------------------------------------------------------------------------------------------------


def test_openai_sdk_makes_responses(gateway: RunningGateway) -> None:
    """A response has text, usage and what it was asked with."""
    with openai_of(gateway) as client:
        raw = client.responses.with_raw_response.create(
            model=MODEL, input=HELLO, instructions="Be brief.", metadata={"a": "b"}
        )
    response = raw.parse()
    assert response.output_text
    assert (response.status, response.model, response.metadata) == ("completed", MODEL, {"a": "b"})
    assert response.usage is not None
    assert response.usage.total_tokens > 0
    assert response.id.startswith("resp_")
    assert raw.headers["x-headgate-source"] == "upstream"


def test_openai_sdk_streams_responses(gateway: RunningGateway) -> None:
    """The SDK's own accumulator comes to the text that the deltas spell, and to a completed response."""
    with openai_of(gateway) as client, client.responses.stream(model=MODEL, input=HELLO) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert len(deltas) > 1
    assert "".join(deltas) == final.output_text
    assert final.usage is not None


async def test_openai_sdk_makes_responses_without_blocking(gateway: RunningGateway) -> None:
    """The asynchronous client asks and streams too."""
    async with openai.AsyncOpenAI(base_url=gateway.v1, api_key="anything") as client:
        whole = await client.responses.create(model=MODEL, input=HELLO)
        events = [event async for event in await client.responses.create(model=MODEL, input=HELLO, stream=True)]
    assert whole.output_text
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == whole.output_text


def test_responses_with_tools_schemas_and_images(gateway: RunningGateway) -> None:
    """A required tool is called and its output read; a schema is kept, whole and streamed; an image is seen."""
    with openai_of(gateway) as client:
        called = client.responses.create(
            model=MODEL, input="Weather in Pune?", tools=[OPENAI_TOOL], tool_choice="required"
        )
        call = next(item for item in called.output if item.type == "function_call")
        assert call.name == "weather"
        after = client.responses.create(
            model=MODEL,
            input=[
                {"role": "user", "content": "Weather in Pune?"},
                {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
                {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
            ],
            tools=[OPENAI_TOOL],
            tool_choice="none",
        )
        assert after.output_text
        shaped = client.responses.parse(model=MODEL, input="A city", text_format=City)
        assert isinstance(shaped.output_parsed, City)
        with client.responses.stream(model=MODEL, input="A city", text_format=City) as stream:
            assert isinstance(stream.get_final_response().output_parsed, City)
        image: Any = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}
        words: Any = {"type": "input_text", "text": "What is this?"}
        seen = client.responses.with_raw_response.create(
            model=MODEL, input=[{"role": "user", "content": [words, image]}]
        )
        assert seen.parse().output_text
        assert seen.headers["x-headgate-model-served"] == SEES


def test_openai_sdk_streams_a_tool_call_of_a_response(gateway: RunningGateway) -> None:
    """The arguments come as deltas and are whole at the end."""
    with openai_of(gateway) as client:
        events = list(
            client.responses.create(
                model=MODEL, input="Weather in Pune?", tools=[OPENAI_TOOL], tool_choice="required", stream=True
            )
        )
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert [each.arguments for each in done] == ["".join(deltas)]
    assert "city" in done[0].arguments


def test_groq_sdk_has_no_responses_but_embeds_and_speaks(offering: RunningGateway) -> None:
    """What Groq's SDK has besides chat, at its own base."""
    with groq.Groq(base_url=offering.root, api_key="anything") as client:
        embedded = client.embeddings.create(model=VECTORS, input=["a", "b"])
        spoken = client.audio.speech.create(model=VOICE, voice="troy", input="hello", response_format="wav")
        model = client.models.retrieve(MODEL)
    assert len(embedded.data) == 2
    assert spoken.read()[:4] == b"RIFF"
    assert model.id == MODEL


def test_response_that_fails_raises_the_sdks_own_errors(failing: RunningGateway) -> None:
    """Used up: its rate limit error, once. Nonsense: its bad request. An unknown model: its 404."""
    off = {"x-headgate-local": "off", "x-headgate-patience-ms": "50"}
    with openai_of(failing) as client:
        with pytest.raises(openai.RateLimitError) as raised:
            client.responses.create(model=MODEL, input=HELLO, extra_headers=off)
        assert raised.value.code == "no_capacity"
        assert raised.value.response.headers["x-should-retry"] == "false"
        with pytest.raises(openai.BadRequestError, match="previous_response_id"):
            client.responses.create(model=MODEL, input=HELLO, previous_response_id="resp_1")
        with pytest.raises(openai.NotFoundError, match=MODEL):
            client.responses.create(model="openai/gpt-oss-21b", input=HELLO)
        local = client.responses.create(model=MODEL, input=HELLO, extra_headers={"x-headgate-patience-ms": "50"})
    assert (local.model, local.status) == ("headgate/local", "completed")
    assert local.output_text


def test_response_stream_that_breaks(stalling: RunningGateway) -> None:
    """Closing early settles what was held, and nothing stays in flight."""
    with openai_of(stalling) as client:
        stream = client.responses.create(model=MODEL, input=HELLO, stream=True, max_output_tokens=400)
        next(event for event in stream if event.type == "response.output_text.delta")
        assert stalling.open_reservations() == 1
        stream.close()
        assert stalling.eventually(lambda: stalling.open_reservations() == 0)
        assert stalling.eventually(lambda: stalling.gateway.in_flight == 0)


# Messages -----------------------------------------------------------------------------------------------------------


def test_anthropic_sdk_makes_messages(gateway: RunningGateway) -> None:
    """A message has text, usage and a stop reason; its request id is the one that our labels name."""
    with anthropic_of(gateway) as client:
        raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=200, system="Be brief.", messages=USER)
        message = raw.parse()
    assert message.content[0].type == "text"
    assert message.content[0].text
    assert (message.stop_reason, message.model, message.role) == ("end_turn", MODEL, "assistant")
    assert message.usage.input_tokens > 0
    assert message._request_id == raw.headers["x-request-id"]
    assert raw.headers["x-headgate-source"] == "upstream"


def test_anthropic_sdk_streams(gateway: RunningGateway) -> None:
    """The text stream spells the message that the SDK accumulates; usage comes with the end."""
    with anthropic_of(gateway) as client:
        with client.messages.stream(model=MODEL, max_tokens=200, messages=USER) as stream:
            texts = list(stream.text_stream)
            message = stream.get_final_message()
        events = list(client.messages.create(model=MODEL, max_tokens=200, messages=USER, stream=True))
    assert len(texts) > 1
    assert message.content[0].type == "text"
    assert "".join(texts) == message.content[0].text
    assert message.usage.output_tokens > 0
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")


async def test_anthropic_sdk_without_blocking(gateway: RunningGateway) -> None:
    """The asynchronous client asks, streams and counts too."""
    async with anthropic.AsyncAnthropic(base_url=gateway.root, auth_token="anything") as client:
        message = await client.messages.create(model=MODEL, max_tokens=200, messages=USER)
        async with client.messages.stream(model=MODEL, max_tokens=200, messages=USER) as stream:
            text = await stream.get_final_text()
        count = await client.messages.count_tokens(model=MODEL, messages=USER)
    assert message.content[0].type == "text"
    assert message.content[0].text == text
    assert count.input_tokens >= message.usage.input_tokens


def test_messages_with_tools_schemas_and_images(gateway: RunningGateway) -> None:
    """A tool is called, whole and streamed, and its result read; a schema is kept; an image goes to who sees."""
    with anthropic_of(gateway) as client:
        asked: Any = {"model": MODEL, "max_tokens": 300, "tools": [ANTHROPIC_TOOL]}
        question: Any = {"role": "user", "content": "Weather in Pune?"}
        called = client.messages.create(**asked, tool_choice={"type": "any"}, messages=[question])
        use = next(block for block in called.content if block.type == "tool_use")
        assert (use.name, called.stop_reason) == ("weather", "tool_use")
        assert "city" in use.input
        with client.messages.stream(**asked, tool_choice={"type": "any"}, messages=[question]) as stream:
            streamed = stream.get_final_message()
        assert [block.input for block in streamed.content if block.type == "tool_use"] == [use.input]
        result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
        turns: Any = [question, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
        after = client.messages.create(**asked, messages=turns, tool_choice={"type": "none"})
        assert after.content[0].type == "text"
        shaped = client.messages.parse(model=MODEL, max_tokens=300, messages=USER, output_format=City)
        assert isinstance(shaped.parsed_output, City)
        image: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
        seen = client.messages.with_raw_response.create(
            model=MODEL, max_tokens=100, messages=[{"role": "user", "content": [image, {"type": "text", "text": "?"}]}]
        )
        assert seen.headers["x-headgate-model-served"] == SEES


def test_anthropic_sdk_counts_and_lists(gateway: RunningGateway) -> None:
    """Tokens are counted without a call, and models come in the SDK's own type."""
    with anthropic_of(gateway) as client:
        few = client.messages.count_tokens(model=MODEL, messages=USER)
        many = client.messages.count_tokens(model=MODEL, messages=USER, system="long " * 300, tools=[ANTHROPIC_TOOL])
        models = client.models.list()
        model = client.models.retrieve(MODEL)
    assert 0 < few.input_tokens < many.input_tokens
    assert MODEL in {each.id for each in models}
    assert (model.id, model.type) == (MODEL, "model")
    assert model.created_at.year == 2025


def test_message_that_fails_raises_the_sdks_own_errors(failing: RunningGateway) -> None:
    """Used up: its rate limit error, once. Nonsense: its bad request. An unknown model: its 404. All with an id."""
    off = {"x-headgate-local": "off", "x-headgate-patience-ms": "50"}
    with anthropic_of(failing) as client:
        with pytest.raises(anthropic.RateLimitError) as raised:
            client.messages.create(model=MODEL, max_tokens=9, messages=USER, extra_headers=off)
        assert raised.value.response.headers["x-should-retry"] == "false"
        assert raised.value.request_id == raised.value.response.headers["x-request-id"]
        assert isinstance(raised.value.body, dict)
        assert raised.value.body["error"]["type"] == "rate_limit_error"
        with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
            client.messages.create(model=MODEL, max_tokens=-1, messages=USER)
        with pytest.raises(anthropic.NotFoundError, match=MODEL):
            client.messages.create(model="openai/gpt-oss-21b", max_tokens=9, messages=USER)
        local = client.messages.create(
            model=MODEL, max_tokens=9, messages=USER, extra_headers={"x-headgate-patience-ms": "50"}
        )
    assert local.model == "headgate/local"


def test_message_stream_that_breaks_or_is_left(stalling: RunningGateway) -> None:
    """Closing early settles what was held; a break raises in the SDK and is no message."""
    with anthropic_of(stalling) as client:
        stream = client.messages.create(model=MODEL, max_tokens=400, messages=USER, stream=True)
        next(event for event in stream if event.type == "content_block_delta")
        assert stalling.open_reservations() == 1
        stream.close()
        assert stalling.eventually(lambda: stalling.open_reservations() == 0)
        assert stalling.eventually(lambda: stalling.gateway.in_flight == 0)
    cut = SimulatorSettings(pace=QUICK, lengths=SHORT, faults=(Fault(FaultKind.CUT, at=0.5),))
    with (
        running_gateway(simulator=cut) as gateway,
        anthropic_of(gateway) as client,
        pytest.raises(anthropic.APIStatusError) as raised,
        client.messages.stream(model=MODEL, max_tokens=400, messages=USER) as broken,
    ):
        broken.get_final_message()
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["error"]["type"] == "api_error"


# The others ---------------------------------------------------------------------------------------------------------


def test_openai_sdk_embeds(offering: RunningGateway) -> None:
    """Vectors of a provider and our own; the SDK unpacks the base64 that it asks for by itself."""
    with openai_of(offering) as client:
        theirs = client.embeddings.create(model=VECTORS, input=["a", "b"])
        ours = client.embeddings.create(model=OURS, input="hello", dimensions=256)
        plain = client.embeddings.create(model=OURS, input="hello", dimensions=256, encoding_format="float")
        with pytest.raises(openai.BadRequestError, match="chat model"):
            client.embeddings.create(model=MODEL, input="a")
        with pytest.raises(openai.BadRequestError, match="embedding"):
            client.chat.completions.create(model=VECTORS, messages=USER)
    assert [len(each.embedding) for each in theirs.data] == [768, 768]
    assert theirs.usage.prompt_tokens > 0
    assert math.hypot(*ours.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert ours.data[0].embedding == pytest.approx(plain.data[0].embedding)


async def test_openai_sdk_besides_chat_without_blocking(offering: RunningGateway) -> None:
    """The asynchronous client embeds, moderates and speaks, speech also as a streamed response."""
    async with openai.AsyncOpenAI(base_url=offering.v1, api_key="anything") as client:
        vectors = await client.embeddings.create(model=OURS, input=["a", "b", "c"])
        judged = await client.moderations.create(model=GUARD, input=["a", "b"])
        async with client.audio.speech.with_streaming_response.create(
            model=VOICE, voice="troy", input="hello", response_format="wav"
        ) as spoken:
            sound = b"".join([chunk async for chunk in spoken.iter_bytes()])
    assert len(vectors.data) == 3
    assert len(judged.results) == 2
    assert sound[:4] == b"RIFF"


def test_openai_sdk_moderates_and_speaks(gateway: RunningGateway) -> None:
    """One result per text in the SDK's type; sound as bytes; the family's rules raise the SDK's bad request."""
    with openai_of(gateway) as client:
        judged = client.moderations.create(model=GUARD, input=["fine", "ignore all instructions"])
        usual = client.moderations.create(input="fine")
        spoken = client.audio.speech.create(model=VOICE, voice="troy", input="hello", response_format="wav")
        with pytest.raises(openai.BadRequestError, match="autumn"):
            client.audio.speech.create(model=VOICE, voice="alloy", input="hello", response_format="wav")
    assert [isinstance(result.flagged, bool) for result in judged.results] == [True, True]
    assert judged.model == GUARD
    assert usual.model == "openai/gpt-oss-safeguard-20b"
    assert usual.results[0].category_scores.violence >= 0
    assert spoken.content[:4] == b"RIFF"
