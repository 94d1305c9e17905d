"""What Groq's built-in tools did for an answer, as the items that the Responses API has for it.

Searches and opened pages are web_search_call, Python is code_interpreter_call, servers of the client are mcp_call. The
names are those seen on the wire (groq-api.md 1.2, read 2026-11-20); anything else has no item and is left out.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

_NULL: Final = Raw(b"null")
_SEARCHES: Final = frozenset({"search", "browser_search", "browser.search", "web_search"})
_VISITS: Final = frozenset({"visit", "visit_website", "browser.open", "browser.find", "browser"})
_CODE: Final = frozenset({"python", "code_interpreter", "code_execution"})


class _Found(Struct, gc=False):
    url: str | None = None


class _Search(Struct, gc=False):
    results: list[_Found] | None = None


class _Result(Struct, gc=False):
    text: str | None = None
    png: str | None = None


class Executed(Struct, gc=False):
    """One use of a built-in tool. In a stream it comes twice at its index: as it begins, and with its output."""

    index: int = 0
    type: str = ""
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    server_label: str | None = None
    search_results: _Search | None = None
    code_results: list[_Result] | None = None


_decode: Final = msgspec.json.Decoder(list[Executed]).decode
_decode_arguments: Final = msgspec.json.Decoder(dict[str, object]).decode


def read_executed(raw: Raw) -> list[Executed]:
    """The uses in an `executed_tools` value; none where it is absent or of another shape. Never raises."""
    if raw == _NULL:
        return []
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return []


def executed_prefix(executed: Executed) -> str | None:
    """The prefix of the item's id; None where the API has no item for this tool."""
    kinds = {executed.type, executed.name}
    if executed.type == "mcp":
        return "mcp"
    if kinds & _CODE:
        return "ci"
    return "ws" if kinds & (_SEARCHES | _VISITS) else None


def executed_item(executed: Executed, identity: str, status: str) -> dict[str, object]:
    """The item, whose id begins with its prefix. `status` is in_progress or completed."""
    match executed_prefix(executed):
        case "mcp":
            item: dict[str, object] = {
                "type": "mcp_call",
                "name": executed.name or "",
                "arguments": executed.arguments or "",
                "server_label": executed.server_label or "",
                "output": executed.output,
            }
        case "ci":
            item = {
                "type": "code_interpreter_call",
                "code": _argument(executed, "code") or executed.arguments,
                "container_id": "",
                "outputs": _outputs(executed),
            }
        case _:
            item = {"type": "web_search_call", "action": _action(executed)}
    return {"id": identity, **item, "status": status}


def _action(executed: Executed) -> dict[str, object]:
    if {executed.type, executed.name} & _SEARCHES:
        found = executed.search_results.results if executed.search_results is not None else None
        sources = [{"type": "url", "url": each.url} for each in found or () if each.url]
        return {"type": "search", "query": _argument(executed, "query") or "", "sources": sources}
    return {"type": "open_page", "url": _argument(executed, "url") or _argument(executed, "id")}


def _outputs(executed: Executed) -> list[dict[str, object]]:
    outputs: list[dict[str, object]] = []
    if executed.output:
        outputs.append({"type": "logs", "logs": executed.output})
    for result in executed.code_results or ():
        if result.png:
            outputs.append({"type": "image", "url": f"data:image/png;base64,{result.png}"})
    return outputs


def _argument(executed: Executed, name: str) -> str | None:
    """One argument that is text; arguments that are no JSON have none."""
    try:
        value = _decode_arguments(executed.arguments or "")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    found = value.get(name)
    return found if isinstance(found, str) else None
