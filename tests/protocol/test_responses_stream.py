"""Chat streams as Responses events, read by the SDK's own event types, accumulator and client."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from headgate.protocol.openai import error_body, stream_of
from headgate.protocol.responses import Asked, chat_body
from headgate.protocol.responses_reply import response_body
from headgate.protocol.responses_stream import ResponseStream
from headgate.protocol.sse import DONE, EventParser, comment, data_event, error_event

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
SCHEMA = {"type": "object", "properties": {}}
RECORDINGS = Path(__file__).parents[2].parent / "shared" / "data" / "groq_recordings.jsonl"
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def asked(**fields: object) -> Asked:
    """A streamed request."""
    return chat_body(json.dumps({"model": "asked", "input": "hi", "stream": True, **fields}).encode())


def chunk(delta: dict[str, object] | None = None, finish_reason: str | None = None, **fields: object) -> bytes:
    """One chunk as Groq writes it."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "served"}
    return data_event(json.dumps({**head, "choices": choices, **fields}).encode())


def call(index: int | None, identity: str | None, name: str | None, arguments: str | None) -> dict[str, object]:
    """A piece of a tool call."""
    return {"index": index, "id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


START = chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1"})


def whole(*chunks: bytes, finish_reason: str = "stop") -> list[bytes]:
    """A stream with its beginning, end, usage and `[DONE]`."""
    return [START, *chunks, chunk({}, finish_reason), chunk(None, usage=USAGE), DONE]


def written(chunks: Sequence[bytes], request: Asked | None = None) -> bytes:
    """The Responses stream made of chat chunks."""
    stream = ResponseStream(request or asked(), "resp_01", 1700000000)
    return b"".join([*map(stream.feed, chunks), stream.end()])


def read(data: bytes) -> list[Any]:
    """The events, each strictly of its SDK type, named as its type, numbered from 0 without gaps."""
    events: list[Any] = []
    for event in EventParser().feed(data):
        decoded = json.loads(event.data)
        assert event.event == decoded["type"]
        assert decoded["sequence_number"] == len(events)
        events.append(EVENT.validate_python(decoded, strict=True))
        assert type(events[-1]).model_fields["type"].annotation.__args__ == (decoded["type"],)
    return events


def accumulated(data: bytes) -> tuple[list[Any], Response]:
    """All events through the SDK's accumulator, and the response it ends with."""
    state: ResponseStreamState[None] = ResponseStreamState(input_tools=openai.omit, text_format=openai.omit)
    events = read(data)
    for event in events:
        state.handle_event(event)
    assert state._completed_response is not None
    return events, state._completed_response


class Answering(httpx2.BaseTransport):
    """A server that answers everything with one stream."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, content=self.data, request=request)


def client(data: bytes) -> openai.OpenAI:
    """The SDK in front of `data`."""
    http = openai.DefaultHttpxClient(transport=Answering(data))
    return openai.OpenAI(api_key="x", base_url="http://gate.example/v1", http_client=http, max_retries=0)


def test_a_text_comes_in_the_order_of_the_api() -> None:
    """Every event has its place, and the final response holds the whole text and the usage."""
    events, response = accumulated(written(whole(chunk({"content": "hel"}), chunk({"content": "lo"}))))
    assert [event.type for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert (response.output_text, response.model, response.status) == ("hello", "served", "completed")
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (9, 4)


def test_every_delta_passes_at_once() -> None:
    """A delta is written by the feed that brought it."""
    stream = ResponseStream(asked(), "resp_01", 1)
    stream.feed(START)
    for text in ("a", "b\n", '"c"', "é\u2028"):
        events = EventParser().feed(stream.feed(chunk({"content": text})))
        assert json.loads(events[-1].data)["delta"] == text


def test_reasoning_is_an_item_before_the_text() -> None:
    """It closes when the text begins."""
    events, response = accumulated(
        written(
            whole(chunk({"reasoning": "h", "channel": "analysis"}), chunk({"reasoning": "m"}), chunk({"content": "a"}))
        )
    )
    assert [event.delta for event in events if event.type == "response.reasoning_text.delta"] == ["h", "m"]
    assert [event.text for event in events if event.type == "response.reasoning_text.done"] == ["hm"]
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].model_dump()["content"] == [{"type": "reasoning_text", "text": "hm"}]


def test_a_whole_call_is_one_delta() -> None:
    """Groq writes a call in one piece; the SDK still sees added, delta, done."""
    pieces = chunk({"tool_calls": [call(0, "c1", "f", '{"a":1}')]})
    events, response = accumulated(written(whole(pieces, finish_reason="tool_calls")))
    assert [event.type for event in events][2:-1] == [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    item = response.output[0]
    assert item.type == "function_call"
    assert (item.call_id, item.name, item.arguments, item.id) == ("c1", "f", '{"a":1}', "fc_01_0")


@pytest.mark.parametrize(
    "pieces, expected",
    [
        (
            [call(0, "c1", "f", '{"a"'), call(0, None, None, ":1}"), call(1, "c2", "g", "{}")],
            [("c1", "f", '{"a":1}'), ("c2", "g", "{}")],
        ),
        (
            [call(0, "c1", "f", "{"), call(1, "c2", "g", "{"), call(0, None, None, "}"), call(1, None, None, "}")],
            [("c1", "f", "{}"), ("c2", "g", "{}")],
        ),
        ([call(0, "c1", "f", "{"), call(0, "c1", None, "}")], [("c1", "f", "{}")]),
        ([call(0, "c1", "f", "{}"), call(0, "c2", "g", "{}")], [("c1", "f", "{}"), ("c2", "g", "{}")]),
        ([call(None, "c1", "f", "{"), call(None, None, None, "}")], [("c1", "f", "{}")]),
        ([call(None, "c1", "f", "{}"), call(None, "c2", "f", "{}")], [("c1", "f", "{}"), ("c2", "f", "{}")]),
        ([call(0, None, "f", "{}")], [("fc_01_0", "f", "{}")]),
    ],
)
def test_calls_in_pieces_are_put_together(pieces: list[dict[str, object]], expected: list[tuple[str, ...]]) -> None:
    """By index, and where a provider numbers them badly, by id."""
    chunks = [chunk({"tool_calls": [piece]}) for piece in pieces]
    _, response = accumulated(written(whole(*chunks, finish_reason="tool_calls")))
    called = [item for item in response.output if item.type == "function_call"]
    assert [(item.call_id, item.name, item.arguments) for item in called] == expected


def test_a_cut_answer_is_incomplete() -> None:
    """`length` ends in response.incomplete, and never in response.completed."""
    events = read(written(whole(chunk({"reasoning": "hm"}), chunk({"content": "hel"}), finish_reason="length")))
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert [item.status for item in last.response.output] == ["completed", "incomplete"]
    assert "response.completed" not in {event.type for event in events}


BREAKS = {
    "an error event": error_event(error_body("Boom.", "server_error", "tool_use_failed")),
    "a flat error event": error_event(b'{"message":"Boom.","type":"rate_limited"}'),
    "a bare error": data_event(error_body("Boom.", "server_error", "tool_use_failed")),
    "x_groq.error": chunk({}, "stop", x_groq={"error": "over_capacity"}),
    "finish_reason error": chunk({}, "error"),
    "no JSON": b"data: {oops\n\n",
    "the end": b"",
    "half an event": chunk({"content": "x"})[:-1],
    "DONE without a reason": DONE,
}


@pytest.mark.parametrize("begun", [[], [START], [START, chunk({"content": "hel"})]], ids=["first", "role", "text"])
@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_stream_fails_and_never_completes(broken: str, begun: list[bytes]) -> None:
    """Whatever breaks it, the last events are response.failed and error; nothing after it is relayed."""
    stream = ResponseStream(asked(), "resp_01", 1)
    data = b"".join([*map(stream.feed, [*begun, BREAKS[broken]]), stream.end()])
    assert stream.feed(b"".join(whole())) + stream.end() == b""
    events = read(data)
    assert [event.type for event in events[-2:]] == ["response.failed", "error"]
    assert events[0].type == "response.created"
    assert not {"response.completed", "response.incomplete"} & {event.type for event in events}
    failed = events[-2].response
    assert (failed.status, failed.error.code, failed.output_text) == (
        "failed",
        "server_error",
        "hel" * (len(begun) == 2),
    )


def test_an_error_says_what_its_provider_said_without_its_ids() -> None:
    """Message and code pass, the organisation does not."""
    text = "Rate limit reached in organization `org_01jabcdefgh123456789` on tokens."
    events = read(written([START, error_event(error_body(text, "tokens", "rate_limit_exceeded"))]))
    assert (events[-1].code, events[-2].response.error.code) == ("rate_limit_exceeded", "rate_limit_exceeded")
    assert "org_redacted" in events[-1].message
    assert "org_01j" not in events[-1].message


@pytest.mark.parametrize("broken", ["an error event", "a flat error event", "a bare error"])
def test_an_error_ends_the_stream_at_once(broken: str) -> None:
    """With the provider's own words; nobody waits for the connection to end."""
    stream = ResponseStream(asked(), "resp_01", 1)
    events = read(stream.feed(START) + stream.feed(BREAKS[broken]))
    assert stream.ended
    assert events[-1].message == "Boom."


def test_an_oversized_event_breaks_the_stream() -> None:
    """The cap holds here as it does upstream."""
    stream = ResponseStream(asked(), "resp_01", 1, max_event_bytes=1000)
    events = read(stream.feed(START) + stream.feed(chunk({"content": "x" * 2000})) + stream.end())
    assert events[-1].type == "error"
    assert "larger than 1000 bytes" in events[-1].message


def test_a_byte_order_mark_is_no_part_of_the_first_event() -> None:
    """Also where it is cut apart."""
    data = b"\xef\xbb\xbf" + b"".join(whole(chunk({"content": "a"}))[1:])
    for cut in range(4):
        assert accumulated(written([data[:cut], data[cut:]]))[1].output_text == "a"


def test_any_response_id_is_written_as_it_is() -> None:
    """Signs that mean something to a format mean nothing in an id."""
    stream = ResponseStream(asked(), 'resp_%d"é', 1)
    events = read(b"".join(map(stream.feed, whole(chunk({"content": "a"})))))
    assert {event.item_id for event in events if hasattr(event, "item_id")} == {'msg_%d"é_0'}


def test_usage_is_taken_from_where_groq_puts_it() -> None:
    """In the last chunk's x_groq, where no usage chunk follows."""
    last = chunk({}, "stop", x_groq={"id": "req_1", "usage": USAGE})
    _, response = accumulated(written([START, chunk({"content": "a"}), last, DONE]))
    assert response.usage is not None
    assert response.usage.total_tokens == 13


def test_a_finished_answer_needs_no_done() -> None:
    """A provider that leaves `[DONE]` out has still answered."""
    _, response = accumulated(written([START, chunk({"content": "a"}), chunk({}, "stop")]))
    assert response.output_text == "a"


def test_a_comment_passes_and_starts_nothing() -> None:
    """It keeps a quiet connection alive before and between events."""
    stream = ResponseStream(asked(), "resp_01", 1)
    assert stream.feed(comment("wait")) == comment("wait")
    assert stream.feed(START).startswith(b"event: response.created\n")
    assert stream.feed(comment("wait")) == comment("wait")


def test_a_refusal_streams_as_one() -> None:
    """It is a message without text."""
    events, response = accumulated(written(whole(chunk({"refusal": "n"}), chunk({"refusal": "o"}))))
    assert [event.delta for event in events if event.type == "response.refusal.delta"] == ["n", "o"]
    assert response.output[0].model_dump()["content"] == [{"type": "refusal", "refusal": "no"}]


def test_a_local_answer_keeps_its_label_in_every_state() -> None:
    """The label is in the first event and in the last."""
    label = {"source": "local"}
    data = written(stream_of("x", 1, "headgate/local", "sorry", {"headgate": label}, include_usage=True))
    events, response = accumulated(data)
    assert response.output_text == "sorry"
    assert events[0].response.to_dict()["headgate"] == events[-1].response.to_dict()["headgate"] == label


def test_built_in_tools_open_as_they_begin_and_close_with_their_output() -> None:
    """Groq tells of a use twice; one that it tells of once is closed with the answer."""
    begun = {"index": 0, "type": "search", "arguments": '{"query": "rome"}'}
    ended = {**begun, "output": "sunny"}
    lone = {"index": 1, "type": "python", "arguments": '{"code": "1"}'}
    chunks = [chunk({"executed_tools": [each]}) for each in (begun, ended, ended, lone)]
    events, response = accumulated(written(whole(chunk({"reasoning": "h"}), *chunks, chunk({"content": "a"}))))
    items = [(e.type, e.item.type, e.item.status) for e in events if e.type.startswith("response.output_item")]
    assert items[1:5] == [
        ("response.output_item.done", "reasoning", "completed"),
        ("response.output_item.added", "web_search_call", "in_progress"),
        ("response.output_item.done", "web_search_call", "completed"),
        ("response.output_item.added", "code_interpreter_call", "in_progress"),
    ]
    assert [item.type for item in response.output] == [
        "reasoning",
        "web_search_call",
        "code_interpreter_call",
        "message",
    ]


def test_every_recorded_stream_becomes_a_response() -> None:
    """Real streams lose no text, no thought and no call, and their events satisfy the SDK."""
    if not RECORDINGS.exists():
        pytest.skip("the shared folder is not there")
    count = 0
    for line in RECORDINGS.read_text().splitlines():
        recorded = json.loads(line)["response"]
        if not isinstance(recorded, str) or "data: [DONE]" not in recorded:
            continue
        count += 1
        chunks = [json.loads(event.data) for event in EventParser().feed(recorded.encode()) if event.data != "[DONE]"]
        deltas = [choice["delta"] for each in chunks for choice in each["choices"]]
        _, response = accumulated(written([recorded.encode()]))
        assert response.output_text == "".join(delta.get("content") or "" for delta in deltas)
        assert _thought(response) == "".join(delta.get("reasoning") or "" for delta in deltas)
        assert response.usage is not None
        names = [call["function"]["name"] for delta in deltas for call in delta.get("tool_calls") or []]
        assert [name for _, name, _ in _called(response)] == [name for name in names if name]
    assert count > 0


def test_the_official_client_streams_and_parses() -> None:
    """`responses.stream` gives the deltas and the final response, parsed by its tools."""
    call_chunk = chunk({"tool_calls": [call(0, "c1", "f", '{"a":1}')]})
    data = written(whole(chunk({"content": "hel"}), chunk({"content": "lo"}), call_chunk, finish_reason="tool_calls"))
    with client(data).responses.stream(model="m", input="hi") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert ("".join(deltas), final.output_text) == ("hello", "hello")
    assert final.output[1].type == "function_call"


def test_the_official_client_raises_where_the_stream_broke() -> None:
    """It sees response.failed, then raises with the message."""
    data = written([START, chunk({"content": "hel"}), BREAKS["an error event"]])
    events = client(data).responses.create(model="m", input="hi", stream=True)
    seen: list[str] = []
    with pytest.raises(openai.APIError, match=r"Boom\."):
        seen.extend(event.type for event in events)
    seen = [event.type for event in _until_error(client(data))]
    assert seen[-1] == "response.failed"


def _until_error(official: openai.OpenAI) -> Iterator[Any]:
    events = official.responses.create(model="m", input="hi", stream=True)
    for event in events:
        yield event
        if event.type == "response.failed":
            return


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
deltas = st.one_of(
    texts.map(lambda text: {"content": text}),
    texts.map(lambda text: {"reasoning": text}),
    st.tuples(st.integers(0, 2), texts).map(lambda two: {"tool_calls": [call(two[0], None, None, two[1])]}),
)


@given(st.lists(deltas, max_size=10), st.lists(st.integers(1, 400), max_size=12), st.sampled_from(["stop", "length"]))
def test_any_cut_of_any_stream_gives_the_whole_answer(
    given_deltas: list[dict[str, Any]], cuts: list[int], finish_reason: str
) -> None:
    """Nothing is lost or reordered within its kind, whatever the bytes were cut into, and it equals the whole reply."""
    seen: set[int] = set()
    for delta in given_deltas:
        for piece in delta.get("tool_calls", []):
            if piece["index"] not in seen:
                seen.add(piece["index"])
                piece.update(id=f"c{piece['index']}", function={**piece["function"], "name": f"f{piece['index']}"})
    data = b"".join(whole(*map(chunk, given_deltas), finish_reason=finish_reason))
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(data[at : at + cut])
        at += cut
    made = written([*pieces, data[at:]])
    assert made == written([data])
    final = read(made)[-1].response
    reply = response_body(_completion(given_deltas, finish_reason), asked(), "resp_01", 1700000000)
    expected = Response.model_validate(json.loads(reply))
    assert (final.status, final.output_text) == (expected.status, expected.output_text)
    assert _called(final) == _called(expected)
    assert _thought(final) == _thought(expected)


def _completion(given_deltas: list[dict[str, Any]], finish_reason: str) -> bytes:
    calls: dict[int, dict[str, Any]] = {}
    for piece in [piece for delta in given_deltas for piece in delta.get("tool_calls", [])]:
        known = calls.setdefault(piece["index"], {**piece, "function": {**piece["function"], "arguments": ""}})
        known["function"]["arguments"] += piece["function"]["arguments"]
    message = {
        "content": "".join(delta.get("content", "") for delta in given_deltas),
        "reasoning": "".join(delta.get("reasoning", "") for delta in given_deltas),
        "tool_calls": list(calls.values()),
    }
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    return json.dumps({"model": "served", "choices": [choice], "usage": USAGE}).encode()


def _called(response: Response) -> list[tuple[str, str, str]]:
    return [(i.call_id, i.name, i.arguments) for i in response.output if i.type == "function_call"]


def _thought(response: Response) -> str:
    return "".join(part.text for i in response.output if i.type == "reasoning" for part in i.content or ())
