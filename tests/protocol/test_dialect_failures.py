"""Failures as each provider really words them, through its own dialect: the row, the wait, what ran out."""

# ruff: noqa: E501 a table is read by its columns: one failure, one line
import json

import pytest

from headgate.domain.failure import FailureKind as K
from headgate.domain.limits import Dimension
from headgate.protocol.dialects import DIALECTS
from headgate.protocol.errors import redact

D = Dimension
NOW_WALL_S = 1_795_200_000.0


def openai(message: str, code: str | None = None, kind: str | None = "invalid_request_error") -> object:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def openai_limit(what: str, numbers: str, wait: str, kind: str) -> object:
    text = f"Rate limit reached for gpt-4.1 in organization org-uVqpjtJiKqvVJMVfvpaounIh on {what}: {numbers}."
    return openai(f"{text} Please try again in {wait}. Visit the account page.", "rate_limit_exceeded", kind)


def gemini(code: int, message: str, status: str, *details: object) -> object:
    error: dict[str, object] = {"code": code, "message": message, "status": status}
    return [{"error": error | ({"details": list(details)} if details else {})}]


def violation(quota_id: str, value: str = "10") -> dict[str, object]:
    metric = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
    return {"quotaMetric": metric, "quotaId": quota_id, "quotaValue": value}


def gemini_quota(*quotas: dict[str, object], delay: str = "34s") -> object:
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": list(quotas)}
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    text = f"You exceeded your current quota, please check your plan. Please retry in {delay}."
    return gemini(429, text, "RESOURCE_EXHAUSTED", failure, retry)


def mistral(message: object, kind: str, code: str | None, status: int | None = None) -> object:
    body = {"object": "error", "message": message, "type": kind, "param": None, "code": code}
    return body | ({"raw_status_code": status} if status else {})


def openrouter(code: int | str, message: str, **metadata: object) -> object:
    error = {"message": message, "code": code} | ({"metadata": metadata} if metadata else {})
    return {"error": error, "user_id": "user_2abcDEFghiJKLmnoPQRstu"}


def free(window: str, limit: str, resets_in_s: int) -> object:
    shown = {
        "X-RateLimit-Limit": limit,
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(NOW_WALL_S + resets_in_s) * 1000),
    }
    return openrouter(429, f"Rate limit exceeded: free-models-per-{window}. ", headers=shown)


PER_MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
PER_DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
INPUT_PER_MINUTE = "GenerateContentInputTokensPerModelPerMinute-FreeTier"
ANSWER = {"id": "gen-1", "choices": [{"finish_reason": "error", "error": {"code": 502, "message": "Upstream broke"}}]}
MISTRAL_429 = mistral("Rate limit exceeded", "rate_limited", "1300", 429)
EXTRA = {"type": "extra_forbidden", "loc": ["body", "messages", 0, "user", "name"], "msg": "Extra inputs", "input": ""}
GROQ_RPM = (
    "Rate limit reached for model `openai/gpt-oss-20b` in organization `org_01jq2fsz7m` service tier `on_demand` on "
    "requests per minute (RPM): Limit 30, Used 30, Requested 1. Please try again in 2s."
)

FAILURES = [
    # dialect, status, body, headers -> row, wait in seconds, dimension
    ("groq", 429, openai(GROQ_RPM, "rate_limit_exceeded", "requests"), {"retry-after": "2"}, K.REQUESTS_PER_MINUTE, 2.0, D.RPM),
    ("groq", 503, openai("m is currently over capacity.", None, "internal_server_error"), {}, K.OVER_CAPACITY, None, None),
    ("groq", 400, openai("The model `m` has been decommissioned.", "model_decommissioned"), {}, K.MODEL_GONE, None, None),
    ("groq", 400, openai("'messages.1' : property 'refusal' is unsupported"), {}, K.BAD_REQUEST, None, None),
    ("openai", 429, openai_limit("tokens per min (TPM)", "Limit 30000, Used 14567, Requested 24754", "18.642s", "tokens"), {}, K.TOKENS_PER_MINUTE, 18.642, D.TPM),
    ("openai", 429, openai_limit("requests per min (RPM)", "Limit 500, Used 500, Requested 1", "120ms", "requests"), {}, K.REQUESTS_PER_MINUTE, 0.12, D.RPM),
    ("openai", 429, openai_limit("requests per day (RPD)", "Limit 200, Used 200, Requested 1", "7m12s", "requests"), {}, K.DAILY_LIMIT, 432.0, D.RPD),
    ("openai", 429, openai_limit("tokens per min (TPM)", "Limit 30000, Requested 30601", "1ms", "tokens"), {}, K.REQUEST_TOO_LARGE, None, D.TPM),
    ("openai", 429, openai("Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 31538.", "rate_limit_exceeded", "tokens"), {"retry-after": "1"}, K.REQUEST_TOO_LARGE, None, D.TPM),
    ("openai", 429, openai("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"), {}, K.SPEND_LIMIT, None, None),
    ("openai", 429, openai("The organization reached its limit.", "organization_spend_limit_exceeded"), {}, K.SPEND_LIMIT, None, None),
    ("openai", 429, openai("Your account is not active.", "billing_not_active", "billing_not_active"), {}, K.SPEND_LIMIT, None, None),
    ("openai", 401, openai("Incorrect API key provided: sk-proj-********************wxyz.", "invalid_api_key"), {}, K.INVALID_KEY, None, None),
    ("openai", 403, openai("Country, region, or territory not supported", "unsupported_country_region_territory", "request_forbidden"), {}, K.ACCESS_DENIED, None, None),
    ("openai", 403, openai("Project `proj_x` does not have access to model `gpt-9`", "model_not_found"), {}, K.MODEL_GONE, None, None),
    ("openai", 404, openai("The model `gpt-9` does not exist or you do not have access to it.", "model_not_found"), {}, K.MODEL_GONE, None, None),
    ("openai", 400, openai("This model's maximum context length is 128000 tokens.", "context_length_exceeded"), {}, K.CONTEXT_OVERFLOW, None, None),
    ("openai", 400, openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "invalid_prompt"), {}, K.SAFETY_REFUSAL, None, None),
    ("openai", 400, openai("Unsupported parameter: 'max_tokens' is not supported with this model.", "unsupported_parameter"), {}, K.BAD_REQUEST, None, None),
    ("openai", 503, openai("The engine is currently overloaded, please try again later", None, "server_error"), {"retry-after": "3"}, K.OVER_CAPACITY, 3.0, None),
    ("mistral", 429, MISTRAL_429, {}, K.REQUESTS_PER_MINUTE, None, None),
    ("mistral", 429, MISTRAL_429, {"retry-after": "12"}, K.REQUESTS_PER_MINUTE, 12.0, None),
    ("mistral", 429, MISTRAL_429, {"x-ratelimit-limit-tokens-minute": "500000", "x-ratelimit-remaining-tokens-minute": "0"}, K.TOKENS_PER_MINUTE, None, D.TPM),
    ("mistral", 429, MISTRAL_429, {"x-ratelimit-limit-req-minute": "0", "retry-after": "1"}, K.DAILY_LIMIT, None, None),
    ("mistral", 429, MISTRAL_429, {"x-ratelimit-remaining-tokens-month": "0", "retry-after": "1"}, K.DAILY_LIMIT, None, None),
    ("mistral", 429, mistral("Service tier capacity exceeded for this model.", "service_tier_capacity_exceeded", "3505"), {}, K.OVER_CAPACITY, None, None),
    ("mistral", 401, {"detail": "Unauthorized"}, {}, K.INVALID_KEY, None, None),
    ("mistral", 422, {"detail": [EXTRA]}, {}, K.BAD_REQUEST, None, None),
    ("mistral", 422, mistral({"detail": [EXTRA]}, "invalid_request_error", None), {}, K.BAD_REQUEST, None, None),
    ("mistral", 400, mistral("Invalid model: mistral-x", "invalid_model", "1500"), {}, K.MODEL_GONE, None, None),
    ("mistral", 400, mistral("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", "invalid_request_error", "3051"), {}, K.CONTEXT_OVERFLOW, None, None),
    ("mistral", 503, mistral("Service unavailable.", "unreachable_backend", "1100", 503), {}, K.OVER_CAPACITY, None, None),
    ("gemini", 429, gemini_quota(violation(PER_MINUTE)), {}, K.REQUESTS_PER_MINUTE, 34.0, D.RPM),
    ("gemini", 429, gemini_quota(violation(INPUT_PER_MINUTE, "250000"), delay="45.578569677s"), {}, K.TOKENS_PER_MINUTE, 45.578569677, D.ITPM),
    ("gemini", 429, gemini_quota(violation(PER_DAY)), {}, K.DAILY_LIMIT, None, D.RPD),
    ("gemini", 429, gemini_quota(violation(INPUT_PER_MINUTE), violation(PER_MINUTE), violation(PER_DAY)), {}, K.DAILY_LIMIT, None, D.RPD),
    ("gemini", 429, gemini(429, "Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED"), {}, K.REQUESTS_PER_MINUTE, None, None),
    ("gemini", 400, gemini(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}), {}, K.INVALID_KEY, None, None),
    ("gemini", 400, gemini(400, "API key expired. Please renew the API key.", "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}), {}, K.INVALID_KEY, None, None),
    ("gemini", 403, gemini(403, "Generative Language API has not been used in project 1.", "PERMISSION_DENIED", {"reason": "SERVICE_DISABLED"}), {}, K.INVALID_KEY, None, None),
    ("gemini", 400, gemini(400, "User location is not supported for the API use.", "FAILED_PRECONDITION"), {}, K.ACCESS_DENIED, None, None),
    ("gemini", 404, gemini(404, "models/gemini-x is not found for API version v1main.", "NOT_FOUND"), {}, K.MODEL_GONE, None, None),
    ("gemini", 400, gemini(400, 'Invalid JSON payload received. Unknown name "seed": Cannot find field.', "INVALID_ARGUMENT"), {}, K.BAD_REQUEST, None, None),
    ("gemini", 400, gemini(400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).", "INVALID_ARGUMENT"), {}, K.CONTEXT_OVERFLOW, None, None),
    ("gemini", 503, gemini(503, "The model is overloaded. Please try again later.", "UNAVAILABLE"), {}, K.OVER_CAPACITY, None, None),
    ("openrouter", 429, free("min", "20", 42), {}, K.REQUESTS_PER_MINUTE, 42.0, D.RPM),
    ("openrouter", 429, free("day", "50", 7200), {"retry-after": "5"}, K.DAILY_LIMIT, 7200.0, D.RPD),
    ("openrouter", 429, openrouter(429, "Provider returned error", raw="m is temporarily rate-limited upstream.", provider_name="P"), {}, K.REQUESTS_PER_MINUTE, None, None),
    ("openrouter", 402, openrouter(402, "Insufficient credits. Add more."), {}, K.SPEND_LIMIT, None, None),
    ("openrouter", 403, openrouter(403, "Key limit exceeded (total limit)."), {}, K.SPEND_LIMIT, None, None),
    ("openrouter", 403, openrouter(403, "The model requires moderation and the input was flagged.", reasons=["violence"], flagged_input="..."), {}, K.SAFETY_REFUSAL, None, None),
    ("openrouter", 401, openrouter(401, "No auth credentials found"), {}, K.INVALID_KEY, None, None),
    ("openrouter", 400, openrouter(400, "x/y is not a valid model ID"), {}, K.MODEL_GONE, None, None),
    ("openrouter", 404, openrouter(404, "No endpoints found for x/y."), {}, K.MODEL_GONE, None, None),
    ("openrouter", 404, openrouter(404, "No endpoints found that support tool use."), {}, K.BAD_REQUEST, None, None),
    ("openrouter", 408, openrouter(408, "Timed out"), {}, K.NETWORK, None, None),
    ("openrouter", 502, openrouter(502, "Provider returned error"), {}, K.OVER_CAPACITY, None, None),
    ("openrouter", 200, openrouter(502, "Provider returned error"), {}, K.OVER_CAPACITY, None, None),
    ("openrouter", 200, openrouter("429", "Rate limited"), {}, K.REQUESTS_PER_MINUTE, None, None),
    ("openrouter", 200, ANSWER, {}, K.OVER_CAPACITY, None, None),
    ("openrouter", 200, {"id": "gen-1", "error": {"code": "server_error", "message": "Provider disconnected"}, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}, {}, K.OVER_CAPACITY, None, None),
    ("compatible", 404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "param": None, "code": 404}, {}, K.MODEL_GONE, None, None),
    ("compatible", 400, {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you requested 5000.", "type": "BadRequestError", "code": 400}, {}, K.CONTEXT_OVERFLOW, None, None),
    ("compatible", 404, {"error": {"message": 'model "foo" not found, try pulling it first', "type": "not_found_error"}}, {}, K.MODEL_GONE, None, None),
    ("compatible", 400, {"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it", "type": "exceed_context_size_error"}}, {}, K.CONTEXT_OVERFLOW, None, None),
    ("compatible", 503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, {}, K.OVER_CAPACITY, None, None),
    ("compatible", 401, {"error": "Unauthorized"}, {}, K.INVALID_KEY, None, None),
]  # fmt: skip


@pytest.mark.parametrize("dialect, status, body, headers, kind, wait_s, dimension", FAILURES)
def test_a_failure_is_read_as_its_provider_means_it(
    dialect: str,
    status: int,
    body: object,
    headers: dict[str, str],
    kind: K,
    wait_s: float | None,
    dimension: Dimension | None,
) -> None:
    """Row, wait and dimension come from whatever the provider says them with: text, details, metadata or headers."""
    failure = DIALECTS[dialect].classify(status, json.dumps(body).encode(), headers, wall_s=NOW_WALL_S)
    assert (failure.kind, failure.dimension) == (kind, dimension)
    assert failure.wait_s == (None if wait_s is None else pytest.approx(wait_s))


def test_no_refusal_of_a_quota_counts_as_an_attempt() -> None:
    """What was refused before generation costs the request nothing, whoever refused it."""
    quota = {K.REQUESTS_PER_MINUTE, K.TOKENS_PER_MINUTE, K.DAILY_LIMIT, K.SPEND_LIMIT, K.INVALID_KEY, K.MODEL_GONE}
    for dialect, status, body, headers, kind, *_ in FAILURES:
        failure = DIALECTS[dialect].classify(status, json.dumps(body).encode(), headers)
        may_have_begun = kind in {K.OVER_CAPACITY, K.NETWORK, K.SAFETY_REFUSAL} and status != 429
        assert failure.is_attempt is may_have_begun, (dialect, body)
        assert not (kind in quota and failure.is_attempt)


def test_gemini_states_the_limit_that_ran_out() -> None:
    """`quotaValue` is the limit; what was used is not told."""
    body = json.dumps(gemini_quota(violation(PER_MINUTE, "15"))).encode()
    failure = DIALECTS["gemini"].classify(429, body, {})
    assert (failure.limit, failure.used) == (15, None)


def test_nothing_that_names_an_account_is_relayed() -> None:
    """Bodies that go to a client carry no part of a key, no organisation, no project, no user."""
    bodies = json.dumps([body for _, _, body, *_ in FAILURES]).encode()
    clean = redact(bodies)
    for secret in (b"wxyz", b"uVqpjt", b"user_2abc", b"01jq2fsz7m"):
        assert secret in bodies
        assert secret not in clean
