"""Errors as Anthropic's clients expect them: the type by status, the cause as a code, read by Anthropic's own types."""

import json
from typing import Any

import pytest
from anthropic.types.shared import ErrorResponse

from headgate.domain.answer import Refusal, RefusalCode, Tried
from headgate.domain.failure import FailureKind
from headgate.protocol import openai
from headgate.protocol.anthropic import chat_body
from headgate.protocol.anthropic_errors import (
    broken_event,
    error_body,
    error_type,
    invalid_body,
    refusal_body,
    stream_error,
    translated_error,
)
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.sse import EventParser


def read(body: bytes) -> dict[str, Any]:
    """The error as it stands on the wire; Anthropic's type must accept it where it knows the word."""
    error: dict[str, Any] = json.loads(body)
    if error["error"]["type"] not in {"request_too_large", "conflict_error"}:  # the SDK has no type for these
        ErrorResponse.model_validate(error)
    return error


@pytest.mark.parametrize(
    "status, kind",
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (408, "timeout_error"),
        (409, "conflict_error"),
        (413, "request_too_large"),
        (415, "invalid_request_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (498, "overloaded_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_status_has_its_type(status: int, kind: str) -> None:
    """The word a client branches on follows from the status."""
    assert error_type(status) == kind
    assert read(error_body(status, "m", request_id="r")) == {
        "type": "error",
        "error": {"type": kind, "message": "m"},
        "request_id": "r",
    }


@pytest.mark.parametrize(
    "code, status, kind",
    [
        (RefusalCode.NO_CAPACITY, 429, "rate_limit_error"),
        (RefusalCode.DEADLINE_EXCEEDED, 503, "timeout_error"),
        (RefusalCode.BUDGET_EXCEEDED, 429, "rate_limit_error"),
        (RefusalCode.BUDGET_EXCEEDED, 402, "billing_error"),
        (RefusalCode.MODEL_NOT_FOUND, 404, "not_found_error"),
        (RefusalCode.UPSTREAM_FAILED, 503, "api_error"),
        (RefusalCode.UPSTREAM_KEY_REJECTED, 401, "authentication_error"),
        (RefusalCode.INVALID_REQUEST, 413, "request_too_large"),
        (RefusalCode.INVALID_API_KEY, 401, "authentication_error"),
        (RefusalCode.FORBIDDEN, 403, "permission_error"),
    ],
)
def test_refusal_is_told(code: RefusalCode, status: int, kind: str) -> None:
    """Our own refusals keep their message, their code and what was tried."""
    tried = (Tried("groq", "m", FailureKind.OVER_CAPACITY, 12),)
    error = read(refusal_body(Refusal(code, "Wait.", status, tried=tried), "req_1"))
    assert error["error"] == {"type": kind, "message": "Wait.", "details": {"error_code": code.value}}
    assert error["request_id"] == "req_1"
    assert error["headgate"]["tried"] == [
        {"provider": "groq", "model": "m", "failure": "over_capacity", "duration_ms": 12}
    ]


def test_refusal_without_calls_has_nothing_beside_it() -> None:
    """Nothing tried, nothing told."""
    assert read(refusal_body(Refusal(RefusalCode.FORBIDDEN, "No.", 403), "r")).keys() == {"type", "error", "request_id"}


def test_invalid_body_names_the_place() -> None:
    """The message a client reads says where and what to do."""
    with pytest.raises(InvalidBody) as refused:
        chat_body(b'{"model":"m","max_tokens":0,"messages":[]}')
    error = read(invalid_body(refused.value, "r"))["error"]
    assert error["type"] == "invalid_request_error"
    assert "'max_tokens'" in error["message"]


@pytest.mark.parametrize(
    "status, body, kind, message, details",
    [
        (
            404,
            openai.error_body("The model `x` does not exist.", code="model_not_found"),
            "not_found_error",
            "The model `x` does not exist.",
            {"error_code": "model_not_found"},
        ),
        (403, b'{"error":{"message":"Access denied."}}', "permission_error", "Access denied.", None),
        (
            400,
            b'[{"error":{"code":400,"message":"Gemini says no."}}]',
            "invalid_request_error",
            "Gemini says no.",
            None,
        ),
        (
            502,
            b"<html>",
            "api_error",
            "The provider answered with status 502 and no readable message.",
            None,
        ),
    ],
)
def test_provider_error_is_translated(
    status: int, body: bytes, kind: str, message: str, details: dict[str, str] | None
) -> None:
    """Whatever shape it came in, the provider's words stay."""
    error = read(translated_error(status, body, "r"))["error"]
    assert (error["type"], error["message"], error.get("details")) == (kind, message, details)


@pytest.mark.parametrize(
    "body, kind",
    [
        (openai.error_body("x", "upstream_error", "upstream_failed"), "api_error"),
        (openai.error_body("x", "upstream_error", "rate_limit_exceeded"), "rate_limit_error"),
        (openai.error_body("x", code="tool_use_failed"), "invalid_request_error"),
        (openai.error_body("x", "server_error", "over_capacity"), "overloaded_error"),
        (openai.error_body("x", code="model_not_found"), "not_found_error"),
        (b"{}", "api_error"),
        (b"not json", "api_error"),
    ],
)
def test_mid_stream_error_has_a_type(body: bytes, kind: str) -> None:
    """Inside a stream there is no status; what the error says gives the word."""
    (event,) = EventParser().feed(stream_error(body))
    assert event.event == "error"
    assert read(event.data.encode())["error"]["type"] == kind


def test_broken_stream_is_told_in_our_words() -> None:
    """A stream cut short is nobody's request gone wrong."""
    (event,) = EventParser().feed(broken_event("It ended."))
    assert read(event.data.encode()) == {"type": "error", "error": {"type": "api_error", "message": "It ended."}}
