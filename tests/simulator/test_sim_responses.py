"""The pretend Responses API: what it takes, how it answers whole and as a stream, and the OpenAI SDK at its door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import openai
import pytest
from tests.simulator.asking import KEY, MODEL, ORG, body, decoded, error, groq, post, rich, sent
from tests.simulator.uploading import send, served

from headgate.domain.limits import Dimension
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.script import Script
from headgate.simulator.settings import Organisation

HELLO = "hello [[tokens=30]]"
CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FIND: dict[str, Any] = {"type": "function", "name": "find", "description": "finds", "parameters": CITY}
FORM: dict[str, Any] = {"format": {"type": "json_schema", "name": "City", "strict": True, "schema": CITY}}
IMAGE: dict[str, Any] = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"}


def ask(*faults: Fault, headers: dict[str, str] | None = None, **fields: Any) -> Script:
    """One request to a Groq whose buckets do not matter."""
    asked = {"model": MODEL, "input": HELLO} | fields
    return send(groq(*faults, organisation=rich()), "POST", "responses", asked, headers=headers)


def events(script: Script) -> list[Any]:
    """The events of a stream; each is named twice in the same way."""
    made = []
    for block in script.body.decode().strip().split("\n\n"):
        name, _, data = block.partition("\n")
        event = msgspec.json.decode(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        made.append(event)
    assert [event["sequence_number"] for event in made] == list(range(len(made)))
    return made


@pytest.mark.parametrize(
    "fields, status, text",
    [
        ({}, 200, ""),
        ({"input": [{"role": "user", "content": "hi"}], "instructions": "be brief"}, 200, ""),
        ({"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}, 200, ""),
        ({"store": False, "previous_response_id": None, "include": None, "truncation": "disabled"}, 200, ""),
        ({"service_tier": "auto", "metadata": {"a": "b"}, "top_p": 0.5, "user": "u"}, 200, ""),
        ({"model": "qwen/qwen3.8-27b", "input": [{"role": "user", "content": [IMAGE]}]}, 200, ""),
        ({"input": [{"role": "user", "content": [IMAGE]}]}, 400, "content must be a string"),
        ({"store": True}, 400, "`store` is not supported"),
        ({"previous_response_id": "resp_1"}, 400, "`previous_response_id` is not supported"),
        ({"include": ["x"]}, 400, "`include` is not supported"),
        ({"prompt": {"id": "p"}}, 400, "`prompt` is not supported"),
        ({"prompt_cache_key": "k"}, 400, "`prompt_cache_key` is not supported"),
        ({"safety_identifier": "s"}, 400, "`safety_identifier` is not supported"),
        ({"truncation": "auto"}, 400, "`truncation` is not supported"),
        ({"background": True}, 400, "property 'background' is unsupported"),
        ({"service_tier": "on_demand"}, 400, "service_tier"),
        ({"service_tier": "flex"}, 400, "not available for this organization"),
        ({"metadata": {str(i): "x" for i in range(17)}}, 400, "metadata"),
        ({"input": 5}, 400, "'input'"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, 400, "invalid item type"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, 400, "invalid content part"),
        ({"reasoning": {"effort": "none"}}, 400, "`reasoning_effort` must be"),
        ({"reasoning": "high"}, 400, "'reasoning'"),
        ({"tools": [FIND], "text": FORM}, 400, "json mode cannot be combined"),
        ({"tools": [FIND], "tool_choice": {"type": "function", "name": "lose"}}, 400, "was not in request.tools"),
        ({"model": "nope"}, 404, "does not exist"),
        ({"max_output_tokens": 0}, 400, "must be greater"),
    ],
)
def test_responses_request_is_judged(fields: dict[str, Any], status: int, text: str) -> None:
    """What the beta takes and refuses; models and values follow the rules of chat."""
    script = ask(**fields)
    assert script.status == status, script.body
    if text:
        assert text in error(script)["message"]


def test_answer_is_what_chat_says() -> None:
    """The same text, reasoning and usage as a chat of the same messages, in items with ids of their own."""
    told = decoded(ask())
    chat = decoded(post(groq(organisation=rich()), body(HELLO)))
    thought, said = told["output"]
    assert (thought["type"], said["type"]) == ("reasoning", "message")
    assert thought["content"] == [{"type": "reasoning_text", "text": chat["choices"][0]["message"]["reasoning"]}]
    assert said["content"][0]["text"] == chat["choices"][0]["message"]["content"]
    assert told["usage"]["input_tokens"] == chat["usage"]["prompt_tokens"]
    assert told["usage"]["output_tokens"] == chat["usage"]["completion_tokens"] == 30
    assert told["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    assert (told["id"][:5], said["id"][:4], told["object"], told["status"]) == (
        "resp_",
        "msg_",
        "response",
        "completed",
    )
    assert (told["service_tier"], told["store"], told["error"]) == ("default", False, None)


def test_request_is_echoed() -> None:
    """What was asked stands in the answer."""
    told = decoded(
        ask(instructions="be brief", temperature=0.3, max_output_tokens=500, metadata={"a": "b"}, tools=[FIND])
    )
    assert (told["instructions"], told["temperature"], told["max_output_tokens"]) == ("be brief", 0.3, 500)
    assert (told["metadata"], told["tools"], told["tool_choice"]) == ({"a": "b"}, [FIND], "auto")


def test_cut_answer_is_incomplete() -> None:
    """At the maximum the status and the reason say so."""
    told = decoded(ask(input="hello [[tokens=300]]", max_output_tokens=40))
    assert told["status"] == "incomplete"
    assert told["incomplete_details"] == {"reason": "max_output_tokens"}
    assert told["output"][-1]["status"] == "incomplete"


def test_tools_go_round() -> None:
    """A call with arguments that fit, and its output said back to get a text."""
    call = decoded(ask(tools=[FIND], tool_choice="required"))["output"][-1]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "find", "completed")
    assert set(msgspec.json.decode(call["arguments"])) == {"city"}
    back = [
        {"role": "user", "content": HELLO},
        {"type": "reasoning", "id": "r", "summary": []},
        call,
        {"type": "function_call_output", "call_id": call["call_id"], "output": "Oslo"},
    ]
    assert decoded(ask(input=back, tools=[FIND]))["output"][-1]["type"] == "message"


def test_schema_is_kept() -> None:
    """A strict schema gives its instance as the text."""
    text = decoded(ask(text=FORM))["output"][-1]["content"][0]["text"]
    assert set(msgspec.json.decode(text)) == {"city"}


def test_header_asks_for_times() -> None:
    """The times of inference come as texts in the metadata, only when asked for."""
    told = decoded(ask(headers={"groq-beta": "inference-metrics"}, metadata={"a": "b"}))
    assert set(told["metadata"]) == {"a", "completion_time", "prompt_time", "queue_time", "total_time"}
    assert float(told["metadata"]["total_time"]) > 0
    assert decoded(ask())["metadata"] == {}


@pytest.mark.parametrize(
    "fields, kinds",
    [
        ({}, ["reasoning_text", "output_text"]),
        ({"reasoning": {"effort": "high"}}, ["reasoning_text", "output_text"]),
        ({"model": "qwen/qwen3.8-27b"}, ["output_text"]),
        ({"tools": [FIND], "tool_choice": "required"}, ["reasoning_text", "function_call_arguments"]),
        ({"text": FORM}, ["reasoning_text", "output_text"]),
        ({"max_output_tokens": 20}, ["reasoning_text", "output_text"]),
    ],
)
def test_stream_says_what_the_whole_answer_says(fields: dict[str, Any], kinds: list[str]) -> None:
    """Created, in progress, items opened and closed, deltas that add up, and at last the whole response."""
    told, seen = decoded(ask(**fields)), events(ask(stream=True, **fields))
    assert [event["type"] for event in seen[:2]] == ["response.created", "response.in_progress"]
    assert seen[-1]["type"] == f"response.{told['status']}"
    assert seen[-1]["response"]["output"] == [
        item | {"id": seen_item["id"]} | ({"call_id": seen_item["call_id"]} if "call_id" in item else {})
        for item, seen_item in zip(told["output"], seen[-1]["response"]["output"], strict=True)
    ]
    assert [e["item"] for e in seen if e["type"] == "response.output_item.done"] == seen[-1]["response"]["output"]
    added = [e for e in seen if e["type"] == "response.output_item.added"]
    assert [e["output_index"] for e in added] == list(range(len(kinds)))
    for index, kind in enumerate(kinds):
        whole = next(e for e in seen if e["type"] == f"response.{kind}.done")
        deltas = [e["delta"] for e in seen if e["type"] == f"response.{kind}.delta" and e["output_index"] == index]
        assert "".join(deltas) == whole["arguments" if kind == "function_call_arguments" else "text"]


def test_stream_flows_in_time() -> None:
    """Events leave one after another, and the bucket is settled to what was used."""
    pretend = groq()
    script = send(
        pretend, "POST", "responses", {"model": MODEL, "input": HELLO, "stream": True, "max_output_tokens": 900}
    )
    times = [part.at_s for part in script.parts]
    assert times == sorted(times)
    assert times[-1] > times[0]
    used = events(script)[-1]["response"]["usage"]["total_tokens"]
    assert pretend.level(ORG, MODEL, Dimension.TPM, 0.0) > 900
    drained = script.ends_at_s * 8000 / 60
    assert pretend.level(ORG, MODEL, Dimension.TPM, script.ends_at_s) == pytest.approx(used - drained, abs=0.01)


def test_limits_are_those_of_chat() -> None:
    """One bucket for both ways of asking: what chat took is missing here, with its headers and texts."""
    pretend = groq()
    post(pretend, body(max_completion_tokens=7000))
    refused = send(pretend, "POST", "responses", {"model": MODEL, "input": HELLO, "max_output_tokens": 1000})
    assert (refused.status, error(refused)["type"]) == (429, "tokens")
    assert "x-ratelimit-remaining-tokens" in sent(pretend, refused)
    large = send(groq(), "POST", "responses", {"model": MODEL, "input": HELLO, "max_output_tokens": 9000})
    assert large.status == 413


@pytest.mark.parametrize(
    "kind, fields, status",
    [
        (FaultKind.OVER_CAPACITY, {}, 503),
        (FaultKind.RATE_LIMITED, {}, 429),
        (FaultKind.FLEX_FULL, {}, 498),
        (FaultKind.TOOL_USE_FAILED, {"tools": [FIND], "tool_choice": "required"}, 400),
        (FaultKind.JSON_VALIDATE_FAILED, {"text": FORM}, 400),
        (FaultKind.EMPTY_CHOICES, {}, 200),
    ],
)
def test_faults_strike_responses(kind: FaultKind, fields: dict[str, Any], status: int) -> None:
    """Statuses and failures of generation, as in chat; what only chat's shape can have does nothing."""
    assert ask(Fault(kind), **fields).status == status


def test_generation_that_fails_in_a_stream_ends_it_as_failed() -> None:
    """response.failed comes last and carries code and message."""
    last = events(ask(Fault(FaultKind.JSON_VALIDATE_FAILED), text=FORM, stream=True))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == "json_validate_failed"


@pytest.mark.parametrize("stream", [False, True])
def test_usage_can_lie(stream: bool) -> None:
    """The usage faults reach into the response object, whole or in an event."""
    script = ask(Fault(FaultKind.USAGE_NEGATIVE), stream=stream)
    told = events(script)[-1]["response"] if stream else decoded(script)
    assert told["usage"]["output_tokens"] == -30


@asynccontextmanager
async def sdk(*faults: Fault) -> AsyncIterator[openai.AsyncOpenAI]:
    """The OpenAI SDK at a simulator whose buckets do not matter."""
    async with (
        served(*faults, organisation=rich()) as (server, _),
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{server.base_url}/openai/v1", max_retries=0) as client,
    ):
        yield client


async def test_openai_sdk_creates_and_streams_responses() -> None:
    """Typed responses, typed events, and the SDK's own sum of the text."""
    async with sdk() as client:
        whole = await client.responses.create(model=MODEL, input=HELLO)
        stream = await client.responses.create(model=MODEL, input=HELLO, stream=True)
        seen = [event async for event in stream]
        async with client.responses.stream(model=MODEL, input=HELLO) as helped:
            async for _ in helped:
                pass
            final = await helped.get_final_response()
    assert whole.usage is not None
    assert whole.usage.output_tokens == 30
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    assert text == whole.output_text == final.output_text
    assert seen[-1].type == "response.completed"


async def test_openai_sdk_parses_schemas_and_calls_tools() -> None:
    """A function call and an error event as the SDK understands them."""
    async with sdk() as client:
        tools: Any = [FIND]
        called = await client.responses.create(model=MODEL, input=HELLO, tools=tools, tool_choice="required")
    assert called.output[-1].type == "function_call"
    async with sdk(Fault(FaultKind.STREAM_ERROR_EVENT)) as client:
        stream = await client.responses.create(model=MODEL, input=HELLO, stream=True)
        with pytest.raises(openai.APIError):
            _ = [event async for event in stream]


def test_an_organisation_on_a_paid_plan_gets_flex() -> None:
    """Flex is served and told."""
    pretend = groq(organisation=Organisation(plan="developer"))
    told = decoded(send(pretend, "POST", "responses", {"model": MODEL, "input": HELLO, "service_tier": "flex"}))
    assert told["service_tier"] == "flex"
