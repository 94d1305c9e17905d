"""Anthropic's tools and the choice among them, in the words of chat completions.

Tools of the client become functions with their schema byte for byte. Of Anthropic's server tools, searching the web and
running code have counterparts at Groq (groq-api.md 1.1); the others are refused by name.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.protocol.client_json import InvalidBody

_NULL: Final = Raw(b"null")
_BUILTIN: Final = {"web_search_": "browser_search", "code_execution_": "code_interpreter"}
"""By the beginning of the type, behind which Anthropic writes a version."""

_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}

_decode_examples: Final = msgspec.json.Decoder(list[Raw]).decode
_encode: Final = msgspec.json.Encoder().encode

_Field = dict[str, object]


class Tool(Struct, gc=False):
    """One tool of either kind; a client's own has the type "custom" or none."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    type: str | None = None
    description: str | None = None
    input_schema: Raw = _NULL
    input_examples: Raw = _NULL
    strict: bool | None = None
    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None
    user_location: Raw = _NULL
    max_uses: int | None = None


class ToolChoice(Struct, gc=False):
    """Which tool may, must or must not be used."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


def tool_fields(tools: list[Tool], choice: ToolChoice | None, notes: list[str]) -> _Field:
    """The fields `tools`, `tool_choice`, `parallel_tool_calls` and `search_settings`, those that are needed.

    Adds to `notes` what was left out; raises `InvalidBody`.
    """
    fields: _Field = {}
    settings: _Field = {}
    if tools:
        fields["tools"] = [_tool(tool, f"tools[{index}]", settings, notes) for index, tool in enumerate(tools)]
    if settings:
        fields["search_settings"] = settings
    if choice is None:
        return fields
    if tools or choice.type in ("any", "tool"):
        fields["tool_choice"] = _choice(choice, tools)
    if tools and choice.disable_parallel_tool_use:
        fields["parallel_tool_calls"] = False
    return fields


def _tool(tool: Tool, place: str, settings: _Field, notes: list[str]) -> _Field:
    if tool.type is None or tool.type == "custom":
        return {"type": "function", "function": _function(tool, place)}
    for beginning, builtin in _BUILTIN.items():
        if tool.type.startswith(beginning):
            _read_search(tool, place, settings, notes)
            return {"type": builtin}
    raise InvalidBody(
        f"'{place}.type' is {tool.type!r}, which only Anthropic runs or knows the schema of. Declare the tool with a"
        " name, a description and an input_schema; of the server tools, web_search and code_execution are served.",
        f"{place}.type",
    )


def _function(tool: Tool, place: str) -> _Field:
    if not bytes(tool.input_schema).startswith(b"{"):
        raise InvalidBody(
            f'\'{place}.input_schema\' must be a JSON Schema object, at the least {{"type": "object"}}.',
            f"{place}.input_schema",
        )
    function: _Field = {"name": tool.name}
    description = tool.description or ""
    if tool.input_examples != _NULL:
        description = f"{description}\n\nExamples of its input: {_examples(tool.input_examples, place)}".strip()
    if description:
        function["description"] = description
    function["parameters"] = tool.input_schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _examples(raw: Raw, place: str) -> str:
    """The examples as text: functions have no field for them, but the model reads descriptions."""
    try:
        return ", ".join([str(each, "utf-8") for each in _decode_examples(raw)])
    except msgspec.ValidationError:
        raise InvalidBody(f"'{place}.input_examples' must be a list of objects.", f"{place}.input_examples") from None


def _read_search(tool: Tool, place: str, settings: _Field, notes: list[str]) -> None:
    """What restricts the search and can be said to the provider; the rest is noted."""
    if tool.allowed_domains:
        settings["include_domains"] = tool.allowed_domains
    if tool.blocked_domains:
        settings["exclude_domains"] = tool.blocked_domains
    if tool.max_uses is not None:
        notes.append(f"{place}.max_uses: the provider sets no such limit")
    if tool.user_location != _NULL:
        notes.append(f"{place}.user_location: the provider takes none")


def _choice(choice: ToolChoice, tools: list[Tool]) -> str | _Field:
    if not tools:
        raise InvalidBody(
            "'tool_choice' asks for a tool, but there are no 'tools'. Give some or leave it out.", "tools"
        )
    if choice.type != "tool":
        return _CHOICES[choice.type]
    named = next((tool for tool in tools if tool.name == choice.name), None)
    if named is None:
        raise InvalidBody(f"'tool_choice.name' is {choice.name!r}, which is none of the 'tools'.", "tool_choice.name")
    if named.type is not None and named.type != "custom":
        raise InvalidBody(
            f"'tool_choice.name' is {choice.name!r}, a server tool, which cannot be asked for by name here."
            ' Use {"type": "any"} or {"type": "auto"}.',
            "tool_choice.name",
        )
    return {"type": "function", "function": {"name": named.name}}
