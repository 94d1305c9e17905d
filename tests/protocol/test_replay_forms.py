"""An answer in its other form: streams of whole completions, and whole completions of streams."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulator.asking import body as asked
from tests.simulator.asking import groq, post, rich

from headgate.domain.answer import Reply, Usage
from headgate.protocol.replay import PIECE_CHARS, completion_of, events_of
from headgate.protocol.reply import read_reply
from headgate.protocol.sse import DONE, data_event
from headgate.protocol.stream import StreamReader

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
CALLS = [
    {"id": f"call_{n}", "type": "function", "function": {"name": f"f{n}", "arguments": '{"a": "ö"}'}} for n in range(2)
]


def completion(message: dict[str, Any], finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 5, "model": "m"}
    return {**head, "choices": [choice], "usage": USAGE, **more}


TOOL = {"type": "function", "function": {"name": "f0", "parameters": {"type": "object", "properties": {}}}}

TEXTS = st.text(min_size=1, max_size=60) | st.integers(1, 3).map(lambda n: "ß" * (n * PIECE_CHARS - 1))
MESSAGES = st.one_of(
    st.fixed_dictionaries({"content": TEXTS}, optional={"reasoning": TEXTS}),
    st.just({"content": None, "tool_calls": CALLS}),
    st.fixed_dictionaries({"content": TEXTS, "tool_calls": st.just(CALLS[:1])}),
)


@given(MESSAGES, st.booleans())
def test_answer_survives_both_ways(message: dict[str, Any], include_usage: bool) -> None:
    """Whole to stream to whole is the same answer, with its usage where the stream says it."""
    whole = completion(message, "tool_calls" if "tool_calls" in message else "stop", x_groq={"id": "req_1"})
    stream = events_of(msgspec.json.encode(whole), include_usage=include_usage)
    assert stream.endswith(DONE)
    again = completion_of(stream)
    assert again is not None
    assert msgspec.json.decode(again) == whole


def test_text_that_is_no_utf8_is_streamed_as_clients_read_it() -> None:
    """A whole answer is relayed as it came, also with half a character in it; as a stream that is one of U+FFFD."""
    whole = msgspec.json.encode(completion({"content": "half a ~"})).replace(b"~", b"\xe2\x82")
    assert isinstance(read_reply(whole), Reply)
    again = completion_of(events_of(whole, include_usage=True))
    assert again is not None
    assert msgspec.json.decode(again)["choices"][0]["message"]["content"] == "half a \ufffd"


@given(MESSAGES, st.booleans())
def test_replayed_stream_reads_as_one_that_was_made_as_such(message: dict[str, Any], include_usage: bool) -> None:
    """Our own reader of providers' streams finds the same milestones in it; a usage chunk only where it was wanted."""
    stream = events_of(msgspec.json.encode(completion(message)), include_usage=include_usage)
    reader = StreamReader()
    assert reader.feed(stream) == stream
    end = reader.end()
    assert isinstance(end, Reply)
    assert end.finish_reason == "stop"
    assert reader.began
    assert (b'"choices":[]' in stream) == include_usage
    assert (end.usage == Usage(7, 5)) == include_usage


@pytest.mark.parametrize("tools", [False, True], ids=["text", "tool call"])
def test_streams_of_the_pretend_groq_become_completions(*, tools: bool) -> None:
    """What a provider streams is a completion that we would take for one, with the same text and usage."""
    more: dict[str, Any] = {"tools": [TOOL], "tool_choice": "required"} if tools else {}
    script = post(groq(organisation=rich()), asked("hello", stream=True, max_completion_tokens=400, **more))
    body = completion_of(b"".join(part.data for part in script.parts))
    assert body is not None
    reply = read_reply(body)
    assert isinstance(reply, Reply)
    assert reply.has_content
    assert reply.usage is not None
    assert reply.finish_reason == ("tool_calls" if tools else "stop")


def chunk(delta: dict[str, Any], **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None, **more}
    return data_event(msgspec.json.encode({"id": "c", "created": 1, "model": "m", "choices": [choice]}))


GOOD = (chunk({"role": "assistant", "content": ""}), chunk({"content": "hi"}), chunk({}, finish_reason="stop"), DONE)


@pytest.mark.parametrize(
    "parts",
    [
        GOOD[:-1],
        (*GOOD[:2], DONE),
        (chunk({"audio": {"data": "x"}}), *GOOD),
        (chunk({"content": "x"}, logprobs={"content": []}), *GOOD),
        (chunk({"content": "x"}, index=1), *GOOD),
        (chunk({"tool_calls": [{"index": 0, "mcp": 1}]}), *GOOD),
        (b"event: error\n" + data_event(b'{"error":{}}'), *GOOD),
        (data_event(b'{"error":{"message":"no"}}'), *GOOD),
        (data_event(b"{"), *GOOD),
        (data_event(b'{"choices":[5]}'), *GOOD),
    ],
    ids=["no end", "no finish", "unknown part", "logprobs", "two", "unknown call", "error", "error too", "cut", "odd"],
)
def test_stream_that_is_not_understood_is_no_completion(parts: tuple[bytes, ...]) -> None:
    """Nothing is guessed."""
    assert completion_of(b"".join(GOOD)) is not None
    assert completion_of(b"".join(parts)) is None


def test_usage_that_the_stream_does_not_say_is_filled_in() -> None:
    """A client who wanted no usage had its chunk dropped; the answer has it all the same."""
    body = completion_of(b"".join(GOOD), Usage(7, 5, cached_tokens=2))
    assert body is not None
    assert read_reply(body) == Reply("stop", Usage(7, 5, cached_tokens=2), "m", has_content=True)
