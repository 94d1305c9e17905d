"""A Responses request understood: written as the chat body that `headgate.protocol.chat` takes, and what is repeated.

It knows OpenAI's request as the openai SDK 3.52 types it and what Groq's beta serves of it (groq-api.md 1.4, read
2026-11-20). Nothing is stored here, so everything that leans on stored state is refused with what to do instead.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.protocol.client_json import InvalidBody, decode_object, decode_value, invalid_field
from headgate.protocol.responses_items import Item, Messages
from headgate.protocol.responses_tools import Choice, Tool, ToolList, chat_choice, chat_tools, echoed_tools

__all__ = ["Asked", "InvalidBody", "chat_body"]

MAX_METADATA: Final = 16
MAX_METADATA_NAME: Final = 64
MAX_METADATA_VALUE: Final = 512
MAX_TOKENS: Final = 2**31 - 1

_NULL: Final = Raw(b"null")
_TIERS: Final = {"auto": "auto", "default": "on_demand", "flex": "flex"}
_encode: Final = msgspec.json.Encoder().encode
_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode


class Asked(Struct, frozen=True, kw_only=True):
    """One Responses request. `body` is the chat body; `echo` are the fields that every response object repeats.

    `notes` says in sentences what was left out because chat cannot carry it and the answer does not depend on it.
    """

    body: bytes
    model: str
    stream: bool
    echo: dict[str, object]
    notes: tuple[str, ...] = ()


class _Reasoning(Struct, gc=False):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class _Format(Struct, gc=False):
    type: str
    name: str | None = None
    description: str | None = None
    schema: Raw = _NULL
    strict: bool | None = None


class _Text(Struct, gc=False):
    format: _Format | None = None
    verbosity: str | None = None


class _Body(Struct, gc=False):
    """The typed view: a wrong type or range is refused by the decoder, with the place. Every optional may be null."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: str | Annotated[list[Item], Meta(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=1, le=MAX_TOKENS)] | None = None
    metadata: dict[str, str] | None = None
    parallel_tool_calls: bool | None = None
    reasoning: _Reasoning | None = None
    service_tier: str | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    text: _Text | None = None
    tool_choice: str | Choice | None = None
    tools: ToolList | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    headgate: dict[str, object] | None = None


_HINTS: Final = {
    "model": 'Name a model, for example "openai/gpt-oss-20b".',
    "input": "Give a text or a list of at least one item.",
    "instructions": "Give a text, or leave it out.",
    "max_output_tokens": "Use a whole number from 1, or leave it out.",
    "metadata": f"Use an object of at most {MAX_METADATA} texts.",
    "reasoning": 'Use an object such as {"effort": "low"}.',
    "temperature": "Use a number from 0 to 2, or leave it out.",
    "text": 'Use an object such as {"format": {"type": "text"}}.',
    "tool_choice": 'Use "none", "auto", "required" or {"type": "function", "name": ...}.',
    "tools": 'Use a list of at most 128 tools, each such as {"type": "function", "name": ..., "parameters": {...}}.',
    "top_p": "Use a number from 0 to 1, or leave it out.",
    "stream": "Use true or false.",
    "headgate": "It is an object of controls.",
}
_TYPED: Final = frozenset(_Body.__struct_fields__)

_HARMLESS: Final[dict[str, tuple[object, ...]]] = {
    "store": (False,),
    "truncation": ("disabled",),
    "include": ([],),
    "background": (False,),
    "top_logprobs": (0,),
    "previous_response_id": (),
    "conversation": (),
    "prompt": (),
    "max_tool_calls": (),
    "context_management": (),
    "moderation": (),
}
"""Fields that are not served, and the values besides null that ask for nothing."""

_REMEDIES: Final = {
    "store": "Nothing is stored here: leave it out or use false, and keep the response yourself.",
    "truncation": 'The input is never cut silently: use "disabled" and shorten it yourself.',
    "include": "Nothing more can be included: leave it out. Reasoning comes as text where the model shows it.",
    "background": "Every response is answered while you wait: leave it out, and use stream for a long one.",
    "top_logprobs": "No model here gives log probabilities: leave it out.",
    "previous_response_id": "Nothing is stored here: send the earlier items as input, and leave it out.",
    "conversation": "Nothing is stored here: send the conversation's items as input, and leave it out.",
    "prompt": "No prompt templates are stored here: send the text as instructions and input.",
    "max_tool_calls": "Calls of built-in tools cannot be counted here: leave it out.",
    "context_management": "The input is never compacted here: leave it out and shorten it yourself.",
    "moderation": "Moderate with a request of its own to /moderations, and leave it out.",
}
_DROPPED: Final = {
    "prompt_cache_key": "the provider finds equal beginnings without one",
    "prompt_cache_retention": "how long a beginning is kept is the provider's choice",
    "prompt_cache_options": "the provider's cache has no settings",
    "stream_options": "events carry no obfuscation",
}
"""Fields that change no answer, and why each is left out."""


def chat_body(body: bytes) -> Asked:
    """The client's request. Raises `InvalidBody` and nothing else."""
    fields = decode_object(body)
    notes = [f"{name} was left out: {why}." for name, why in _DROPPED.items() if fields.get(name, _NULL) != _NULL]
    for name in fields.keys() - _TYPED:
        _refuse_unserved(name, fields[name])
    try:
        read = _decode_body(body)
    except msgspec.ValidationError as error:
        raise invalid_field(error, _HINTS) from None
    _check_metadata(read.metadata)
    chat: dict[str, object] = {"model": read.model, "messages": _messages(read, notes)}
    chat.update(_settings(read))
    _add_tools(chat, read, fields, notes)
    if read.text is not None:
        _add_text(chat, read.text, notes)
    if read.reasoning is not None:
        _add_reasoning(chat, read.reasoning, notes)
    if read.headgate:
        decode_value("headgate", fields["headgate"])
        chat["headgate"] = fields["headgate"]
    return Asked(
        body=_encode(chat),
        model=read.model,
        stream=read.stream is True,
        echo=_echo(read, fields),
        notes=tuple(notes),
    )


_decode_body: Final = msgspec.json.Decoder(_Body).decode


def _refuse_unserved(name: str, raw: Raw) -> None:
    if name in _DROPPED:
        decode_value(name, raw)
        return
    value = decode_value(name, raw)
    if name not in _HARMLESS:
        raise InvalidBody(f"{name!r} is not a field of this endpoint: leave it out.", name)
    # 0 == False in Python, and neither means the other here.
    if value is not None and not any(type(value) is type(each) and value == each for each in _HARMLESS[name]):
        raise InvalidBody(f"{name!r} is not supported. {_REMEDIES[name]}", name)


def _check_metadata(metadata: dict[str, str] | None) -> None:
    if metadata is None:
        return
    if len(metadata) > MAX_METADATA:
        raise InvalidBody(f"'metadata' has {len(metadata)} pairs: give at most {MAX_METADATA}.", "metadata")
    for name, value in metadata.items():
        if len(name) > MAX_METADATA_NAME or len(value) > MAX_METADATA_VALUE:
            raise InvalidBody(
                f"'metadata' holds a name over {MAX_METADATA_NAME} or a text over {MAX_METADATA_VALUE} characters: "
                "shorten it.",
                "metadata",
            )


def _messages(read: _Body, notes: list[str]) -> list[dict[str, object]]:
    built = Messages(read.instructions)
    if isinstance(read.input, str):
        built.add(Item(role="user", content=read.input), "input")
    else:
        for index, item in enumerate(read.input):
            built.add(item, f"input[{index}]")
    messages = built.end()
    notes += built.notes
    if not messages:
        raise InvalidBody("'input' holds nothing that a model could answer: add a message.", "input")
    return messages


def _settings(read: _Body) -> dict[str, object]:
    """The fields that only change their name."""
    tier = None
    if read.service_tier is not None:
        tier = _TIERS.get(read.service_tier)
        if tier is None:
            raise InvalidBody(
                f'\'service_tier\' is {read.service_tier!r}: use "auto", "default" or "flex".', "service_tier"
            )
    settings = {
        "max_completion_tokens": read.max_output_tokens,
        "temperature": read.temperature,
        "top_p": read.top_p,
        "parallel_tool_calls": read.parallel_tool_calls if read.tools else None,
        "user": read.user if read.user is not None else read.safety_identifier,
        "service_tier": tier,
        # The usage chunk is what the final event's usage is made of.
        "stream": True if read.stream else None,
        "stream_options": {"include_usage": True} if read.stream else None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _add_tools(chat: dict[str, object], read: _Body, fields: dict[str, Raw], notes: list[str]) -> None:
    tools = read.tools or []
    written = chat_tools(tools, _decode_list(fields["tools"]), notes) if tools else []
    if read.tool_choice is not None:
        chosen, allowed = chat_choice(read.tool_choice, tools)
        if allowed is not None:
            written = [
                each
                for tool, each in zip(tools, written, strict=True)
                if tool.type == "function" and tool.name in allowed
            ]
        chat["tool_choice"] = chosen
    if written:
        chat["tools"] = written


def _add_text(chat: dict[str, object], text: _Text, notes: list[str]) -> None:
    if text.verbosity is not None and text.verbosity != "medium":
        notes.append("text.verbosity was left out: models here have no such setting; ask for it in the instructions.")
    form = text.format
    if form is None or form.type == "text":
        return
    if form.type == "json_object":
        chat["response_format"] = {"type": "json_object"}
        return
    if form.type != "json_schema":
        raise InvalidBody(
            f'\'text.format.type\' is {form.type!r}: use "text", "json_object" or "json_schema".', "text.format.type"
        )
    place = "text.format.schema"
    if not form.name:
        raise InvalidBody("'text.format.name' is missing: give the schema a name.", "text.format.name")
    if not isinstance(decode_value(place, form.schema), dict):
        raise InvalidBody(f"'{place}' is missing or no object: give the JSON Schema itself.", place)
    schema: dict[str, object] = {"name": form.name, "schema": form.schema}
    if form.description is not None:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    chat["response_format"] = {"type": "json_schema", "json_schema": schema}


def _add_reasoning(chat: dict[str, object], reasoning: _Reasoning, notes: list[str]) -> None:
    if reasoning.effort is not None:
        chat["reasoning_effort"] = reasoning.effort
    if reasoning.summary is not None or reasoning.generate_summary is not None:
        notes.append("reasoning.summary was left out: the reasoning itself comes as text where the model shows it.")


def _echo(read: _Body, fields: dict[str, Raw]) -> dict[str, object]:
    """What the response repeats, with the defaults where the client was silent."""
    tools: list[Tool] = read.tools or []
    text = fields.get("text", _NULL)
    if read.text is None or read.text.format is None:
        text = Raw(b'{"format":{"type":"text"}}')
    effort = read.reasoning.effort if read.reasoning is not None else None
    return {
        "background": False,
        "instructions": read.instructions,
        "max_output_tokens": read.max_output_tokens,
        "metadata": read.metadata or {},
        "parallel_tool_calls": read.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": {"effort": effort, "summary": None},
        "safety_identifier": read.safety_identifier,
        "store": False,
        "temperature": 1.0 if read.temperature is None else read.temperature,
        "text": text,
        "tool_choice": _given(fields.get("tool_choice"), "auto"),
        "tools": echoed_tools(tools, _decode_list(fields["tools"])) if tools else [],
        "top_p": 1.0 if read.top_p is None else read.top_p,
        "truncation": "disabled",
        "user": read.user,
    }


def _given(raw: Raw | None, default: object) -> object:
    return default if raw is None or raw == _NULL else raw
