"""The grammar of batches: lines in, lines out, and whatever else may come."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.protocol.batches import (
    CHAT,
    Line,
    LineProblem,
    answered_line,
    read_create,
    read_line,
    read_result,
    renamed_result,
    unanswered_line,
    usage_of,
)
from headgate.protocol.client_json import InvalidBody

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
GOOD = {"custom_id": "a", "method": "POST", "url": CHAT, "body": BODY}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_text_is_a_line_or_a_problem(text: bytes) -> None:
    """Nothing is raised for what somebody uploads."""
    assert isinstance(read_line(text, CHAT), LineProblem)
    assert isinstance(read_line(text), LineProblem)


@given(st.sampled_from(sorted(GOOD)), JSON)
def test_line_with_one_odd_field(name: str, value: object) -> None:
    """It is a line only if the field is still what it must be; the problem names the field otherwise."""
    read = read_line(json.dumps(GOOD | {name: value}).encode(), CHAT)
    if isinstance(read, LineProblem):
        assert (read.param or "").startswith(name)
    else:
        assert name == "custom_id"
        assert read.custom_id == value


def test_body_stays_as_it_was_written() -> None:
    """The request's own bytes are kept: what is asked later is what the client wrote."""
    body = b'{ "model":"m",  "temperature": 1.0,"x":"\\u00fc" }'
    read = read_line(b'{"custom_id":"a","method":"POST","url":"%s","body":%s}' % (CHAT.encode(), body), CHAT)
    assert read == Line("a", CHAT, "m", body)


def test_groq_names_the_chat_endpoint_for_audio_lines() -> None:
    """Lines of audio run in a batch of the chat endpoint, and in one of their own."""
    url = "/v1/audio/transcriptions"
    text = json.dumps(GOOD | {"url": url}).encode()
    for endpoint in (CHAT, url, None):
        assert isinstance(read_line(text, endpoint), Line)
    assert isinstance(read_line(text, "/v1/embeddings"), LineProblem)


@pytest.mark.parametrize(
    "body, told",
    [
        (b'{"object":"chat.completion"}', {"object": "chat.completion"}),
        (b'{"object":\n"chat.completion"}\r\n', {"object": "chat.completion"}),
        (b"plain words\nof an upstream", "plain words\nof an upstream"),
        (b"", ""),
        (b"\xff", "\ufffd"),
        (b'{"a":"\xff"}', '{"a":"\ufffd"}'),
        (b'{"a":\r\n"1\\n"}', {"a": "1\n"}),
    ],
)
def test_result_is_one_line(body: bytes, told: object) -> None:
    """Whatever was answered stands in one line of JSON."""
    text = answered_line("id", "a", 200, "req", body, {"reason": "mended"})
    assert b"\n" not in text
    response = json.loads(text)["response"]
    assert response == {"status_code": 200, "request_id": "req", "body": told, "headgate": {"reason": "mended"}}


def test_results_are_read_again() -> None:
    """Which line it was and how it ended; a provider's result gets our id and keeps the rest."""
    answered = answered_line("theirs", "a", 400, "req", b'{"error":{}}')
    renamed = renamed_result(answered, lambda custom_id: f"ours-{custom_id}")
    assert renamed is not None
    assert (renamed.custom_id, renamed.status) == ("a", 400)
    assert json.loads(renamed.body) == json.loads(answered) | {"id": "ours-a"}
    expired = read_result(unanswered_line("id", "a", "batch_expired", "too late"))
    assert expired is not None
    assert expired.status is None
    assert read_result(b"no result") is None


@pytest.mark.parametrize(
    "usage, expected",
    [
        ({"prompt_tokens": 5, "completion_tokens": 2}, (5, 2, 0, 0)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
            (5, 2, 4, 1),
        ),
        ({"input_tokens": 5, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}, (5, 2, 4, 0)),
        ({"prompt_tokens": 5, "total_tokens": 5}, (5, 0, 0, 0)),
        (None, None),
    ],
)
def test_usage_in_both_dialects(usage: object, expected: tuple[int, ...] | None) -> None:
    """Chat completions, responses and embeddings count their tokens under different names."""
    used = usage_of(answered_line("id", "a", 200, "req", msgspec.json.encode({"usage": usage})))
    assert (None if used is None else msgspec.structs.astuple(used)) == expected


@given(st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_creates_a_batch_or_is_refused(body: bytes) -> None:
    """Nothing but our own error is raised."""
    with pytest.raises(InvalidBody):
        read_create(body)
