"""A chat stream as Anthropic's events: put together by the SDK's own accumulator, however it was cut or interleaved."""

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from headgate.protocol.anthropic import Asked
from headgate.protocol.anthropic_reply import message_body
from headgate.protocol.anthropic_stream import PING, MessageStream
from headgate.protocol.openai import error_body, stream_of
from headgate.protocol.sse import DONE, EventParser, comment, error_event

ASKED = Asked(b"", "claude-x", stream=True, stop_sequences=("END",))
THINKING = Asked(b"", "claude-x", stream=True, show_thinking=True)
USAGE = {"prompt_tokens": 20, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}
EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)

Fields = dict[str, Any]


def chunk(delta: Fields, finish: str | None = None, **fields: object) -> bytes:
    """One event as Groq writes it."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "served"}
    return b"data: %b\n\n" % json.dumps({**head, "choices": [choice], **fields}).encode()


def call(index: int | None = 0, id: str | None = None, name: str | None = None, arguments: str | None = None) -> Fields:  # noqa: A002 the wire's own word
    """A delta with one tool call or a fragment of one; what is None is absent."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    fields = {"index": index, "id": id, "function": function or None}
    return {"tool_calls": [{key: value for key, value in fields.items() if value is not None}]}


def stream(*deltas: Fields, finish: str = "stop") -> bytes:
    """A whole stream: role, the deltas, the end with usage, `[DONE]`."""
    chunks = [chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1"}), *map(chunk, deltas)]
    return b"".join([*chunks, chunk({}, finish, usage=USAGE), DONE])


def events(written: bytes) -> list[Fields]:
    """The events as data; each is named by its type, and Anthropic's types accept all but pings and errors."""
    parsed = EventParser().feed(written)
    read: list[Fields] = [json.loads(event.data) for event in parsed]
    assert [event.event for event in parsed] == [event["type"] for event in read]
    for event in read:
        if event["type"] not in {"ping", "error"}:
            EVENT.validate_python(event)
    return read


def translated(data: bytes, asked: Asked = ASKED) -> list[Fields]:
    """All events of one stream."""
    reader = MessageStream(asked, "1")
    return events(reader.feed(data) + reader.end())


def told(read: Iterable[Fields]) -> list[str]:
    """The events in short: type and index, with what they add."""
    short = []
    for event in read:
        if event["type"] == "content_block_start":
            short.append(f"{event['index']}+{event['content_block']['type']}")
        elif event["type"] == "content_block_delta":
            _, added = event["delta"].values()
            short.append(f"{event['index']} {added}")
        elif event["type"] == "content_block_stop":
            short.append(f"{event['index']}.")
        else:
            short.append(event["type"])
    return short


def accumulated(read: Iterable[Fields]) -> Message:
    """What the SDK makes of the events."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in read:
        if event["type"] != "ping":
            snapshot = accumulate_event(
                event=EVENT.validate_python(event), current_snapshot=snapshot, json_bufs=buffers
            )
    return Message.model_validate(snapshot.model_dump())


def test_every_event_of_a_text_answer() -> None:
    """The whole sequence with its fields: cached tokens apart, the model as upstream wrote it."""
    nothing = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    assert translated(stream({"content": "Hi"}, {"content": " you\n"})) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "served",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": nothing,
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " you\n"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {**nothing, "input_tokens": 16, "cache_read_input_tokens": 4, "output_tokens": 7},
        },
        {"type": "message_stop"},
    ]


@pytest.mark.parametrize(
    "deltas, blocks",
    [
        ([], []),
        ([{"content": ""}], []),
        (
            [{"reasoning": "H"}, {"reasoning": "m"}, {"content": "a"}],
            ["0+thinking", "0 H", "0 m", "0 unsigned", "0.", "1+text", "1 a", "1."],
        ),
        ([{"reasoning_content": "H"}], ["0+thinking", "0 H", "0 unsigned", "0."]),
        ([{"refusal": "No."}], ["0+text", "0 No.", "0."]),
        (
            [{"content": "a"}, {"reasoning": "b"}, {"content": "c"}],
            ["0+text", "0 a", "0.", "1+thinking", "1 b", "1 unsigned", "1.", "2+text", "2 c", "2."],
        ),
        ([call(0, "c0", "f", '{"a":1}')], ["0+tool_use", '0 {"a":1}', "0."]),
        ([call(0, "c0", "f", "")], ["0+tool_use", "0."]),
        (
            [{"content": "a"}, call(0, "c0", "f", '{"a"'), call(0, arguments=":1}")],
            ["0+text", "0 a", "0.", "1+tool_use", '1 {"a"', "1 :1}", "1."],
        ),
        (
            [call(0, "c0", "f", "{}"), call(1, "c1", "g", '{"b"'), call(1, arguments=":2}")],
            ["0+tool_use", "0 {}", "0.", "1+tool_use", '1 {"b"', "1 :2}", "1."],
        ),
        (
            [
                call(0, "c0", "f", '{"a"'),
                call(1, "c1", "g", '{"b"'),
                call(0, arguments=":1}"),
                call(1, arguments=":2}"),
                {"content": "x"},
                {"content": "y"},
            ],
            ["0+tool_use", '0 {"a"', "0 :1}", "0.", "1+tool_use", '1 {"b":2}', "1.", "2+text", "2 xy", "2."],
        ),
        (
            [call(0, "c0", "f", ""), call(1, "c1", "g", ""), call(0, arguments="{}"), call(1, arguments="{}")],
            ["0+tool_use", "0 {}", "0.", "1+tool_use", "1 {}", "1."],
        ),
        (
            [call(0, "c0", "f", "{}"), call(0, "c1", "g", "{}")],
            ["0+tool_use", "0 {}", "0.", "1+tool_use", "1 {}", "1."],
        ),
        ([call(None, "c0", "f", "{}")], ["0+tool_use", "0 {}", "0."]),
        (
            [call(0, "c0", "f", "{}"), {"content": "a"}, call(0, arguments=" ")],
            ["0+tool_use", "0 {}", "0.", "1+text", "1 a", "1."],
        ),
    ],
)
def test_deltas_become_blocks(deltas: list[Fields], blocks: list[str]) -> None:
    """One block after the other, each closed before the next; calls that interleave are told apart, nothing is lost."""
    finish = "tool_calls" if any("tool_calls" in delta for delta in deltas) else "stop"
    read = translated(stream(*deltas, finish=finish), THINKING)
    assert told(read) == ["message_start", *blocks, "message_delta", "message_stop"]


def test_next_call_is_told_as_soon_as_the_one_before_is_whole() -> None:
    """Only what could still be interleaved is held back; the rest streams."""
    reader = MessageStream(ASKED, "1")
    reader.feed(chunk(call(0, "c0", "f", '{"a"')) + chunk(call(0, arguments=":1}")))
    assert told(events(reader.feed(chunk(call(1, "c1", "g", '{"b"'))))) == ["0.", "1+tool_use", '1 {"b"']
    assert reader.feed(chunk(call(2, "c2", "h", "{}"))) == b""


def test_thinking_is_not_shown_to_those_who_did_not_ask() -> None:
    """Then the answer begins with its text."""
    read = translated(stream({"reasoning": "Hm."}, {"content": "a"}))
    assert told(read) == ["message_start", "0+text", "0 a", "0.", "message_delta", "message_stop"]


def test_calls_have_their_ids_and_names() -> None:
    """The client answers by id; one is made where the provider gives none."""
    read = translated(stream(call(0, "c0", "f", "{}"), call(1, None, "g", "{}"), finish="tool_calls"))
    started = [event["content_block"] for event in read if event["type"] == "content_block_start"]
    assert started == [
        {"type": "tool_use", "id": "c0", "name": "f", "input": {}},
        {"type": "tool_use", "id": "toolu_1_1", "name": "g", "input": {}},
    ]


@pytest.mark.parametrize(
    "finish, delta, reason",
    [
        ("stop", {"content": "a"}, "end_turn"),
        ("length", {"content": "a"}, "max_tokens"),
        ("tool_calls", call(0, "c", "f", "{}"), "tool_use"),
        ("stop", call(0, "c", "f", "{}"), "tool_use"),
        ("content_filter", {"content": "a"}, "refusal"),
        ("stop", {"refusal": "No."}, "refusal"),
    ],
)
def test_stop_reason_is_told_at_the_end(finish: str, delta: Fields, reason: str) -> None:
    """The same reasons as for a whole answer."""
    assert translated(stream(delta, finish=finish))[-2]["delta"]["stop_reason"] == reason


def test_stop_sequence_is_told_where_the_provider_tells_it() -> None:
    """In the choice of the last chunk, as vLLM does."""
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "END"}
    read = translated(chunk({"content": "a"}) + chunk({}, choices=[choice]) + DONE)
    assert read[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


@pytest.mark.parametrize(
    "last",
    [
        [chunk({}, "stop", usage=USAGE)],
        [chunk({}, "stop", x_groq={"id": "req_1", "usage": USAGE})],
        [chunk({}, "stop"), chunk({}, choices=[], usage=USAGE)],
        [chunk({}, "stop", usage=USAGE), chunk({}, choices=[], usage=None)],
        [chunk({}, "stop", usage=USAGE), chunk({}, choices=[], usage={"prompt_tokens": -1})],
    ],
)
def test_usage_is_found_wherever_it_stands(last: list[bytes]) -> None:
    """In the last choice's chunk, under x_groq, or in a chunk of its own."""
    usage = translated(b"".join([chunk({"content": "a"}), *last, DONE]))[-2]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (16, 4, 7)


def test_only_the_first_choice_is_told() -> None:
    """A message has one answer; another choice's words are not mixed into it."""
    other = chunk({}, choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": "length"}])
    read = translated(chunk({"content": "a"}) + other + chunk({}, "stop") + other + DONE)
    assert told(read) == ["message_start", "0+text", "0 a", "0.", "message_delta", "message_stop"]
    assert read[-2]["delta"]["stop_reason"] == "end_turn"


def test_byte_order_mark_is_no_part_of_the_stream() -> None:
    """The standard of server-sent events allows one at the start."""
    whole = chunk({"content": "a"}) + chunk({"content": "b"}, "stop") + DONE
    assert translated(b"\xef\xbb\xbf" + whole) == translated(whole)


def test_comment_becomes_a_ping() -> None:
    """What keeps an OpenAI client's connection alive keeps this one alive."""
    assert MessageStream(ASKED, "1").feed(comment("waiting")) == PING


def test_local_answer_keeps_its_label() -> None:
    """The label stands where the stream begins."""
    label = {"source": "local"}
    read = translated(b"".join(stream_of("chatcmpl-1", 1, "headgate/local", "Hi.", {"headgate": label})))
    assert (read[0]["message"]["model"], read[0]["message"]["headgate"]) == ("headgate/local", label)
    assert told(read)[1:] == ["0+text", "0 Hi.", "0.", "message_delta", "message_stop"]


START = chunk({"content": "a"})


@pytest.mark.parametrize(
    "data, kind",
    [
        (START, "api_error"),
        (START + chunk({}, "stop"), "api_error"),
        (START + DONE, "api_error"),
        (START + chunk({}, "stop") + DONE[:-1], "api_error"),
        (START + chunk({}, "error") + DONE, "api_error"),
        (START + b"data: {not json\n\n" + chunk({}, "stop") + DONE, "api_error"),
        (START + chunk({}, "stop", x_groq={"error": "over_capacity"}) + DONE, "overloaded_error"),
        (START + chunk({}, x_groq={"error": {"code": "over_capacity"}}) + DONE, "overloaded_error"),
        (START + chunk({}, x_groq={"error": {"n": 10**40}}) + DONE, "api_error"),
        (START + b'data: {"x_groq":{"error":{"n":1e999}}}\n\n' + DONE, "api_error"),
        (START + b'data: {"error":{"n":1e999}}\n\n' + DONE, "api_error"),
        (START + b'data: {"model":"m","usage":1e999}\n\n', "api_error"),
        (START + b'data: {"error":{"message":"x","code":"rate_limit_exceeded"}}\n\n' + DONE, "rate_limit_error"),
        (START + error_event(error_body("x", "upstream_error", "upstream_failed")) + DONE, "api_error"),
        (START + chunk(call(0, "c", None, "{}")) + chunk({}, "stop") + DONE, "api_error"),
        (stream(call(0, "c", "f", "{}"), {"content": "a"}, call(0, arguments="{}")), "api_error"),
        (b"", "api_error"),
    ],
)
def test_broken_stream_ends_in_an_error(data: bytes, kind: str) -> None:
    """An error event and never a clean end, whatever follows; then nothing more."""
    reader = MessageStream(ASKED, "1")
    read = events(reader.feed(data) + reader.end())
    assert read[-1]["type"] == "error"
    assert read[-1]["error"]["type"] == kind
    assert [event["type"] for event in read].count("error") == 1
    assert "message_stop" not in told(read)
    assert (reader.failed, reader.finished) == (True, False)
    assert reader.feed(START) + reader.end() == b""


def test_oversized_event_breaks_the_stream() -> None:
    """No event grows without bound."""
    reader = MessageStream(ASKED, "1", max_event_bytes=300)
    read = events(reader.feed(START) + reader.feed(b"data: " + b"x" * 400) + reader.end())
    assert told(read)[-1] == "error"


def test_nothing_follows_a_clean_end() -> None:
    """What comes behind `[DONE]` is not answered."""
    reader = MessageStream(ASKED, "1")
    assert reader.feed(stream({"content": "a"})).endswith(b'data: {"type":"message_stop"}\n\n')
    assert reader.feed(START) + reader.end() == b""
    assert (reader.failed, reader.finished) == (False, True)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
INPUT = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3)


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """`text` cut anywhere."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """The same answer as one body and as a stream whose calls are cut and interleaved at will."""
    message: Fields = {"role": "assistant", "content": draw(st.none() | TEXT), "reasoning": draw(st.none() | TEXT)}
    deltas = [{"reasoning": piece} for piece in pieces(draw, message["reasoning"] or "")]
    deltas += [{"content": piece} for piece in pieces(draw, message["content"] or "")]
    inputs = draw(st.lists(INPUT, max_size=3))
    calls: list[Fields] = [
        {"id": f"fc_{n}", "type": "function", "function": {"name": f"f{n}", "arguments": json.dumps(each)}}
        for n, each in enumerate(inputs)
    ]
    fragments = [
        [call(n, arguments=piece) for piece in pieces(draw, each["function"]["arguments"])]
        for n, each in enumerate(calls)
    ]
    order = draw(st.permutations([n for n, cut in enumerate(fragments) for _ in cut]))
    begun: list[int] = []
    for n in order:
        if n not in begun:  # calls begin in the order of their index
            for new in range(len(begun), n + 1):
                begun.append(new)
                deltas.append(call(new, f"fc_{new}", f"f{new}", ""))
        deltas.append(fragments[n].pop(0))
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": finish}
    whole = json.dumps({"id": "chatcmpl-1", "model": "served", "choices": [choice], "usage": USAGE}).encode()
    return whole, stream(*deltas, finish=finish)


@settings(deadline=None, max_examples=100)
@given(answers(), st.booleans(), st.lists(st.integers(0, 4000), max_size=5))
def test_stream_and_whole_answer_are_the_same_message(
    answer: tuple[bytes, bytes],
    show: bool,
    cuts: Sequence[int],
) -> None:
    """The SDK puts the events together to the very message that the whole answer becomes, wherever bytes were cut."""
    whole, streamed = answer
    asked = Asked(b"", "claude-x", show_thinking=show)
    body = message_body(whole, asked, "1")
    assert isinstance(body, bytes)
    reader = MessageStream(asked, "1")
    ends = sorted({0, len(streamed), *(cut for cut in cuts if cut < len(streamed))})
    parts = [streamed[start:end] for start, end in pairwise(ends)]
    written = b"".join(map(reader.feed, parts)) + reader.end()
    assert written == MessageStream(asked, "1").feed(streamed)
    assert accumulated(events(written)) == Message.model_validate_json(body)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([START, b"data:", b"\n\n", b"\xff", b"{}", DONE, b":", b"event: error\n"]), max_size=8))
def test_hostile_bytes_never_raise(parts: list[bytes]) -> None:
    """Whatever comes, a stream is finished or failed when it has ended, and says so once."""
    reader = MessageStream(ASKED, "1")
    written = b"".join(map(reader.feed, parts)) + reader.end()
    assert reader.finished is not reader.failed
    assert told(events(written)).count("error") == reader.failed
