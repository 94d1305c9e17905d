"""Whole chat completions as response objects, read by the SDK's own types."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from headgate.domain.answer import Reply
from headgate.protocol.openai import completion_body
from headgate.protocol.reply import read_reply
from headgate.protocol.responses import Asked, chat_body
from headgate.protocol.responses_reply import response_body

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "data" / "groq_recordings.jsonl"
USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 7},
}
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
EVERYTHING: dict[str, Any] = {
    "model": "asked",
    "input": "hi",
    "instructions": "be brief",
    "metadata": {"a": "b"},
    "tools": [
        {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
        {"type": "web_search_preview"},
        {"type": "code_interpreter"},
        {"type": "mcp", "server_label": "l", "server_url": "https://a.example"},
    ],
    "tool_choice": {"type": "function", "name": "f"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
    "reasoning": {"effort": "low"},
    "temperature": 0.5,
    "top_p": 1,
    "max_output_tokens": 50,
    "parallel_tool_calls": False,
    "service_tier": "flex",
    "user": "u",
}


def asked(**fields: object) -> Asked:
    """A request."""
    return chat_body(json.dumps({"model": "asked", "input": "hi", **fields}).encode())


def completion(message: Mapping[str, object], finish_reason: str = "stop", **fields: object) -> bytes:
    """A chat completion as Groq shapes it."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return json.dumps({"id": "c", "model": "served", "choices": [choice], "usage": USAGE, **fields}).encode()


def response(reply: bytes, request: Asked | None = None) -> Response:
    """The response object, validated strictly by the SDK's type."""
    body = response_body(reply, request or asked(), "resp_01", 1700000000)
    return Response.model_validate(json.loads(body), strict=True)


def call(identity: str, name: str, arguments: str) -> dict[str, object]:
    """A tool call as chat writes it."""
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_text_is_a_completed_message() -> None:
    """The SDK's shortcut gives the text, and the model is the one that served."""
    read = response(completion({"content": "hello"}))
    assert (read.id, read.status, read.model, read.output_text) == ("resp_01", "completed", "served", "hello")
    assert (read.created_at, read.error, read.incomplete_details) == (1700000000, None, None)
    assert [(item.type, item.id) for item in read.output] == [("message", "msg_01_0")]


def test_the_items_come_in_the_order_reasoning_calls_message() -> None:
    """Each kind is an item of its own with the ids that a later request refers to."""
    message = {"content": "hello", "reasoning": "hm", "tool_calls": [call("c1", "f", "{}"), call("c2", "g", '{"a":1}')]}
    read = response(completion(message, "tool_calls"))
    dumped = [item.model_dump(exclude_none=True) for item in read.output]
    assert [item["type"] for item in dumped] == ["reasoning", "function_call", "function_call", "message"]
    assert dumped[0]["content"] == [{"type": "reasoning_text", "text": "hm"}]
    assert dumped[2] == {
        "type": "function_call",
        "id": "fc_01_2",
        "call_id": "c2",
        "name": "g",
        "arguments": '{"a":1}',
        "status": "completed",
    }
    assert read.output_text == "hello"


@pytest.mark.parametrize(
    "finish_reason, status, why",
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
def test_the_status_follows_the_finish_reason(finish_reason: str, status: str, why: str | None) -> None:
    """A cut answer is incomplete, says why, and so does its last item."""
    read = response(completion({"content": "hel", "reasoning": "hm"}, finish_reason))
    assert read.status == status
    assert (read.incomplete_details.reason if read.incomplete_details else None) == why
    assert [item.model_dump()["status"] for item in read.output] == ["completed", status]


def test_usage_takes_the_names_of_this_api() -> None:
    """Cached and reasoning tokens are told in their details."""
    usage = response(completion({"content": "a"})).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, 20, 120)
    assert (usage.input_tokens_details.cached_tokens, usage.output_tokens_details.reasoning_tokens) == (64, 7)


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": -1}, {"prompt_tokens": "9"}, {}])
def test_usage_that_cannot_be_true_is_none(usage: object) -> None:
    """No usage is better than a wrong one."""
    assert response(completion({"content": "a"}, usage=usage)).usage is None


def test_everything_asked_is_repeated() -> None:
    """The SDK finds its own fields again."""
    read = response(completion({"content": "{}"}), chat_body(json.dumps(EVERYTHING).encode()))
    dumped = read.model_dump(by_alias=True, exclude_unset=True)
    for name in (
        "instructions",
        "metadata",
        "tool_choice",
        "text",
        "temperature",
        "top_p",
        "max_output_tokens",
        "user",
    ):
        assert dumped[name] == EVERYTHING[name]
    assert (read.parallel_tool_calls, read.truncation, dumped["store"]) == (False, "disabled", False)
    assert [tool.type for tool in read.tools] == ["function", "web_search_preview", "code_interpreter", "mcp"]
    assert read.reasoning is not None
    assert read.reasoning.effort == "low"


@pytest.mark.parametrize(
    "tier, told", [(None, "default"), ("on_demand", "default"), ("flex", "flex"), ("performance", "priority")]
)
def test_the_service_tier_is_told_in_openai_words(tier: str | None, told: str) -> None:
    """Groq's names are none that the SDK knows."""
    assert response(completion({"content": "a"}, service_tier=tier)).service_tier == told


def test_a_local_answer_keeps_its_label() -> None:
    """Whoever reads the body sees that no model wrote it, and that nothing was used."""
    label = {"source": "local", "skill": "template"}
    read = response(completion_body("x", 1, "headgate/local", "sorry", {"headgate": label}))
    assert (read.model, read.output_text) == ("headgate/local", "sorry")
    assert read.to_dict()["headgate"] == label
    assert read.usage is not None
    assert read.usage.total_tokens == 0


@pytest.mark.parametrize(
    "message, text",
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": None}, ""),
        ({"content": ""}, ""),
    ],
)
def test_contents_of_other_providers_are_read(message: dict[str, object], text: str) -> None:
    """Text in parts is joined; no text is no message."""
    assert response(completion(message)).output_text == text


def test_a_refusal_is_told_as_one() -> None:
    """A refusal is a part of its own and no text."""
    read = response(completion({"content": None, "refusal": "no"}))
    assert read.output_text == ""
    assert read.output[0].model_dump()["content"] == [{"type": "refusal", "refusal": "no"}]


EXECUTED: list[tuple[dict[str, object], dict[str, object]]] = [
    (
        {
            "index": 0,
            "type": "search",
            "arguments": '{"query": "rome"}',
            "output": "Title",
            "search_results": {"results": [{"url": "https://a.example", "title": "t"}]},
        },
        {
            "id": "ws_01_0",
            "type": "web_search_call",
            "action": {"type": "search", "query": "rome", "sources": [{"type": "url", "url": "https://a.example"}]},
            "status": "completed",
        },
    ),
    (
        {"index": 0, "type": "browser", "name": "browser.open", "arguments": '{"url": "https://a.example"}'},
        {
            "id": "ws_01_0",
            "type": "web_search_call",
            "action": {"type": "open_page", "url": "https://a.example"},
            "status": "completed",
        },
    ),
    (
        {"index": 0, "type": "python", "arguments": '{"code": "1+1"}', "output": "2", "code_results": [{"png": "AA"}]},
        {
            "id": "ci_01_0",
            "type": "code_interpreter_call",
            "code": "1+1",
            "container_id": "",
            "outputs": [{"type": "logs", "logs": "2"}, {"type": "image", "url": "data:image/png;base64,AA"}],
            "status": "completed",
        },
    ),
    (
        {"index": 0, "type": "mcp", "name": "f", "arguments": "{}", "output": "x", "server_label": "l"},
        {
            "id": "mcp_01_0",
            "type": "mcp_call",
            "name": "f",
            "arguments": "{}",
            "server_label": "l",
            "output": "x",
            "status": "completed",
        },
    ),
]


@pytest.mark.parametrize("executed, item", EXECUTED)
def test_what_built_in_tools_did_is_told(executed: dict[str, object], item: dict[str, object]) -> None:
    """Searches, code and servers are items that the SDK knows, before the text that rests on them."""
    read = response(completion({"content": "a", "executed_tools": [executed]}))
    assert read.output[0].model_dump(exclude_unset=True) == item
    assert read.output_text == "a"


@pytest.mark.parametrize("executed", [[{"index": 0, "type": "wolfram", "arguments": ""}], "x", [{"type": 1}], None])
def test_tools_that_the_api_has_no_item_for_are_left_out(executed: object) -> None:
    """The answer is no worse for them."""
    assert [item.type for item in response(completion({"content": "a", "executed_tools": executed})).output] == [
        "message"
    ]


def test_what_is_no_completion_raises() -> None:
    """Nobody gets an empty response for an error body."""
    with pytest.raises(msgspec.MsgspecError):
        response_body(b'{"error":{"message":"x"}}', asked(), "resp_01", 1)


def test_every_recorded_answer_becomes_a_response() -> None:
    """Real replies lose no text and no call."""
    if not RECORDINGS.exists():
        pytest.skip("the shared folder is not there")
    for line in RECORDINGS.read_text().splitlines():
        reply = json.loads(line)["response"]
        if isinstance(reply, str) or not isinstance(read_reply(json.dumps(reply).encode()), Reply):
            continue
        message = reply["choices"][0]["message"]
        read = response(json.dumps(reply).encode())
        assert read.output_text == (message.get("content") or "")
        assert [item.call_id for item in read.output if item.type == "function_call"] == [
            each["id"] for each in message.get("tool_calls") or []
        ]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts, texts, st.lists(st.tuples(texts.filter(bool), texts.filter(bool), texts.filter(bool)), max_size=3))
def test_an_answer_goes_back_as_the_message_it_was(text: str, thought: str, called: list[tuple[str, str, str]]) -> None:
    """A response's output, sent as the next input, is the chat message that the model wrote."""
    message = {"content": text, "reasoning": thought, "tool_calls": [call(*each) for each in called]}
    output = json.loads(response_body(completion(message), asked(), "resp_01", 1))["output"]
    again = json.loads(asked(input=[{"role": "user", "content": "a"}, *output]).body)["messages"][1:]
    expected: dict[str, object] = {"role": "assistant", "content": text or None}
    if thought:
        expected["reasoning"] = thought
    if called:
        expected["tool_calls"] = message["tool_calls"]
    assert again == ([expected] if text or called else [])
