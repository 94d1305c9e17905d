"""The order of a prompt for the provider's cache, which serves the longest prefix that it has seen: what stays the same
first (instructions, tools in one order), what changes last.

Only where an operator asks for it (`[handling] static_first`): an instruction in the middle of a conversation is moved
to its beginning, which a model may understand otherwise.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from headgate.protocol.chat import Chat
from headgate.protocol.cleaning import NOTHING_TO_CLEAN, Cleaned

INSTRUCTIONS: Final = frozenset({"system", "developer"})


class _Function(msgspec.Struct, gc=False):
    name: str = ""


class _Tool(msgspec.Struct, gc=False):
    type: str = ""
    function: _Function | None = None


_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
_decode_tool: Final = msgspec.json.Decoder(_Tool).decode
_encode: Final = msgspec.json.Encoder().encode


def static_first(chat: Chat) -> Cleaned:
    """What changes when instructions go before the conversation and tools are ordered by name; nothing is rewritten."""
    changed: dict[str, Raw] = {}
    roles = [message.role for message in chat.messages]
    order = sorted(range(len(roles)), key=lambda index: roles[index] not in INSTRUCTIONS)
    if order != list(range(len(roles))):
        changed["messages"] = _reordered(chat.fields, "messages", order)
    if chat.fields.get("tools") is not None and (order := _by_name(_decode_list(chat.fields["tools"]))):
        changed["tools"] = _reordered(chat.fields, "tools", order)
    if not changed:
        return NOTHING_TO_CLEAN
    return Cleaned(changed)


def _by_name(tools: list[Raw]) -> list[int]:
    """The order of the tools by type and name; empty where they stand in it."""
    read = [_decode_tool(tool) for tool in tools]
    names = [(tool.type, tool.function.name if tool.function is not None else "") for tool in read]
    order = sorted(range(len(names)), key=names.__getitem__)
    return [] if order == list(range(len(names))) else order


def _reordered(fields: Mapping[str, Raw], name: str, order: Sequence[int]) -> Raw:
    items = _decode_list(fields[name])
    return Raw(_encode([items[index] for index in order]))
