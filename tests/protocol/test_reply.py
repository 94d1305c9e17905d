"""Whole answers of upstreams: their summary, their text, and answers with another text."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.answer import Reply, Usage
from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.reply import answer_text, read_reply, read_usage, with_text

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "data" / "groq_recordings.jsonl"
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def answer(message: object = None, finish_reason: object = "stop", **fields: object) -> bytes:
    """A reply as Groq shapes it."""
    message = {"role": "assistant", "content": "hello"} if message is None else message
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m",
        "choices": [choice],
        "usage": USAGE,
        **fields,
    }
    return json.dumps(whole).encode()


def test_every_recorded_answer_is_read() -> None:
    """Real replies give their finish_reason, model and usage; a recorded 400 its failure."""
    if not RECORDINGS.exists():
        pytest.skip("the shared folder is not there")
    count = 0
    for line in RECORDINGS.read_text().splitlines():
        row = json.loads(line)
        response = row["response"]
        if isinstance(response, str):
            continue
        count += 1
        reply = read_reply(json.dumps(response).encode())
        if row["status"] == 400:
            assert isinstance(reply, Failure)
            assert (reply.kind, reply.code) == (FailureKind.TOOL_CALL_FAILED, "tool_use_failed")
            assert reply.failed_generation
            continue
        choice, usage = response["choices"][0], response["usage"]
        assert isinstance(reply, Reply)
        assert (reply.finish_reason, reply.model) == (choice["finish_reason"], response["model"])
        assert reply.usage is not None
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (
            usage["prompt_tokens"],
            usage["completion_tokens"],
        )
        assert reply.usage.completion_time_s == usage["completion_time"]
        assert reply.has_content == bool(choice["message"].get("content") or choice["message"].get("tool_calls"))
    assert count == 28


def test_the_details_of_usage_are_read() -> None:
    """Cached and reasoning tokens, and the three times in seconds."""
    usage = {
        **USAGE,
        "queue_time": 0.5,
        "prompt_time": 1,
        "completion_time": 0.25,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 8},
    }
    reply = read_reply(answer(usage=usage))
    assert isinstance(reply, Reply)
    assert reply.usage == Usage(100, 20, 64, 8, 0.5, 1.0, 0.25)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {},
        {**USAGE, "prompt_tokens": -1},
        {**USAGE, "prompt_tokens": 0},
        {**USAGE, "prompt_tokens": "100"},
        {**USAGE, "prompt_tokens": 1.5},
        {**USAGE, "prompt_tokens": True},
        {**USAGE, "prompt_tokens": 10_000_001},
        {**USAGE, "completion_tokens": -5},
        {**USAGE, "completion_tokens": 2**70},
        {**USAGE, "completion_tokens": None},
        {**USAGE, "prompt_tokens_details": {"cached_tokens": 101}},
        {**USAGE, "prompt_tokens_details": {"cached_tokens": -1}},
        {**USAGE, "completion_tokens_details": {"reasoning_tokens": "8"}},
    ],
)
def test_usage_that_cannot_be_true_is_unknown(usage: object) -> None:
    """Never a credit: the answer stands, its usage does not."""
    reply = read_reply(answer(usage=usage))
    assert isinstance(reply, Reply)
    assert reply.usage is None
    assert read_usage(answer(usage=usage)) is None


@pytest.mark.parametrize(
    "times", [{"queue_time": -1}, {"queue_time": "0.1"}, {"queue_time": 1e300}, {"queue_time": None}]
)
def test_a_wrong_time_does_not_spoil_the_tokens(times: dict[str, object]) -> None:
    """Times only inform."""
    assert read_usage(answer(usage={**USAGE, **times})) == Usage(100, 20)


@pytest.mark.parametrize(
    "message, has_content",
    [
        ({"content": "x"}, True),
        ({"content": ""}, False),
        ({"content": None}, False),
        ({}, False),
        ({"content": None, "reasoning": "hm"}, False),
        ({"content": None, "tool_calls": []}, False),
        ({"content": None, "tool_calls": [{"id": "1"}]}, True),
        ({"content": [{"type": "text", "text": "x"}]}, True),
        ({"content": None, "refusal": "no"}, True),
    ],
)
def test_content_is_what_a_client_can_use(message: object, has_content: bool) -> None:
    """Text, parts, a refusal or a tool call; reasoning alone is not."""
    reply = read_reply(answer(message))
    assert isinstance(reply, Reply)
    assert reply.has_content is has_content


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Please sign in</html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        answer(choices=[]),
        answer(choices=None),
        answer(choices="x"),
        answer(finish_reason=None),
        answer(finish_reason=7),
        answer()[:-9],
        answer(message=[]),
    ],
)
def test_a_body_that_is_no_answer_is_malformed(body: bytes) -> None:
    """Pages, cut bodies, empty choices: one failure, with the body kept."""
    failure = read_reply(body)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.status, failure.body) == (FailureKind.MALFORMED_BODY, 200, body)


def test_an_error_inside_an_answer_is_classified() -> None:
    """The error wins over the choices beside it; an empty one is none."""
    failure = read_reply(answer(error={"message": "busy", "code": 503}))
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.OVER_CAPACITY
    assert isinstance(read_reply(answer(error=None)), Reply)


@pytest.mark.parametrize(
    "error, finish_reason, kind",
    [
        ({"code": 502, "message": "Provider returned error"}, "error", FailureKind.OVER_CAPACITY),
        ({"code": 429, "message": "Rate limited upstream"}, None, FailureKind.REQUESTS_PER_MINUTE),
        ({"code": 400, "message": "maximum context length is 10 tokens"}, "stop", FailureKind.CONTEXT_OVERFLOW),
        (None, "error", FailureKind.OVER_CAPACITY),
        ("odd", "error", FailureKind.OVER_CAPACITY),
    ],
)
def test_an_error_beside_a_choice_is_classified(error: object, finish_reason: object, kind: FailureKind) -> None:
    """OpenRouter answers 200 where the provider behind it broke off: half an answer is never taken for a whole one."""
    half = {"index": 0, "message": {"content": "half an ans"}, "finish_reason": finish_reason, "error": error}
    failure = read_reply(answer(choices=[half]))
    assert isinstance(failure, Failure)
    assert failure.kind is kind


def test_the_text_is_read_and_replaced_and_nothing_else_changes() -> None:
    """All other values keep their bytes, spellings of numbers and escapes included."""
    body = (
        b'{"id":"x\\u00e9","n":1.50,"choices":[{"index":0,"message":{"role":"assistant","content":"{bad"},"z":1E2},'
        b'{"b":2}]}'
    )
    assert answer_text(body) == "{bad"
    mended = with_text(body, '{"a": "é"}')
    assert mended == body.replace(b'"{bad"', '"{\\"a\\": \\"é\\"}"'.encode())
    assert answer_text(mended) == '{"a": "é"}'


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", answer({"content": None}), answer({"content": []}), answer(choices=[])]
)
def test_an_answer_without_text_has_none(body: bytes) -> None:
    """Tool calls, parts and broken bodies have no text to mend."""
    assert answer_text(body) is None


values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "usage", "error", "message", "finish_reason", "prompt_tokens", "content", "model"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
def test_no_body_makes_the_readers_fail(body: bytes) -> None:
    """Every body has a summary or a failure."""
    assert isinstance(read_reply(body), Reply | Failure)
    answer_text(body)
    read_usage(body)
