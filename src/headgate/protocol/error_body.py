"""What an upstream error body says, whichever provider wrote it: words, numbers, ids. It judges nothing.

Groq's texts are those of groq-api.md 2.5 and 3, the other providers' shapes those of its section 13 and of their users'
reports (gemini-cli#8437, openclaude#936, mistralai_client_dart#44; all read 2026-11-20).
"""

import re
from typing import Final

import msgspec

from headgate.domain.limits import DAILY, Dimension
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
    r'(?:\b(?:try again|retry) in |"retryDelay":\s{0,4}")((?:[0-9]{1,12}(?:\.[0-9]{1,12})?(?:h|ms|m|s|[uµμ]s|ns) ?)+)'
)
_FREE: Final = re.compile(r"\bfree-models-per-(day|min)")
"""OpenRouter's name for what ran out; it states the numbers beside it, not in the text."""

_EPOCH_MS_FROM: Final = 10**12
"""An epoch time of 1e12 and up is in milliseconds: in seconds it would lie 30,000 years ahead."""

_ORGANISATION: Final = re.compile(r"\borganization `?(org[_-][A-Za-z0-9]+)")

_FREE_DIMENSION: Final = {"day": Dimension.RPD, "min": Dimension.RPM}
_QUOTA_WORDS: Final = (
    (Dimension.TPD, ("PerDay", "Token")),
    (Dimension.RPD, ("PerDay",)),
    (Dimension.ITPM, ("PerMinute", "InputToken")),
    (Dimension.TPM, ("PerMinute", "Token")),
    (Dimension.RPM, ("PerMinute",)),
)
"""Gemini's quotaId in words, the longest window first: a body may list several that are spent, and the day decides."""

_LONG: Final = 19
"""Digits that cannot be a count or a time any more."""

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
    (re.compile(_START + rb"user_[A-Za-z0-9]{16,}"), b"user_redacted"),  # OpenRouter adds it to every error
    (re.compile(_START + rb"projects/[0-9]{4,}"), b"projects/redacted"),  # Gemini names the project by number
    # OpenAI echoes what it was given, whatever it looks like, with stars in the middle of anything long.
    (
        re.compile(rb"(?i)(api key provided: ?)(?![^\s\"]{0,16}redacted)[^\s\"\\,]{1,256}?(?=\.?(?:[\s\"\\,]|$))"),
        rb"\1redacted",
    ),
    (re.compile(rb"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++\*{4,}+[A-Za-z0-9_-]*+"), b"redacted"),
    (re.compile(rb"(?<!\*)\*{4,}+[A-Za-z0-9_-]{2,}+"), b"redacted"),
)


class ErrorBody(msgspec.Struct, frozen=True):
    """What a body says. `text` is what is searched (message and details); `status` is one that the body itself names.

    `wait_s` is the wait the text announces; counts are whole tokens, requests or seconds of audio. `resets_at_wall_s`
    is a moment in Unix seconds, which only OpenRouter names.
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
    resets_at_wall_s: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing at all, as a page of HTML or a normal answer does."""
        return not (self.message or self.code or self.type)

    @property
    def exceeds_limit_alone(self) -> bool:
        """Whether the request is larger than the whole bucket it was refused by, in the body's own numbers."""
        return self.limit is not None and self.requested is not None and self.requested > self.limit


def read_error(body: bytes) -> ErrorBody:
    """What `body` says; empty where it is no JSON.

    Knows the shapes of Groq and OpenAI (`error`), Gemini (an array of it), Mistral (flat, or only `detail`) and
    OpenRouter (numbers for codes, or inside the first choice of a 200).
    """
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ErrorBody()
    if isinstance(decoded, list):
        decoded = next((each for each in decoded if isinstance(each, dict)), None)
    if not isinstance(decoded, dict):
        return ErrorBody()
    error = decoded.get("error", decoded)
    if error is decoded and (inside := _error_of_choice(decoded.get("choices"))) is not None:
        error = inside
    if isinstance(error, str):
        return _read_object({"message": error, "code": decoded.get("code")})
    return _read_object(error) if isinstance(error, dict) else ErrorBody()


def redact(body: bytes) -> bytes:
    """`body` without organisation and project ids and without anything that looks like a provider's key."""
    for pattern, replacement in _SECRETS:
        body = pattern.sub(replacement, body)
    return body


def _error_of_choice(choices: object) -> object | None:
    """The error that OpenRouter puts into a choice when a provider broke off."""
    first = choices[0] if isinstance(choices, list) and choices else None
    error = first.get("error") if isinstance(first, dict) else None
    return error if isinstance(error, dict) else None


def _read_object(error: dict[str, object]) -> ErrorBody:
    code = error.get("code")
    statuses = map(_error_status, (error.get("status_code"), error.get("raw_status_code"), code))
    message = _told(error.get("message", error.get("detail")))
    details = "".join(_text(error[key]) for key in ("details", "metadata") if key in error)
    text = f"{message[:MAX_TEXT]}\n{details[:MAX_TEXT]}"
    organisation, wait = _ORGANISATION.search(text), _WAIT.search(text)
    dimension, limit, waits = _what_ran_out(error.get("details"), text)
    return ErrorBody(
        message=message,
        code=None if _error_status(code) is not None else _name(code),
        type=_name(error.get("type")) or _name(error.get("status")),
        text=text,
        status=next((each for each in statuses if each is not None), None),
        failed_generation=_text(error["failed_generation"]) if error.get("failed_generation") is not None else None,
        dimension=dimension,
        limit=_count(_LIMIT, text) if limit is None else limit,
        used=_count(_USED, text),
        requested=_count(_REQUESTED, text),
        wait_s=parse_go_duration(wait[1]) if wait and waits else None,
        organisation=organisation[1] if organisation else None,
        resets_at_wall_s=_reset(error.get("metadata")),
    )


def _what_ran_out(details: object, text: str) -> tuple[Dimension | None, int | None, bool]:
    """The dimension, the limit where the details state it, and whether a wait in the body can be believed.

    Gemini answers a spent day with a RetryInfo of seconds too (seen in gemini-cli#8437, read 2026-11-20): no wait.
    """
    if (named := _DIMENSION.search(text)) is not None:
        return _DIMENSION_NAMES[named[1]], None, True
    quotas = [each for each in _violations(details) if isinstance(each.get("quotaId"), str)]
    for dimension, words in _QUOTA_WORDS:
        for quota in quotas:
            if all(word in str(quota["quotaId"]) for word in words):
                value = quota.get("quotaValue")
                limit = int(value) if isinstance(value, str) and value.isdecimal() and len(value) < _LONG else None
                return dimension, limit, dimension not in DAILY
    free = _FREE.search(text)
    return (_FREE_DIMENSION[free[1]] if free else None), None, True


def _violations(details: object) -> list[dict[str, object]]:
    """Every object of Gemini's details that may name a quota: the entries themselves and their violations."""
    entries = [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    inner = [each["violations"] for each in entries if isinstance(each.get("violations"), list)]
    return [*entries, *(each for violations in inner for each in violations if isinstance(each, dict))]


def _reset(metadata: object) -> float | None:
    """When the limit is free again, in Unix seconds, from the headers that OpenRouter copies into its metadata."""
    headers = metadata.get("headers") if isinstance(metadata, dict) else None
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if isinstance(name, str) and name.lower() == "x-ratelimit-reset":
            text = str(value)
            if text.isdecimal() and len(text) < _LONG:
                return int(text) / 1000 if int(text) >= _EPOCH_MS_FROM else float(text)
    return None


def _count(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    return int(found[1].replace(",", "")) if found else None


def _error_status(value: object) -> int | None:
    """A code that is a status: OpenRouter writes 429, some of what it relays "429"."""
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdecimal():
        value = int(value)
    return value if type(value) is int and 400 <= value <= 599 else None


def _name(value: object) -> str | None:
    """A code or type as text; providers also write numbers."""
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int and abs(value) < 10**9 else None


def _told(value: object) -> str:
    """A message; a validator's list of complaints (Mistral, vLLM) as `body.tools: Extra inputs are not permitted`."""
    if isinstance(value, dict) and isinstance(value.get("detail"), list):
        value = value["detail"]
    if not (isinstance(value, list) and value and all(isinstance(each, dict) and "msg" in each for each in value)):
        return _text(value)
    lines = []
    for each in value:
        place = each.get("loc")
        path = ".".join(map(str, place)) if isinstance(place, list) else ""
        lines.append(f"{path}: {_text(each['msg'])}" if path else _text(each["msg"]))
    return "; ".join(lines)


def _text(value: object) -> str:
    """Text as it is, anything else as JSON; "" where it cannot be written (integers beyond 64 bits)."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else msgspec.json.encode(value).decode()
    except (OverflowError, RecursionError):
        return ""
