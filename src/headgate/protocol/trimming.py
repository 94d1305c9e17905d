"""A chat's messages as units that are kept or dropped together, and the messages written again with fewer words.

A call of tools and what came of it stay together, because a provider refuses one without the other. Which units stay,
and how much of their texts, is decided elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

from headgate.protocol.chat import Message

INSTRUCTIONS: Final = frozenset({"system", "developer"})
RESULTS: Final = frozenset({"tool", "function"})
_NO_CALLS: Final = frozenset({b"null", b"[]"})

Place: TypeAlias = tuple[int, int]
"""Where a text stands: its message, and its part there (-1: the content is the text)."""

_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
_decode_object: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_encode: Final = msgspec.json.Encoder().encode


class Unit(msgspec.Struct, frozen=True):
    """Messages that stay together, by their places in the list. `required`: the conversation makes no sense without."""

    messages: tuple[int, ...]
    required: bool = False
    instructs: bool = False


def units(messages: Sequence[Message]) -> list[Unit]:
    """The units in order. Required are instructions, the last thing that the user said, and whatever comes last."""
    groups: list[list[int]] = []
    for at, message in enumerate(messages):
        if groups and (message.role == "function" or (message.role == "tool" and _calls(messages, groups[-1]))):
            groups[-1].append(at)
        else:
            groups.append([at])
    users = [at for at, message in enumerate(messages) if message.role == "user"]
    kept = {users[-1] if users else -1, len(messages) - 1}
    return [
        Unit(
            tuple(group),
            instructs=messages[group[0]].role in INSTRUCTIONS,
            required=messages[group[0]].role in INSTRUCTIONS or not kept.isdisjoint(group),
        )
        for group in groups
    ]


def _calls(messages: Sequence[Message], group: Sequence[int]) -> bool:
    """Whether a result of a tool may belong to it. What a former `function` answers is not named: it goes with whoever
    is before it."""
    last = messages[group[-1]]
    return last.role in RESULTS or (last.role == "assistant" and bytes(last.tool_calls) not in _NO_CALLS)


def texts_at(messages: Sequence[Message], at: int) -> dict[Place, str]:
    """The texts of a message that may be shortened."""
    content = messages[at].content
    if isinstance(content, str):
        return {(at, -1): content}
    return {(at, number): part.text for number, part in enumerate(content or ()) if part.text}


def rewritten(messages: Raw, keep: Sequence[int], texts: Mapping[Place, str]) -> Raw:
    """The messages that stay, in order, with these texts in place of theirs; everything else byte for byte."""
    said = _decode_list(messages)
    changed: dict[int, dict[int, str]] = {}
    for (at, part), text in texts.items():
        changed.setdefault(at, {})[part] = text
    return Raw(_encode([_with_texts(said[at], changed[at]) if at in changed else said[at] for at in keep]))


def _with_texts(message: Raw, texts: Mapping[int, str]) -> Raw:
    fields = _decode_object(message)
    if -1 in texts:
        fields["content"] = Raw(_encode(texts[-1]))
        return Raw(_encode(fields))
    parts = _decode_list(fields["content"])
    for at, text in texts.items():
        part = _decode_object(parts[at])
        part["text"] = Raw(_encode(text))
        parts[at] = Raw(_encode(part))
    fields["content"] = Raw(_encode(parts))
    return Raw(_encode(fields))
