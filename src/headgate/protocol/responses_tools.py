"""The tools of a Responses request, and the choice among them, in the shapes of chat.

Responses writes a function flat, chat writes it nested; the built-in tools have other names at Groq. Schemas are
carried as their own bytes. What chat has no word for is refused with what to use instead.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct

from headgate.protocol.client_json import InvalidBody, decode_value

MAX_TOOLS: Final = 128
_NULL: Final = Raw(b"null")
_encode: Final = msgspec.json.Encoder().encode
_decode_object: Final = msgspec.json.Decoder(dict[str, Raw]).decode


class Container(Struct, gc=False):
    """Where a code interpreter runs."""

    type: str
    file_ids: list[str] | None = None


class Filters(Struct, gc=False):
    """What a web search is limited to."""

    allowed_domains: list[str] | None = None
    blocked_domains: list[str] | None = None


class Tool(Struct, gc=False):
    """One tool of any type. A function's parameters stay raw."""

    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = _NULL
    strict: bool | None = None
    container: str | Container | None = None
    filters: Filters | None = None
    search_context_size: str | None = None
    user_location: Raw = _NULL


class _Allowed(Struct, gc=False):
    type: str
    name: str | None = None


class Choice(Struct, gc=False):
    """A `tool_choice` that is an object."""

    type: str
    name: str | None = None
    mode: str | None = None
    tools: list[_Allowed] | None = None


ToolList = Annotated[list[Tool], Meta(max_length=MAX_TOOLS)]


def chat_tools(tools: list[Tool], raws: list[Raw], notes: list[str]) -> list[object]:
    """Each tool for chat, in order; `raws` are the same tools as they came. Raises `InvalidBody`."""
    return [
        _chat_tool(tool, raw, f"tools[{index}]", notes)
        for index, (tool, raw) in enumerate(zip(tools, raws, strict=True))
    ]


def _chat_tool(tool: Tool, raw: Raw, place: str, notes: list[str]) -> object:
    kind = tool.type
    if kind == "function":
        return _function(tool, place)
    if kind == "mcp":
        decode_value(place, raw)
        return raw
    if kind == "code_interpreter":
        return _code_interpreter(tool, place)
    if kind.startswith("web_search") or kind == "browser_search":
        return _search(tool, place, notes)
    raise InvalidBody(
        f"'{place}.type' is {kind!r}, which no model here has: use function, web_search, code_interpreter or mcp.",
        f"{place}.type",
    )


def _function(tool: Tool, place: str) -> dict[str, object]:
    if not tool.name:
        raise InvalidBody(
            f"'{place}.name' is missing: here a function is flat, "
            '{"type": "function", "name": ..., "parameters": {...}}.',
            f"{place}.name",
        )
    function: dict[str, object] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters != _NULL:
        if not isinstance(decode_value(f"{place}.parameters", tool.parameters), dict):
            raise InvalidBody(f"'{place}.parameters' must be a JSON Schema object.", f"{place}.parameters")
        function["parameters"] = tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _code_interpreter(tool: Tool, place: str) -> dict[str, object]:
    container = tool.container
    if isinstance(container, str) or (container is not None and (container.type != "auto" or container.file_ids)):
        raise InvalidBody(
            f'\'{place}.container\' names a container or files, and none are kept here: use {{"type": "auto"}} and '
            "put the data into the input.",
            f"{place}.container",
        )
    return {"type": "code_interpreter"}


def _search(tool: Tool, place: str, notes: list[str]) -> dict[str, object]:
    filters = tool.filters
    if filters is not None and (filters.allowed_domains or filters.blocked_domains):
        raise InvalidBody(
            f"'{place}.filters' cannot be kept to: the search here takes no list of domains. Leave it out and name the "
            "sites in the instructions.",
            f"{place}.filters",
        )
    for name in ("search_context_size", "user_location"):
        if getattr(tool, name) not in (None, _NULL):
            notes.append(f"{place}.{name} was left out: the search here has no such setting.")
    return {"type": "browser_search"}


def chat_choice(choice: str | Choice, tools: list[Tool]) -> tuple[object, set[str] | None]:
    """The choice for chat, and the functions that it allows where it names some. Raises `InvalidBody`."""
    if isinstance(choice, str):
        if choice not in {"none", "auto", "required"}:
            raise InvalidBody(
                f'\'tool_choice\' is {choice!r}: use "none", "auto", "required" or '
                '{"type": "function", "name": ...}.',
                "tool_choice",
            )
        return choice, None
    if choice.type == "function":
        if not choice.name:
            raise InvalidBody("'tool_choice.name' is missing: name the function.", "tool_choice.name")
        return {"type": "function", "function": {"name": choice.name}}, None
    if choice.type == "allowed_tools":
        return _allowed(choice, tools)
    raise InvalidBody(
        f"'tool_choice.type' is {choice.type!r}: only a function can be asked for by name. Use \"required\" with that "
        "tool alone.",
        "tool_choice.type",
    )


def _allowed(choice: Choice, tools: list[Tool]) -> tuple[object, set[str] | None]:
    mode = choice.mode or "auto"
    if mode not in {"auto", "required"}:
        raise InvalidBody('\'tool_choice.mode\' must be "auto" or "required".', "tool_choice.mode")
    known = {tool.name for tool in tools if tool.type == "function"}
    names = set()
    for index, each in enumerate(choice.tools or ()):
        if each.type != "function" or each.name not in known or each.name is None:
            place = f"tool_choice.tools[{index}]"
            raise InvalidBody(f"'{place}' is none of the functions in tools: name one of them.", place)
        names.add(each.name)
    if not names:
        raise InvalidBody("'tool_choice.tools' allows nothing: name a function, or use \"none\".", "tool_choice.tools")
    return mode, names


def echoed_tools(tools: list[Tool], raws: list[Raw]) -> list[Raw]:
    """The tools as the response repeats them: as they came, without what lets an mcp tool in."""
    return [_echoed(tool, raw) for tool, raw in zip(tools, raws, strict=True)]


def _echoed(tool: Tool, raw: Raw) -> Raw:
    if tool.type == "mcp":
        fields = _decode_object(raw)
        return Raw(_encode({name: fields[name] for name in fields if name not in {"authorization", "headers"}}))
    if tool.type == "code_interpreter" and tool.container is None:
        return Raw(_encode({**_decode_object(raw), "container": {"type": "auto"}}))
    return raw
