"""Owns the way between an answer in strict form and an instance of the client's schema, in both directions.

Restoring never raises and never guesses: what is not of the strict form is left as it is, and the check against the
client's schema says what is wrong with it. Encoding raises for what is no instance.
"""

from collections.abc import Mapping
from typing import Final, assert_never

from headgate.protocol.strict_forms import (
    KEY,
    VALUE,
    VALUE_DEPTH_MAX,
    Array,
    Choice,
    Field,
    Form,
    Forms,
    Kind,
    Map,
    Object,
    Option,
    Presence,
    Ref,
    Scalar,
)

ENCODE_STEPS_MAX: Final = 100_000
"""Values that encoding looks at, those of alternatives that turn out not to fit included."""


def restored(forms: Forms, form: Form, value: object, depth: int = 0) -> object:
    """The client's instance of a value in strict form; linear in its size."""
    if depth > VALUE_DEPTH_MAX:
        return value
    while isinstance(form, Ref):
        form = forms[form.name]
    match form, value:
        case Array(), list():
            return [restored(forms, form.items, item, depth + 1) for item in value]
        case Map(), list():
            entries = _restored_entries(forms, form.values, value, depth)
            return value if entries is None else entries
        case Object(), dict():
            return _restored_object(forms, form, value, depth)
        case Choice(), list() if form.array >= 0:
            return restored(forms, form.options[form.array].form, value, depth)
        case Choice(), dict():
            option = _option_of(form, value)
            if option is None:
                return value
            inner = value[option.tag] if option.tag else value
            return restored(forms, option.form, inner, depth + 1)
        case _:
            return value


def _option_of(choice: Choice, value: Mapping[str, object]) -> Option | None:
    key = next(iter(value), None)
    n = choice.empty if key is None else choice.by_key.get(key, -1)
    if n < 0 or (choice.options[n].tag and len(value) > 1):
        return None
    return choice.options[n]


def _restored_object(forms: Forms, form: Object, value: dict[str, object], depth: int) -> dict[str, object]:
    found = dict(value)
    for field in form.fields:
        if field.name in found:
            present, inner = _unpacked(field, found[field.name])
            if present:
                found[field.name] = restored(forms, field.form, inner, depth + 1)
            else:
                del found[field.name]
    if form.extra is not None and isinstance(entries := found.get(form.extra_name), list):
        extra = _restored_entries(forms, form.extra, entries, depth)
        if extra is not None:
            del found[form.extra_name]
            found = {**extra, **found}
    return found


def _unpacked(field: Field, value: object) -> tuple[bool, object]:
    """Whether the property is there, and what it is."""
    match field.presence:
        case Presence.NULL_IS_ABSENT:
            return value is not None, value
        case Presence.BOXED:
            boxed = isinstance(value, dict) and value.keys() == {VALUE}
            return value is not None, value[VALUE] if boxed and isinstance(value, dict) else value
        case _:
            return True, value


def _restored_entries(forms: Forms, form: Form, entries: list[object], depth: int) -> dict[str, object] | None:
    """The map of a list of entries, the last of one key winning; None when something in it is no entry."""
    found: dict[str, object] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.keys() != {KEY, VALUE} or not isinstance(entry[KEY], str):
            return None
        found[entry[KEY]] = restored(forms, form, entry[VALUE], depth + 1)
    return found


def encoded(forms: Forms, form: Form, value: object) -> object:
    """The strict form of an instance of the client's schema. Raises `ValueError` when it has none."""
    return _Encoder(forms).encode(form, value, 0)


class _Encoder:
    """Tries the alternatives of a union in order: any that fits restores to the same value."""

    def __init__(self, forms: Forms) -> None:
        self._forms = forms
        self._steps = ENCODE_STEPS_MAX

    def encode(self, form: Form, value: object, depth: int) -> object:
        self._steps -= 1
        if depth > VALUE_DEPTH_MAX or self._steps < 0:
            raise ValueError("The value is nested too deeply, or has too many alternatives, to be encoded.")
        while isinstance(form, Ref):
            form = self._forms[form.name]
        match form, value:
            case Scalar(), _ if _is_of(form, value):
                return value
            case Array(), list():
                return [self.encode(form.items, item, depth + 1) for item in value]
            case Map(), dict():
                return self._entries(form.values, value, depth)
            case Object(), dict():
                return self._object(form, value, depth)
            case Choice(), _:
                return self._choice(form, value, depth)
            case _:
                raise ValueError(f"{str(value)[:80]!r} is not of the schema.")

    def _entries(self, form: Form, value: dict[str, object], depth: int) -> list[object]:
        return [{KEY: key, VALUE: self.encode(form, inner, depth + 1)} for key, inner in value.items()]

    def _object(self, form: Object, value: dict[str, object], depth: int) -> dict[str, object]:
        found = {field.name: self._field(field, value, depth) for field in form.fields}
        rest = {name: inner for name, inner in value.items() if name not in found}
        if form.extra is not None:
            found[form.extra_name] = self._entries(form.extra, rest, depth)
        elif rest:
            raise ValueError(f"The schema names no property {next(iter(rest))[:80]!r}.")
        return found

    def _field(self, field: Field, value: dict[str, object], depth: int) -> object:
        if field.name not in value:
            if field.presence is Presence.REQUIRED:
                raise ValueError(f"The property {field.name[:80]!r} is missing.")
            return None
        inner = self.encode(field.form, value[field.name], depth + 1)
        return {VALUE: inner} if field.presence is Presence.BOXED else inner

    def _choice(self, choice: Choice, value: object, depth: int) -> object:
        if any(_is_of(scalar, value) for scalar in choice.scalars):
            return value
        for option in choice.options:
            try:
                inner = self.encode(option.form, value, depth + 1)
            except ValueError:
                if self._steps < 0:
                    raise
                continue
            return {option.tag: inner} if option.tag else inner
        raise ValueError(f"{str(value)[:80]!r} is none of the alternatives.")


def _is_of(scalar: Scalar, value: object) -> bool:
    return _is_kind(scalar.kind, value) and (scalar.values is None or value in scalar.values)


def _is_kind(kind: Kind, value: object) -> bool:
    match kind:
        case Kind.STRING:
            return isinstance(value, str)
        case Kind.BOOLEAN:
            return isinstance(value, bool)
        case Kind.NULL:
            return value is None
        case Kind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Kind.INTEGER:
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case _:
            assert_never(kind)
