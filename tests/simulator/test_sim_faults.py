"""Every fault in virtual time: what it does to the script, whom it strikes, and that draws do not depend on order."""

from typing import Any

import msgspec
import pytest
from tests.simulator.asking import KEY, MODEL, ORG, body, decoded, error, events, groq, post, rich, sent

from headgate.domain.limits import Dimension
from headgate.simulator.damage import is_stream
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.script import Ending, Script

JSON_MODE = {"messages": [{"role": "user", "content": "json please"}], "response_format": {"type": "json_object"}}
TOOLS = {
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": "required",
}


def struck(kind: FaultKind, *, stream: bool = False, fields: dict[str, Any] | None = None, **rule: Any) -> Script:
    """The reply to one request under one fault."""
    pretend = groq(Fault(kind, **rule), organisation=rich())
    return post(pretend, body("x [[tokens=60]]", stream=stream) | (fields or {}))


def healthy(*, stream: bool = False) -> Script:
    return post(groq(organisation=rich()), body("x [[tokens=60]]", stream=stream))


@pytest.mark.parametrize(
    "kind, status, text",
    [
        (FaultKind.ACCESS_DENIED, 403, '{"error":{"message":"Access denied. Please check your network settings."}}'),
        (FaultKind.INVALID_KEY, 401, "Invalid API Key"),
        (FaultKind.OVER_CAPACITY, 503, f"{MODEL} is currently over capacity. Please try again"),
        (FaultKind.SERVER_ERROR, 500, "internal_server_error"),
        (FaultKind.BAD_GATEWAY, 502, "<html>"),
        (FaultKind.FLEX_FULL, 498, "capacity_exceeded"),
        (FaultKind.SAFETY, 400, "safety policy"),
        (FaultKind.RATE_LIMITED, 429, "(TPM)"),
    ],
)
def test_fault_that_is_a_status(kind: FaultKind, status: int, text: str) -> None:
    """The status and its words come back, and nothing is charged."""
    pretend = groq(Fault(kind))
    script = post(pretend, body())
    assert script.status == status
    assert text in script.body.decode()
    assert pretend.level(ORG, MODEL, Dimension.TPM, 0.0) == 0.0


def test_made_up_rate_limit_names_its_dimension_and_wait() -> None:
    """A RATE_LIMITED fault can speak of a day and announce any wait."""
    script = struck(FaultKind.RATE_LIMITED, value="RPD", delay_s=86.4)
    assert "requests per day (RPD)" in error(script)["message"]
    assert "Please try again in 1m26.4s" in error(script)["message"]
    assert dict(script.headers)["retry-after"] == "87"


def test_429_can_come_without_retry_after() -> None:
    """The header alone is missing; the body still says how long."""
    pretend = groq(Fault(FaultKind.NO_RETRY_AFTER))
    pretend.limiter.set_level(ORG, MODEL, Dimension.TPM, 8000.0, 0.0)
    script = post(pretend, body())
    assert script.status == 429
    assert "retry-after" not in dict(script.headers)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "kind, tokens",
    [
        (FaultKind.LIMITS_TOO_HIGH, "+"),
        (FaultKind.LIMITS_TOO_LOW, "0"),
        (FaultKind.LIMITS_GARBAGE, "soon"),
        (FaultKind.LIMITS_ABSENT, None),
    ],
)
def test_limit_headers_can_lie(kind: FaultKind, tokens: str | None, stream: bool) -> None:
    """Remaining is far too high, zero, garbage or absent, in streams and buffered replies."""
    pretend = groq(Fault(kind))
    shown = sent(pretend, post(pretend, body(stream=stream))).get("x-ratelimit-remaining-tokens")
    if tokens == "+":
        assert shown is not None
        assert int(shown) > 8000
    else:
        assert shown == tokens


@pytest.mark.parametrize("stream", [False, True])
def test_slow_reply_comes_later_whole(stream: bool) -> None:
    """The same bytes, all of them later by the delay, metering included."""
    pretend = groq(Fault(FaultKind.SLOW, delay_s=20.0), organisation=rich())
    slow, whole = post(pretend, body("x [[tokens=60]]", stream=stream)), healthy(stream=stream)
    assert pretend.limiter.calls[slow.id].used_by(20.0).output == 0
    assert slow.body == whole.body
    assert slow.first_at_s == pytest.approx(whole.first_at_s + 20.0)
    assert slow.ends_at_s == pytest.approx(whole.ends_at_s + 20.0)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("at", [0.0, 0.5, 1, 137])
@pytest.mark.parametrize(
    "kind, ending",
    [
        (FaultKind.CUT, Ending.CUT),
        (FaultKind.RESET_MIDWAY, Ending.RESET),
        (FaultKind.STALLED, Ending.STALL),
    ],
)
def test_body_stops_at_the_byte(kind: FaultKind, ending: Ending, at: float, stream: bool) -> None:
    """Exactly the bytes before the fault are sent; the promised length stays."""
    script, whole = struck(kind, stream=stream, at=at), healthy(stream=stream)
    length = int(at) if at >= 1 else int(len(whole.body) * at)
    assert script.body == whole.body[:length]
    assert script.ending is ending
    assert script.headers[:2] == whole.headers[:2]


def test_stall_may_end() -> None:
    """With a delay the silence is finite and the stream complete."""
    script, whole = struck(FaultKind.STALLED, stream=True, delay_s=9.0), healthy(stream=True)
    assert script.body == whole.body
    assert script.ending is Ending.CLEAN
    gaps = [b.at_s - a.at_s for a, b in zip(script.parts, script.parts[1:], strict=False)]
    assert max(gaps) == pytest.approx(9.0, abs=0.1)


def test_broken_stream_meters_what_was_generated() -> None:
    """A stream cut half way is charged for about half of its answer when it ends."""
    pretend = groq(Fault(FaultKind.CUT), organisation=rich())
    script = post(pretend, body("x [[tokens=400]]", stream=True))
    call = pretend.limiter.calls[script.id]
    assert 150 < call.used_by(script.ends_at_s).output < 250
    pretend.advance(script.ends_at_s)
    assert not pretend.limiter.calls


@pytest.mark.parametrize("stream", [False, True])
def test_connection_faults_send_what_they_say(stream: bool) -> None:
    """Refused and reset before headers: not even a head. Reset after headers: a head and no byte."""
    refused = struck(FaultKind.REFUSED, stream=stream)
    assert (refused.status, refused.ending, refused.parts) == (0, Ending.REFUSED, ())
    before = struck(FaultKind.RESET_BEFORE_HEADERS, stream=stream)
    assert (before.status, before.ending, before.parts) == (0, Ending.RESET, ())
    after = struck(FaultKind.RESET_AFTER_HEADERS, stream=stream)
    assert (after.status, after.ending, after.parts) == (200, Ending.RESET, ())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", [FaultKind.MALFORMED_JSON, FaultKind.TRUNCATED_JSON])
def test_json_can_be_broken(kind: FaultKind, stream: bool) -> None:
    """The body, or one event of a stream, does not parse although the reply is complete and its length true."""
    script = struck(kind, stream=stream)
    assert script.ending is Ending.CLEAN
    if not stream:
        with pytest.raises(msgspec.DecodeError):
            decoded(script)
        assert dict(script.headers)["content-length"] == str(len(script.body))
        return
    lines = [line[6:] for line in script.body.split(b"\n") if line.startswith(b"data: {")]
    assert sum(not parses(line) for line in lines) == 1


def parses(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return False
    return True


@pytest.mark.parametrize("stream", [False, True])
def test_page_and_nothing_instead_of_an_answer(stream: bool) -> None:
    """A 200 can be a sign-in page or empty."""
    page = struck(FaultKind.HTML, stream=stream)
    assert (page.status, is_stream(page)) == (200, False)
    assert page.body.startswith(b"<!doctype html>")
    assert struck(FaultKind.EMPTY_BODY, stream=stream).body == b""


@pytest.mark.parametrize("stream", [False, True])
def test_choices_can_be_empty(stream: bool) -> None:
    """No choice anywhere, everything else in place."""
    script = struck(FaultKind.EMPTY_CHOICES, stream=stream)
    found = events(script) if stream else [decoded(script)]
    assert all(event["choices"] == [] for event in found)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "kind, completion",
    [
        (FaultKind.USAGE_NEGATIVE, -60),
        (FaultKind.USAGE_STRING, "60"),
        (FaultKind.USAGE_HUGE, 2**53),
        (FaultKind.USAGE_MISSING, None),
    ],
)
def test_usage_can_be_wrong(kind: FaultKind, completion: object, stream: bool) -> None:
    """Negative, text, huge or missing, wherever usage stands."""
    script = struck(kind, stream=stream)
    last = events(script)[-1] if stream else decoded(script)
    holders = [last, last["x_groq"]] if stream else [last]
    for holder in holders:
        assert holder.get("usage", {}).get("completion_tokens") == completion


def test_stream_can_end_in_an_error_event() -> None:
    """The rest of the stream from the place is one `event: error`."""
    script = struck(FaultKind.STREAM_ERROR_EVENT, stream=True)
    assert script.body.count(b"event: error\n") == 1
    assert events(script)[-1]["error"]["status_code"] == 500
    assert b"[DONE]" not in script.body


def test_final_chunk_can_carry_an_error() -> None:
    """`x_groq.error` beside an ordinary finish reason."""
    assert events(struck(FaultKind.X_GROQ_ERROR, stream=True))[-1]["x_groq"]["error"] == "over_capacity"


def test_stream_details_can_be_odd() -> None:
    """No [DONE], CRLF line ends, one chunk of another reply."""
    assert b"[DONE]" not in struck(FaultKind.NO_DONE, stream=True).body
    crlf = struck(FaultKind.CRLF, stream=True)
    assert crlf.body == healthy(stream=True).body.replace(b"\n", b"\r\n")
    ids = [event["id"] for event in events(struck(FaultKind.FOREIGN_CHUNK_ID, stream=True))]
    assert sorted(map(ids.count, set(ids))) == [1, len(ids) - 1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "kind, fields, code",
    [
        (FaultKind.JSON_VALIDATE_FAILED, JSON_MODE, "json_validate_failed"),
        (FaultKind.OUTPUT_PARSE_FAILED, JSON_MODE, "output_parse_failed"),
        (FaultKind.TOOL_USE_FAILED, TOOLS, "tool_use_failed"),
    ],
)
def test_generation_can_fail(kind: FaultKind, fields: dict[str, Any], code: str, stream: bool) -> None:
    """A 400 with the failed generation; in a stream an error event after a 200. What was generated is charged."""
    pretend = groq(Fault(kind), organisation=rich())
    script = post(pretend, body(stream=stream) | fields)
    found = events(script)[-1]["error"] if stream else error(script)
    assert script.status == (200 if stream else 400)
    assert found["code"] == code
    assert "failed_generation" in found
    assert pretend.limiter.calls[script.id].completion_tokens > 0


def test_generation_faults_leave_other_requests_alone() -> None:
    """JSON and tool faults strike only requests in JSON mode or with tools."""
    for kind in (FaultKind.JSON_VALIDATE_FAILED, FaultKind.TOOL_USE_FAILED, FaultKind.INVALID_JSON_CONTENT):
        assert struck(kind).body == healthy().body


@pytest.mark.parametrize(
    "variant, text",
    [
        ("", "Failed to call a function."),
        ("undeclared", "attempted to call tool 'f_v2' which was not in request.tools"),
        ("schema", "parameters for tool f did not match schema: errors: ["),
        ("required", "Tool choice is required, but model did not call a tool"),
        ("none", "Tool choice is none, but model called a tool"),
        ("arguments", "Failed to parse tool call arguments as JSON"),
    ],
)
def test_tool_failures_have_six_texts(variant: str, text: str) -> None:
    """The variants a to f of groq-api 3.3."""
    assert text in error(struck(FaultKind.TOOL_USE_FAILED, value=variant, fields=TOOLS))["message"]


def test_json_content_can_be_wrong() -> None:
    """Content that is not JSON, or JSON of another shape, in a 200."""
    broken = decoded(struck(FaultKind.INVALID_JSON_CONTENT, fields=JSON_MODE))["choices"][0]["message"]["content"]
    assert not parses(broken.encode())
    off = decoded(struck(FaultKind.OFF_SCHEMA_JSON, fields=JSON_MODE))["choices"][0]["message"]["content"]
    assert msgspec.json.decode(off) == {"unexpected": ["shape"]}
    declined = decoded(struck(FaultKind.SAFETY, value="content"))["choices"][0]["message"]["content"]
    assert declined.startswith("I'm sorry")


@pytest.mark.parametrize(
    "rule, strikes",
    [
        ({}, True),
        ({"model": MODEL, "organisation": ORG, "key": KEY, "stream": False, "containing": "hel"}, True),
        ({"model": "openai/gpt-oss-20b"}, False),
        ({"organisation": "org_x"}, False),
        ({"key": "x"}, False),
        ({"stream": True}, False),
        ({"containing": "bye"}, False),
        ({"from_at": 5.0, "until": 6.0}, True),
        ({"from_at": 5.1}, False),
        ({"until": 5.0}, False),
        ({"probability": 0.0}, False),
        ({"times": 0}, False),
    ],
)
def test_rule_strikes_whom_it_names(rule: dict[str, Any], strikes: bool) -> None:
    """Model, organisation, key, kind of reply, text, time, probability and number of times all narrow a rule."""
    script = post(groq(Fault(FaultKind.SERVER_ERROR, **rule)), body(), now=5.0)
    assert script.status == (500 if strikes else 200)


def test_rule_ends_after_its_times() -> None:
    """`times` counts strikes."""
    pretend = groq(Fault(FaultKind.SERVER_ERROR, times=2), organisation=rich())
    assert [post(pretend, body()).status for _ in range(4)] == [500, 500, 200, 200]


def test_draws_depend_on_the_request_not_on_the_order() -> None:
    """Half of the requests are struck, the same ones in any order; a repetition is drawn anew."""
    asks = [body(f"request {n}") for n in range(200)]

    def statuses(order: list[int]) -> dict[int, int]:
        pretend = groq(Fault(FaultKind.SERVER_ERROR, probability=0.5), organisation=rich())
        return {n: post(pretend, asks[n]).status for n in order}

    forwards, backwards = statuses(list(range(200))), statuses(list(range(199, -1, -1)))
    assert forwards == backwards
    assert 70 < sum(status == 500 for status in forwards.values()) < 130
    pretend = groq(Fault(FaultKind.SERVER_ERROR, probability=0.5), organisation=rich())
    assert {post(pretend, asks[0]).status for _ in range(20)} == {200, 500}
