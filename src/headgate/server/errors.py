"""Headgate's own errors in OpenAI's shape: what was wrong, what to do, what was tried."""

import math
from collections.abc import Callable
from typing import Final

import msgspec

from headgate.domain.answer import Refusal, RefusalCode
from headgate.protocol.openai import error_body
from headgate.server.labels import JSON, NO_RETRY, Header, request_id

TYPES: Final = {
    RefusalCode.NO_CAPACITY: "rate_limit_error",
    RefusalCode.DEADLINE_EXCEEDED: "api_error",
    RefusalCode.BUDGET_EXCEEDED: "rate_limit_error",
    RefusalCode.MODEL_NOT_FOUND: "invalid_request_error",
    RefusalCode.UPSTREAM_FAILED: "api_error",
    RefusalCode.UPSTREAM_KEY_REJECTED: "authentication_error",
    RefusalCode.INVALID_REQUEST: "invalid_request_error",
    RefusalCode.INVALID_API_KEY: "authentication_error",
    RefusalCode.FORBIDDEN: "permission_error",
    RefusalCode.NOT_CACHED: "api_error",
    RefusalCode.CONTENT_FILTER: "invalid_request_error",
}

Parts = tuple[int, list[Header], bytes]
"""Status, headers and body of an answer."""
Refuser = Callable[[Refusal, str], Parts]
"""Words a refusal of the request with this id as an API's clients read it."""


def refusal_parts(refusal: Refusal, name: str) -> Parts:
    """A refusal in OpenAI's shape. `x-should-retry: false` keeps SDKs from repeating what was exhausted."""
    tried = [msgspec.to_builtins(each) for each in refusal.tried]
    extra: dict[str, object] = {"headgate": {"request_id": name, "tried": tried}}
    body = error_body(refusal.message, TYPES[refusal.code], refusal.code, refusal.param, extra)
    return refusal.status, refusal_headers(refusal, name), body


def refusal_headers(refusal: Refusal, name: str) -> list[Header]:
    """The headers of a refusal, however its body is worded. `x-should-retry: false` is for what was exhausted."""
    headers = [JSON, request_id(name)]
    if not refusal.untried:
        headers.append(NO_RETRY)
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(math.ceil(refusal.retry_after_s)).encode()))
    return headers


def invalid(message: str, param: str | None = None, *, status: int = 400) -> Refusal:
    """A request that cannot be understood."""
    return Refusal(RefusalCode.INVALID_REQUEST, message, status, param=param)
