"""Streams while they pass: what is relayed, what is noticed, whatever the cuts."""

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.domain.answer import Reply, Usage
from headgate.domain.failure import Failure
from headgate.domain.failure import FailureKind as K
from headgate.protocol.sse import DONE, data_event, error_event
from headgate.protocol.stream import StreamReader

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "data" / "groq_recordings.jsonl"
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def chunk(delta: object = None, finish_reason: object = None, **fields: object) -> bytes:
    """One event as Groq writes it."""
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return data_event(
        json.dumps({**head, "choices": [choice], **fields}, separators=(",", ":"), ensure_ascii=False).encode()
    )


ROLE = chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1", "seed": 1})
FINISH = chunk(None, "stop", x_groq={"id": "req_1", "usage": USAGE})
USAGE_ONLY = chunk(choices=[], usage=USAGE)


def word(text: str) -> bytes:
    """An ordinary event in the middle of an answer."""
    return chunk({"content": text})


GOOD = ROLE + word("Hel") + word("lo") + word(' "नम\n😀') + word(" you") + FINISH


def read(
    chunks: Iterable[bytes], *, drop: bool = False, cap: int = 1 << 20, fast: bool = True
) -> tuple[bytes, dict[str, Any]]:
    """What a stream relays in all, and every milestone at its end."""
    reader = StreamReader(drop, cap, fast=fast)
    relayed = b"".join([reader.feed(each) for each in chunks])
    names = ("began", "finish_reason", "usage", "done", "failure", "model", "content_chars")
    seen = {name: getattr(reader, name) for name in names}
    return relayed, {**seen, "end": reader.end()}


def cut(stream: bytes, places: Iterable[int]) -> list[bytes]:
    """The stream in pieces."""
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[start:end] for start, end in pairwise(edges)]


def test_a_whole_stream_passes_untouched() -> None:
    """Every byte is relayed; text, usage, model and end are noticed."""
    relayed, seen = read([GOOD + DONE])
    assert relayed == GOOD + DONE
    assert (seen["began"], seen["done"], seen["failure"], seen["content_chars"]) == (
        True,
        True,
        None,
        len('Hello "नम\n😀 you'),
    )
    assert seen["end"] == Reply("stop", Usage(9, 3), "m", has_content=True)


def test_every_recorded_stream_passes_untouched() -> None:
    """Real streams are relayed byte for byte, in any pieces and on both paths, and counted alike."""
    if not RECORDINGS.exists():
        pytest.skip("the shared folder is not there")
    rows = [json.loads(line) for line in RECORDINGS.read_text().splitlines()]
    streams = [row["response"].encode() for row in rows if isinstance(row["response"], str)]
    assert len(streams) == 9
    for stream in streams:
        relayed, seen = read([stream], fast=False)
        broken = stream.find(b"event: error")
        if broken >= 0:
            assert (relayed, seen["failure"].code, seen["end"].kind) == (
                stream[:broken],
                "tool_use_failed",
                K.STREAM_BROKE_LATE,
            )
        else:
            assert (relayed, seen["done"], seen["failure"]) == (stream, True, None)
            assert seen["usage"].completion_tokens > 0
            assert isinstance(seen["end"], Reply)
        deltas = [json.loads(line[6:])["choices"][:1] for line in relayed.splitlines() if line.startswith(b"data: {")]
        texts = [choice["delta"].get(name) or "" for [choice] in deltas for name in ("content", "reasoning")]
        calls = [call["function"] for [choice] in deltas for call in choice["delta"].get("tool_calls") or ()]
        texts += [call.get(name) or "" for call in calls for name in ("name", "arguments")]
        assert seen["content_chars"] == len("".join(texts))
        events = [event + b"\n\n" for event in stream.split(b"\n\n")[:-1]]
        for pieces in (
            [stream],
            events,
            cut(stream, range(0, len(stream), 1460)),
            cut(stream, range(0, len(stream), 97)),
        ):
            assert read(pieces) == (relayed, seen)


def test_the_fast_path_is_taken_and_tells_the_same() -> None:
    """After two ordinary words the third is recognised without parsing; reasoning then content each have their turn."""
    reader = StreamReader()
    for event in (
        ROLE,
        chunk({"reasoning": "H", "channel": "analysis"}),
        chunk({"reasoning": "m", "channel": "analysis"}),
    ):
        reader.feed(event)
    assert reader._clean
    assert reader._is_templated(chunk({"reasoning": " so", "channel": "analysis"}))
    assert reader.content_chars == 5
    assert not reader._is_templated(word("no"))
    reader.feed(word("Hi"))
    assert reader._is_templated(word(" there") + word(" नमस्ते"))
    assert not reader._is_templated(word(" there") + FINISH)
    assert not reader._is_templated(word('"'))
    assert not reader._is_templated(word(" a").replace(b" a", b" \xff"))
    assert reader.content_chars == 5 + 2 + 6 + 7


awkward = st.lists(
    st.sampled_from(
        [
            ROLE,
            FINISH,
            USAGE_ONLY,
            DONE,
            word("a"),
            word(" plain text"),
            word(""),
            word("नमस्ते"),
            word('"\\\n'),
            word('"content":"'),
            word('"finish_reason":null'),
            chunk({"reasoning": "r"}),
            chunk({"content": "a", "reasoning": "r"}),
            chunk({"content": "a"}, usage=None),
            chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}),
            chunk({"content": "a"}, content="b"),
            chunk({"content": "b"}, id="chatcmpl-2"),
            chunk({"content": "a"}, error={"message": "late", "code": "over_capacity"}),
            word("a").replace(b"}]}", b"}]"),
            word("a").replace(b'"a"', b'"\xff"'),
            word("a").replace(b"\n\n", b"\r\n\r\n"),
            word("a").replace(b"\n\n", b"\r\r"),
            USAGE_ONLY.replace(b"\n\n", b"\r\n\r\n"),
            word("x" * 400),
            b": keep-alive\n\n",
            b"\n",
            b"event: ping\n\n",
            b"\xef\xbb\xbf",
            error_event(b'{"error":{"message":"broke"}}'),
        ]
    ),
    max_size=9,
).map(b"".join)


@settings(max_examples=300)
@given(awkward, st.lists(st.integers(0, 5000), max_size=12), st.booleans(), st.booleans())
def test_cuts_and_paths_change_nothing(stream: bytes, places: list[int], drop: bool, fast: bool) -> None:
    """However the bytes come and whichever path reads them: the same bytes relayed, the same milestones."""
    stream = ROLE + word("Hi") + word(" there") + stream
    expected = read([stream], drop=drop, cap=400, fast=False)
    assert read(cut(stream, places), drop=drop, cap=400, fast=fast) == expected
    assert read(cut(stream, range(len(stream))), drop=drop, cap=400, fast=fast) == expected
    events = [event + b"\n\n" for event in stream.split(b"\n\n")]
    assert read([*events[:-1], events[-1][:-2]], drop=drop, cap=400, fast=fast) == expected


def test_an_ordinary_stream_cut_at_every_byte_is_the_same() -> None:
    """Code points, escapes and events split at any place."""
    expected = read([GOOD + DONE])
    for at in range(len(GOOD + DONE)):
        assert read(cut(GOOD + DONE, [at])) == expected


def test_a_stream_that_ends_anywhere_early_is_never_clean() -> None:
    """Before its finish_reason it broke, early or late; after it the answer is complete and lacks only [DONE]."""
    finished = len(GOOD)
    for at in range(len(GOOD + DONE)):
        relayed, seen = read([(GOOD + DONE)[:at]])
        assert (GOOD + DONE).startswith(relayed)
        assert not seen["done"]
        if at >= finished:
            assert isinstance(seen["end"], Reply)
        else:
            assert seen["end"].kind is (K.STREAM_BROKE_LATE if seen["began"] else K.STREAM_BROKE_EARLY)


def test_an_answer_begins_with_its_first_text() -> None:
    """The role alone is no beginning, nor is an empty delta; reasoning and tool calls are."""
    for event, begins in [
        (ROLE, False),
        (chunk({"content": None}), False),
        (chunk({"tool_calls": []}), False),
        (b": wait\n\n", False),
        (word("x"), True),
        (chunk({"reasoning": "x"}), True),
        (chunk({"reasoning_content": "x"}), True),
        (chunk({"tool_calls": [{"index": 0, "id": "fc_1"}]}), True),
    ]:
        assert read([event])[1]["began"] is begins


def test_the_usage_chunk_is_left_out_when_the_client_did_not_ask() -> None:
    """Its numbers count all the same; usage in the finish chunk is relayed as it came."""
    stream = ROLE + word("x") + FINISH + USAGE_ONLY + DONE
    relayed, seen = read([stream], drop=True)
    assert relayed == stream.replace(USAGE_ONLY, b"")
    assert seen["usage"] == Usage(9, 3)
    assert read([stream])[0] == stream


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_a_left_out_chunk_leaves_no_line_end_behind(line_end: bytes) -> None:
    """Whatever the line ends and the cuts."""
    parts = [part.replace(b"\n", line_end) for part in (ROLE + word("x") + FINISH, USAGE_ONLY, DONE)]
    stream = b"".join(parts)
    for at in range(len(stream)):
        assert read(cut(stream, [at]), drop=True)[0] == parts[0] + parts[2]


def test_usage_told_more_than_once_counts_once() -> None:
    """The last valid one wins: a wrong one after it does not take it away."""
    first = chunk(usage={**USAGE, "completion_tokens": 1})
    wrong = chunk(usage={**USAGE, "completion_tokens": -4})
    assert read([first, FINISH, wrong, DONE])[1]["usage"] == Usage(9, 3)


def test_usage_beside_text_counts_too() -> None:
    """Some providers repeat a growing usage in every chunk."""
    growing = [chunk({"content": "x"}, usage={**USAGE, "completion_tokens": count}) for count in (1, 2, 3)]
    assert read([ROLE, word("a"), *growing])[1]["usage"] == Usage(9, 3)


CALL = [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]
PLAIN = word("a")
DECOYS = [
    # twice an event of one shape, the second with other text in a place that only looks like the text's
    [PLAIN.replace(b'"id"', b'"content":"%b","id"' % text) for text in (b"a", b"longer")],
    [
        PLAIN.replace(b'"content"', b'"c\\u006fntent"').replace(b'"id"', b'"content":"%b","id"' % text)
        for text in (b"a", b"bb")
    ],
    [
        PLAIN.replace(b'"content"', b'"c\\u006fntent"').replace(b"]}\n", b'],"content":"%b"}\n' % text)
        for text in (b"a", b"bb")
    ],
    [chunk({"content": text, "tool_calls": CALL}) for text in ("a", "bb")],
    [chunk({"content": text, "refusal": "no"}) for text in ("a", "bb")],
    [chunk({"content": text, "reasoning": "why"}) for text in ("a", "bb")],
    [chunk({"content": text}, usage=USAGE) for text in ("a", "bb")],
    [PLAIN, PLAIN.replace(b'"content":"a"', b'"content":"')],
    [PLAIN, PLAIN + PLAIN.replace(b'"content":"a"', b'"content":"')],
    [PLAIN, b": half a line", word("bb")],
    [PLAIN, b"data: {", word("bb")],
]


@pytest.mark.parametrize("events", DECOYS)
def test_an_event_that_only_looks_ordinary_is_parsed(events: list[bytes]) -> None:
    """The fast path tells what the exact path tells, for shapes made to mislead it."""
    stream = [ROLE, PLAIN.replace(b'"a"', b'"\\n"'), *events]
    for together in (stream, [b"".join(stream)]):
        assert read(stream) == read(together, fast=False)


def test_a_byte_order_mark_is_no_part_of_the_first_event() -> None:
    """It is relayed; only the reading skips it."""
    stream = b"\xef\xbb\xbf" + word("x")
    for at in range(len(stream)):
        relayed, seen = read(cut(stream, [at]))
        assert (relayed, seen["began"]) == (stream, True)


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_data_over_several_lines_is_one_chunk(line_end: bytes) -> None:
    """JSON may be broken at any comma."""
    stream = word("x").replace(b',"choices"', b"," + line_end + b'data: "choices"')
    relayed, seen = read([stream])
    assert (relayed, seen["content_chars"], seen["failure"]) == (stream, 1, None)


def broken_choice(error: object, finish_reason: object = None) -> bytes:
    """OpenRouter's event for a provider that broke off."""
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": finish_reason, "error": error}
    return chunk(choices=[choice])


BROKEN = [
    (
        error_event(b'{"error":{"message":"No.","code":"tool_use_failed","status_code":400,"failed_generation":"{"}}'),
        K.TOOL_CALL_FAILED,
    ),
    (data_event(b'{"error":{"message":"busy","type":"internal_server_error"}}'), K.OVER_CAPACITY),
    (chunk(None, "stop", x_groq={"id": "r", "error": "over_capacity"}), K.OVER_CAPACITY),
    (chunk({"content": "x"}, error={"message": "late", "code": "over_capacity"}), K.OVER_CAPACITY),
    (chunk({"content": "x"}, x_groq={"error": {"message": "late", "code": 503}}), K.OVER_CAPACITY),
    (chunk({"content": "x"}, x_groq={"error": [1]}), K.MALFORMED_BODY),
    (chunk(None).replace(b'"model"', b'"x_groq":{"error":{"n":1e999}},"model"'), K.MALFORMED_BODY),
    (chunk(None).replace(b'"model"', b'"x_groq":{"error":{"message":"busy","n":1e999}},"model"'), K.MALFORMED_BODY),
    (chunk(None, x_groq={"error": {"message": "busy", "n": 2**80}}), K.OVER_CAPACITY),
    (chunk(None, "error"), K.STREAM_BROKE_EARLY),
    (broken_choice({"code": 429, "message": "Rate limited upstream"}), K.REQUESTS_PER_MINUTE),
    (broken_choice({"code": 502, "message": "Provider returned error"}, "error"), K.OVER_CAPACITY),
    (broken_choice("gone", "error"), K.STREAM_BROKE_EARLY),
    (error_event(b"boom"), K.MALFORMED_BODY),
    (data_event(b"{not json"), K.MALFORMED_BODY),
    (data_event(b'{"id":7}'), K.MALFORMED_BODY),
    (data_event(b"[" * 3000), K.MALFORMED_BODY),
    (chunk({"content": "x"}, model="other"), K.MALFORMED_BODY),
    (data_event(b'{"x":"%b"}' % (b"x" * 4000)), K.MALFORMED_BODY),
    (DONE, K.STREAM_BROKE_EARLY),
]


@pytest.mark.parametrize("event, kind", BROKEN)
def test_a_break_before_the_first_text_keeps_its_kind(event: bytes, kind: K) -> None:
    """Error events of all five ways, foreign and unreadable chunks, oversize: not relayed, nor anything behind them."""
    relayed, seen = read([ROLE, event, word("more"), FINISH, DONE], cap=3500)
    assert relayed == ROLE
    assert isinstance(seen["failure"], Failure)
    assert (seen["failure"].kind, seen["failure"].status, seen["end"]) == (kind, 200, seen["failure"])
    assert not seen["done"]


@pytest.mark.parametrize("event, kind", BROKEN)
def test_a_break_after_it_is_one_kind_only(event: bytes, kind: K) -> None:
    """The client has seen text: whatever went wrong, no other model may go on; the cause stays readable."""
    relayed, seen = read([ROLE, word("x"), event, word("more"), FINISH, DONE], cap=3500)
    early = read([ROLE, event], cap=3500)[1]["failure"]
    assert relayed == ROLE + word("x")
    assert seen["end"].kind is K.STREAM_BROKE_LATE
    assert (seen["end"].code, seen["end"].message, seen["end"].body) == (early.code, early.message, early.body)
    assert kind is early.kind


@pytest.mark.parametrize(
    "ids, relayed",
    [("aaab", 3), ("aba", 2), ("abb", 2), ("abcc", 3), ("abca", 3), ("abcd", 4), ("aaaa", 4), (["a", "", "a"], 3)],
)
def test_ids_are_all_equal_or_all_distinct(ids: str | list[str], relayed: int) -> None:
    """Groq's Compound gives every chunk an id of its own; anything between is a mix of two answers."""
    events = [chunk({"content": "x"}, id=each) for each in ids]
    assert read(events)[0] == b"".join(events[:relayed])


def test_a_failed_tool_call_inside_a_stream_keeps_its_text() -> None:
    """What the model tried to call can still be rescued."""
    assert read([ROLE, BROKEN[0][0]])[1]["end"].failed_generation == "{"


def test_nothing_is_relayed_after_the_end() -> None:
    """Bytes behind [DONE] belong to nobody."""
    assert read([GOOD + DONE + word("more"), word("again")])[0] == GOOD + DONE


def test_reasoning_alone_is_no_content() -> None:
    """A stream that only thought and stopped has given the client nothing to use."""
    end = read([ROLE, chunk({"reasoning": "hm"}), FINISH, DONE])[1]["end"]
    assert end == Reply("stop", Usage(9, 3), "m", has_content=False)


def test_an_endless_event_is_not_collected() -> None:
    """Past the cap the reader fails at once and keeps nothing."""
    reader = StreamReader(max_event_bytes=1000)
    for _ in range(20):
        reader.feed(b"data: " + b"x" * 100)
    assert reader.failure is not None
    assert not reader._cutter._pending


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_make_the_reader_fail(pieces: list[bytes]) -> None:
    """Every stream ends in a reply or a failure."""
    assert isinstance(read(pieces)[1]["end"], Reply | Failure)
