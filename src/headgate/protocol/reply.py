"""A whole upstream answer (status 200): its summary, its text, and the same answer with another text.

Only what decisions need is decoded; the body is relayed as it came. Streams are `headgate.protocol.stream`'s.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.domain.answer import Reply, Usage
from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.errors import classify
from headgate.protocol.usage import UsageTold, believed, usage_of

BROKE_OFF: Final = "error"
"""The finish_reason of a choice whose provider broke off (OpenRouter, groq-api.md 13, read 2026-11-20)."""

_NULL: Final = Raw(b"null")
_EMPTY: Final = frozenset({b"null", b'""', b"[]", b"{}"})
_EMPTY_CHARS_MAX: Final = 4


class _Message(Struct, gc=False):
    content: Raw = _NULL
    tool_calls: Raw = _NULL
    function_call: Raw = _NULL
    refusal: Raw = _NULL


class _Choice(Struct, gc=False):
    finish_reason: str | None = None
    message: _Message | None = None
    error: Raw = _NULL


class _AnyBody(Struct, gc=False):
    choices: list[_Choice] | None = None
    model: str | None = None
    error: Raw = _NULL


class _Body(_AnyBody, gc=False):
    usage: UsageTold | None = None


class _DoubtfulBody(_AnyBody, gc=False):
    usage: Raw = _NULL


class _TextMessage(Struct, gc=False):
    content: str | None = None


class _TextChoice(Struct, gc=False):
    message: _TextMessage | None = None


class _Text(Struct, gc=False):
    choices: list[_TextChoice] | None = None


class _UsageOnly(Struct, gc=False):
    usage: Raw = _NULL


_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
_decode: Final = msgspec.json.Decoder(_Body).decode
_decode_doubtful: Final = msgspec.json.Decoder(_DoubtfulBody).decode
_decode_text: Final = msgspec.json.Decoder(_Text).decode
_decode_usage: Final = msgspec.json.Decoder(_UsageOnly).decode
_decode_object: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


def read_reply(body: bytes) -> Reply | Failure:
    """The summary of a 200 body, or why it is no answer: an error inside it, no JSON, no choice, no finish_reason.

    `has_content` means text, a refusal or a tool call; reasoning alone is nothing that a client can use.
    """
    try:
        read = _decode(body)
        usage = None if read.usage is None else believed(read.usage)
    except _UNREADABLE:
        return _read_doubtful(body)
    return _reply(body, read, usage)


def _read_doubtful(body: bytes) -> Reply | Failure:
    """The summary of a body whose usage is not as it should be, or which cannot be read at all."""
    try:
        read = _decode_doubtful(body)
    except _UNREADABLE:
        return classify(200, body, {})
    return _reply(body, read, usage_of(read.usage))


def _reply(body: bytes, read: _AnyBody, usage: Usage | None) -> Reply | Failure:
    if not read.choices or not (read.error is _NULL or bytes(read.error) in _EMPTY):
        return classify(200, body, {})
    choice = read.choices[0]
    message = choice.message
    if choice.finish_reason == BROKE_OFF or not (choice.error is _NULL or bytes(choice.error) in _EMPTY):
        return _broke_off(body)
    if not choice.finish_reason or message is None:
        return _malformed(body, "The reply has no finish_reason or no message.")
    has_content = len(message.content) > _EMPTY_CHARS_MAX or _has_content(message)
    return Reply(choice.finish_reason, usage, read.model or "", has_content)


def _has_content(message: _Message) -> bool:
    return (
        bytes(message.content) not in _EMPTY
        or bytes(message.tool_calls) not in _EMPTY
        or bytes(message.function_call) not in _EMPTY
        or bytes(message.refusal) not in _EMPTY
    )


def _broke_off(body: bytes) -> Failure:
    """What the error beside a choice says; a choice that only says that there was one counts as the server's fault."""
    failure = classify(200, body, {})
    if failure.kind is not FailureKind.MALFORMED_BODY:
        return failure
    return Failure(FailureKind.OVER_CAPACITY, status=200, message="The answer finished with an error.", body=body)


def read_usage(body: bytes) -> Usage | None:
    """The usage of any body that has one at its top level; None where it is absent or cannot be true."""
    try:
        return usage_of(_decode_usage(body).usage)
    except _UNREADABLE:
        return None


def answer_text(body: bytes) -> str | None:
    """The first choice's text; None where there is no such text (a tool call, content in parts, no JSON)."""
    try:
        choices = _decode_text(body).choices
    except _UNREADABLE:
        return None
    message = choices[0].message if choices else None
    return message.content if message is not None else None


def with_text(body: bytes, text: str) -> bytes:
    """`body` with `text` as the first choice's content and every other value byte for byte.

    Only for a body of which `read_reply` gave a `Reply`.
    """
    fields = _decode_object(body)
    first, *others = _decode_list(fields["choices"])
    choice = _decode_object(first)
    message = _decode_object(choice["message"])
    message["content"] = Raw(_encode(text))
    choice["message"] = Raw(_encode(message))
    fields["choices"] = Raw(_encode([Raw(_encode(choice)), *others]))
    return _encode(fields)


def _malformed(body: bytes, message: str) -> Failure:
    return Failure(FailureKind.MALFORMED_BODY, status=200, message=message, body=body)
