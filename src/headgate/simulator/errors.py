"""Every error body the pretend Groq can answer, with the texts and field orders seen live (groq-api 2.5 and 3).

Owns wording only: when an error is due is decided where the rule lives.
"""

from math import ceil, isfinite
from typing import Any, Final

import msgspec

from headgate.domain.limits import Dimension
from headgate.domain.time import Seconds
from headgate.simulator.durations import go_duration
from headgate.simulator.limiter import Shortage


class Rejection(msgspec.Struct, frozen=True):
    """One error answer. `content_type` differs only for pages that come from in front of the API."""

    status: int
    body: bytes
    retry_after_s: int | None = None
    content_type: str = "application/json"


_SMALL: Final = 1e-6
INVALID: Final = "invalid_request_error"
TAIL: Final = " Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
KINDS: Final[dict[Dimension, tuple[str, str]]] = {
    Dimension.RPM: ("requests per minute (RPM)", "requests"),
    Dimension.RPD: ("requests per day (RPD)", "requests"),
    Dimension.TPM: ("tokens per minute (TPM)", "tokens"),
    Dimension.TPD: ("tokens per day (TPD)", "tokens"),
    Dimension.ITPM: ("input tokens per minute (ITPM)", "tokens"),
    Dimension.OTPM: ("output tokens per minute (OTPM)", "tokens"),
    Dimension.ASH: ("seconds of audio per hour (ASPH)", "seconds"),
    Dimension.ASD: ("seconds of audio per day (ASPD)", "seconds"),
}
CAP_REACHED: Final = "max completion tokens reached before generating a valid document"

BAD_GATEWAY_PAGE: Final = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)
PORTAL_PAGE: Final = (
    b"<!doctype html><html><head><title>Sign in</title></head>"
    b"<body><h1>Please sign in to this network</h1></body></html>"
)


def error(status: int, message: str, *, kind: str | None = INVALID, code: str | None = None, **more: Any) -> Rejection:
    """An error in Groq's shape: fields that do not apply are absent, never null."""
    return Rejection(status, msgspec.json.encode({"error": fields(message, kind, code, more)}))


def fields(message: str, kind: str | None, code: str | None, more: dict[str, Any]) -> dict[str, Any]:
    """The inner error object, in the order of live bodies."""
    made: dict[str, Any] = {"message": message}
    if kind is not None:
        made["type"] = kind
    if code is not None:
        made["code"] = code
    return made | more


def invalid(message: str, param: str | None = None, code: str | None = None) -> Rejection:
    """A 400 of validation."""
    return error(400, message, code=code, param=param) if param else error(400, message, code=code)


def rate_limited(shortage: Shortage, model: str, organisation: str, tier: str, *, free: bool) -> Rejection:
    """The 429 of a bucket that is too full now. `retry-after` is the ceiling of the announced wait.

    Used is shown rounded up: a live wait of 99.738 s at ASPH 7200 with 230 asked showed 7170, not 7169.
    """
    kind, kind_type = KINDS[shortage.dimension]
    wait_s = shortage.wait_s if isfinite(shortage.wait_s) else 86_400.0
    message = (
        f"Rate limit reached for model `{model}` in organization `{organisation}` service tier `{tier}` on {kind}: "
        f"Limit {shortage.limit}, Used {ceil(shortage.used - _SMALL)}, Requested {shortage.requested}. "
        f"Please try again in {go_duration(wait_s)}.{TAIL if free else ''}"
    )
    found = error(429, message, kind=kind_type, code="rate_limit_exceeded")
    return msgspec.structs.replace(found, retry_after_s=max(1, ceil(wait_s)))


def too_large(
    shortage: Shortage, model: str, organisation: str, tier: str, *, free: bool, status: int = 413
) -> Rejection:
    """The 413 of a single request that is bigger than a whole bucket; OTPM has a wording of its own (groq-api 2.5)."""
    kind, kind_type = KINDS[shortage.dimension]
    remedy = ", please reduce your message size and try again."
    if shortage.dimension is Dimension.OTPM:
        remedy = (
            ". The request's expected output tokens exceed the enforced limit, please reduce max_tokens and try again."
        )
    message = (
        f"Request too large for model `{model}` in organization `{organisation}` service tier `{tier}` on {kind}: "
        f"Limit {shortage.limit}, Requested {shortage.requested}{remedy}{TAIL if free else ''}"
    )
    return error(status, message, kind=kind_type, code="rate_limit_exceeded")


def retry_after(wait_s: Seconds) -> str:
    """The header's text: whole seconds, rounded up."""
    return str(max(1, ceil(wait_s)))


INVALID_KEY: Final = error(401, "Invalid API Key", code="invalid_api_key")
ACCESS_DENIED: Final = error(403, "Access denied. Please check your network settings.", kind=None)
SERVER_ERROR: Final = error(500, "Internal Server Error", kind="internal_server_error")
BAD_GATEWAY: Final = Rejection(502, BAD_GATEWAY_PAGE, content_type="text/html; charset=UTF-8")
FLEX_FULL: Final = error(
    498, "Flex capacity exceeded. Please try again later or use the on_demand service tier.", code="capacity_exceeded"
)
NOT_JSON: Final = invalid("failed to parse request body as JSON")
BODY_TOO_LARGE: Final = error(413, "Request Entity Too Large", code="request_too_large")
SAFETY: Final = invalid(
    "Your request was rejected because it violates our safety policy.", code="content_policy_violation"
)
"""No capture of a safety rejection is known; text and code are a likely guess."""


def unknown_url(method: str, path: str) -> Rejection:
    """The 404 of a path that does not exist; method and path are echoed."""
    message = (
        f"Unknown request URL: {method} {path}. "
        "Please check the URL for typos, or see the docs at https://console.groq.com/docs/"
    )
    return error(404, message, code="unknown_url")


def model_not_found(model: str) -> Rejection:
    """The 404 of a model that is unknown or not for this organisation."""
    return error(404, f"The model `{model}` does not exist or you do not have access to it.", code="model_not_found")


def model_decommissioned(model: str) -> Rejection:
    """The 400 of a model that has been shut down."""
    message = (
        f"The model `{model}` has been decommissioned and is no longer supported. "
        "Please refer to https://console.groq.com/docs/deprecations for a recommendation on which model to use instead."
    )
    return invalid(message, code="model_decommissioned")


def over_capacity(model: str) -> Rejection:
    """The 503 of one model; the name leads the text."""
    message = (
        f"{model} is currently over capacity. Please try again and back off exponentially. "
        "Visit https://groqstatus.com to see if there is an active incident."
    )
    return error(503, message, kind="internal_server_error")


def spend_limit(code: str) -> Rejection:
    """The 400 of an organisation that has spent its cap. Docs and production differ in the code (groq-api 2.8)."""
    return invalid("API access is blocked because the organization has reached its spend limit.", code=code)


def json_failed(failed_generation: str) -> Rejection:
    """The 400 of JSON mode whose output is no JSON."""
    message = "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details."
    return error(400, message, code="json_validate_failed", failed_generation=failed_generation)


def output_failed(failed_generation: str) -> Rejection:
    """The 400 of an output that Groq could not take apart."""
    message = "Failed to parse the model output. See 'failed_generation' for more details."
    return error(400, message, code="output_parse_failed", failed_generation=failed_generation)


def tool_failed(message: str, failed_generation: str) -> Rejection:
    """The 400 of a tool call that went wrong; six texts are known (groq-api 3.3)."""
    return error(400, message, code="tool_use_failed", failed_generation=failed_generation)


TOOL_CALL_BROKEN: Final = (
    "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details."
)
TOOL_ARGUMENTS_BROKEN: Final = "Failed to parse tool call arguments as JSON"
TOOL_NOT_CALLED: Final = "Tool choice is required, but model did not call a tool"
TOOL_CALLED_UNASKED: Final = "Tool choice is none, but model called a tool"


def tool_undeclared(name: str) -> str:
    """The text for a call of a tool that the request did not declare."""
    return (
        "Tool call validation failed: tool call validation failed: "
        f"attempted to call tool '{name}' which was not in request.tools"
    )


def tool_off_schema(name: str, faults: str) -> str:
    """The text for arguments that do not fit the tool's schema."""
    return (
        "Tool call validation failed: tool call validation failed: "
        f"parameters for tool {name} did not match schema: errors: [{faults}]"
    )
