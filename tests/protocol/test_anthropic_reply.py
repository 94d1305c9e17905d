"""A chat completion as an Anthropic message: blocks, stop reasons and usage, read by Anthropic's own types."""

import json
from typing import Any

import pytest
from anthropic.types import Message

from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.anthropic import Asked
from headgate.protocol.anthropic_reply import message_body
from headgate.protocol.openai import completion_body

ASKED = Asked(b"", "claude-x", stop_sequences=("END",))
THINKING = Asked(b"", "claude-x", show_thinking=True)
CALL = {"id": "fc_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
USED = {"id": "fc_1", "name": "weather", "input": {"city": "Rome"}, "type": "tool_use"}
NO_USAGE = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


def reply(finish: str = "stop", *, choice: dict[str, object] | None = None, **message: Any) -> bytes:
    """A Groq body with this message; the other fields are those of a live one."""
    first = {"index": 0, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish}
    return json.dumps(
        {
            "id": "chatcmpl-0af5",
            "object": "chat.completion",
            "created": 1,
            "model": "openai/gpt-oss-20b",
            "choices": [{**first, **(choice or {})}],
            "usage": {
                "queue_time": 0.01,
                "prompt_tokens": 600,
                "completion_tokens": 40,
                "total_tokens": 640,
                "prompt_tokens_details": {"cached_tokens": 512},
                "completion_tokens_details": {"reasoning_tokens": 30},
            },
            "usage_breakdown": None,
            "system_fingerprint": "fp_0123456789",
            "x_groq": {"id": "req_1", "seed": 7},
            "service_tier": "on_demand",
        }
    ).encode()


def read(body: bytes | Failure) -> dict[str, Any]:
    """The message as it stands on the wire; Anthropic's type must accept it."""
    assert isinstance(body, bytes)
    Message.model_validate_json(body)
    message: dict[str, Any] = json.loads(body)
    return message


def test_whole_message() -> None:
    """Every field: the id is the request's, the model is what upstream wrote, cached tokens are told apart."""
    assert read(message_body(reply(content="Hi."), ASKED, "01j")) == {
        "id": "msg_01j",
        "type": "message",
        "role": "assistant",
        "model": "openai/gpt-oss-20b",
        "content": [{"type": "text", "text": "Hi."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 88,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 512,
            "output_tokens": 40,
            "output_tokens_details": {"thinking_tokens": 30},
        },
    }


@pytest.mark.parametrize(
    "message, content",
    [
        ({"content": None}, []),
        ({"content": ""}, []),
        ({"content": "a", "reasoning": "Hm."}, [{"type": "text", "text": "a"}]),
        ({"content": None, "tool_calls": [CALL]}, [USED]),
        ({"content": "", "tool_calls": [CALL, {**CALL, "id": "fc_2"}]}, [USED, {**USED, "id": "fc_2"}]),
        ({"content": "a", "tool_calls": [CALL]}, [{"type": "text", "text": "a"}, USED]),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, [{"type": "text", "text": "ab"}]),
        ({"content": None, "refusal": "No."}, [{"type": "text", "text": "No."}]),
        ({"content": "a", "executed_tools": [{"index": 0, "type": "python"}]}, [{"type": "text", "text": "a"}]),
    ],
)
def test_content_becomes_blocks(message: dict[str, Any], content: list[object]) -> None:
    """Text, then tool calls; thinking only for those who asked to see it."""
    assert read(message_body(reply(**message), ASKED, "1"))["content"] == content


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_becomes_the_first_block(field: str) -> None:
    """Under either name; its signature says that nobody signed."""
    message: dict[str, Any] = {"content": "a", field: "Hm."}
    content = read(message_body(reply(**message), THINKING, "1"))["content"]
    assert content == [
        {"type": "thinking", "thinking": "Hm.", "signature": "unsigned"},
        {"type": "text", "text": "a"},
    ]


@pytest.mark.parametrize(
    "arguments, given",
    [
        ('{"n": 1.50, "big": 123456789012345678901234567890}', '{"n": 1.50, "big": 123456789012345678901234567890}'),
        ("", "{}"),
        (" ", "{}"),
        (None, "{}"),
        ("{}", "{}"),
        ('{"city": "Ro', '{"INVALID_JSON":"{\\"city\\": \\"Ro"}'),
        ("[1]", '{"INVALID_JSON":"[1]"}'),
        ("null", '{"INVALID_JSON":"null"}'),
    ],
)
def test_arguments_become_the_input(arguments: str | None, given: str) -> None:
    """Byte for byte where they are an object; else wrapped, so that nothing the model wrote is lost."""
    call = {"id": "fc_1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    body = message_body(reply("tool_calls", tool_calls=[call]), ASKED, "1")
    read(body)
    assert isinstance(body, bytes)
    assert b'"input":%b}' % given.encode() in body


def test_call_without_id_gets_one() -> None:
    """Some providers give none; each call of the message has its own."""
    call: dict[str, Any] = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    content = read(message_body(reply(tool_calls=[call, {**call, "id": ""}]), ASKED, "9"))["content"]
    assert [block["id"] for block in content] == ["toolu_9_0", "toolu_9_1"]


@pytest.mark.parametrize(
    "finish, message, reason",
    [
        ("stop", {"content": "a"}, "end_turn"),
        ("length", {"content": "a"}, "max_tokens"),
        ("length", {"tool_calls": [CALL]}, "max_tokens"),
        ("tool_calls", {"tool_calls": [CALL]}, "tool_use"),
        ("stop", {"tool_calls": [CALL]}, "tool_use"),
        ("tool_calls", {"content": "a"}, "end_turn"),
        ("content_filter", {"content": "a"}, "refusal"),
        ("stop", {"refusal": "No."}, "refusal"),
        ("something_new", {"content": "a"}, "end_turn"),
    ],
)
def test_finish_reason_becomes_the_stop_reason(finish: str, message: dict[str, Any], reason: str) -> None:
    """What the client does next hangs on it: `tool_use` if and only if there is a call to answer."""
    answered = read(message_body(reply(finish, **message), ASKED, "1"))
    assert (answered["stop_reason"], answered["stop_sequence"]) == (reason, None)


@pytest.mark.parametrize(
    "told, expected",
    [("END", ("stop_sequence", "END")), ("OTHER", ("end_turn", None)), (13, ("end_turn", None))],
)
def test_stop_sequence_is_told_where_the_provider_tells_it(told: object, expected: tuple[str, str | None]) -> None:
    """A provider like vLLM names the sequence it met; nothing is guessed."""
    answered = read(message_body(reply(content="a", choice={"stop_reason": told}), ASKED, "1"))
    assert (answered["stop_reason"], answered["stop_sequence"]) == expected


@pytest.mark.parametrize("usage", ["null", '{"prompt_tokens":-1}', '{"prompt_tokens":1,"completion_tokens":"x"}'])
def test_usage_that_cannot_be_true_is_zero(usage: str) -> None:
    """The type demands numbers; wrong ones are not handed on."""
    body = b'{"model":"m","choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":%b}' % usage.encode()
    assert read(message_body(body, ASKED, "1"))["usage"] == NO_USAGE


def test_local_answer_keeps_its_label() -> None:
    """An answer made without a model says so in the body, as it does to OpenAI's clients."""
    label = {"source": "local", "skill": "echo", "confidence": 1}
    local = completion_body("chatcmpl-1", 1, "headgate/local", "Hi.", {"headgate": label})
    answered = read(message_body(local, ASKED, "1"))
    assert (answered["model"], answered["headgate"], answered["usage"]) == ("headgate/local", label, NO_USAGE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b'{"error":{"message":"x"}}',
        b'{"choices":[{"message":{"content":5}}]}',
        b'{"choices":[{"message":{"tool_calls":[{"id":"1"}]}}]}',
        b"\xff",
    ],
)
def test_what_is_no_answer_is_a_failure(body: bytes) -> None:
    """A value, never an exception, and never half a message."""
    failure = message_body(body, ASKED, "1")
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.MALFORMED_BODY
