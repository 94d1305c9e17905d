"""What a watched stream lets through: everything of a right answer, and of a wrong one never its end."""

from typing import Any

import msgspec
import pytest

from headgate.domain.request import Check
from headgate.protocol.sse import DONE, data_event
from headgate.runtime.json_stream import JsonStream

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
ROLE = {"role": "assistant", "content": ""}
CALL = {"tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return data_event(msgspec.json.encode({"id": "c", "choices": [choice]}))


def stream(*texts: str, finish: str = "stop", first: dict[str, Any] = ROLE) -> list[bytes]:
    return [event(first), *(event({"content": text}) for text in texts), event({}, finish), DONE]


def watch(*, has_tools: bool = False, check: Check = Check.SCHEMA) -> JsonStream:
    return JsonStream(check, SCHEMA if check is Check.SCHEMA else None, has_tools=has_tools)


RIGHT = (
    stream('{"n"', ": ", "1}"),
    stream('{"n": 1}', " \n"),
    stream(finish="tool_calls", first=CALL),
    stream(first={"refusal": "No."}),
    [b": hello\n\n", *stream('{"n": 1}'), event({})[:0]],
    [each.replace(b"\n", b"\r\n") for each in stream('{"n": ', "1}")],
)


@pytest.mark.parametrize("events", RIGHT)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_answer_that_is_right(events: list[bytes], size: int) -> None:
    """Every byte comes out, in order, however the events are put together."""
    watching, whole = watch(), b"".join(events)
    out = b"".join(watching.feed(whole[at : at + size]) for at in range(0, len(whole), size))
    assert (out, watching.problem) == (whole, "")


@pytest.mark.parametrize(
    "texts, passes",
    [
        (('{"n"', ": 1}", " and more"), 3),
        (('{"n"', ': "one"}'), 3),
        (('{"m"', ": 1}"), 1),
        (('{"n": 1',), 2),
        (("[1]",), 1),
        (("Well", ", I"), 1),
        ((), 1),
    ],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_answer_that_is_wrong(texts: tuple[str, ...], passes: int, at_once: bool) -> None:
    """What came before the fault comes out, nothing after it: no finish, no [DONE]; and it says what was wrong."""
    watching, events = watch(), stream(*texts)
    out = watching.feed(b"".join(events)) if at_once else b"".join(map(watching.feed, events))
    assert out == b"".join(events[:passes])
    assert watching.problem
    assert watching.feed(DONE) == b""


def test_words_before_a_tool_call() -> None:
    """Where there are tools, prose may lead to a call; prose that does not is no answer."""
    calling = [*stream("Let me look.")[:2], event(CALL), event({}, "tool_calls"), DONE]
    watching = watch(has_tools=True)
    assert watching.feed(b"".join(calling)) == b"".join(calling)
    watching = watch(has_tools=True)
    assert DONE not in watching.feed(b"".join(stream("Let me look.")))
    assert watching.problem


def test_json_without_a_schema() -> None:
    """Any object or array will do."""
    for text, is_right in (('{"any": ["thing"]}', True), ("[]", True), ("3", False)):
        watching = watch(check=Check.JSON)
        assert (DONE in watching.feed(b"".join(stream(text)))) is is_right
