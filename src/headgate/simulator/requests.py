"""Reading a chat request as Groq reads it: bytes in, either an `Asked` or a `Rejection` out.

Owns what generation must know of a request; what is refused is in `validation`. Knows no keys, limits or answers.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.catalog import Catalog, Kind, Model
from headgate.simulator import errors
from headgate.simulator.errors import Rejection
from headgate.simulator.running import running
from headgate.simulator.schema import shown_schema
from headgate.simulator.settings import SimulatorSettings
from headgate.simulator.text import MessagesKey, key_of, text_of
from headgate.simulator.tokens import count_prompt
from headgate.simulator.validation import CHECKS, Body, chosen_function, function_names


class Asked(msgspec.Struct, frozen=True):
    """A chat request that passed validation, with what generation needs at hand.

    `ask_tokens` is the client's explicit maximum. `text` is all message text in order, roles included.
    `tool` is the tool to be called, if one is. `json_mode` is set for both JSON formats, `schema` for json_schema and
    where the messages show a schema and speak of JSON, as clients do that prompt for a structured answer.
    """

    model: Model
    key: MessagesKey
    text: str
    prompt_tokens: int
    ask_tokens: int | None
    stream: bool
    include_usage: bool
    tools: list[Mapping[str, Any]]
    tool: str | None
    json_mode: bool
    schema: Mapping[str, Any] | None
    effort: str | None
    reasoning_shown: bool
    reasoning_raw: bool
    tier: str | None
    seed: int | None


def read(body: bytes, catalog: Catalog, settings: SimulatorSettings) -> Asked | Rejection:
    """The request, or the first thing that is wrong with it, in Groq's order as far as known: model, fields, values."""
    try:
        raw = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return errors.NOT_JSON
    if not isinstance(raw, dict):
        return errors.NOT_JSON
    model = _model(raw.get("model"), catalog, settings)
    if isinstance(model, Rejection):
        return model
    for check in CHECKS:
        found = check(raw, model)
        if found is not None:
            return found
    return _asked(raw, model, settings)


def _model(name: object, catalog: Catalog, settings: SimulatorSettings) -> Model | Rejection:
    model = running(name, catalog, settings)
    if isinstance(model, Model) and model.kind not in (Kind.CHAT, Kind.GUARD):
        return errors.invalid(f"The model `{name}` does not support chat completions")
    return model


def _asked(raw: Body, model: Model, settings: SimulatorSettings) -> Asked | Rejection:
    messages: list[dict[str, Any]] = raw["messages"]
    texts = [f"{message['role']}\x1f{text_of(message.get('content'))}" for message in messages]
    text = "\x1e".join(texts)
    last_user = next((t for t in reversed(texts) if t.startswith("user\x1f")), "")
    key = key_of(text, last_user)
    tools = raw.get("tools") or []
    form = raw.get("response_format") or {}
    json_mode = form.get("type") in ("json_object", "json_schema")
    if form.get("type") == "json_object" and settings.require_json_word and "json" not in text.lower():
        return errors.invalid(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            "messages",
        )
    prompt_tokens = count_prompt(model.id, text, len(messages), _images(messages), tools)
    ask = raw.get("max_completion_tokens") or raw.get("max_tokens")
    window = model.context_window_tokens
    if window and prompt_tokens + (ask or 1) > window:
        message = "Please reduce the length of the messages or completion."
        return errors.invalid(message, "messages", "context_length_exceeded")
    reasoning_format = raw.get("reasoning_format")
    return Asked(
        model=model,
        key=key,
        text=text,
        prompt_tokens=prompt_tokens,
        ask_tokens=ask,
        stream=bool(raw.get("stream")),
        include_usage=bool((raw.get("stream_options") or {}).get("include_usage")),
        tools=tools,
        tool=_tool_to_call(raw.get("tool_choice"), tools, key, last_user, messages[-1]["role"]),
        json_mode=json_mode,
        schema=form["json_schema"]["schema"] if form.get("type") == "json_schema" else shown_schema(text),
        effort=raw.get("reasoning_effort") or model.reasoning_default,
        reasoning_shown=raw.get("include_reasoning") is not False and reasoning_format != "hidden",
        reasoning_raw=reasoning_format == "raw",
        tier=raw.get("service_tier"),
        seed=raw.get("seed"),
    )


def _images(messages: list[dict[str, Any]]) -> int:
    return sum(
        1
        for message in messages
        if isinstance(message.get("content"), list)
        for part in message["content"]
        if part.get("type") == "image_url"
    )


def _tool_to_call(
    choice: object, tools: list[Mapping[str, Any]], key: MessagesKey, last_user: str, last_role: str
) -> str | None:
    """The tool a model would call: the named one, any when required, on `auto` one that the user speaks of."""
    names = function_names(tools)
    if not names or choice == "none":
        return None
    if isinstance(choice, dict):
        return chosen_function(choice)
    if key.tool:
        return key.tool
    if last_role in ("tool", "function") and choice != "required":
        return None
    spoken = next((name for name in names if name in last_user or name.replace("_", " ") in last_user), None)
    if choice == "required" or key.tool is not None:
        return spoken or names[key.digest[0] % len(names)]
    return spoken
