"""Errors in Anthropic's shape, made of our own refusals and of error bodies in OpenAI's shape.

`{"type": "error", "error": {"type", "message", "details"?}, "request_id"}`; the types by status are those that
Anthropic lists (platform.claude.com/docs/en/api/errors, read 2026-11-21). The cause that OpenAI's shape calls `code`
stands in `error.details.error_code`, where Anthropic's SDK 2.11.0 offers it as `error_code`.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.failure import FailureKind
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.error_body import ErrorBody, read_error
from headgate.protocol.errors import kind_of
from headgate.protocol.sse import data_event

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    498: "overloaded_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TYPE_OF_CODE: Final[dict[str, str]] = {
    RefusalCode.DEADLINE_EXCEEDED: "timeout_error",
    RefusalCode.UPSTREAM_FAILED: "api_error",
}
"""Codes of ours that say more than their status."""

_STATUS_OF_KIND: Final = {
    FailureKind.REQUESTS_PER_MINUTE: 429,
    FailureKind.TOKENS_PER_MINUTE: 429,
    FailureKind.DAILY_LIMIT: 429,
    FailureKind.REQUEST_TOO_LARGE: 413,
    FailureKind.CONTEXT_OVERFLOW: 400,
    FailureKind.SPEND_LIMIT: 402,
    FailureKind.MODEL_GONE: 404,
    FailureKind.OVER_CAPACITY: 529,
    FailureKind.FLEX_FULL: 529,
    FailureKind.INVALID_JSON: 400,
    FailureKind.TOOL_CALL_FAILED: 400,
    FailureKind.SAFETY_REFUSAL: 400,
    FailureKind.BAD_REQUEST: 400,
    FailureKind.TOO_SLOW: 504,
}
"""What a mid-stream error would have been as a status; every other kind is nothing the client can act on."""

_encode: Final = msgspec.json.Encoder().encode


def error_type(status: int, code: str | None = None) -> str:
    """Anthropic's word for a refusal with this status; `code` is ours or the provider's. Total."""
    named = _TYPE_OF_CODE.get(code or "") or _TYPES.get(status)
    return named or ("invalid_request_error" if status // 100 == 4 else "api_error")


def error_body(
    status: int,
    message: str,
    *,
    code: str | None = None,
    request_id: str | None = None,
    extra: Mapping[str, object] | None = None,
) -> bytes:
    """One error; `extra` stands at the top level (`{"headgate": {"tried": [...]}}`)."""
    return _body(error_type(status, code), message, code, {"request_id": request_id, **(extra or {})})


def refusal_body(refusal: Refusal, request_id: str) -> bytes:
    """Our own refusal, with what was tried."""
    tried = [msgspec.to_builtins(each) for each in refusal.tried]
    extra = {"headgate": {"tried": tried}} if tried else None
    return error_body(refusal.status, refusal.message, code=refusal.code, request_id=request_id, extra=extra)


def invalid_body(error: InvalidBody, request_id: str) -> bytes:
    """The 400 for a body that could not be understood; the message names the place."""
    return error_body(400, error.message, code=error.code, request_id=request_id)


def translated_error(status: int, body: bytes, request_id: str) -> bytes:
    """An error body of a provider (any shape that `read_error` knows), relayed in Anthropic's. Redact before."""
    error = read_error(body)
    message = error.message or f"The provider answered with status {status} and no readable message."
    return error_body(status, message, code=error.code, request_id=request_id)


def stream_error(data: bytes) -> bytes:
    """The event that ends a stream which broke; `data` is the error event's own, in OpenAI's shape."""
    error = read_error(data)
    return broken_event(error.message or "The answer broke off.", _status_of(error), error.code)


def broken_event(message: str, status: int = 500, code: str | None = None) -> bytes:
    """The same of our own words; no `message_stop` may follow it."""
    return b"event: error\n" + data_event(_body(error_type(status, code), message, code, {}))


def _status_of(error: ErrorBody) -> int:
    """What an error told inside a stream would have been as a status; 500 where it says nothing."""
    if error.is_empty:
        return 500
    return _STATUS_OF_KIND.get(kind_of(200, error), 500)


def _body(kind: str, message: str, code: str | None, beside: Mapping[str, object]) -> bytes:
    error: dict[str, object] = {"type": kind, "message": message}
    if code is not None:
        error["details"] = {"error_code": code}
    return _encode({"type": "error", "error": error, **beside})
