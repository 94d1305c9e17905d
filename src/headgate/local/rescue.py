"""Owns the rescue of tool calls: from the text that a provider could not parse to calls that fit the declared tools.

All calls of a text are rescued or none: half a plan carried out is worse than none. A call counts only if its tool is
declared and its arguments satisfy the tool's schema; arguments that the end of the text cut off are never completed,
because tools act. How such texts look: groq-api 3.3 and the trackers of its clients, read 2026-11-21.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.local.check import satisfies
from headgate.local.coerce import coerced, plain_name
from headgate.local.mend import mend_json
from headgate.local.schema_walk import properties_of, required_of, resolved
from headgate.local.tool_text import Written, is_whole, written_calls

TEXT_CHARS_MAX: Final = 200_000
"""Longer texts are not rescued."""
CALLS_MAX: Final = 128
"""More calls in one text are not rescued."""

_JUNK_AFTER_NAME = re.compile(r"<\||[\s(\[{<>:]")


class ToolCall(msgspec.Struct, frozen=True):
    """A call that fits: the declared name, and arguments as compact JSON."""

    name: str
    arguments: str


def rescue_tool_calls(failed_generation: str, tools: Sequence[Mapping[str, Any]]) -> list[ToolCall] | None:
    """The calls that a failed generation was meant to be; None unless all of them fit `tools`. Never raises.

    `tools` are those of the request, as the client wrote them: `{"type": "function", "function": {...}}`.
    """
    schemas = declared(tools)
    if not schemas or len(failed_generation) > TEXT_CHARS_MAX:
        return None
    written = written_calls(failed_generation, lambda name: declared_name(name, schemas) is not None)
    if not written:
        only = _arguments_alone(failed_generation, schemas)
        return None if only is None else [only]
    if len(written) > CALLS_MAX:
        return None
    calls = [_fitting(one, schemas) for one in written]
    fitting = [call for call in calls if call is not None]
    return fitting if len(fitting) == len(calls) else None


def declared(tools: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The parameter schemas of declared functions, by name; {} for a function without parameters."""
    schemas = {}
    for tool in tools:
        function = tool.get("function")
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            parameters = function.get("parameters")
            schemas[function["name"]] = dict(parameters) if isinstance(parameters, Mapping) else {}
    return schemas


def declared_name(written: str, schemas: Mapping[str, Any]) -> str | None:
    """The declared tool that a written name means: without namespace, channel marks and position, in any case."""
    name = written.strip().strip("\"'`")
    if name in schemas:
        return name
    name = _JUNK_AFTER_NAME.split(name, maxsplit=1)[0]
    last = re.split(r"[./]", name)[-1]
    for candidate in (name, last):
        if candidate in schemas:
            return candidate
        alike = [known for known in schemas if plain_name(known) == plain_name(candidate) != ""]
        if len(alike) == 1:
            return alike[0]
    return None


def _fitting(written: Written, schemas: Mapping[str, dict[str, Any]]) -> ToolCall | None:
    name = declared_name(written.name, schemas)
    if name is None:
        return None
    arguments = read_arguments(written.arguments)
    return None if arguments is None else _checked(name, arguments, schemas[name])


def _checked(name: str, arguments: Any, schema: dict[str, Any]) -> ToolCall | None:
    value = coerced(arguments, schema) if schema else arguments
    if not isinstance(value, dict) or not satisfies(value, schema):
        return None
    try:
        return ToolCall(name, msgspec.json.encode(value).decode())
    except (TypeError, ValueError, RecursionError):  # a lone surrogate, or nested too deep
        return None


def read_arguments(written: Any) -> dict[str, Any] | None:
    """Arguments as an object, from an object, JSON in a string, or nothing at all; None where they are cut off."""
    if written is None or (isinstance(written, str) and not written.strip()):
        return {}
    if isinstance(written, str):
        mended = mend_json(written)
        if mended is None or not is_whole(written, mended.how):
            return None
        written = mended.value
    return written if isinstance(written, dict) else None


def _arguments_alone(text: str, schemas: Mapping[str, dict[str, Any]]) -> ToolCall | None:
    """Arguments without a name, where only one tool is declared and they are clearly meant for it."""
    if len(schemas) != 1:
        return None
    name, schema = next(iter(schemas.items()))
    root = resolved(schema, schema)
    arguments = read_arguments(text) if text.strip() else None
    if not arguments or not required_of(root) or not set(arguments) <= set(properties_of(root)):
        return None
    return _checked(name, arguments, schema)
