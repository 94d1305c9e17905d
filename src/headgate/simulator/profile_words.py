"""How each provider words what went wrong: one meaning, five error bodies, and limit headers in two styles.

The texts are those of groq-api.md 13 and of users' reports of live replies (read 2026-11-20).
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from math import ceil
from typing import Any, Final

import msgspec

from headgate.domain.limits import DAILY, Dimension
from headgate.domain.time import Seconds
from headgate.simulator.durations import go_duration, go_duration_ms
from headgate.simulator.errors import Rejection
from headgate.simulator.limiter import Account
from headgate.simulator.script import Headers, Script


class Meaning(StrEnum):
    """What an error is about, whoever says it."""

    RATE = "rate"
    TOO_LARGE = "too_large"
    INVALID_KEY = "invalid_key"
    DENIED = "denied"
    NO_CREDITS = "no_credits"
    OVERLOADED = "overloaded"
    UNKNOWN_MODEL = "unknown_model"
    CONTEXT = "context"
    MODERATED = "moderated"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_URL = "unknown_url"
    SERVER = "server"
    INVALID = "invalid"


class Told(msgspec.Struct, frozen=True):
    """One error before it is worded. `wait_s` is what Groq announces, `limit` and `used` its numbers.

    `wall_s` is the moment in Unix seconds.
    """

    meaning: Meaning
    message: str
    model: str = ""
    field: str = ""
    dimension: Dimension | None = None
    limit: int = 0
    used: int = 0
    requested: int = 0
    wait_s: Seconds = 0.0
    wall_s: float = 0.0
    status: int = 400


_MEANINGS: Final = {
    401: Meaning.INVALID_KEY,
    403: Meaning.DENIED,
    413: Meaning.TOO_LARGE,
    429: Meaning.RATE,
    498: Meaning.OVERLOADED,
    503: Meaning.OVERLOADED,
}
_MEANINGS_OF_CODE: Final = {
    "blocked_api_access": Meaning.NO_CREDITS,
    "model_not_found": Meaning.UNKNOWN_MODEL,
    "model_decommissioned": Meaning.UNKNOWN_MODEL,
    "context_length_exceeded": Meaning.CONTEXT,
    "content_policy_violation": Meaning.MODERATED,
    "unknown_url": Meaning.UNKNOWN_URL,
}
_UNKNOWN_FIELD: Final = re.compile(r"property '([\w.]+)' is unsupported")
_KIND: Final = re.compile(r"\(([A-Z]{3,4})\): Limit (\d+)(?:, Used (\d+))?, Requested (\d+)")
_DIMENSIONS: Final = {**{each.value: each for each in Dimension}, "ASPH": Dimension.ASH, "ASPD": Dimension.ASD}


def told_of(script: Script, model: str, wall_s: float) -> Told:
    """What a refusal of the pretend Groq means, from its own body."""
    try:
        error = msgspec.json.decode(script.body)["error"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return Told(Meaning.SERVER, "Bad Gateway", model=model, status=script.status)
    message, code = str(error.get("message", "")), str(error.get("code", ""))
    field = _UNKNOWN_FIELD.search(message)
    meaning = Meaning.INVALID if script.status < 500 else Meaning.SERVER
    meaning = _MEANINGS_OF_CODE.get(code) or _MEANINGS.get(script.status, meaning)
    if code.startswith("spend_"):
        meaning = Meaning.NO_CREDITS
    if meaning is Meaning.INVALID and field is not None:
        meaning = Meaning.UNKNOWN_FIELD
    numbers = _KIND.search(message)
    retry = dict(script.headers).get("retry-after")
    return Told(
        meaning,
        message,
        model=model,
        field=field[1] if field else "",
        dimension=_DIMENSIONS.get(numbers[1]) if numbers else None,
        limit=int(numbers[2]) if numbers else 0,
        used=int(numbers[3] or 0) if numbers else 0,
        requested=int(numbers[4]) if numbers else 0,
        wait_s=float(retry) if retry else 0.0,
        wall_s=wall_s,
        status=script.status,
    )


def openai(told: Told) -> Rejection:
    """Groq's model in shape, with null fields written out, and other words for accounts."""
    status, message, kind, code = told.status, told.message, "invalid_request_error", None
    match told.meaning:
        case Meaning.RATE | Meaning.TOO_LARGE:
            return _openai_rate(told)
        case Meaning.INVALID_KEY:
            message, code = "Incorrect API key provided: sk-proj-****************wxyz. You can find yours online.", None
            code = "invalid_api_key"
        case Meaning.DENIED:
            kind, code = "request_forbidden", "unsupported_country_region_territory"
            message = "Country, region, or territory not supported"
        case Meaning.NO_CREDITS:
            status, kind, code = 429, "insufficient_quota", "insufficient_quota"
            message = "You exceeded your current quota, please check your plan and billing details."
        case Meaning.OVERLOADED:
            status, kind = 503, "server_error"
            message = "The engine is currently overloaded, please try again later"
        case Meaning.SERVER:
            kind, message = "server_error", "The server had an error while processing your request. Sorry about that!"
        case Meaning.UNKNOWN_MODEL:
            status, code = 404, "model_not_found"
            message = f"The model `{told.model}` does not exist or you do not have access to it."
        case Meaning.CONTEXT:
            code, message = "context_length_exceeded", "This model's maximum context length is 131072 tokens."
        case Meaning.MODERATED:
            code = "invalid_prompt"
            message = "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
        case Meaning.UNKNOWN_FIELD:
            code, message = "unknown_parameter", f"Unknown parameter: '{told.field}'."
        case Meaning.UNKNOWN_URL:
            status, message = 404, f"Invalid URL ({told.message})"
        case Meaning.INVALID:
            pass
    return _body(status, {"error": {"message": message, "type": kind, "param": None, "code": code}})


def _openai_rate(told: Told) -> Rejection:
    """Both are 429; one that can never pass names no wait."""
    unit = "tokens" if told.dimension not in {Dimension.RPM, Dimension.RPD} else "requests"
    window = "day" if told.dimension in DAILY else "min"
    place = f"for {told.model} in organization org-uVqpjtJiKqvVJMVfvpaounIh on {unit} per {window} ({told.dimension})"
    if told.meaning is Meaning.TOO_LARGE:
        message = (
            f"Request too large {place}: Limit {told.limit}, Requested {told.requested}. "
            "The input or output tokens must be reduced in order to run successfully."
        )
        return _body(429, {"error": {"message": message, "type": unit, "param": None, "code": "rate_limit_exceeded"}})
    message = (
        f"Rate limit reached {place}: Limit {told.limit}, Used {told.used}, Requested {told.requested}. "
        f"Please try again in {go_duration(told.wait_s)}."
    )
    error = {"message": message, "type": unit, "param": None, "code": "rate_limit_exceeded"}
    return _body(429, {"error": error}, retry_after_s=ceil(told.wait_s))


def mistral(told: Told) -> Rejection:
    """Flat bodies with codes of its own; what its validator refuses is a list."""

    def flat(status: int, message: str, kind: str, code: str | None) -> Rejection:
        body = {"object": "error", "message": message, "type": kind, "param": None, "code": code}
        return _body(status, body | {"raw_status_code": status})

    match told.meaning:
        case Meaning.RATE | Meaning.TOO_LARGE:
            return flat(429, "Rate limit exceeded", "rate_limited", "1300")
        case Meaning.INVALID_KEY:
            return _body(401, {"detail": "Unauthorized"})
        case Meaning.NO_CREDITS:
            return flat(402, "Payment required: no active subscription.", "payment_required", "1900")
        case Meaning.OVERLOADED:
            return flat(429, "Service tier capacity exceeded for this model.", "service_tier_capacity_exceeded", "3505")
        case Meaning.UNKNOWN_MODEL:
            return flat(400, f"Invalid model: {told.model}", "invalid_model", "1500")
        case Meaning.CONTEXT:
            text = "Prompt contains 140000 tokens, too large for model with 131072 maximum context length"
            return flat(400, text, "invalid_request_error", "3051")
        case Meaning.UNKNOWN_FIELD:
            complaint = {"type": "extra_forbidden", "loc": ["body", *told.field.split(".")], "input": None}
            message = {"detail": [complaint | {"msg": "Extra inputs are not permitted"}]}
            kind = "invalid_request_error"
            return _body(422, {"object": "error", "message": message, "type": kind, "param": None, "code": None})
        case Meaning.UNKNOWN_URL:
            return _body(404, {"detail": "Not Found"})
        case Meaning.SERVER:
            return flat(told.status, "Service unavailable.", "unreachable_backend", "1100")
        case Meaning.DENIED | Meaning.MODERATED | Meaning.INVALID:
            status = 403 if told.meaning is not Meaning.INVALID else told.status
            return flat(status, told.message, "invalid_request_error", "3000")


def gemini(told: Told) -> Rejection:
    """Arrays, with Google's statuses; what ran out stands only in an id among the details."""
    match told.meaning:
        case Meaning.RATE | Meaning.TOO_LARGE:
            return _gemini_rate(told)
        case Meaning.INVALID_KEY:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
            return _array(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", info)
        case Meaning.DENIED:
            return _array(400, "User location is not supported for the API use.", "FAILED_PRECONDITION")
        case Meaning.NO_CREDITS:
            info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "CONSUMER_SUSPENDED"}
            return _array(403, "Permission denied: Consumer 'projects/123456' is suspended.", "PERMISSION_DENIED", info)
        case Meaning.OVERLOADED:
            return _array(503, "The model is overloaded. Please try again later.", "UNAVAILABLE")
        case Meaning.UNKNOWN_MODEL:
            return _array(404, f"models/{told.model} is not found for API version v1main.", "NOT_FOUND")
        case Meaning.CONTEXT:
            text = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
            return _array(400, text, "INVALID_ARGUMENT")
        case Meaning.UNKNOWN_FIELD:
            text = f'Invalid JSON payload received. Unknown name "{told.field}": Cannot find field.'
            return _array(400, text, "INVALID_ARGUMENT")
        case Meaning.UNKNOWN_URL:
            return Rejection(404, b"<html><title>Error 404 (Not Found)!!1</title></html>", content_type="text/html")
        case Meaning.SERVER:
            return _array(told.status, "An internal error has occurred.", "INTERNAL")
        case Meaning.MODERATED:
            return _array(400, "The prompt was blocked by the safety filter.", "INVALID_ARGUMENT")
        case Meaning.INVALID:
            return _array(told.status, told.message, "INVALID_ARGUMENT")


_QUOTA_IDS: Final = {
    Dimension.RPM: "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
    Dimension.RPD: "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
    Dimension.TPM: "GenerateContentInputTokensPerModelPerMinute-FreeTier",
    Dimension.ITPM: "GenerateContentInputTokensPerModelPerMinute-FreeTier",
    Dimension.TPD: "GenerateContentInputTokensPerModelPerDay-FreeTier",
}


def _gemini_rate(told: Told) -> Rejection:
    """A spent day announces seconds too, which must not be believed."""
    delay = go_duration(min(told.wait_s, 59.0))
    quota_id = _QUOTA_IDS.get(told.dimension or Dimension.RPM, _QUOTA_IDS[Dimension.RPM])
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": told.model},
        "quotaValue": str(told.limit),
    }
    return _array(
        429,
        f"You exceeded your current quota, please check your plan and billing details. Please retry in {delay}.",
        "RESOURCE_EXHAUSTED",
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    )


def openrouter(told: Told) -> Rejection:
    """Numbers for codes, details in metadata; a provider behind it that breaks is told inside a 200."""

    def one(status: int, message: str, **metadata: object) -> Rejection:
        error = {"message": message, "code": status} | ({"metadata": metadata} if metadata else {})
        return _body(status, {"error": error, "user_id": "user_2abcDEFghiJKLmnoPQRstu"})

    match told.meaning:
        case Meaning.RATE if told.dimension in {Dimension.RPM, Dimension.RPD}:
            window = "day" if told.dimension is Dimension.RPD else "min"
            shown = {
                "X-RateLimit-Limit": str(told.limit),
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(ceil((told.wall_s + told.wait_s) * 1000)),
            }
            return one(429, f"Rate limit exceeded: free-models-per-{window}. ", headers=shown)
        case Meaning.RATE:
            raw = f"{told.model} is temporarily rate-limited upstream. Please retry shortly."
            return one(429, "Provider returned error", raw=raw, provider_name="Pretended")
        case Meaning.TOO_LARGE | Meaning.CONTEXT:
            return one(400, "This endpoint's maximum context length is 131072 tokens. Please reduce the length.")
        case Meaning.INVALID_KEY:
            return one(401, "No auth credentials found")
        case Meaning.NO_CREDITS:
            return one(402, "Insufficient credits. Add more to your account.")
        case Meaning.OVERLOADED:
            return one(503, "No available model provider that meets your routing requirements")
        case Meaning.UNKNOWN_MODEL:
            return one(400, f"{told.model} is not a valid model ID")
        case Meaning.DENIED | Meaning.MODERATED:
            text = f"{told.model} requires moderation, and your input was flagged."
            return one(403, text, reasons=["violence"], flagged_input="...", provider_name="Pretended")
        case Meaning.UNKNOWN_URL:
            return one(404, "Not Found")
        case Meaning.SERVER:
            body = {"error": {"message": "Provider returned error", "code": 502}}
            return _body(200, body)
        case Meaning.UNKNOWN_FIELD | Meaning.INVALID:
            return one(told.status, told.message)


def compatible(told: Told) -> Rejection:
    """As vLLM words it: the error is flat, its code the status."""

    def flat(status: int, message: str, kind: str) -> Rejection:
        return _body(status, {"object": "error", "message": message, "type": kind, "param": None, "code": status})

    match told.meaning:
        case Meaning.INVALID_KEY:
            return _body(401, {"error": "Unauthorized"})
        case Meaning.UNKNOWN_MODEL:
            return flat(404, f"The model `{told.model}` does not exist.", "NotFoundError")
        case Meaning.CONTEXT | Meaning.TOO_LARGE:
            text = "This model's maximum context length is 131072 tokens. However, you requested more."
            return flat(400, text, "BadRequestError")
        case Meaning.RATE:
            return flat(429, "Too many requests", "RateLimitError")
        case Meaning.OVERLOADED | Meaning.NO_CREDITS:
            return flat(503, "The server is at its limit of queued requests", "ServiceUnavailableError")
        case Meaning.UNKNOWN_URL:
            return _body(404, {"detail": "Not Found"})
        case Meaning.SERVER:
            return flat(told.status, "Internal server error", "InternalServerError")
        case Meaning.DENIED | Meaning.MODERATED | Meaning.UNKNOWN_FIELD | Meaning.INVALID:
            return flat(told.status, told.message, "BadRequestError")


def stream_error(profile: str, message: str, model: str) -> bytes:
    """An error after the stream began: OpenRouter finishes the choice with it, the others send only the error."""
    error: dict[str, Any] = {"message": message, "type": "server_error", "param": None, "code": None}
    if profile == "openrouter":
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": "error"}
        error = {"code": "server_error", "message": message}
        chunk = {
            "id": "gen-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "provider": "Pretended",
        }
        return b"data: " + msgspec.json.encode(chunk | {"error": error, "choices": [choice]}) + b"\n\n"
    return b"data: " + msgspec.json.encode({"error": error}) + b"\n\n"


def openai_limits(account: Account | None, shown: Mapping[str, str]) -> Headers:
    """The minute's requests and tokens; a refusal repeats what Groq's headers know, which is the day's requests."""
    if account is None or Dimension.RPM not in account.dimensions:
        return tuple((n, v) for n, v in shown.items() if n.startswith("x-ratelimit-"))
    tokens = tuple((n, v) for n, v in shown.items() if n.startswith("x-ratelimit-") and n.endswith("-tokens"))
    index = account.dimensions.index(Dimension.RPM)
    limit, level = account.limits[index], account.levels[index]
    return (
        ("x-ratelimit-limit-requests", str(limit)),
        ("x-ratelimit-remaining-requests", str(max(0, limit - ceil(level)))),
        ("x-ratelimit-reset-requests", go_duration_ms(ceil(level) / limit * 60.0 if limit else 0.0)),
        *tokens,
    )


def mistral_limits(account: Account | None, shown: Mapping[str, str]) -> Headers:
    """The windows stand in the names, and nothing says when they are full again."""
    made: list[tuple[str, str]] = []
    for part in ("limit", "remaining"):
        if (value := shown.get(f"x-ratelimit-{part}-tokens")) is not None:
            made.append((f"x-ratelimit-{part}-tokens-minute", value))
    if account is not None and Dimension.RPM in account.dimensions:
        index = account.dimensions.index(Dimension.RPM)
        limit, level = account.limits[index], account.levels[index]
        made.append(("x-ratelimit-limit-req-minute", str(limit)))
        made.append(("x-ratelimit-remaining-req-minute", str(max(0, limit - ceil(level)))))
    return tuple(made)


def no_limits(_account: Account | None, _shown: Mapping[str, str]) -> Headers:
    """Nothing is shown."""
    return ()


def _body(status: int, body: object, retry_after_s: int | None = None) -> Rejection:
    return Rejection(status, msgspec.json.encode(body), retry_after_s)


def _array(code: int, message: str, status: str, *details: object) -> Rejection:
    error: dict[str, object] = {"code": code, "message": message, "status": status}
    return _body(code, [{"error": error | ({"details": list(details)} if details else {})}])
