"""Server-sent events: the rules of the standard under any cuts, and our own encoders."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.protocol.sse import (
    DONE,
    Event,
    EventCutter,
    EventParser,
    OversizedEvent,
    comment,
    data_event,
    error_event,
)

CASES = Path(__file__).parents[2].parent / "shared" / "data" / "sse_parser_cases.jsonl"
pieces = st.lists(
    st.sampled_from(
        [b"data: a", b"data:", b"event: e", b"id: 1", b": c", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", "é".encode()]
    ),
    max_size=24,
).map(b"".join)


def parsed(chunks: list[bytes], max_event_bytes: int = 1 << 20) -> tuple[list[Event], list[int], list[str]]:
    """Events, retries and comments of a whole stream."""
    parser = EventParser(max_event_bytes)
    events, retries, comments = [], [], []
    for chunk in chunks:
        events += parser.feed(chunk)
        retries += parser.retry_ms
        comments += parser.comments
    return events, retries, comments


def bytewise(stream: bytes) -> list[bytes]:
    """The stream one byte at a time."""
    return [stream[at : at + 1] for at in range(len(stream))]


def test_recorded_cases_are_read_as_the_reference_parser_reads_them() -> None:
    """Whole, byte by byte, and (short ones) cut in two at every byte, each case gives the same events."""
    if not CASES.exists():
        pytest.skip(f"no {CASES.name}: the shared folder is not there")
    rows = [json.loads(line) for line in CASES.read_text().splitlines()]
    assert len(rows) == 25
    for row in rows:
        # "ï»¿" is a byte order mark that a reader took for Latin-1
        texts = [chunk.replace("ï»¿", "\ufeff") for chunk in row["chunks"] if isinstance(chunk, str)]
        stream = "".join(texts).encode()
        expected = [Event(each["data"], each.get("event"), each.get("id")) for each in row["events"]]
        cuts = [[text.encode() for text in texts], [stream], bytewise(stream)]
        if len(stream) < 1000:
            cuts += [[stream[:at], stream[at:]] for at in range(len(stream))]
        for chunks in cuts:
            assert parsed(chunks)[:2] == (expected, row["retry"])
            if row["wantsComments"]:  # ours come with the blank line behind them
                assert parsed([*chunks, b"\n\n"])[2] == row["comments"]


@given(pieces, st.lists(st.integers(0, 200), max_size=8))
def test_cuts_do_not_change_what_is_read(stream: bytes, places: list[int]) -> None:
    """Any line ends, any cuts: the same events, and the blocks put together are the stream."""
    edges = sorted({0, len(stream), *(place for place in places if place < len(stream))})
    chunks = [stream[start:end] for start, end in pairwise(edges)]
    assert parsed(chunks) == parsed([stream])
    cutter = EventCutter()
    blocks = [block for chunk in chunks for block in cutter.feed(chunk)]
    whole = EventCutter().feed(stream)
    assert b"".join(blocks) == b"".join(whole)
    assert stream.startswith(b"".join(blocks))


def test_a_retry_and_a_comment_are_told() -> None:
    """They are no events; a retry that is no number is ignored."""
    assert parsed([b"retry: 300\n: hello\nretry: soon\n\n"]) == ([], [300], ["hello"])


def test_broken_utf8_is_replaced_not_refused() -> None:
    """The standard decodes with the replacement character."""
    assert parsed([b"data: a\xffb\n\n"])[0] == [Event("a\ufffdb")]


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_an_event_beyond_the_cap_ends_the_reading(step: int) -> None:
    """Events before it come out; it and everything after it do not, whatever the cuts, and nothing is kept."""
    stream = data_event(b"ok") + data_event(b"x" * 60) + data_event(b"later")
    parser = EventParser(max_event_bytes=40)
    events = [event for at in range(0, len(stream), step) for event in parser.feed(stream[at : at + step])]
    assert events == [Event("ok")]
    assert parser.oversized == OversizedEvent(40)
    assert parser.feed(data_event(b"again")) == []


def test_an_event_of_exactly_the_cap_is_read() -> None:
    """Line ends do not count towards the cap."""
    block = b"data: " + b"x" * 34 + b"\r\n\r\n"
    for chunks in ([block], bytewise(block)):
        assert parsed(chunks, 40)[0] == [Event("x" * 34)]
        assert parsed([block], 39)[0] == []


def test_what_is_encoded_is_read_back() -> None:
    """One data line per line, an error under its own name, a comment that is no event, the end of a stream."""
    stream = data_event(b"one\r\ntwo") + error_event(b'{"error":{}}') + comment("wait\nhere") + DONE
    events, _, comments = parsed(bytewise(stream))
    assert events == [Event("one\ntwo"), Event('{"error":{}}', "error"), Event("[DONE]")]
    assert comments == ["wait here"]
