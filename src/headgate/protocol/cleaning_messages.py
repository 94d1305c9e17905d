"""Messages as a dialect takes them: unknown fields and nulls left out, what can be said otherwise said otherwise.

Works on raw bytes: a message that needs nothing stays byte for byte. `messages_fit` tells in one strict decoding
whether anything is to be done at all.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, reduce
from hashlib import blake2b
from operator import or_
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from headgate.protocol.client_json import InvalidBody
from headgate.protocol.dialect import Dialect
from headgate.protocol.dialects import DIALECTS

SHORT_ID: Final = r"^[A-Za-z0-9]{9}$"
"""What Mistral takes as a tool call's id (its error 3280; read 2026-11-20)."""

_NULL: Final = Raw(b"null")
_EMPTY_LIST: Final = Raw(b"[]")
_REASONING: Final = ("reasoning", "reasoning_content")
_DIGITS: Final = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
_decode_object: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode
_is_short: Final = re.compile(SHORT_ID).match

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


def messages_fit(raw: Raw, dialect: Dialect) -> bool:
    """Whether the dialect takes these messages as they are: known roles, fields and parts, and no null among them."""
    try:
        _strict(dialect.name)(raw)
    except _UNREADABLE:
        return False
    return True


def clean_messages(raw: Raw, dialect: Dialect) -> tuple[Raw | None, tuple[str, ...]]:
    """The messages for this dialect (None: as they are), and notes of what was changed.

    Raises `InvalidBody` where something that carries meaning has no equivalent.
    """
    notes: dict[str, None] = {}
    changed = False
    messages = _decode_list(raw)
    for index, message in enumerate(messages):
        cleaned = _Cleaning(index, dialect, notes).message(_decode_object(message))
        if cleaned is not None:
            messages[index] = Raw(_encode(cleaned))
            changed = True
    return (Raw(_encode(messages)) if changed else None), tuple(notes)


class _Cleaning:
    """One message being cleaned."""

    __slots__ = ("_dialect", "_notes", "_place")

    def __init__(self, index: int, dialect: Dialect, notes: dict[str, None]) -> None:
        self._place = f"messages[{index}]"
        self._dialect = dialect
        self._notes = notes

    def message(self, message: dict[str, Raw]) -> dict[str, Raw] | None:
        """The message anew, or None where it is good as it is."""
        asked = _decode_text(message["role"])
        role = self._dialect.roles.get(asked, asked)
        known = self._dialect.message_fields.get(role)
        if known is None:
            raise InvalidBody(
                f"'{self._place}.role': {self._dialect.name} has no role {asked!r}.", f"{self._place}.role"
            )
        made = dict(message)
        if role != asked:
            made["role"] = Raw(_encode(role))
            self._note(f"role {asked} -> {role}")
        self._save_refusal(made, known)
        for name, raw in message.items():
            if raw == _NULL and name != "content":
                made.pop(name, None)
                self._note("null fields left out")
            elif name in made and name not in known:
                self._unknown(made, name, known)
        self._tool_calls(made)
        if "content" in made and _begins(made["content"], b"["):
            self._content(made)
        return None if made == message else made

    def _unknown(self, made: dict[str, Raw], name: str, known: frozenset[str]) -> None:
        """Takes out one field that the dialect does not know."""
        if name == "function_call":
            raise InvalidBody(
                f"'{self._place}.function_call' is not supported by {self._dialect.name}. Use tool_calls.",
                f"{self._place}.function_call",
            )
        raw = made.pop(name)
        place = self._dialect.earlier_reasoning
        if name in _REASONING and place in known and place not in made and _begins(raw, b'"'):
            made[place] = raw
            self._note(f"{name} -> {place}")
        else:
            self._note(f"{name} left out")

    def _save_refusal(self, made: dict[str, Raw], known: frozenset[str]) -> None:
        """What a model declined with is all that such a message says: without a field of its own it is the content."""
        refusal = made.get("refusal", _NULL)
        if "refusal" not in known and _begins(refusal, b'"') and made.get("content", _NULL) == _NULL:
            del made["refusal"]
            made["content"] = refusal
            self._note("refusal -> content")
        elif "audio" in made and "audio" not in known and made.get("content", _NULL) == _NULL:
            made["content"] = Raw(b'""')

    def _tool_calls(self, made: dict[str, Raw]) -> None:
        if made.get("tool_calls") == _EMPTY_LIST:
            del made["tool_calls"]
            self._note("empty tool_calls left out")
        if not self._dialect.short_tool_ids:
            return
        if (answered := made.get("tool_call_id")) is not None:
            made["tool_call_id"] = self._short(answered)
        if "tool_calls" in made:
            calls = [_decode_object(call) for call in _decode_list(made["tool_calls"])]
            if any("id" in call and self._short(call["id"]) != call["id"] for call in calls):
                calls = [{**call, "id": self._short(call["id"])} if "id" in call else call for call in calls]
                made["tool_calls"] = Raw(_encode(calls))

    def _short(self, raw: Raw) -> Raw:
        """An id of nine signs that is the same for the same id; a good one stays."""
        if not _begins(raw, b'"') or _is_short(_decode_text(raw)):
            return raw
        digest = blake2b(bytes(raw), digest_size=9).digest()
        self._note("tool call ids shortened")
        return Raw(b'"%b"' % bytes(_DIGITS[byte % len(_DIGITS)] for byte in digest))

    def _content(self, made: dict[str, Raw]) -> None:
        parts = _decode_list(made["content"])
        changed = False
        for index, raw in enumerate(parts):
            part = _decode_object(raw)
            cleaned = self._part(index, part)
            if cleaned != part:
                parts[index] = Raw(_encode(cleaned))
                changed = True
        if changed:
            made["content"] = Raw(_encode(parts))

    def _part(self, index: int, part: dict[str, Raw]) -> dict[str, Raw]:
        kind = _decode_text(part["type"]) if _begins(part.get("type", _NULL), b'"') else ""
        known = self._dialect.parts.get(kind)
        if known is None:
            if kind == "refusal" and "refusal" in part:
                self._note("refusal parts -> text")
                return {"type": Raw(b'"text"'), "text": part["refusal"]}
            place = f"{self._place}.content[{index}]"
            takes = ", ".join(sorted(self._dialect.parts))
            raise InvalidBody(f"'{place}': {self._dialect.name} takes no {kind!r} parts, only {takes}.", place)
        if not part.keys() <= known:
            self._note(f"{', '.join(sorted(part.keys() - known))} left out of {kind} parts")
            return {name: raw for name, raw in part.items() if name in known}
        return part

    def _note(self, text: str) -> None:
        self._notes[f"messages: {text}"] = None


def _begins(raw: Raw, sign: bytes) -> bool:
    return bytes(memoryview(raw)[:1]) == sign


# The strict view: one decoder per dialect, in which whatever must be cleaned is an error.


@cache
def _strict(name: str) -> Callable[[Raw], object]:
    """The decoder of a dialect of the table; made at its first use, in about a millisecond."""
    dialect = DIALECTS[name]
    part = _any_of(
        _struct("Part", kind, "type", {field: str if field == "text" else Raw for field in fields})
        for kind, fields in dialect.parts.items()
    )
    tool_id: Any = Annotated[str, Meta(pattern=SHORT_ID)] if dialect.short_tool_ids else str
    call: Any = msgspec.defstruct("Call", [("id", tool_id, "")]) if dialect.short_tool_ids else Raw
    types: dict[str, Any] = {
        "content": str | list[part] | None,  # type: ignore[valid-type]
        "tool_calls": Annotated[list[call], Meta(min_length=1)],
        "tool_call_id": tool_id,
        "prefix": bool,
        "function_call": dict[str, Raw],
        "audio": dict[str, Raw],
        "reasoning_details": list[Raw],
    }
    message = _any_of(
        _struct("Message", role, "role", {field: types.get(field, str) for field in fields})
        for role, fields in dialect.message_fields.items()
    )
    return msgspec.json.Decoder(list[message]).decode  # type: ignore[valid-type]


def _any_of(structs: Iterable[type[msgspec.Struct]]) -> Any:
    return reduce(or_, structs)


def _struct(name: str, tag: str, tag_field: str, fields: dict[str, Any]) -> type[msgspec.Struct]:
    """A struct that knows these fields and no others; every one may be absent and none may be null."""
    made = [(field, UnsetType | kind, UNSET) for field, kind in fields.items() if field != tag_field]
    return msgspec.defstruct(
        f"{name}_{tag}", made, tag=tag, tag_field=tag_field, forbid_unknown_fields=True, kw_only=True, gc=False
    )
