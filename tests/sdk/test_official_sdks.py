"""The real OpenAI and Groq SDKs at the HTTP door, over a pretend Groq: each understands the other."""

from typing import Any

import groq
import openai
import pytest
from tests.running_gateway import QUICK, SHORT, RunningGateway, running_gateway

from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import SimulatorSettings

MODEL = "openai/gpt-oss-20b"
HELLO = "Say hello"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CITY: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "city",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
}


def test_openai_sdk_asks(gateway: RunningGateway) -> None:
    """A plain completion has text, usage and its labels in the headers."""
    with openai.OpenAI(base_url=gateway.v1, api_key="anything") as client:
        raw = client.chat.completions.with_raw_response.create(
            model=MODEL, messages=[{"role": "user", "content": HELLO}]
        )
        answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert raw.headers["x-headgate-source"] == "upstream"
    assert raw.headers["x-headgate-model-served"] == answer.model == MODEL
    assert raw.headers["x-request-id"].startswith("req_")


def test_openai_sdk_streams(gateway: RunningGateway) -> None:
    """A stream ends with a finish reason; the usage chunk comes if and only if it was asked for."""
    with openai.OpenAI(base_url=gateway.v1, api_key="anything") as client:
        plain = list(
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True)
        )
        with_usage = list(
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": HELLO}],
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain if chunk.choices)
    assert [chunk.choices[0].finish_reason for chunk in plain if chunk.choices][-1] == "stop"
    assert all(chunk.choices for chunk in plain)
    assert with_usage[-1].usage is not None


async def test_openai_sdk_without_blocking(gateway: RunningGateway) -> None:
    """The asynchronous client asks and streams too."""
    async with openai.AsyncOpenAI(base_url=gateway.v1, api_key="anything") as client:
        answer = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}])
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True
        )
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert answer.choices[0].message.content
    assert "".join(texts)


def test_openai_sdk_gets_tools_and_json(gateway: RunningGateway) -> None:
    """A required tool is called with its arguments, and a schema is kept."""
    with openai.OpenAI(base_url=gateway.v1, api_key="anything") as client:
        called = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Weather in Pune?"}],
            tools=[WEATHER],
            tool_choice="required",
        )
        shaped = client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "A city, as JSON"}],
            response_format=CITY,
        )
    calls = called.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    assert '"name"' in (shaped.choices[0].message.content or "")


def test_groq_sdk_asks_and_streams(gateway: RunningGateway) -> None:
    """Given the host root, the Groq SDK finds its paths; answers and streams are its own types."""
    with groq.Groq(base_url=gateway.root, api_key="anything") as client:
        answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}])
        chunks = list(
            client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True)
        )
        models = client.models.list()
    assert answer.choices[0].message.content
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert MODEL in {model.id for model in models.data}


async def test_groq_sdk_without_blocking(gateway: RunningGateway) -> None:
    """The asynchronous client asks and streams too."""
    async with groq.AsyncGroq(base_url=gateway.root, api_key="anything") as client:
        answer = await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": HELLO}])
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True
        )
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert answer.choices[0].message.content
    assert "".join(texts)


def test_retired_model_is_served_by_its_successor(gateway: RunningGateway) -> None:
    """A configuration that names a model which is gone goes on working, and the answer says so, streamed or not."""
    with openai.OpenAI(base_url=gateway.v1, api_key="anything") as client:
        for stream in (False, True):
            raw = client.chat.completions.with_raw_response.create(
                model="llama3-8b-8192",
                messages=[{"role": "user", "content": HELLO}],
                stream=stream,
            )
            raw.http_response.read()
            assert raw.headers["x-headgate-model-asked"] == "llama3-8b-8192"
            assert raw.headers["x-headgate-model-served"] == "openai/gpt-oss-20b"
            assert raw.headers["x-headgate-reason"] == "retired"


def test_unknown_model_is_not_found(gateway: RunningGateway) -> None:
    """Both SDKs raise their own 404, with the nearest name in it."""
    with (
        openai.OpenAI(base_url=gateway.v1, api_key="anything") as client,
        pytest.raises(openai.NotFoundError, match="openai/gpt-oss-20b"),
    ):
        client.chat.completions.create(model="gpt-oss-20", messages=[{"role": "user", "content": HELLO}])
    with groq.Groq(base_url=gateway.root, api_key="anything") as client, pytest.raises(groq.NotFoundError):
        client.chat.completions.create(model="gpt-oss-20", messages=[{"role": "user", "content": HELLO}])


def test_refused_without_local_answer() -> None:
    """With no room at all and `local: off` the SDK raises its rate limit error at once, and repeats nothing."""
    fault = Fault(FaultKind.RATE_LIMITED, value="TPD", delay_s=3600.0)
    pretend = SimulatorSettings(pace=QUICK, lengths=SHORT, faults=(fault,))
    with running_gateway(simulator=pretend) as gateway, openai.OpenAI(base_url=gateway.v1, api_key="x") as client:
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": HELLO}],
                extra_headers={"x-headgate-local": "off", "x-headgate-patience-ms": "50"},
            )
        assert raised.value.response.headers["x-should-retry"] == "false"
        assert int(raised.value.response.headers["retry-after"]) > 0
        assert raised.value.code == "no_capacity"
        local = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": HELLO}], extra_headers={"x-headgate-patience-ms": "50"}
        )
        assert local.model == "headgate/local"


def test_client_that_leaves_mid_stream_is_settled() -> None:
    """Closing the response early ends the upstream call and settles its reservation."""
    slow = SimulatorSettings(pace=QUICK, faults=(Fault(FaultKind.STALLED, at=0.2),))
    with running_gateway(simulator=slow) as gateway, openai.OpenAI(base_url=gateway.v1, api_key="x") as client:
        stream = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": HELLO}], stream=True, max_completion_tokens=400
        )
        next(iter(stream))
        assert gateway.open_reservations() == 1
        stream.close()
        assert gateway.eventually(lambda: gateway.open_reservations() == 0)
        assert gateway.eventually(lambda: gateway.gateway.in_flight == 0)
