"""The retired compound systems: what a request for one of them becomes for the successor, which has tools built in.

Compound chose among tools of its own and took none of the user's (groq-api.md 8, read 2026-11-20). Its web search and
its code live on as built-in tools of gpt-oss; three of its tools have no successor.
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

from headgate.protocol.cleaning import Cleaned
from headgate.protocol.client_json import InvalidBody

COMPOUND: Final = frozenset({"groq/compound", "groq/compound-mini", "compound-beta", "compound-beta-mini"})

SUCCESSOR_TOOLS: Final[Mapping[str, str]] = {
    "web_search": "browser_search",
    "browser_search": "browser_search",
    "code_interpreter": "code_interpreter",
    "code_execution": "code_interpreter",
}
"""Compound's tool -> the successor's. The second and fourth are the names that replies and older pages used."""

WITHOUT_SUCCESSOR: Final = ("wolfram_alpha", "visit_website", "browser_automation")

USER_TOOLS: Final = (
    "Compound systems take no tools of the user's. Leave out 'tools' and 'functions', or name the model "
    "openai/gpt-oss-120b, which takes functions and built-in tools together."
)
_GONE: Final = (
    "The tool {tool!r} ended with the compound systems and has no successor. An MCP server that the operator connects "
    'can take its place: {{"type": "mcp", "server_label": ..., "server_url": ...}} in the tools of openai/gpt-oss-120b.'
)
_EMPTY: Final = frozenset({b"null", b"[]"})
_OWN_FIELDS: Final = frozenset({"compound_custom"})


class _Tools(msgspec.Struct, gc=False):
    enabled_tools: list[str] | None = None


class _Custom(msgspec.Struct, gc=False):
    tools: _Tools | None = None


_decode: Final = msgspec.json.Decoder(_Custom | None).decode
_encode: Final = msgspec.json.Encoder().encode


def is_compound(model: str) -> bool:
    """Whether a model's name means one of the compound systems."""
    return model in COMPOUND


def built_in_tools(enabled: list[str] | None) -> tuple[str, ...]:
    """The successor's tools for the enabled ones; both where none were named (compound then chose itself).

    Raises `InvalidBody` for a tool that has no successor or was never there.
    """
    if enabled is None:
        return ("browser_search", "code_interpreter")
    for tool in enabled:
        if tool in WITHOUT_SUCCESSOR:
            raise InvalidBody(_GONE.format(tool=tool), "compound_custom.tools.enabled_tools")
        if tool not in SUCCESSOR_TOOLS:
            known = ", ".join(sorted(SUCCESSOR_TOOLS))
            raise InvalidBody(
                f"There is no built-in tool {tool!r}. Use some of {known}.", "compound_custom.tools.enabled_tools"
            )
    return tuple(dict.fromkeys(SUCCESSOR_TOOLS[tool] for tool in enabled))


def for_successor(fields: Mapping[str, Raw]) -> Cleaned:
    """What must change in the fields of a request for a compound system before its successor serves it.

    Raises `InvalidBody` for tools of the user's, for tools without a successor, and for an unreadable
    `compound_custom`.
    """
    for name in ("tools", "functions"):
        if bytes(fields.get(name, Raw(b"null"))) not in _EMPTY:
            raise InvalidBody(USER_TOOLS, name)
    try:
        custom = _decode(fields["compound_custom"]) if "compound_custom" in fields else None
    except msgspec.ValidationError:
        raise InvalidBody(
            "'compound_custom' is not valid. Its tools are {\"enabled_tools\": [...]}.", "compound_custom"
        ) from None
    enabled = custom.tools.enabled_tools if custom is not None and custom.tools is not None else None
    tools = built_in_tools(enabled)
    drop = fields.keys() & _OWN_FIELDS
    if not tools:
        return Cleaned(drop=frozenset(drop | (fields.keys() & {"tools"})), notes=("compound: no tool enabled",))
    raw = Raw(_encode([{"type": tool} for tool in tools]))
    return Cleaned({"tools": raw}, frozenset(drop), (f"compound: built-in tools {', '.join(tools)} of its successor",))
