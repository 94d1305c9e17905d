"""How a chat that asks for JSON is written for one model: strict where that loses nothing, else as well as it can be.

The result is only the difference to the client's body, as in `cleaning`, and the way back from the model's answer to
what the client asked for. Facts about Groq are groq-api.md 5 (read 2026-11-20).
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from headgate.catalog import Model
from headgate.domain.manner import Manner
from headgate.domain.request import Check, Need
from headgate.protocol.chat import Chat
from headgate.protocol.cleaning import NOTHING_TO_CLEAN, Cleaned
from headgate.protocol.dialect import Dialect
from headgate.protocol.strict import NotStrict, Strict, rewrite

Restore = Callable[[object], object]
"""From an answer in strict form to the instance of the client's schema; never raises."""

COOLER_FACTOR: Final = 0.3
"""What a lowered temperature is of the client's, or of 1 where that is more or not set."""
IN_JSON: Final = "Answer in JSON."
JSON_ONLY: Final = "answer with one JSON object and nothing else: no prose around it and no code fence."
SCHEMA_ONLY: Final = (
    "answer with JSON that is valid against the JSON Schema below and with nothing else: no prose around it and no "
    "code fence."
)
_BESIDE_TOOLS: Final = "Unless you call a tool, "
_TOOLS: Final = Need.TOOLS | Need.BUILTIN_TOOLS
_JSON_OBJECT: Final = Raw(b'{"type":"json_object"}')
_ZERO: Final = Raw(b"0")
_NO_CHECK: Final = Check.NONE  # looking up a member of an enum costs as much as a call
_USUAL: Final = Manner.USUAL
_REPHRASED: Final = Manner.REPHRASED

_encode: Final = msgspec.json.Encoder().encode
_decode_object: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode


class Shaped(msgspec.Struct, frozen=True):
    """The difference to the client's body, and the way back (None: the answer is what was asked for as it is)."""

    cleaned: Cleaned = NOTHING_TO_CLEAN
    restore: Restore | None = None


AS_IT_IS: Final = Shaped()


class _Form(msgspec.Struct, frozen=True):
    """How structure is asked for: with a field (None: the client's own, or none if `is_left_out`), or in words."""

    response_format: Raw | None = None
    is_left_out: bool = False
    instruction: str = ""
    restore: Restore | None = None
    note: str = ""


_AS_ASKED: Final = _Form()


def shape(chat: Chat, model: Model, dialect: Dialect, manner: Manner = Manner.USUAL) -> Shaped:
    """What must change in the chat's body so that this model answers with what was asked for.

    To be done before `clean`. Notes name fields and places of the schema, never values. Costs nothing for a chat that
    asks for no JSON and is written as usual; an already strict request stays as it is, byte for byte.
    """
    if chat.check is _NO_CHECK and manner is _USUAL:
        return AS_IT_IS
    form = _AS_ASKED if chat.check is _NO_CHECK else _form(chat, model, dialect, manner)
    changed: dict[str, Raw] = {}
    if form.response_format is not None:
        changed["response_format"] = form.response_format
    if form.instruction:
        changed["messages"] = instructed(chat.fields["messages"], form.instruction)
    notes = [form.note] if form.note else []
    if manner is not _USUAL and manner is not _REPHRASED:
        changed["temperature"] = _ZERO if manner is Manner.SIMPLE else Raw(_encode(cooler(chat.temperature)))
        notes.append(f"temperature -> {bytes(changed['temperature']).decode()} after a failure")
    if not changed and not form.is_left_out and not notes:
        return AS_IT_IS
    drop = frozenset({"response_format"}) if form.is_left_out else frozenset()
    return Shaped(Cleaned(changed, drop, tuple(notes)), form.restore)


def joined(first: Cleaned, second: Cleaned) -> Cleaned:
    """Both differences as one, where the second is of what the first made."""
    if first is NOTHING_TO_CLEAN or second is NOTHING_TO_CLEAN:
        return second if first is NOTHING_TO_CLEAN else first
    return Cleaned({**first.changed, **second.changed}, first.drop | second.drop, (*first.notes, *second.notes))


def cooler(asked: float | None) -> float:
    """A lower temperature than the one asked for; what is above 1 is brought under 1 first."""
    return round(min(1.0 if asked is None else asked, 1.0) * COOLER_FACTOR, 3)


def instructed(messages: Raw, instruction: str) -> Raw:
    """The messages with an instruction before everything else, so that the provider's prompt cache finds it each time.

    It goes into the client's own system message where that comes first and is plain text: the templates of some models
    allow only one.
    """
    said = _decode_list(messages)
    first = _decode_object(said[0])
    content = first.get("content", Raw(b"null"))
    if bytes(first["role"]) == b'"system"' and bytes(content).lstrip().startswith(b'"'):
        first["content"] = Raw(_encode(f"{instruction}\n\n{_decode_text(content)}"))
        return Raw(_encode([Raw(_encode(first)), *said[1:]]))
    return Raw(_encode([{"role": "system", "content": instruction}, *said]))


def _form(chat: Chat, model: Model, dialect: Dialect, manner: Manner) -> _Form:
    has_tools = bool(chat.needs & _TOOLS)
    if manner is Manner.SIMPLE:
        return _in_words(chat, "response_format is said in words after a failure", has_tools=has_tools)
    if has_tools and not dialect.json_with_tools:
        why = f"response_format is said in words: {dialect.name} does not combine it with tools"
        return _in_words(chat, why, has_tools=True)
    if chat.check is Check.SCHEMA and Need.JSON_SCHEMA in model.can:
        return _schema_form(chat, model, dialect)
    if Need.JSON_OBJECT not in model.can:
        return _in_words(chat, f"response_format is said in words: {model.id} has no such mode", has_tools=has_tools)
    if chat.check is Check.SCHEMA:
        if not _may_be_object(chat.schema):
            return _in_words(
                chat, "response_format is said in words: json_object cannot be an array", has_tools=has_tools
            )
        note = f"response_format json_schema -> json_object: {model.id} takes no schema, which is said in words"
        return _Form(_JSON_OBJECT, instruction=_instruction(chat, has_tools=has_tools), note=note)
    if _speaks_of_json(chat):
        return _AS_ASKED
    return _Form(instruction=IN_JSON, note="a message asks for JSON: providers want the word in the prompt")


def _may_be_object(schema: Mapping[str, object] | None) -> bool:
    named = None if schema is None else schema.get("type")
    return named is None or named == "object" or (isinstance(named, list) and "object" in named)


def _in_words(chat: Chat, why: str, *, has_tools: bool) -> _Form:
    return _Form(is_left_out=True, instruction=_instruction(chat, has_tools=has_tools), note=why)


def _instruction(chat: Chat, *, has_tools: bool) -> str:
    """The same words for the same schema."""
    wanted = JSON_ONLY if chat.schema is None else SCHEMA_ONLY
    text = _BESIDE_TOOLS + wanted if has_tools else wanted[0].upper() + wanted[1:]
    return text if chat.schema is None else f"{text}\n{_encode(chat.schema).decode()}"


def _schema_form(chat: Chat, model: Model, dialect: Dialect) -> _Form:
    """`json_schema`: strict if the model is able to and nothing is lost, else best effort with the reason."""
    asked = _decode_object(_decode_object(chat.fields["response_format"])["json_schema"])
    is_strict = bytes(asked.get("strict", b"null")) == b"true"
    if not model.strict_schema:
        if not is_strict or dialect.name != "groq":
            return _AS_ASKED
        return _best_effort(asked, f"{model.id} has no strict mode")
    match rewrite(chat.schema):
        case NotStrict(reason):
            return _best_effort(asked, reason) if is_strict else _Form(note=reason)
        case Strict() as strict if not strict.is_identity and chat.stream:
            why = "Strict mode would change the answer's form, which a stream cannot change back"
            return _best_effort(asked, why) if is_strict else _Form(note=f"{why}.")
        case Strict() as strict:
            return _strict_form(chat, asked, strict, is_strict=is_strict)


def _strict_form(chat: Chat, asked: dict[str, Raw], strict: Strict, *, is_strict: bool) -> _Form:
    is_own = strict.schema == chat.schema
    if is_own and is_strict:
        return _AS_ASKED
    schema = asked["schema"] if is_own else Raw(_encode(strict.schema))
    note = "response_format: strict" + ("" if is_own else ", by a rewritten schema")
    restore = None if strict.is_identity else strict.restore
    return _Form(_json_schema(asked, {"schema": schema, "strict": Raw(b"true")}), restore=restore, note=note)


def _best_effort(asked: dict[str, Raw], why: str) -> _Form:
    return _Form(_json_schema(asked, {"strict": Raw(b"false")}), note=f"response_format: strict left out. {why}")


def _json_schema(asked: Mapping[str, Raw], change: Mapping[str, Raw]) -> Raw:
    return Raw(_encode({"type": "json_schema", "json_schema": {**asked, **change}}))


def _speaks_of_json(chat: Chat) -> bool:
    """Whether a message has the word, in any case."""
    for message in chat.messages:
        content = message.content
        texts = [content] if isinstance(content, str) else [part.text or "" for part in content or ()]
        if any("json" in text.lower() for text in texts):
            return True
    return False
