"""The Responses API as Groq has it: beta, stateless, and over the same generation as chat.

Reads a request into the chat request that says the same, so that models, limits and rules are those of chat; how a
reply is worded is in `responses_voice`. What is refused is from groq-api 1.4.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.catalog import Catalog
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.requests import Asked, read
from headgate.simulator.responses_voice import Echo, voice
from headgate.simulator.scribe import Voice
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.visit import Visit

UNSUPPORTED: Final = ("previous_response_id", "include", "safety_identifier", "prompt_cache_key", "prompt", "store")
"""Refused unless null; `store` and `truncation` may also say what is so anyhow."""

MOST_METADATA: Final = 16
TIERS: Final = ("auto", "default", "flex")
_FIELDS: Final = frozenset(
    {
        "input",
        "instructions",
        "max_output_tokens",
        "metadata",
        "model",
        "parallel_tool_calls",
        "reasoning",
        "service_tier",
        "stream",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
        "truncation",
        "user",
        *UNSUPPORTED,
    }
)
_SAME: Final = ("model", "temperature", "top_p", "parallel_tool_calls", "stream", "user")
_TEXTS: Final = frozenset({"input_text", "output_text", "text"})
TIMINGS: Final = ("groq-beta", "inference-metrics")
"""The header with which a client asks for the times of inference."""


def understood(visit: Visit, catalog: Catalog, settings: SimulatorSettings) -> tuple[Asked, Voice] | Rejection:
    """The chat request that says the same, and the voice that answers it."""
    try:
        raw = msgspec.json.decode(visit.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return errors.NOT_JSON
    if not isinstance(raw, dict):
        return errors.NOT_JSON
    wrong = _wrong(raw)
    if wrong is not None:
        return wrong
    messages = _messages(raw)
    if isinstance(messages, Rejection):
        return messages
    asked = read(msgspec.json.encode(_chat(raw, messages)), catalog, settings)
    if isinstance(asked, Rejection):
        return asked
    timed = visit.headers.get(TIMINGS[0], "") == TIMINGS[1]
    echo = Echo(raw, visit.named("resp_"), visit, settings.tokens_per_chunk, timed)
    return asked, voice(echo)


def _wrong(raw: Mapping[str, Any]) -> Rejection | None:
    for name, value in raw.items():
        if name not in _FIELDS:
            return errors.invalid(f"property '{name}' is unsupported")
        if name in UNSUPPORTED and value is not None and not (name == "store" and value is False):
            return errors.invalid(f"`{name}` is not supported", name)
    if raw.get("truncation") not in (None, "disabled"):
        return errors.invalid("`truncation` is not supported", "truncation")
    if raw.get("service_tier") not in (None, *TIERS):
        return errors.invalid(f"'service_tier' : value must be one of {', '.join(TIERS)}", "service_tier")
    metadata = raw.get("metadata")
    if metadata is not None and (not isinstance(metadata, dict) or len(metadata) > MOST_METADATA):
        return errors.invalid(f"'metadata' : maximum number of properties is {MOST_METADATA}", "metadata")
    for name in ("reasoning", "text"):
        if not isinstance(raw.get(name) or {}, dict):
            return errors.invalid(f"'{name}' : value must be an object", name)
    return None


def _chat(raw: Mapping[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    made = {name: raw[name] for name in _SAME if raw.get(name) is not None} | {"messages": messages}
    effort = (raw.get("reasoning") or {}).get("effort")
    form = (raw.get("text") or {}).get("format")
    choice = raw.get("tool_choice")
    if isinstance(choice, dict) and "function" not in choice:
        choice = {"type": "function", "function": {"name": choice.get("name")}}
    tools = raw.get("tools")
    more = {
        "max_completion_tokens": raw.get("max_output_tokens"),
        "reasoning_effort": effort,
        "response_format": _format(form),
        "tool_choice": choice,
        "tools": [_tool(tool) for tool in tools] if isinstance(tools, list) else tools,
        "service_tier": "flex" if raw.get("service_tier") == "flex" else None,
    }
    return made | {name: value for name, value in more.items() if value is not None}


def _format(form: object) -> object:
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return form
    return {"type": "json_schema", "json_schema": {name: value for name, value in form.items() if name != "type"}}


def _tool(tool: object) -> object:
    """A function is one level deeper in chat; built-in tools are the same."""
    if not isinstance(tool, dict) or tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def _messages(raw: Mapping[str, Any]) -> list[dict[str, Any]] | Rejection:
    given = raw.get("input")
    instructions = raw.get("instructions")
    made: list[dict[str, Any]] = [{"role": "system", "content": instructions}] if instructions else []
    if isinstance(given, str):
        return [*made, {"role": "user", "content": given}]
    if not isinstance(given, list):
        return errors.invalid("'input' : value must be a string or an array", "input")
    for index, item in enumerate(given):
        found = _item(index, item)
        if isinstance(found, Rejection):
            return found
        made += found
    return made


def _item(index: int, item: object) -> list[dict[str, Any]] | Rejection:
    kind = item.get("type", "message") if isinstance(item, dict) else None
    if not isinstance(item, dict):
        return errors.invalid(f"'input.{index}' : value must be an object", "input")
    match kind:
        case "message":
            return _message(index, item)
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            call = {"id": item.get("call_id"), "type": "function", "function": function}
            return [{"role": "assistant", "content": None, "tool_calls": [call]}]
        case "function_call_output":
            output = item.get("output")
            content = output if isinstance(output, str) else msgspec.json.encode(output).decode()
            return [{"role": "tool", "tool_call_id": item.get("call_id"), "content": content}]
        case "reasoning":
            return []
        case _:
            return errors.invalid(f"'input.{index}' : invalid item type '{kind}'", "input")


def _message(index: int, item: Mapping[str, Any]) -> list[dict[str, Any]] | Rejection:
    content = item.get("content")
    if isinstance(content, list):
        parts = [_part(part) for part in content]
        if None in parts:
            return errors.invalid(f"'input.{index}.content' : invalid content part type", "input")
        content = parts
    return [{"role": item.get("role"), "content": content}]


def _part(part: object) -> dict[str, Any] | None:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(kind, str):
        return None
    if kind in _TEXTS:
        return {"type": "text", "text": part.get("text")}
    if kind == "input_image":
        return {"type": "image_url", "image_url": {"url": part.get("image_url")}}
    return None
