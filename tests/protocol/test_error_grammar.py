"""The grammar of upstream errors, with the texts that providers really send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.failure import FailureKind as K
from headgate.domain.limits import Dimension
from headgate.protocol.error_body import read_error, redact
from headgate.protocol.errors import RULES, classify, kind_of

D = Dimension

TAIL = " Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
HEAD = "Rate limit reached for model `openai/gpt-oss-20b` in organization `org_01jq2fsz7m` service tier `on_demand` on "


def groq(message: str, code: str | None = None, type: str | None = "invalid_request_error", **more: object) -> bytes:  # noqa: A002
    """An error body as Groq writes it: absent parts are omitted."""
    error = {"message": message, "type": type, "code": code, **more}
    return json.dumps({"error": {name: value for name, value in error.items() if value is not None}}).encode()


def limited(kind: str, limit: object, used: object, requested: object, wait: object) -> bytes:
    """A 429 of Groq's template."""
    numbers = f": Limit {limit}, Used {used}, Requested {requested}. Please try again in {wait}."
    return groq(HEAD + kind + numbers + TAIL, "rate_limit_exceeded", "tokens")


LIMITS = [
    # kind on the wire, numbers, announced wait -> dimension, row of the remedy table, seconds (groq-api.md 2.3)
    ("tokens per day (TPD)", 200000, 197494, 4035, "11m0.528s", D.TPD, K.DAILY_LIMIT, 660.528),
    ("tokens per day (TPD)", 100000, 99996, 484, "6m54.72s", D.TPD, K.DAILY_LIMIT, 414.72),
    ("tokens per minute (TPM)", 12000, 8560, 4177, "3.685s", D.TPM, K.TOKENS_PER_MINUTE, 3.685),
    ("tokens per minute (TPM)", 8000, 6670, 5883, "34.1475s", D.TPM, K.TOKENS_PER_MINUTE, 34.1475),
    ("seconds of audio per hour (ASPH)", 7200, 5956, 2336, "9m6s", D.ASH, K.TOKENS_PER_MINUTE, 546.0),
    ("seconds of audio per hour (ASPH)", 7200, 7170, 230, "1m39.738s", D.ASH, K.TOKENS_PER_MINUTE, 99.738),
    ("seconds of audio per day (ASPD)", 28800, 28700, 200, "5m0s", D.ASD, K.DAILY_LIMIT, 300.0),
    ("output tokens per minute (OTPM)", 1000, 528, 600, "7.68s", D.OTPM, K.TOKENS_PER_MINUTE, 7.68),
    ("output tokens per minute (OTPM)", 1000, 72, 981, "3.179999999s", D.OTPM, K.TOKENS_PER_MINUTE, 3.179999999),
    ("input tokens per minute (ITPM)", 7000, 6900, 273, "1.482857142s", D.ITPM, K.TOKENS_PER_MINUTE, 1.482857142),
    ("requests per day (RPD)", 1000, 1000, 1, "1m26.4s", D.RPD, K.DAILY_LIMIT, 86.4),
    ("requests per minute (RPM)", 30, 30, 1, "2s", D.RPM, K.REQUESTS_PER_MINUTE, 2.0),
]


@pytest.mark.parametrize("kind, limit, used, requested, wait, dimension, row, seconds", LIMITS)
def test_a_rate_limit_is_read_with_its_numbers(
    kind: str, limit: int, used: int, requested: int, wait: str, dimension: Dimension, row: K, seconds: float
) -> None:
    """Dimension, limit, used, requested, wait and organisation come from the text, `today` does not."""
    failure = classify(429, limited(kind, limit, used, requested, wait), {"retry-after": "99"})
    assert (failure.kind, failure.dimension) == (row, dimension)
    assert failure.wait_s == pytest.approx(seconds)
    assert (failure.limit, failure.used, failure.requested) == (limit, used, requested)
    assert (failure.organisation, failure.code, failure.status) == ("org_01jq2fsz7m", "rate_limit_exceeded", 429)
    assert not failure.is_attempt


def test_commas_in_numbers_and_spaces_in_waits_are_forgiven() -> None:
    """One report prints `200,000`, another `6m 11.52s`."""
    failure = classify(429, limited("tokens per day (TPD)", "200,000", "199,000", "1,860", "6m 11.52s"), {})
    assert (failure.limit, failure.used, failure.requested, failure.wait_s) == (200_000, 199_000, 1860, 371.52)


TOO_LARGE = (
    "Request too large for model `openai/gpt-oss-120b` in organization `org_01jq2fsz7m` service tier `on_demand` on "
    "tokens per minute (TPM): Limit 8000, Used 0, Requested 10494, please reduce your message size and try again."
)
OTPM_TOO_LARGE = "The request's expected output tokens exceed the enforced limit for this model; reduce max_tokens."

ROWS = [
    # 400
    (400, groq("Failed to generate JSON. Please adjust your prompt.", "json_validate_failed"), K.INVALID_JSON),
    (400, groq("Parsing failed.", "output_parse_failed"), K.INVALID_JSON),
    (400, groq("Failed to generate JSON. Please adjust your prompt. See 'failed_generation'."), K.INVALID_JSON),
    (400, groq("Failed to call a function. Please adjust your prompt.", "tool_use_failed"), K.TOOL_CALL_FAILED),
    (
        400,
        groq("Tool call validation failed: tool call validation failed: attempted to call tool 'X'"),
        K.TOOL_CALL_FAILED,
    ),
    (
        400,
        groq("Tool choice is required, but model did not call a tool", "tool_required_not_called"),
        K.TOOL_CALL_FAILED,
    ),
    (
        400,
        groq("The model `X` has been decommissioned and is no longer supported.", "model_decommissioned"),
        K.MODEL_GONE,
    ),
    (400, groq("The model `X` has been decommissioned and is no longer supported."), K.MODEL_GONE),
    (400, groq("The model requires terms acceptance.", "model_terms_required"), K.MODEL_GONE),
    (400, groq("API access is blocked.", "blocked_api_access"), K.SPEND_LIMIT),
    (400, groq("Spend limit reached.", "spend_limit_reached"), K.SPEND_LIMIT),
    (400, groq("Please reduce the length of the messages or completion.", param="messages"), K.CONTEXT_OVERFLOW),
    (400, groq("Too long.", "context_length_exceeded"), K.CONTEXT_OVERFLOW),
    (400, groq("This model's maximum context length is 8192 tokens."), K.CONTEXT_OVERFLOW),
    (
        400,
        groq("The prompt exceeds the available context size: it exceeds the model's context window"),
        K.CONTEXT_OVERFLOW,
    ),
    (400, groq("The requested service tier is not available."), K.FLEX_FULL),
    (400, groq("`service_tier` flex is not available for this org"), K.FLEX_FULL),
    (400, groq("auto is not available for your organization's plan"), K.FLEX_FULL),
    (400, groq("Your request was rejected as a result of our safety system."), K.SAFETY_REFUSAL),
    (400, groq("Blocked.", "content_filter"), K.SAFETY_REFUSAL),
    (400, groq("Your input was flagged as potentially violating our usage policy."), K.SAFETY_REFUSAL),
    (
        400,
        groq(
            "`max_completion_tokens` must be less than or equal to `16384`, the maximum value for "
            "`max_completion_tokens` is less than the `context_window` for this model",
            param="max_completion_tokens",
        ),
        K.BAD_REQUEST,
    ),
    (400, groq("This model does not support response format `json_schema`.", param="response_format"), K.BAD_REQUEST),
    (400, groq("json mode cannot be combined with tool/function calling"), K.BAD_REQUEST),
    (400, groq("'messages.1' : property 'reasoning_content' is unsupported"), K.BAD_REQUEST),
    (400, groq("file must be one of [flac mp3]", "unsupported_audio_format"), K.BAD_REQUEST),
    (
        400,
        (
            b'[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens '
            b'allowed (1048576).","status":"INVALID_ARGUMENT"}}]'
        ),
        K.CONTEXT_OVERFLOW,
    ),
    (400, b'{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}', K.MODEL_GONE),
    (400, b'{"error":{"message":"x/y is not a valid model ID","code":400}}', K.MODEL_GONE),
    (
        400,
        (
            b'[{"error":{"code":400,"message":"User location is not supported for the API use.",'
            b'"status":"FAILED_PRECONDITION"}}]'
        ),
        K.ACCESS_DENIED,
    ),
    # 401, 402, 403, 404
    (401, groq("Invalid API Key", "invalid_api_key"), K.INVALID_KEY),
    (401, b'{"detail":"Unauthorized"}', K.INVALID_KEY),
    (402, b'{"error":{"code":402,"message":"Insufficient credits"}}', K.SPEND_LIMIT),
    (403, b'{"error":{"message":"Key limit exceeded (total limit).","code":403}}', K.SPEND_LIMIT),
    (
        403,
        b'[{"error":{"code":403,"message":"Your API key was reported as leaked.","status":"PERMISSION_DENIED"}}]',
        K.INVALID_KEY,
    ),
    (
        403,
        b'{"error":{"code":403,"message":"Input moderated.","metadata":{"reasons":["violence"],"flagged_input":"x"}}}',
        K.SAFETY_REFUSAL,
    ),
    (404, b'{"error":{"message":"No endpoints found for x/y.","code":404}}', K.MODEL_GONE),
    (404, b'{"error":{"message":"No endpoints found that support tool use.","code":404}}', K.BAD_REQUEST),
    (403, groq("Access denied. Please check your network settings.", type=None), K.ACCESS_DENIED),
    (403, groq("Blocked by the organisation.", "model_permission_blocked_org"), K.MODEL_GONE),
    (403, groq("Blocked by the project.", "model_permission_blocked_project"), K.MODEL_GONE),
    (404, groq("The model `X` does not exist or you do not have access to it.", "model_not_found"), K.MODEL_GONE),
    (
        404,
        b'{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}',
        K.MODEL_GONE,
    ),
    (404, groq("Not yours.", "model_not_found"), K.MODEL_GONE),
    (404, groq("Unknown request URL: GET /openai/v1/model. Please check the URL", "unknown_url"), K.BAD_REQUEST),
    (404, groq("Unknown request URL: GET /models/a/b was not found.", "unknown_url"), K.BAD_REQUEST),
    # 408, 410, 413, 422, 424
    (408, b"", K.NETWORK),
    (410, groq("Gone.", "model_decommissioned"), K.MODEL_GONE),
    (413, groq(TOO_LARGE + TAIL, "rate_limit_exceeded", "tokens"), K.REQUEST_TOO_LARGE),
    (413, groq(OTPM_TOO_LARGE, "rate_limit_exceeded", "tokens"), K.REQUEST_TOO_LARGE),
    (413, groq("Request Entity Too Large", "request_too_large"), K.BAD_REQUEST),
    (413, b"<html>413 Request Entity Too Large</html>", K.BAD_REQUEST),
    (422, groq("The model hallucinated."), K.BAD_REQUEST),
    (424, groq("MCP server refused."), K.BAD_REQUEST),
    # 429 beyond the template
    (429, groq(OTPM_TOO_LARGE, "rate_limit_exceeded", "tokens"), K.REQUEST_TOO_LARGE),
    (429, groq(TOO_LARGE, "rate_limit_exceeded", "tokens"), K.REQUEST_TOO_LARGE),
    (429, limited("tokens per minute (TPM)", 8000, 0, 9000, "7.5s"), K.REQUEST_TOO_LARGE),
    (429, groq("Request too large for model `x`.", "rate_limit_exceeded", "tokens"), K.REQUEST_TOO_LARGE),
    (
        429,
        groq("expected output tokens (OTPM): Limit 1000, Used 900, Requested 300. Please try again in 12s."),
        K.TOKENS_PER_MINUTE,
    ),
    (429, groq("Slow down (RPD): Limit 10, Used 10, Requested 1.", "rate_limit_exceeded"), K.DAILY_LIMIT),
    (429, groq("Slow down.", "rate_limit_exceeded", "requests"), K.REQUESTS_PER_MINUTE),
    (429, groq("Slow down.", "rate_limit_exceeded", "tokens"), K.TOKENS_PER_MINUTE),
    (429, groq("Too many tokens per minute."), K.TOKENS_PER_MINUTE),
    (429, groq("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"), K.SPEND_LIMIT),
    (429, groq("No.", "project_spend_limit_exceeded"), K.SPEND_LIMIT),
    (
        429,
        b'{"object":"error","message":"Rate limit exceeded","type":"rate_limited","code":"1300"}',
        K.REQUESTS_PER_MINUTE,
    ),
    (429, groq("No room.", "service_tier_capacity_exceeded"), K.OVER_CAPACITY),
    (
        429,
        b'{"object":"error","message":"No room.","type":"service_tier_capacity_exceeded","code":"3505"}',
        K.OVER_CAPACITY,
    ),
    (429, groq("No room.", "capacity_exceeded"), K.FLEX_FULL),
    (429, b"", K.REQUESTS_PER_MINUTE),
    (429, b"<html>Too Many Requests</html>", K.REQUESTS_PER_MINUTE),
    # Gemini writes arrays
    (400, b'[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]', K.INVALID_KEY),
    (
        429,
        b'[{"error":{"code":429,"message":"Quota exceeded.","details":[{"quotaId":"RequestsPerDayPerModel"}]}}]',
        K.DAILY_LIMIT,
    ),
    (
        429,
        b'{"error":{"code":429,"message":"Provider error","metadata":{"limit_source":"openrouter_free_tier_daily"}}}',
        K.DAILY_LIMIT,
    ),
    # 498 and the server's own
    (498, groq("Flex is full.", "capacity_exceeded"), K.FLEX_FULL),
    (500, groq("Internal Server Error", type="internal_server_error"), K.OVER_CAPACITY),
    (502, b"<html>Bad Gateway</html>", K.OVER_CAPACITY),
    (503, groq("openai/gpt-oss-20b is currently over capacity.", type="internal_server_error"), K.OVER_CAPACITY),
    (529, b"", K.OVER_CAPACITY),
    # an error inside a 200
    (200, groq("No such tool.", "tool_use_failed", status_code=400), K.TOOL_CALL_FAILED),
    (200, groq("over_capacity", "over_capacity", type=None), K.OVER_CAPACITY),
    (200, b'{"error":{"code":429,"message":"Rate limited"}}', K.REQUESTS_PER_MINUTE),
    (200, groq("Bad value."), K.BAD_REQUEST),
    (200, b'{"error":"something broke"}', K.OVER_CAPACITY),
    (200, b'{"error":{"code":"429","message":"Rate limited"}}', K.REQUESTS_PER_MINUTE),
    (200, b'{"object":"error","message":"Slow.","code":"1300","raw_status_code":429}', K.REQUESTS_PER_MINUTE),
    (200, b'{"choices":[{"finish_reason":"error","error":{"code":502,"message":"Broke off"}}]}', K.OVER_CAPACITY),
    (200, b'{"choices":[{"finish_reason":"error","error":{"code":403,"message":"flagged as x"}}]}', K.SAFETY_REFUSAL),
    # no API answered
    (200, b"<html>Please sign in</html>", K.MALFORMED_BODY),
    (200, b"", K.MALFORMED_BODY),
    (200, b'{"id":"chatcmpl-1","choices":[]}', K.MALFORMED_BODY),
    (200, b'{"error":null}', K.MALFORMED_BODY),
    (302, b"", K.MALFORMED_BODY),
    (101, b"", K.MALFORMED_BODY),
    (999, b"", K.MALFORMED_BODY),
]


@pytest.mark.parametrize("status, body, kind", ROWS)
def test_a_body_has_its_row(status: int, body: bytes, kind: K) -> None:
    """Each captured or documented body is classified as the table of remedies means it; the body stays for relaying."""
    failure = classify(status, body, {})
    assert (failure.kind, failure.status, failure.body) == (kind, status, body)


def test_every_row_of_the_grammar_is_reached() -> None:
    """Taking any rule out of the table changes the verdict of at least one body above."""
    bodies = [(status, read_error(body), kind) for status, body, kind in ROWS]
    bodies += [(429, read_error(limited(*row[:5])), row[6]) for row in LIMITS]
    unneeded = []
    for rule in RULES:
        rest = [each for each in RULES if each is not rule]
        if all(kind_of(status, error, rest) is kind for status, error, kind in bodies):
            unneeded.append(rule)
    assert unneeded == []


def test_a_request_too_large_has_no_wait() -> None:
    """Groq announces one (19 s were seen), but no wait makes a bucket larger."""
    failure = classify(413, groq(TOO_LARGE, "rate_limit_exceeded", "tokens"), {"retry-after": "19"})
    assert (failure.limit, failure.requested, failure.wait_s) == (8000, 10494, None)


def test_the_header_speaks_where_the_body_names_no_wait() -> None:
    """A 503 was seen with retry-after 40."""
    assert classify(503, b"", {"retry-after": "40"}).wait_s == 40.0
    assert classify(503, b"", {}).wait_s is None


def test_gemini_hides_its_wait_in_the_details() -> None:
    """RetryInfo carries `34s`."""
    body = b'[{"error":{"code":429,"message":"Slow down.","details":[{"retryDelay":"34s"}]}}]'
    assert classify(429, body, {}).wait_s == 34.0


def test_a_moment_is_a_wait_only_for_those_who_know_the_time() -> None:
    """OpenRouter copies headers with epoch milliseconds into the body; without a wall clock they say nothing."""
    body = b'{"error":{"message":"Slow.","code":429,"metadata":{"headers":{"X-RateLimit-Reset":"1795200060000"}}}}'
    assert classify(429, body, {}, wall_s=1_795_200_000.0).wait_s == 60.0
    assert classify(429, body, {}).wait_s is None
    assert classify(429, body, {"retry-after": "7"}, wall_s=1_795_200_061.0).wait_s == 7.0
    assert classify(429, body, {}, wall_s=0.0).wait_s == 86_400.0


def test_a_validators_complaints_become_a_sentence() -> None:
    """Mistral and vLLM answer with a list of places and messages, bare or inside `message.detail`."""
    complaint = b'{"type":"extra_forbidden","loc":["body","tools"],"msg":"Extra inputs are not permitted","input":[]}'
    for body in (b'{"detail":[%b]}' % complaint, b'{"object":"error","message":{"detail":[%b]}}' % complaint):
        assert classify(422, body, {}).message == "body.tools: Extra inputs are not permitted"


def test_masking_takes_time_in_proportion_to_the_body() -> None:
    """No text makes a pattern try twice: a megabyte passes, which would take hours otherwise."""
    for text in (b"a-" * 500_000, b"*" * 1_000_000, b"api key provided: " * 50_000, b"a" * 1_000_000):
        assert len(redact(text)) <= 2 * len(text)


@pytest.mark.parametrize("written, text", [("half a {", "half a {"), ("", ""), ({"name": "f"}, '{"name":"f"}')])
def test_a_failed_generation_is_kept_for_mending(written: object, text: str) -> None:
    """Text as it is, an object as JSON."""
    body = groq("Failed to generate JSON.", "json_validate_failed", failed_generation=written)
    assert classify(400, body, {}).failed_generation == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "detail", "details", "status_code", "failed_generation"]
            ),
            children,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(
    st.integers(100, 999),
    st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=8)),
)
def test_every_status_and_every_body_has_a_row(status: int, body: bytes, headers: dict[str, str]) -> None:
    """Nothing raises; an unknown 4xx blames the request, any 5xx the server, and a wait is within a day."""
    failure = classify(status, body, headers)
    assert isinstance(failure.kind, K)
    assert failure.wait_s is None or 0 <= failure.wait_s <= 86400
    if 500 <= status <= 599:
        assert failure.kind is K.OVER_CAPACITY


@pytest.mark.parametrize(
    "body", [b"[" * 5000, b'{"error":' * 3000, b'{"error":{"message":1e999}}', b'{"code":%b}' % (b"9" * 400)]
)
def test_a_hostile_body_is_only_unreadable(body: bytes) -> None:
    """Nesting, infinities and huge numbers do not break the reader."""
    assert classify(500, body, {}).kind is K.OVER_CAPACITY
    assert read_error(body).code is None


@pytest.mark.parametrize(
    "text, clean",
    [
        ("in organization `org_01jq2fsz7m9x` service", "in organization `org_redacted` service"),
        ("project_01jq2fsz7m9x is blocked", "project_redacted is blocked"),
        ("org-AbCdEfGhIjKlMnOpQrSt on tokens", "org-redacted on tokens"),
        ("Incorrect API key provided: sk-proj-ab***yz.", "Incorrect API key provided: sk-redacted."),
        ("key gsk_abcDEF123456 was refused", "key gsk_redacted was refused"),
        ("Incorrect API key provided: my-own-key. You can find", "Incorrect API key provided: redacted. You can find"),
        ("Incorrect API key provided: abcd********wxyz.", "Incorrect API key provided: redacted."),
        ("the key abcd********wxyz was refused", "the key redacted was refused"),
        ("the key ****wxyz was refused", "the key redacted was refused"),
        ("for user user_2abcDEFghiJKLmnoPQR", "for user user_redacted"),
        ("API not used in project projects/123456789 before", "API not used in project projects/redacted before"),
        ("a **bold** word and ***two*** and a line ****", "a **bold** word and ***two*** and a line ****"),
        ("code project_spend_limit_exceeded", "code project_spend_limit_exceeded"),
        ("code model_permission_blocked_org", "code model_permission_blocked_org"),
        ("a risk-assessment of the organisation", "a risk-assessment of the organisation"),
    ],
)
def test_ids_and_keys_are_redacted_and_codes_are_not(text: str, clean: str) -> None:
    """A client that does not own the key learns neither the organisation nor any part of a key."""
    body = groq(text)
    assert json.loads(redact(body))["error"]["message"] == clean
