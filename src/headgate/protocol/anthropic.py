"""Anthropic's Messages request as a chat completions request: what a client of Claude asks, asked of any chat model.

The wire facts are the types of Anthropic's Python SDK 2.11.0 (read 2026-11-21) and groq-api.md 1.1. What has no
counterpart is noted where leaving it out changes nothing that was promised, and refused where it would.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.domain.request import PromptSize
from headgate.protocol.anthropic_blocks import Message, Text
from headgate.protocol.anthropic_messages import chat_messages
from headgate.protocol.anthropic_tools import Tool, ToolChoice, tool_fields
from headgate.protocol.chat import MAX_STOPS, MAX_TOKENS, MAX_TOOLS, parse_chat
from headgate.protocol.client_json import InvalidBody, decode_object, invalid_field

__all__ = ["Asked", "InvalidBody", "chat_body", "count_tokens"]

LOW_BUDGET_TOKENS: Final = 4096
"""A thinking budget below this asks for low effort."""

HIGH_BUDGET_TOKENS: Final = 16384
"""A thinking budget from this on asks for high effort."""

_NULL: Final = Raw(b"null")
_EFFORTS: Final = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}


class _Thinking(Struct, gc=False):
    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: Annotated[int, Meta(ge=1)] | None = None
    display: Literal["summarized", "omitted"] | None = None


class _Format(Struct, gc=False):
    type: Literal["json_schema"]
    schema: Raw


class _OutputConfig(Struct, gc=False):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: _Format | None = None


class _Metadata(Struct, gc=False):
    user_id: str | None = None


class _Body(Struct, gc=False):
    """The typed view. `max_tokens` is required of a message but not of a count."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1, le=MAX_TOKENS)] | None = None
    system: str | list[Text] | None = None
    stream: bool | None = None
    stop_sequences: Annotated[list[str], Meta(max_length=MAX_STOPS)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    metadata: _Metadata | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoice | None = None
    cache_control: Raw = _NULL
    headgate: Raw = _NULL


_HINTS: Final = {
    "model": 'Name a model, for example "openai/gpt-oss-20b".',
    "messages": (
        "Give a list of at least one message with a role and a content of blocks: text, image, document, search_result,"
        " thinking, redacted_thinking, tool_use and tool_result. Blocks of Anthropic's own server tools, files and"
        " containers cannot be read here: send what they say as text."
    ),
    "max_tokens": (
        "Use a whole number from 1. (0 asks to warm Anthropic's prompt cache; caching needs no such call here.)"
    ),
    "system": "Use a string or a list of text blocks.",
    "stop_sequences": f"At most {MAX_STOPS} can be passed on: give a list of up to {MAX_STOPS} strings.",
    "temperature": "Use a number from 0 to 1, or leave it out.",
    "top_p": "Use a number from 0 to 1, or leave it out.",
    "thinking": 'Its type is "enabled" (with budget_tokens), "adaptive" or "disabled".',
    "output_config": 'Its effort is "low" to "max"; its format is {"type": "json_schema", "schema": {...}}.',
    "output_format": 'Use {"type": "json_schema", "schema": {...}}.',
    "tools": f"Use a list of at most {MAX_TOOLS} tools, each with a name and an input_schema.",
    "tool_choice": 'Its type is "auto", "any", "none" or "tool" (with a name).',
    "stream": "Use true or false.",
}
_TYPED: Final = frozenset(_Body.__struct_fields__)
_REFUSED: Final = {
    "mcp_servers": "Remote MCP servers are not called from here: connect to them yourself and pass their tools.",
    "container": "There are no containers here: leave it out, and send files as text or images.",
    "inference_geo": "No region can be promised here: leave it out, or choose a route that the operator bound to one.",
}
_IGNORED: Final = {
    "top_k": "no chat model here takes it",
    "service_tier": "Anthropic's tiers are not this provider's",
}

_decode: Final = msgspec.json.Decoder(_Body).decode
_encode: Final = msgspec.json.Encoder().encode


class Asked(Struct, frozen=True, gc=False):
    """A Messages request, translated. `body` is what `parse_chat` reads; the rest is for the way back.

    `show_thinking`: the client asked for thinking blocks; without it reasoning is not shown, since clients that never
    asked take the first block for the text. `notes` say what was left out and why, one line each.
    """

    body: bytes
    model: str
    stream: bool = False
    stop_sequences: tuple[str, ...] = ()
    show_thinking: bool = False
    notes: tuple[str, ...] = ()


def chat_body(body: bytes) -> Asked:
    """The client's /v1/messages body, translated. Raises `InvalidBody` with the place and what to do, nothing else."""
    fields, read = _read(body)
    if read.max_tokens is None:
        raise InvalidBody(f"'max_tokens' is missing. {_HINTS['max_tokens']}", "max_tokens")
    return _asked(fields, read)


def count_tokens(body: bytes) -> tuple[str, PromptSize]:
    """The model asked and the size of a /v1/messages/count_tokens body, measured on what would be sent.

    Raises `InvalidBody`. Tokens are made of it by the learned line of the model that would serve.
    """
    asked = _asked(*_read(body))
    return asked.model, parse_chat(asked.body).prompt


def _read(body: bytes) -> tuple[dict[str, Raw], _Body]:
    fields = decode_object(body)
    for name, advice in _REFUSED.items():
        if fields.get(name, _NULL) != _NULL:
            raise InvalidBody(f"{name!r} is not served. {advice}", name)
    try:
        return fields, _decode(body)
    except msgspec.ValidationError as error:
        raise invalid_field(error, _HINTS) from None


def _asked(fields: dict[str, Raw], read: _Body) -> Asked:
    notes = [f"{name}: {_IGNORED.get(name, 'not known here')}" for name in fields if name not in _TYPED]
    chat: dict[str, object] = {"model": read.model, "messages": chat_messages(read.system, read.messages, notes)}
    if read.max_tokens is not None:
        chat["max_completion_tokens"] = read.max_tokens
    if read.stream:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    if read.stop_sequences:
        chat["stop"] = read.stop_sequences
    for name in ("temperature", "top_p", "headgate"):
        if fields.get(name, _NULL) != _NULL:
            chat[name] = fields[name]
    if read.metadata is not None and read.metadata.user_id is not None:
        chat["user"] = read.metadata.user_id
    if (effort := _effort(read.thinking, read.output_config)) is not None:
        chat["reasoning_effort"] = effort
    form = (read.output_config.format if read.output_config is not None else None) or read.output_format
    if form is not None:
        chat["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.schema}}
    chat |= tool_fields(read.tools or [], read.tool_choice, notes)
    thinking = read.thinking
    return Asked(
        body=_encode(chat),
        model=read.model,
        stream=read.stream is True,
        stop_sequences=tuple(read.stop_sequences or ()),
        show_thinking=thinking is not None and thinking.type != "disabled" and thinking.display != "omitted",
        notes=tuple(notes),
    )


def _effort(thinking: _Thinking | None, output: _OutputConfig | None) -> str | None:
    """The reasoning effort: none for disabled thinking, else the effort asked for, else that of the token budget."""
    if thinking is not None and thinking.type == "disabled":
        return "none"
    if output is not None and output.effort is not None:
        return _EFFORTS[output.effort]
    if thinking is None or thinking.budget_tokens is None:
        return None
    if thinking.budget_tokens < LOW_BUDGET_TOKENS:
        return "low"
    return "medium" if thinking.budget_tokens < HIGH_BUDGET_TOKENS else "high"
