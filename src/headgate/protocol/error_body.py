"""What an upstream error body says, whichever provider wrote it: words, numbers, ids. It judges nothing.

Groq's texts are those of groq-api.md 2.5 and 3 (read 2026-11-20), the other providers' shapes those of its section 13.
"""

import re
from typing import Final

import msgspec

from headgate.domain.limits import Dimension
from headgate.domain.time import Seconds
from headgate.protocol.durations import parse_go_duration

MAX_TEXT: Final = 8192
"""Characters of a message, and of its details, that are searched for numbers and words."""

_DIMENSION_NAMES: Final = {**{each.value: each for each in Dimension}, "ASPH": Dimension.ASH, "ASPD": Dimension.ASD}
_DIMENSION: Final = re.compile(r"\((RPM|RPD|TPM|TPD|ITPM|OTPM|ASPH|ASPD|ASH|ASD)\)")
_COUNT: Final = r":?\s{0,4}([0-9][0-9,]{0,18})"
_LIMIT: Final = re.compile(r"\bLimit" + _COUNT)
_USED: Final = re.compile(r"\bUsed" + _COUNT)
_REQUESTED: Final = re.compile(r"\bRequested" + _COUNT)
_WAIT: Final = re.compile(
    r'(?:try again in |"retryDelay":\s{0,4}")((?:[0-9]{1,12}(?:\.[0-9]{1,12})?(?:h|ms|m|s|[uµμ]s|ns) ?)+)'
)
_ORGANISATION: Final = re.compile(r"\borganization `?(org[_-][A-Za-z0-9]+)")

_START: Final = rb"(?<![A-Za-z0-9_])"
_SECRETS: Final = (
    (re.compile(_START + rb"gsk_[A-Za-z0-9_*-]{4,}"), b"gsk_redacted"),
    (re.compile(_START + rb"sk-[A-Za-z0-9_*-]{4,}"), b"sk-redacted"),
    (re.compile(_START + rb"AIza[A-Za-z0-9_-]{16,}"), b"AIza-redacted"),
    # An id has a digit or is long; `project_spend_limit_exceeded` is a code and stays.
    (
        re.compile(_START + rb"(org|project|proj)([_-])(?:[A-Za-z]{0,64}[0-9][A-Za-z0-9]{3,}|[A-Za-z0-9]{16,})"),
        rb"\1\2redacted",
    ),
)


class ErrorBody(msgspec.Struct, frozen=True):
    """What a body says. `text` is what is searched (message and details); `status` is one that the body itself names.

    `wait_s` is the wait the text announces; counts are whole tokens, requests or seconds of audio.
    """

    message: str = ""
    code: str | None = None
    type: str | None = None
    text: str = ""
    status: int | None = None
    failed_generation: str | None = None
    dimension: Dimension | None = None
    limit: int | None = None
    used: int | None = None
    requested: int | None = None
    wait_s: Seconds | None = None
    organisation: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all, as a page of HTML or a normal answer does."""
        return not (self.message or self.code or self.type)

    @property
    def exceeds_limit_alone(self) -> bool:
        """Whether the request is larger than the whole bucket it was refused by, in the body's own numbers."""
        return self.limit is not None and self.requested is not None and self.requested > self.limit


def read_error(body: bytes) -> ErrorBody:
    """What `body` says; empty where it is no JSON. Knows the shapes of Groq, OpenAI, Gemini (array), Mistral (flat)."""
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ErrorBody()
    if isinstance(decoded, list):
        decoded = next((each for each in decoded if isinstance(each, dict)), None)
    if not isinstance(decoded, dict):
        return ErrorBody()
    error = decoded.get("error", decoded)
    if isinstance(error, str):
        return _read_object({"message": error, "code": decoded.get("code")})
    return _read_object(error) if isinstance(error, dict) else ErrorBody()


def redact(body: bytes) -> bytes:
    """`body` without organisation and project ids and without anything that looks like a provider's key."""
    for pattern, replacement in _SECRETS:
        body = pattern.sub(replacement, body)
    return body


def _read_object(error: dict[str, object]) -> ErrorBody:
    code = error.get("code")
    status = next((each for each in (error.get("status_code"), code) if _is_error_status(each)), None)
    message = _text(error.get("message", error.get("detail")))
    details = "".join(_text(error[key]) for key in ("details", "metadata") if key in error)
    text = f"{message[:MAX_TEXT]}\n{details[:MAX_TEXT]}"
    dimension, organisation, wait = _DIMENSION.search(text), _ORGANISATION.search(text), _WAIT.search(text)
    return ErrorBody(
        message=message,
        code=None if _is_error_status(code) else _name(code),
        type=_name(error.get("type")) or _name(error.get("status")),
        text=text,
        status=status if isinstance(status, int) else None,
        failed_generation=_text(error["failed_generation"]) if error.get("failed_generation") is not None else None,
        dimension=_DIMENSION_NAMES[dimension[1]] if dimension else None,
        limit=_count(_LIMIT, text),
        used=_count(_USED, text),
        requested=_count(_REQUESTED, text),
        wait_s=parse_go_duration(wait[1]) if wait else None,
        organisation=organisation[1] if organisation else None,
    )


def _count(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(found[1].replace(",", "")) if found else None


def _is_error_status(value: object) -> bool:
    return type(value) is int and 400 <= value <= 599


def _name(value: object) -> str | None:
    """A code or type as text; providers also write numbers."""
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int and abs(value) < 10**9 else None


def _text(value: object) -> str:
    """Text as it is, anything else as JSON; "" where it cannot be written (integers beyond 64 bits)."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else msgspec.json.encode(value).decode()
    except (OverflowError, RecursionError):
        return ""
