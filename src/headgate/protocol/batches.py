"""Owns the grammar of batches: lines of an input file, lines of an output file, and the body that creates a batch.

Line: `{custom_id, method: "POST", url, body}`, without `/openai` before the url; result: `{id, custom_id, response:
{status_code, request_id, body} | null, error: {code, message} | null}` (groq-api.md 9; openai 3.52 and groq 1.7 types
batch.py and batch_create_params.py, read 2026-11). It reads no file and runs nothing.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Raw

from headgate.protocol.client_json import InvalidBody, decode_object, decode_value

CHAT: Final = "/v1/chat/completions"
AUDIO: Final = ("/v1/audio/transcriptions", "/v1/audio/translations")
ENDPOINTS: Final = (CHAT, "/v1/responses", "/v1/embeddings", *AUDIO)
MOST_CUSTOM_ID_CHARS: Final = 512
MOST_METADATA: Final = 16
MOST_METADATA_NAME_CHARS: Final = 64
MOST_METADATA_VALUE_CHARS: Final = 512
LEAST_KEPT_S: Final = 3_600
MOST_KEPT_S: Final = 2_592_000
"""How long a file may be told to be kept (openai 3.52, types/file_create_params.py)."""
LEAST_WINDOW_S: Final = 24 * 3_600
MOST_WINDOW_S: Final = 7 * LEAST_WINDOW_S
CREATED_AT: Final = "created_at"

_WINDOW: Final = re.compile(r"([1-9][0-9]{0,3})([hd])")
_UNITS_S: Final = {"h": 3_600, "d": 86_400}
_CREATE_FIELDS: Final = ("input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after")
_LINE_FIELDS: Final = ("custom_id", "method", "url", "body")

_encode: Final = msgspec.json.Encoder().encode


class Line(msgspec.Struct, frozen=True, gc=False):
    """One line that may run. `body` is the request's own JSON, as its client wrote it; `model` is what it names."""

    custom_id: str
    url: str
    model: str
    body: bytes


class LineProblem(msgspec.Struct, frozen=True):
    """What is wrong with a line, in the words of the providers' own lists."""

    code: str
    message: str
    param: str | None = None


class NewBatchBody(msgspec.Struct, frozen=True):
    """What a client asked for. `window_s` is the completion window; `kept_s` is how long to keep the outputs."""

    input_file_id: str
    endpoint: str
    completion_window: str
    window_s: int
    metadata: dict[str, str] | None
    kept_s: int | None


class _Written(msgspec.Struct, gc=False):
    custom_id: str
    method: str
    url: str
    body: Raw


class _Body(msgspec.Struct, gc=False):
    model: str
    stream: bool | None = None


Read: TypeAlias = Line | LineProblem

_decode_line: Final = msgspec.json.Decoder(_Written).decode
_decode_body: Final = msgspec.json.Decoder(_Body).decode
_decode_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_NO_LINE_ENDS: Final = bytes.maketrans(b"\r\n", b"  ")


def read_line(text: bytes, endpoint: str | None = None) -> Read:
    """One line of an input file, for a batch of this endpoint or of any. Costs microseconds, and a pass over a long
    body."""
    try:
        written = _decode_line(text)
        raw = bytes(written.body)
        body = _decode_body(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _why(text)
    if written.method != "POST":
        return LineProblem("invalid_method", f"Only POST is possible, not {written.method[:20]!r}.", "method")
    if not runs(written.url, endpoint):
        wanted = f"one of {', '.join(ENDPOINTS)}" if endpoint is None else f"the endpoint of the batch, {endpoint!r}"
        text_url = f"The url {written.url[:80]!r} is not {wanted}."
        return LineProblem("mismatched_endpoint" if written.url in ENDPOINTS else "invalid_url", text_url, "url")
    if not 0 < len(written.custom_id) <= MOST_CUSTOM_ID_CHARS:
        return LineProblem(
            "invalid_custom_id", f"The custom_id must have 1 to {MOST_CUSTOM_ID_CHARS} characters.", "custom_id"
        )
    if body.stream:
        return LineProblem("invalid_request", "A line of a batch cannot be streamed.", "body.stream")
    if not body.model:
        return LineProblem("missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model")
    return Line(written.custom_id, written.url, body.model, raw)


def runs(url: str, endpoint: str | None) -> bool:
    """Whether a line may go there. Groq's batches name the chat endpoint whatever their lines are for."""
    if endpoint is None:
        return url in ENDPOINTS
    return url == endpoint or (endpoint == CHAT and url in AUDIO)


def duplicate(custom_id: str, first_line: int) -> LineProblem:
    """What is wrong with the second line of a name."""
    shown = custom_id[:80]
    return LineProblem("duplicate_custom_id", f"The custom_id {shown!r} is that of line {first_line}.", "custom_id")


def _why(text: bytes) -> LineProblem:
    """What is wrong with a line that does not have the form of one. Values stay bytes: a wrong line may be long."""
    try:
        fields = _decode_fields(text)
    except msgspec.ValidationError:
        return LineProblem("invalid_json_line", "This line is no JSON object.")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return LineProblem("invalid_json_line", "This line is not parseable as valid JSON.")
    for name in _LINE_FIELDS:
        if name not in fields:
            return LineProblem("missing_required_parameter", f"Missing required parameter: {name!r}.", name)
    for name in _LINE_FIELDS:
        if bytes(fields[name])[:1] != (b"{" if name == "body" else b'"'):
            return LineProblem("invalid_type", f"{name!r} must be {'an object' if name == 'body' else 'text'}.", name)
    try:
        body = _decode_fields(fields["body"])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return LineProblem("invalid_type", "'body' cannot be read.", "body")
    if "model" not in body:
        return LineProblem("missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model")
    return LineProblem("invalid_type", "'body.model' must be text and 'body.stream' true or false.", "body")


# Results --------------------------------------------------------------------------------------------------------------


def answered_line(
    line_id: str,
    custom_id: str,
    status: int,
    request_id: str,
    body: bytes,
    label: Mapping[str, object] | None = None,
) -> bytes:
    """A line of an output or error file: what was answered. `label` tells what Headgate did to the answer."""
    response: dict[str, Any] = {"status_code": status, "request_id": request_id, "body": _embedded(body)}
    if label:
        response["headgate"] = label
    return _encode({"id": line_id, "custom_id": custom_id, "response": response, "error": None})


def unanswered_line(line_id: str, custom_id: str, code: str, message: str) -> bytes:
    """A line of an error file that never got an answer."""
    error = {"code": code, "message": message}
    return _encode({"id": line_id, "custom_id": custom_id, "response": None, "error": error})


def _embedded(body: bytes) -> object:
    """A body within a line: JSON as it is but for its line ends, which can only stand between its parts; anything else
    as text."""
    try:
        body.decode()  # what is passed over within a Raw is not looked at so closely
        msgspec.json.decode(body, type=Raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return body.decode(errors="replace")
    return Raw(body.translate(_NO_LINE_ENDS))


class Result(msgspec.Struct, frozen=True):
    """A result line. `status` is None where there was no response; `body` is the whole line."""

    custom_id: str
    status: int | None
    body: bytes


class _Response(msgspec.Struct):
    status_code: int


class _ResultLine(msgspec.Struct):
    custom_id: str
    response: _Response | None = None


_decode_result: Final = msgspec.json.Decoder(_ResultLine).decode


def read_result(text: bytes) -> Result | None:
    """Which line a result is of and how it ended; None for what is no result."""
    try:
        found = _decode_result(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return Result(found.custom_id, None if found.response is None else found.response.status_code, text)


def renamed_result(text: bytes, name: Callable[[str], str]) -> Result | None:
    """A provider's result under an id of ours, which `name` tells for its custom_id; None for what is no result."""
    found = read_result(text)
    if found is None:
        return None
    fields = _decode_fields(text)
    return Result(found.custom_id, found.status, _encode({**fields, "id": name(found.custom_id)}))


class LineUsage(msgspec.Struct, frozen=True):
    """The tokens of one answer, as chat completions and the Responses API call them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    input_tokens: int | None = None
    completion_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class _UsedBody(msgspec.Struct):
    usage: _Usage | None = None


class _UsedResponse(msgspec.Struct):
    body: _UsedBody | None = None


class _UsedLine(msgspec.Struct):
    response: _UsedResponse | None = None


_decode_used: Final = msgspec.json.Decoder(_UsedLine).decode


def usage_of(result: bytes) -> LineUsage | None:
    """What the answer in a result line used; None where it does not say."""
    try:
        line = _decode_used(result)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if line.response is None or line.response.body is None or line.response.body.usage is None:
        return None
    usage = line.response.body.usage
    into = usage.prompt_tokens_details or usage.input_tokens_details or _Details()
    out = usage.completion_tokens_details or usage.output_tokens_details or _Details()
    return LineUsage(
        usage.prompt_tokens or usage.input_tokens or 0,
        usage.completion_tokens or usage.output_tokens or 0,
        into.cached_tokens or 0,
        out.reasoning_tokens or 0,
    )


# Creating -------------------------------------------------------------------------------------------------------------


def read_create(body: bytes) -> NewBatchBody:
    """The body of POST /batches. Raises InvalidBody."""
    fields = decode_object(body)
    unknown = next((name for name in fields if name not in _CREATE_FIELDS), None)
    if unknown is not None:
        raise InvalidBody(f"There is no parameter {unknown[:80]!r}; there are {', '.join(_CREATE_FIELDS)}.", unknown)
    endpoint = _text(fields, "endpoint")
    if endpoint not in ENDPOINTS:
        raise InvalidBody(f"The endpoint {endpoint[:80]!r} is not one of {', '.join(ENDPOINTS)}.", "endpoint")
    window = _text(fields, "completion_window")
    found = _WINDOW.fullmatch(window)
    window_s = 0 if found is None else int(found[1]) * _UNITS_S[found[2]]
    if not LEAST_WINDOW_S <= window_s <= MOST_WINDOW_S:
        raise InvalidBody("The completion_window must be from `24h` to `7d`.", "completion_window")
    kept_s = None
    if "output_expires_after" in fields:
        kept_s = kept_for("output_expires_after", decode_value("output_expires_after", fields["output_expires_after"]))
    return NewBatchBody(_text(fields, "input_file_id"), endpoint, window, window_s, _metadata(fields), kept_s)


def kept_for(name: str, value: object) -> int | None:
    """How many seconds after its creation a file expires, from `{anchor, seconds}`. Raises InvalidBody."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or value.get("anchor") != CREATED_AT:
        raise InvalidBody(f'{name!r} must be {{"anchor": "{CREATED_AT}", "seconds": ...}}.', name)
    seconds = value.get("seconds")
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
        seconds = int(seconds)  # as a form writes it
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not LEAST_KEPT_S <= seconds <= MOST_KEPT_S:
        raise InvalidBody(f"'{name}.seconds' must be from {LEAST_KEPT_S} to {MOST_KEPT_S}.", f"{name}.seconds")
    return seconds


def _text(fields: Mapping[str, Raw], name: str) -> str:
    value = decode_value(name, fields[name]) if name in fields else None
    if not isinstance(value, str) or not value:
        raise InvalidBody(f"{name!r} is missing.", name, "missing_required_parameter")
    return value


def _metadata(fields: Mapping[str, Raw]) -> dict[str, str] | None:
    value = decode_value("metadata", fields["metadata"]) if "metadata" in fields else None
    if value is None:
        return None
    if not isinstance(value, dict) or len(value) > MOST_METADATA:
        raise InvalidBody(f"'metadata' must be an object of at most {MOST_METADATA} pairs.", "metadata")
    for name, text in value.items():
        if len(name) > MOST_METADATA_NAME_CHARS or not isinstance(text, str) or len(text) > MOST_METADATA_VALUE_CHARS:
            words = f"names of at most {MOST_METADATA_NAME_CHARS} and texts of at most {MOST_METADATA_VALUE_CHARS}"
            raise InvalidBody(f"'metadata' takes {words} characters.", f"metadata.{name[:80]}")
    return value
