"""A whole chat completion as the response object that the Responses API answers with.

The items come in the order reasoning, built-in tools, function calls, message. What the chat completion has and this
API has no word for (times, fingerprints) is left out; the label of a local answer (`headgate`) is kept.
"""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.protocol.responses import Asked
from headgate.protocol.responses_executed import executed_item, executed_prefix, read_executed
from headgate.protocol.usage import MAX_USAGE_TOKENS

_NULL: Final = Raw(b"null")
_TIERS: Final = {
    "on_demand": "default",
    "auto": "auto",
    "flex": "flex",
    "performance": "priority",
    "default": "default",
}
_INCOMPLETE: Final = {
    "length": "max_output_tokens",
    "model_length": "max_output_tokens",
    "content_filter": "content_filter",
}
"""The finish reasons of an answer that is not whole. Every other reason is one of a whole answer."""

_Tokens = Annotated[int, Meta(ge=0, le=MAX_USAGE_TOKENS)]


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Part(Struct, gc=False):
    text: str | None = None


class _Message(Struct, gc=False):
    content: str | list[_Part] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    executed_tools: Raw = _NULL


class _Choice(Struct, gc=False):
    message: _Message
    finish_reason: str | None = None


class _Completion(Struct, gc=False):
    choices: Annotated[list[_Choice], Meta(min_length=1)]
    model: str | None = None
    usage: Raw = _NULL
    service_tier: str | None = None
    headgate: Raw = _NULL


class _CachedTokens(Struct, gc=False):
    cached_tokens: _Tokens | None = None


class _ReasoningTokens(Struct, gc=False):
    reasoning_tokens: _Tokens | None = None


class _Usage(Struct, gc=False):
    """Unlike in `headgate.protocol.usage`, nothing may also be what was used: a local answer says so."""

    prompt_tokens: _Tokens
    completion_tokens: _Tokens = 0
    prompt_tokens_details: _CachedTokens | None = None
    completion_tokens_details: _ReasoningTokens | None = None


_decode: Final = msgspec.json.Decoder(_Completion).decode
_decode_usage: Final = msgspec.json.Decoder(_Usage).decode
_encode: Final = msgspec.json.Encoder().encode


def response_body(reply: bytes, asked: Asked, response_id: str, created: int) -> bytes:
    """The response object for `reply`, a chat completion of which `read_reply` gave a `Reply`.

    `response_id` is `resp_...`, `created` in Unix seconds. Raises `msgspec.MsgspecError` for what is no completion.
    """
    read = _decode(reply)
    choice = read.choices[0]
    why = incomplete_reason(choice.finish_reason)
    response = response_object(
        asked,
        response_id,
        created,
        status="completed" if why is None else "incomplete",
        model=read.model,
        output=_items(choice.message, response_id, cut=why is not None),
        usage=read.usage,
        service_tier=read.service_tier,
        label=read.headgate,
        incomplete=why,
    )
    return _encode(response)


def response_object(
    asked: Asked,
    response_id: str,
    created: int,
    *,
    status: str,
    model: str | None = None,
    output: Sequence[object] = (),
    usage: Raw = _NULL,
    service_tier: str | None = None,
    label: Raw = _NULL,
    incomplete: str | None = None,
    error: object = None,
) -> dict[str, object]:
    """A response object in any state, with everything that the client's SDK requires; `usage` is as chat wrote it."""
    response: dict[str, object] = {
        "id": response_id,
        "object": "response",
        "created_at": created,
        "status": status,
        "error": error,
        "incomplete_details": None if incomplete is None else {"reason": incomplete},
        "model": model or asked.model,
        "output": output,
        "service_tier": _TIERS.get(service_tier or "on_demand", "default"),
        "usage": _usage(usage),
        **asked.echo,
    }
    if label != _NULL:
        response["headgate"] = label
    return response


def incomplete_reason(finish_reason: str | None) -> str | None:
    """Why an answer that ended with `finish_reason` is not whole; None where it is."""
    return _INCOMPLETE.get(finish_reason or "")


def item_id(kind: str, response_id: str, output_index: int) -> str:
    """The id of an output item: its kind (`msg`, `rs`, `fc`), its response and its place, the same on every run."""
    return f"{kind}_{response_id.removeprefix('resp_')}_{output_index}"


def reasoning_item(identity: str, text: str, status: str) -> dict[str, object]:
    """What the model thought, as text."""
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {"id": identity, "type": "reasoning", "summary": [], "content": content, "status": status}


def call_item(identity: str, call_id: str, name: str, arguments: str, status: str) -> dict[str, object]:
    """One call of a function; `call_id` is the one that its output must name."""
    return {
        "id": identity,
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def message_item(identity: str, content: Sequence[object], status: str) -> dict[str, object]:
    """What the model said."""
    return {"id": identity, "type": "message", "role": "assistant", "content": content, "status": status}


def text_part(text: str) -> dict[str, object]:
    """A message's text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(text: str) -> dict[str, object]:
    """A message's refusal."""
    return {"type": "refusal", "refusal": text}


def _items(message: _Message, response_id: str, *, cut: bool) -> list[dict[str, object]]:
    """The output; of an answer that was cut off, the last item is the one that is not whole."""
    items: list[dict[str, object]] = []

    def identity(kind: str) -> str:
        return item_id(kind, response_id, len(items))

    thought = message.reasoning or message.reasoning_content
    if thought:
        items.append(reasoning_item(identity("rs"), thought, "completed"))
    for used in read_executed(message.executed_tools):
        prefix = executed_prefix(used)
        if prefix is not None:
            items.append(executed_item(used, identity(prefix), "completed"))
    for call in message.tool_calls or ():
        function = call.function or _Function()
        own = identity("fc")
        items.append(call_item(own, call.id or own, function.name or "", function.arguments or "", "completed"))
    content = _content(message)
    if content:
        items.append(message_item(identity("msg"), content, "completed"))
    if cut and items:
        items[-1]["status"] = "incomplete"
    return items


def _content(message: _Message) -> list[dict[str, object]]:
    content = message.content
    text = "".join(part.text or "" for part in content) if isinstance(content, list) else content
    parts = [text_part(text)] if text else []
    if message.refusal:
        parts.append(refusal_part(message.refusal))
    return parts


def _usage(raw: Raw) -> dict[str, object] | None:
    """The usage in this API's names; None where there is none that can be true."""
    try:
        read = _decode_usage(raw)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    cached = read.prompt_tokens_details.cached_tokens if read.prompt_tokens_details is not None else 0
    details = read.completion_tokens_details
    return {
        "input_tokens": read.prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached or 0, "cache_write_tokens": 0},
        "output_tokens": read.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": (details.reasoning_tokens or 0) if details is not None else 0},
        "total_tokens": read.prompt_tokens + read.completion_tokens,
    }
