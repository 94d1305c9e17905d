"""A chat request's fields as a dialect takes them: cleaned where that changes nothing, refused where it would.

What a provider would answer 400 or 422 to is settled before the call, so that it costs none. The result is only the
difference; `headgate.protocol.chat` writes the body.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from headgate.protocol.cleaning_messages import clean_messages, messages_fit
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.dialect import Dialect
from headgate.protocol.dialect_fields import ASKS_FOR_NOTHING
from headgate.protocol.reasoning import Family, Wish, normalise, refused_sampling

__all__ = ["NOTHING_TO_CLEAN", "Cleaned", "clean", "messages_fit"]

_NULL: Final = b"null"
_REASONING: Final = {"reasoning_effort": "effort", "reasoning_format": "format", "include_reasoning": "include"}
_HARMLESS_CHOICES: Final = frozenset({b'"auto"', b'"none"'})
_encode: Final = msgspec.json.Encoder().encode


class Cleaned(msgspec.Struct, frozen=True):
    """The difference: new raw values (also under new names), fields to leave out, and what was done and why.

    The notes are for `x-headgate-explain`; they name fields, never values of the client's.
    """

    changed: Mapping[str, Raw] = {}
    drop: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def apply(self, fields: Mapping[str, Raw]) -> dict[str, Raw]:
        """The fields with the difference."""
        return {name: raw for name, raw in {**fields, **self.changed}.items() if name not in self.drop}


NOTHING_TO_CLEAN: Final = Cleaned()


class _Tool(msgspec.Struct, gc=False):
    type: str = "function"


class _Form(msgspec.Struct, gc=False):
    type: str = "text"


_decode_tools: Final = msgspec.json.Decoder(list[_Tool] | None).decode
_decode_form: Final = msgspec.json.Decoder(_Form | None).decode
_decode_text: Final = msgspec.json.Decoder(str | None).decode
_decode_truth: Final = msgspec.json.Decoder(bool | None).decode


def clean(
    fields: Mapping[str, Raw],
    dialect: Dialect,
    family: Family = Family.UNKNOWN,
    efforts: Sequence[str] = (),
    *,
    messages_clean: bool = False,
) -> Cleaned:
    """What must change in `fields` for this provider and this family of models.

    `fields` are those of a body that `headgate.protocol.chat` has understood. `efforts` are the model's own
    (`Model.reasoning_efforts`), where the catalogue states them. `messages_clean` says that
    `messages_fit` held for them, or that they are known to. Costs about half a microsecond where there is
    nothing to look at. Raises `InvalidBody` (a 400 for the client, or a reason to ask another provider) naming the
    field.
    """
    changed: dict[str, Raw] = {}
    drop: set[str] = set()
    notes: list[str] = []
    refused = refused_sampling(family)
    if not (fields.keys().isdisjoint(dialect.touched) and fields.keys().isdisjoint(refused)):
        _clean_fields(fields, dialect, (family, efforts), changed, drop, notes)
    if not messages_clean and not messages_fit(fields["messages"], dialect):
        messages, told = clean_messages(fields["messages"], dialect)
        notes += told
        if messages is not None:
            changed["messages"] = messages
    if not changed and not drop:
        return NOTHING_TO_CLEAN
    return Cleaned(changed, frozenset(drop), tuple(notes))


def _clean_fields(
    fields: Mapping[str, Raw],
    dialect: Dialect,
    model: tuple[Family, Sequence[str]],
    changed: dict[str, Raw],
    drop: set[str],
    notes: list[str],
) -> None:
    """Everything but the messages."""
    tools = _tools(fields)
    json_mode = _wants_json(fields)
    _check_tools(tools, dialect, json_mode=json_mode)
    _treat(fields, dialect, changed, drop, notes)
    if not tools:
        _without_tools(fields, dialect, drop, notes)
    _reasoning(fields, dialect, model, changed, drop, notes, json_or_tools=json_mode or bool(tools))
    family = model[0]
    for name in sorted(refused_sampling(family) & fields.keys() - drop):
        drop.add(name)
        if bytes(fields[name]) != _NULL:
            notes.append(f"{name} left out: {family} models take none")


def _treat(
    fields: Mapping[str, Raw], dialect: Dialect, changed: dict[str, Raw], drop: set[str], notes: list[str]
) -> None:
    """Top-level fields by the table. Null fields are nobody's: the body is written without them."""
    for name in fields.keys() & dialect.drop:
        drop.add(name)
        if bytes(fields[name]) != _NULL:
            notes.append(f"{name} left out: {dialect.name} has no such field")
    for name in fields.keys() & dialect.refuse:
        if bytes(fields[name]) not in ASKS_FOR_NOTHING:
            raise InvalidBody(dialect.refusal(name), name)
        drop.add(name)
    for name in fields.keys() & dialect.renamed.keys():
        drop.add(name)
        if bytes(fields[name]) != _NULL:
            changed[dialect.renamed[name]] = fields[name]
            notes.append(f"{name} -> {dialect.renamed[name]}")
    notes.sort()


def _without_tools(fields: Mapping[str, Raw], dialect: Dialect, drop: set[str], notes: list[str]) -> None:
    """OpenAI refuses to be told how to use tools where there are none."""
    for name in sorted(fields.keys() & dialect.only_with_tools):
        if name == "tool_choice" and bytes(fields[name]) not in _HARMLESS_CHOICES:
            continue
        drop.add(name)
        if bytes(fields[name]) != _NULL:
            notes.append(f"{name} left out: there are no tools")


def _reasoning(
    fields: Mapping[str, Raw],
    dialect: Dialect,
    model: tuple[Family, Sequence[str]],
    changed: dict[str, Raw],
    drop: set[str],
    notes: list[str],
    *,
    json_or_tools: bool,
) -> None:
    """The three fields about reasoning, as the family means them and the dialect takes them."""
    if fields.keys().isdisjoint(_REASONING):
        return
    wish = Wish(
        effort=_text(fields, "reasoning_effort"),
        format=_text(fields, "reasoning_format"),
        include=_truth(fields, "include_reasoning"),
    )
    found = normalise(wish, *model, json_or_tools=json_or_tools)
    for name, key in _REASONING.items():
        asked, sent = getattr(wish, key), getattr(found.wish, key)
        if sent == asked:
            continue
        if sent is None or name in dialect.drop:
            drop.add(name)
        else:
            changed[name] = Raw(_encode(sent))
    notes += found.notes


def _check_tools(tools: list[_Tool], dialect: Dialect, *, json_mode: bool) -> None:
    if tools and json_mode and not dialect.json_with_tools:
        raise InvalidBody(
            f"{dialect.name} does not combine tools with a response_format of JSON. Leave out one of them.",
            "response_format",
        )
    for index, tool in enumerate(tools):
        if tool.type not in {"function", "custom"} and tool.type not in dialect.builtin_tools:
            raise InvalidBody(
                f"'tools[{index}]': {dialect.name} has no built-in tool {tool.type!r}. Use functions.",
                f"tools[{index}].type",
            )


def _tools(fields: Mapping[str, Raw]) -> list[_Tool]:
    raw = fields.get("tools")
    return [] if raw is None else _decode_tools(raw) or []


def _wants_json(fields: Mapping[str, Raw]) -> bool:
    raw = fields.get("response_format")
    form = None if raw is None else _decode_form(raw)
    return form is not None and form.type != "text"


def _text(fields: Mapping[str, Raw], name: str) -> str | None:
    raw = fields.get(name)
    try:
        return None if raw is None else _decode_text(raw)
    except msgspec.ValidationError:
        raise InvalidBody(f"{name!r} must be a string.", name) from None


def _truth(fields: Mapping[str, Raw], name: str) -> bool | None:
    raw = fields.get(name)
    try:
        return None if raw is None else _decode_truth(raw)
    except msgspec.ValidationError:
        raise InvalidBody(f"{name!r} must be true or false.", name) from None
