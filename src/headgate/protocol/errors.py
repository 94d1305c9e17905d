"""The grammar of upstream errors: status, code, type and text to a `Failure` with its numbers.

One table (`RULES`), read from the top; the status speaks first and the text only where a status is ambiguous. The table
is total: `_DEFAULTS` closes it, and no default waits or retries what the provider refused. It decides no remedy.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Dimension
from headgate.domain.time import Seconds
from headgate.protocol.error_body import ErrorBody, read_error, redact
from headgate.protocol.limits import LONGEST_WAIT_S, read_retry_after

__all__ = ["RULES", "Rule", "classify", "kind_of", "redact"]


class Rule(msgspec.Struct, frozen=True):
    """One row: every part that is given must hold. `code` and `type` match as whole words, `text` anywhere.

    `too_large` asks whether the request alone exceeds the limit it ran into, by the body's own numbers.
    """

    kind: FailureKind
    statuses: frozenset[int]
    code: re.Pattern[str] | None = None
    type: re.Pattern[str] | None = None
    text: re.Pattern[str] | None = None
    dimensions: frozenset[Dimension] | None = None
    too_large: bool = False


def _rule(
    kind: FailureKind,
    *statuses: int,
    code: str | None = None,
    type: str | None = None,  # noqa: A002 the wire's own word
    text: str | None = None,
    dimensions: str = "",
    too_large: bool = False,
) -> Rule:
    return Rule(
        kind,
        frozenset(statuses),
        re.compile(code) if code else None,
        re.compile(type) if type else None,
        re.compile(text, re.IGNORECASE | re.DOTALL) if text else None,
        frozenset(map(Dimension, dimensions.split())) if dimensions else None,
        too_large,
    )


_K = FailureKind
RULES: Final[tuple[Rule, ...]] = (
    # 400: the code decides, the text only for providers and captures without one
    _rule(_K.INVALID_JSON, 400, 422, code="json_validate_failed|output_parse_failed"),
    _rule(_K.TOOL_CALL_FAILED, 400, 422, code="tool_use_failed|tool_required_not_called"),
    _rule(_K.MODEL_GONE, 400, 410, code="model_decommissioned|model_terms_required|model_not_found"),
    _rule(_K.SPEND_LIMIT, 400, 402, 403, 429, code=r"blocked_api_access|spend_\w+|\w+_spend_limit_exceeded"),
    _rule(_K.SPEND_LIMIT, 429, code="insufficient_quota|billing_hard_limit_reached|billing_not_active"),
    _rule(_K.SPEND_LIMIT, 403, text=r"^key limit exceeded"),  # OpenRouter: the credits given to this key are spent
    _rule(_K.SPEND_LIMIT, 402),
    _rule(_K.CONTEXT_OVERFLOW, 400, 413, 422, code="context_length_exceeded"),
    _rule(_K.CONTEXT_OVERFLOW, 400, text=r"\binput token count\b.{0,40}\bexceeds the maximum"),  # Gemini
    _rule(_K.SAFETY_REFUSAL, 400, 403, 422, code=r"content_filter|content_policy_violation|moderation_\w+"),
    _rule(_K.CONTEXT_OVERFLOW, 400, 422, text=r"reduce the length of the messages|maximum context length"),
    _rule(
        _K.CONTEXT_OVERFLOW,
        400,
        422,
        text=r"exceed\w* the ([\w']+ ){0,4}context (length|window|size)|input is too long",
    ),
    _rule(_K.MODEL_GONE, 400, text=r"has been decommissioned"),
    _rule(_K.MODEL_GONE, 400, type="invalid_model"),  # Mistral
    _rule(_K.MODEL_GONE, 400, text=r"is not a valid model id\b"),  # OpenRouter
    _rule(_K.INVALID_JSON, 400, text=r"^failed to (generate|validate) json\b"),
    _rule(_K.TOOL_CALL_FAILED, 400, text=r"^(failed to call a function|tool call validation failed)"),
    _rule(_K.INVALID_KEY, 400, text=r"api key not valid|api_key_invalid"),  # Gemini says it with 400
    _rule(
        _K.INVALID_KEY, 403, text=r"reported as leaked|CONSUMER_SUSPENDED|SERVICE_DISABLED|API_KEY_\w+_BLOCKED"
    ),  # so too
    _rule(_K.ACCESS_DENIED, 400, text=r"location is not supported"),  # Gemini's word for a country it does not serve
    _rule(_K.FLEX_FULL, 400, 403, text=r"\bservice[ _]tier\b.*\bnot available\b"),
    _rule(_K.FLEX_FULL, 400, 403, text=r"\b(flex|auto)\b.{0,40}\bnot available\b.*\b(org|organization|plan|tier)\b"),
    _rule(_K.SAFETY_REFUSAL, 400, 403, text=r"safety (system|policy|filter)|content management policy"),
    _rule(_K.SAFETY_REFUSAL, 400, 403, text=r"(usage|content) polic|requires moderation|flagged (as|for|by)"),
    _rule(_K.SAFETY_REFUSAL, 403, text=r'"flagged_input":'),  # OpenRouter's moderation tells what it did not like
    # 401, 403, 404
    _rule(_K.INVALID_KEY, 401),
    _rule(_K.MODEL_GONE, 403, code=r"model_permission_blocked_\w+|model_not_found"),
    _rule(_K.ACCESS_DENIED, 403),
    _rule(_K.MODEL_GONE, 404, code="model_not_found|model_decommissioned"),
    _rule(_K.BAD_REQUEST, 404, code="unknown_url"),
    _rule(_K.MODEL_GONE, 404, text=r"\bmodels?\b.*\b(does not exist|not found|not available)"),
    _rule(_K.MODEL_GONE, 404, text=r"^no endpoints found for \S+\n"),  # OpenRouter; "that support" is about the request
    # 413 and 429: what ran out, by the dimension in the text
    _rule(_K.REQUEST_TOO_LARGE, 413, code="rate_limit_exceeded"),
    _rule(_K.REQUEST_TOO_LARGE, 429, too_large=True),
    _rule(_K.REQUEST_TOO_LARGE, 429, text=r"^request too large"),
    _rule(_K.REQUEST_TOO_LARGE, 429, text=r"^(?=.*expected output tokens)(?!.*try again in \d)"),
    _rule(_K.REQUESTS_PER_MINUTE, 429, dimensions="RPM"),
    _rule(_K.TOKENS_PER_MINUTE, 429, dimensions="TPM ITPM OTPM ASH"),
    _rule(_K.DAILY_LIMIT, 429, dimensions="RPD TPD ASD"),
    _rule(_K.OVER_CAPACITY, 429, code="service_tier_capacity_exceeded|3505"),  # Mistral
    _rule(_K.FLEX_FULL, 429, code="capacity_exceeded"),
    _rule(_K.DAILY_LIMIT, 429, text=r"per[ -]?day|daily"),  # Gemini's quotaId, OpenRouter's free-models-per-day
    _rule(_K.TOKENS_PER_MINUTE, 429, type="tokens|seconds"),
    _rule(_K.TOKENS_PER_MINUTE, 429, text=r"tokens? (usage|limit)|tokens ?per ?(minute|model)"),
    _rule(_K.REQUESTS_PER_MINUTE, 429),
    # the rest
    _rule(_K.FLEX_FULL, 498),
    _rule(_K.NETWORK, 408),
)

_DEFAULTS: Final = {4: FailureKind.BAD_REQUEST, 5: FailureKind.OVER_CAPACITY}
"""By the first digit; anything else (1xx, 2xx without an error, 3xx, 6xx and up) is no answer of an API."""

_STATUS_OF_CODE: Final = {
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "capacity_exceeded": 498,
    "over_capacity": 503,
    "overloaded": 503,
    "server_error": 500,
    "internal_server_error": 500,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "json_validate_failed": 400,
    "output_parse_failed": 400,
    "tool_use_failed": 400,
    "context_length_exceeded": 400,
    "model_decommissioned": 400,
    "blocked_api_access": 400,
    "content_filter": 400,
    "invalid_request_error": 400,
}
"""What an error inside a 200 or a stream would have been as a status; anything else counts as the server's fault."""


def classify(status: int, body: bytes, headers: Mapping[str, str], *, wall_s: float | None = None) -> Failure:
    """The failure that a reply is. Total: any status and any bytes give one; header names are in lower case.

    `written` is left True: a reply proves that the request arrived. The body's own wait beats the header's, and a
    request that is too large for its bucket has none: waiting would not help it (Groq announces one, groq-api.md 2.2).
    `wall_s` is now in Unix seconds, for bodies that name a moment; without it such a moment is no wait.
    """
    error = read_error(body)
    kind = kind_of(status, error)
    return Failure(
        kind=kind,
        status=status,
        code=error.code,
        type=error.type,
        message=error.message,
        dimension=error.dimension,
        limit=error.limit,
        used=error.used,
        requested=error.requested,
        wait_s=None if kind is FailureKind.REQUEST_TOO_LARGE else _wait(error, headers, wall_s),
        organisation=error.organisation,
        failed_generation=error.failed_generation,
        body=body,
    )


def kind_of(status: int, error: ErrorBody, rules: Sequence[Rule] = RULES) -> FailureKind:
    """The row of the remedy table: the first rule that holds, else the default of the status."""
    speaking = _speaking_status(status, error)
    for rule in rules:
        if speaking in rule.statuses and _holds(rule, error):
            return rule.kind
    return _DEFAULTS.get(speaking // 100, FailureKind.MALFORMED_BODY)


def _speaking_status(status: int, error: ErrorBody) -> int:
    """The status that speaks: an error inside a 2xx brings its own, or that of its code, or counts as a 500."""
    if status // 100 != 2 or error.is_empty:
        return status
    if error.status is not None:
        return error.status
    return _STATUS_OF_CODE.get(error.code or "", 0) or _STATUS_OF_CODE.get(error.type or "", 500)


def _holds(rule: Rule, error: ErrorBody) -> bool:
    return (
        (rule.code is None or (error.code is not None and rule.code.fullmatch(error.code) is not None))
        and (rule.type is None or (error.type is not None and rule.type.fullmatch(error.type) is not None))
        and (rule.text is None or rule.text.search(error.text) is not None)
        and (rule.dimensions is None or error.dimension in rule.dimensions)
        and (error.exceeds_limit_alone or not rule.too_large)
    )


def _wait(error: ErrorBody, headers: Mapping[str, str], wall_s: float | None) -> Seconds | None:
    if error.wait_s is not None:
        return min(error.wait_s, LONGEST_WAIT_S)
    if error.resets_at_wall_s is not None and wall_s is not None and error.resets_at_wall_s > wall_s:
        return min(error.resets_at_wall_s - wall_s, LONGEST_WAIT_S)
    return read_retry_after(headers)
