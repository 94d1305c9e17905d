"""Owns the rewriting of a client's JSON Schema for Groq's strict mode, and the way back from what the model answers.

Strict mode (groq-api 5) wants every property required, every object closed and alternatives that their keys tell apart;
clients' schemas have optional properties, maps, tagged unions and bounds. What one can say of the other is rewritten
without loss; where something would be lost there is a reason instead, and the schema is only asked for and checked.
"""

from functools import lru_cache
from typing import Any, Final

import msgspec

from headgate.protocol.strict_forms import (
    ROOT,
    VALUE,
    Array,
    Choice,
    Form,
    Map,
    NotPossible,
    Object,
    Presence,
    Ref,
)
from headgate.protocol.strict_reading import read_forms
from headgate.protocol.strict_restore import encoded, restored
from headgate.protocol.strict_rules import strict_problems
from headgate.protocol.strict_unions import settled
from headgate.protocol.strict_writing import written

SCHEMA_VALUES_MAX: Final = 10_000
"""Values of any kind in a schema; a schema that contains itself has more than any number."""
SCHEMA_BYTES_MAX: Final = 262_144
"""The longest schema that is rewritten, as JSON."""
REWRITTEN_MAX: Final = 128
"""How many rewritten schemas are remembered."""
REMEMBERED_BYTES_MAX: Final = 65_536
"""A longer schema is rewritten again each time, so that strangers cannot fill the memory."""


class Strict(msgspec.Struct, frozen=True):
    """A schema that obeys the strict rules, and the ways between its instances and the client's.

    `schema` is shared by all who ask for the same rewriting: it is not to be changed.
    """

    schema: dict[str, Any]
    is_identity: bool
    """Every answer in strict form is an instance of the client's schema as it is, so streams may be relayed."""
    forms: dict[str, Form] = {}
    is_boxed: bool = False

    def restore(self, value: object) -> object:
        """The instance of the client's schema that a decoded answer stands for.

        Never raises: what is not in strict form is left as it is, for the check to find.
        """
        if self.is_identity:
            return value
        if self.is_boxed:
            if not isinstance(value, dict) or value.keys() != {VALUE}:
                return value
            value = value[VALUE]
        return restored(self.forms, self.forms[ROOT], value)

    def encode(self, value: object) -> object:
        """The strict form of an instance of the client's schema; `restore` gives the instance back.

        An absent property whose default is null comes back as null: the schema says that they are the same. Raises
        `ValueError` for what is no instance, and for properties that an open object does not name.
        """
        if not self.forms:
            return value
        inner = encoded(self.forms, self.forms[ROOT], value)
        return {VALUE: inner} if self.is_boxed else inner


class NotStrict(msgspec.Struct, frozen=True):
    """Strict mode would lose something: a sentence for operator and client that says what and where."""

    reason: str


def rewrite(schema: object) -> Strict | NotStrict:
    """A client's schema under the strict rules. Never raises; takes bounded steps; equal schemas are rewritten once."""
    if not isinstance(schema, dict) or not _is_small(schema):
        return NotStrict(f"Strict mode is not used: the schema is no object, or has over {SCHEMA_VALUES_MAX} values.")
    try:
        raw = msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError):
        return NotStrict("Strict mode is not used: the schema cannot be written as JSON.")
    if len(raw) > SCHEMA_BYTES_MAX:
        return NotStrict(f"Strict mode is not used: the schema is longer than {SCHEMA_BYTES_MAX} bytes.")
    return _remembered(raw) if len(raw) <= REMEMBERED_BYTES_MAX else _rewritten(raw)


def _rewritten(raw: bytes) -> Strict | NotStrict:
    schema: dict[str, Any] = msgspec.json.decode(raw)
    if schema.get("type") == "object" and not strict_problems(schema):
        return Strict(schema, is_identity=True)
    try:
        forms = settled(read_forms(schema))
        root = forms[ROOT]
        while isinstance(root, Ref):
            root = forms[root.name]
        boxed = not isinstance(root, Object)
        strict = written(forms, boxed=boxed)
    except NotPossible as refusal:
        return NotStrict(refusal.reason)
    return Strict(strict, not boxed and all(_keeps(form) for form in forms.values()), forms, boxed)


_remembered = lru_cache(maxsize=REWRITTEN_MAX)(_rewritten)


def _is_small(schema: dict[str, Any]) -> bool:
    """Counts every value once for each place where it stands, so neither cycles nor shared parts can grow."""
    waiting: list[Any] = [schema]
    seen = 0
    while waiting and seen <= SCHEMA_VALUES_MAX:
        part = waiting.pop()
        if isinstance(part, dict | list):
            seen += len(part)
            waiting.extend(part.values() if isinstance(part, dict) else part)
    return seen <= SCHEMA_VALUES_MAX


def _keeps(form: Form) -> bool:
    """Its strict form is the instance itself."""
    match form:
        case Array():
            return _keeps(form.items)
        case Map():
            return False
        case Object():
            kept = (Presence.REQUIRED, Presence.NULL_IS_DEFAULT)
            return form.extra is None and all(f.presence in kept and _keeps(f.form) for f in form.fields)
        case Choice():
            return not any(option.tag for option in form.options)
        case _:
            return True
