"""A whole chat completion as an Anthropic message.

Thinking stands first, then text, then tool calls: the order in which models generate them. Built-in tools that the
provider ran (`executed_tools`) are not told: the text already says what they found. Streams are `anthropic_stream`'s.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.domain.answer import Usage
from headgate.domain.failure import Failure, FailureKind
from headgate.protocol.anthropic import Asked
from headgate.protocol.usage import usage_of

UNSIGNED: Final = "unsigned"
"""The signature of every thinking block: the type demands one, and nobody signs here. It is ignored when sent back."""

UNREADABLE_INPUT: Final = "INVALID_JSON"
"""The key around a tool's input that is no JSON object: wrapped, as Anthropic's page on streaming tools advises."""

_NULL: Final = Raw(b"null")
_EMPTY_INPUT: Final = Raw(b"{}")
_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class _Function(Struct, gc=False):
    name: str
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    function: _Function
    id: str | None = None


class _Part(Struct, gc=False):
    type: str = ""
    text: str | None = None


class _Message(Struct, gc=False):
    content: str | list[_Part] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct, gc=False):
    message: _Message
    finish_reason: str | None = None
    stop_reason: object = None


class _Completion(Struct, gc=False):
    choices: list[_Choice]
    model: str = ""
    usage: Raw = _NULL
    headgate: Raw = _NULL


_decode: Final = msgspec.json.Decoder(_Completion).decode
_decode_input: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_encode: Final = msgspec.json.Encoder().encode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


def message_body(reply: bytes, asked: Asked, name: str) -> bytes | Failure:
    """The message for a 200 body; `name` is its id without `msg_`, the request's own. A body that is no answer is a
    failure. `model` is what the provider wrote; a local answer keeps its `headgate` label.
    """
    try:
        read = _decode(reply)
    except _UNREADABLE:
        return Failure(FailureKind.MALFORMED_BODY, status=200, message="The reply is not readable.", body=reply)
    if not read.choices:
        return Failure(FailureKind.MALFORMED_BODY, status=200, message="The reply has no choice.", body=reply)
    choice = read.choices[0]
    content = _content(choice.message, asked, name)
    reason, stop = stop_of(
        choice.finish_reason,
        choice.stop_reason,
        asked,
        called=bool(choice.message.tool_calls),
        refused=bool(choice.message.refusal),
    )
    message: dict[str, object] = {
        **message_head(name, read.model or asked.model),
        "content": content,
        "stop_reason": reason,
        "stop_sequence": stop,
        "usage": usage_fields(usage_of(read.usage)),
    }
    if read.headgate != _NULL:
        message["headgate"] = read.headgate
    return _encode(message)


def message_head(name: str, model: str) -> dict[str, object]:
    """What a message begins with, whole or streamed."""
    return {"id": f"msg_{name}", "type": "message", "role": "assistant", "model": model}


def call_id(given: str | None, name: str, position: int) -> str:
    """A tool call's id; some providers give none, and the client needs one to answer with."""
    return given or f"toolu_{name}_{position}"


def stop_of(finish: str | None, told: object, asked: Asked, *, called: bool, refused: bool) -> tuple[str, str | None]:
    """The stop reason, and the stop sequence where the provider tells which one it met.

    Chat completions say "stop" for both the natural end and a stop sequence; vLLM names the sequence in the choice's
    `stop_reason` (`told`). Nothing is guessed: without that it is the end of the turn.
    """
    if refused:
        return "refusal", None
    reason = _STOP_REASONS.get(finish or "stop", "end_turn")
    if reason == "tool_use" or (reason == "end_turn" and called):
        return ("tool_use" if called else "end_turn"), None
    if reason == "end_turn" and isinstance(told, str) and told in asked.stop_sequences:
        return "stop_sequence", told
    return reason, None


def usage_fields(usage: Usage | None) -> dict[str, object]:
    """Anthropic's usage: its input tokens are those that no cache held. Zeros where nothing credible is known."""
    if usage is None:
        usage = Usage(0, 0)
    fields: dict[str, object] = {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }
    if usage.reasoning_tokens:
        fields["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return fields


def _content(message: _Message, asked: Asked, name: str) -> list[dict[str, object]]:
    blocks: list[dict[str, object]] = []
    thoughts = message.reasoning or message.reasoning_content
    if thoughts and asked.show_thinking:
        blocks.append({"type": "thinking", "thinking": thoughts, "signature": UNSIGNED})
    text = message.content
    if isinstance(text, list):
        text = "".join([part.text or "" for part in text])
    text = (text or "") + (message.refusal or "")
    if text:
        blocks.append({"type": "text", "text": text})
    for position, call in enumerate(message.tool_calls or ()):
        identity = call_id(call.id, name, position)
        blocks.append(
            {"type": "tool_use", "id": identity, "name": call.function.name, "input": _input(call.function.arguments)}
        )
    return blocks


def _input(arguments: str | None) -> Raw | dict[str, str]:
    """A tool's input as it was written, so that no number changes."""
    if arguments is None or not arguments.strip():
        return _EMPTY_INPUT
    try:
        _decode_input(arguments)
    except _UNREADABLE:
        return {UNREADABLE_INPUT: arguments}
    return Raw(arguments.encode())
