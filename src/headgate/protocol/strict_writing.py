"""Owns the writing of settled forms as a JSON Schema that obeys the strict rules (groq-api 5)."""

import re
from collections import Counter
from typing import Any, Final

from headgate.protocol.strict_forms import (
    KEY,
    ROOT,
    VALUE,
    About,
    Array,
    Choice,
    Field,
    Form,
    Forms,
    Kind,
    Map,
    Object,
    Presence,
    Ref,
    Scalar,
)

NULL: Final = {"type": "null"}
ENTRIES: Final = "One entry for each key."
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]+")


def written(forms: Forms, *, boxed: bool) -> dict[str, Any]:
    """The strict schema. `boxed`: the whole answer is no object, so it stands inside one, under `value`."""
    return _Writer(forms).whole(boxed=boxed)


class _Writer:
    def __init__(self, forms: Forms) -> None:
        self._forms = forms
        self._names: dict[str, str] = {}
        self._uses = Counter(name for form in forms.values() for name in _references(form))

    def whole(self, *, boxed: bool) -> dict[str, Any]:
        root = self._forms[ROOT]
        while isinstance(root, Ref):
            root = self._forms[root.name]
        if not boxed:
            self._names[ROOT] = ""
        schema = _object({VALUE: self._schema(root)}) if boxed else self._schema(root)
        definitions: dict[str, Any] = {}
        while len(definitions) < len(self._definitions()):
            for name, short in self._definitions().items():
                if short not in definitions:
                    definitions[short] = self._schema(self._forms[name])
        return {**schema, "$defs": definitions} if definitions else schema

    def _definitions(self) -> dict[str, str]:
        return {name: short for name, short in self._names.items() if short}

    def _schema(self, form: Form) -> dict[str, Any]:
        match form:
            case Scalar():
                return _scalar(form)
            case Array():
                return {**_told(form.about), "type": "array", "items": self._schema(form.items)}
            case Map():
                return _map(self._schema(form.values), form.about)
            case Object():
                properties = {field.name: self._field(field) for field in form.fields}
                if form.extra is not None:
                    properties[form.extra_name] = _map(self._schema(form.extra), About())
                return {**_told(form.about), **_object(properties)}
            case Choice():
                return self._choice(form)
            case Ref():
                return self._reference(form)
            case _:
                raise AssertionError(form)

    def _field(self, field: Field) -> dict[str, Any]:
        schema = self._schema(field.form)
        match field.presence:
            case Presence.NULL_IS_ABSENT:
                return _nullable(schema)
            case Presence.BOXED:
                return {"anyOf": [_object({VALUE: schema}), NULL]}
            case _:
                return schema

    def _choice(self, choice: Choice) -> dict[str, Any]:
        schemas = [_scalar(scalar) for scalar in choice.scalars if scalar.kind is not Kind.NULL]
        for option in choice.options:
            schema = self._reference(option.form)
            schemas.append(_object({option.tag: schema}) if option.tag else schema)
        nullable = len(schemas) < len(choice.scalars) + len(choice.options)
        if len(schemas) == 1 and nullable:
            return {**_nullable(schemas[0]), **_told(choice.about)}
        return {**_told(choice.about), "anyOf": [*schemas, NULL] if nullable else schemas}

    def _reference(self, ref: Ref) -> dict[str, Any]:
        """A name under `$defs`, `#` for the whole; in place what was in place at the client's and is used once."""
        if ref.in_place and self._uses[ref.name] == 1:
            return self._schema(self._forms[ref.name])
        if ref.name not in self._names:
            short = _NOT_IN_NAMES.sub("_", ref.name.rpartition("/")[2]).strip("_") or "root"
            while short in self._names.values():
                short += "_"
            self._names[ref.name] = short
        short = self._names[ref.name]
        return {"$ref": f"#/$defs/{short}" if short else ROOT}


def _references(form: Form) -> list[str]:
    match form:
        case Ref():
            return [form.name]
        case Array():
            return _references(form.items)
        case Map():
            return _references(form.values)
        case Object():
            inner = [field.form for field in form.fields] + ([] if form.extra is None else [form.extra])
            return [name for part in inner for name in _references(part)]
        case Choice():
            return [option.form.name for option in form.options]
        case _:
            return []


def _scalar(scalar: Scalar) -> dict[str, Any]:
    schema = {**_told(scalar.about), "type": scalar.kind.value}
    return schema if scalar.values is None else {**schema, "enum": list(scalar.values)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _map(values: dict[str, Any], about: About) -> dict[str, Any]:
    entry = _object({KEY: {"type": "string"}, VALUE: values})
    description = f"{about.description} {ENTRIES}".lstrip()
    return {**_told(About(about.title, description)), "type": "array", "items": entry}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """The same or null; a schema that is nullable already is never given."""
    kind = schema.get("type")
    if isinstance(kind, str) and kind not in ("object", "array"):
        values = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
        return {**schema, "type": [kind, "null"], **values}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], NULL]}
    return {"anyOf": [schema, NULL]}


def _told(about: About) -> dict[str, Any]:
    told = {"title": about.title, "description": about.description}
    return {name: text for name, text in told.items() if text}
