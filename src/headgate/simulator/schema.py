"""JSON Schema seen from the model's side: finding it in a text, making an instance that fits, what strict mode forbids.

Understands what Groq documents for structured outputs: types and type lists, properties, items, enum, const, anyOf,
oneOf, allOf, $ref into the document, and the common bounds. Anything else is ignored, as a model would.
"""

import json
from collections.abc import Mapping
from math import ceil, floor
from random import Random
from typing import Any, Final

_SPARING: Final = 4
"""From this depth on only what is required is made."""
_DEEPEST: Final = 24
_DEEPEST_SCHEMA: Final = 60
_MOST_ITEMS: Final = 100
_LONGEST_STRING: Final = 2000
_SPREAD: Final = 6
"""How far integers go that have no upper bound."""
_LARGEST: Final = 2**53
_MOST_PLACES: Final = 200
"""Braces of a text at which an object is looked for."""
_DECODER: Final = json.JSONDecoder()
_WORDS: Final = ("alpha", "bravo", "cedar", "delta", "ember", "falcon", "garnet", "harbour", "indigo", "juniper")
_FORMATS: Final = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T10:30:00Z",
    "time": "10:30:00",
    "email": "reader@example.org",
    "uri": "https://example.org/page",
    "uuid": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
}


def instance(schema: Mapping[str, Any], dice: Random) -> Any:
    """A JSON value that fits the schema; deterministic for given dice."""
    return _Maker(schema, dice).make(schema, 0)


def shown_schema(text: str) -> Mapping[str, Any] | None:
    """The last JSON Schema of an object that a text shows, if it also speaks of JSON.

    Some clients leave the doubled braces of their templates in it, which no JSON has; a model reads over them.
    """
    if '"properties"' not in text or "json" not in text.lower():
        return None
    if '{{"' in text:
        text = text.replace("{{", "{").replace("}}", "}")
    shown = None
    at = text.find("{")
    for _ in range(_MOST_PLACES):
        if at < 0:
            break
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            end = at + 1
        else:
            shown = value if isinstance(value.get("properties"), dict) else shown
        at = text.find("{", end)
    return shown


class _Maker:
    """Walks one schema. What is not of the shape that JSON Schema wants is treated as absent."""

    __slots__ = ("_dice", "_root")

    def __init__(self, root: Mapping[str, Any], dice: Random) -> None:
        self._root = root
        self._dice = dice

    def make(self, schema: Any, depth: int) -> Any:
        if depth > _DEEPEST:
            return None
        schema = self._resolved(_mapping(schema), 0)
        if "const" in schema:
            return schema["const"]
        options = _list(schema.get("enum"))
        if options:
            return self._dice.choice(options)
        branches = _list(schema.get("anyOf")) or _list(schema.get("oneOf"))
        if branches:
            return self.make(self._branch(branches, depth), depth + 1)
        return self._of_type(_type(schema, depth), schema, depth)

    def _of_type(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "integer":
                return self._integer(schema)
            case "number":
                return self._fraction(schema)
            case "boolean":
                return self._dice.random() < 0.5
            case "null":
                return None
            case _:
                return self._string(schema)

    def _resolved(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        """The schema with its references followed and its allOf parts merged in."""
        if depth > _DEEPEST:
            return {}
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._resolved(self._at(reference), depth + 1)
        for part in _list(schema.get("allOf")):
            schema = _merged(schema, self._resolved(_mapping(part), depth + 1))
        return schema

    def _at(self, reference: str) -> Mapping[str, Any]:
        place = self._root
        for name in reference.removeprefix("#").strip("/").split("/"):
            if name:
                place = _mapping(place.get(name.replace("~1", "/").replace("~0", "~")))
        return place

    def _branch(self, branches: list[Any], depth: int) -> Any:
        """Any branch; deep down the one that ends soonest, so that recursive schemas come to an end."""
        if depth < _SPARING:
            return self._dice.choice(branches)
        return min(branches, key=lambda branch: _weight(self._resolved(_mapping(branch), 0)))

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = _mapping(schema.get("properties"))
        required = [name for name in _list(schema.get("required")) if isinstance(name, str)]
        made = {
            name: self.make(part, depth + 1)
            for name, part in properties.items()
            if depth < _SPARING or name in required
        }
        for name in required:
            made.setdefault(name, "value")
        return made

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        least = int(_number(schema, 0, "minItems"))
        wanted = least if depth >= _SPARING else max(least, 1 + int(self._dice.random() < 0.5))
        count = min(wanted, int(_number(schema, wanted, "maxItems")), _MOST_ITEMS)
        return [self.make(schema.get("items") or {"type": "string"}, depth + 1) for _ in range(count)]

    def _integer(self, schema: Mapping[str, Any]) -> int:
        """Small numbers where nothing bounds them, as a model writes that knows what is counted."""
        least = min(1.0, _number(schema, _number(schema, 2, "exclusiveMaximum") - 1, "maximum"))
        low = ceil(_number(schema, _number(schema, least - 1, "exclusiveMinimum") + 1, "minimum"))
        high = floor(_number(schema, _number(schema, low + _SPREAD + 1, "exclusiveMaximum") - 1, "maximum"))
        step = max(1, int(_number(schema, 1, "multipleOf")))
        value = low + int(self._dice.random() * (max(0, high - low) + 1))
        fitted = value // step * step
        return fitted if fitted >= low else fitted + step

    def _fraction(self, schema: Mapping[str, Any]) -> float:
        whole = self._integer(schema)
        return float(whole) if {"maximum", "exclusiveMaximum", "multipleOf"} & schema.keys() else whole + 0.5

    def _string(self, schema: Mapping[str, Any]) -> str:
        known = _FORMATS.get(str(schema.get("format")))
        if known:
            return known
        text = f"{self._dice.choice(_WORDS)} {self._dice.choice(_WORDS)}"
        least = min(_LONGEST_STRING, int(_number(schema, 0, "minLength")))
        while len(text) < least:
            text += " " + self._dice.choice(_WORDS)
        return text[: int(_number(schema, len(text), "maxLength"))]


def _type(schema: Mapping[str, Any], depth: int) -> str:
    """The type to make: the first of a list that is not null, null when it is deep already."""
    kind = schema.get("type")
    if isinstance(kind, list):
        if depth >= _SPARING and "null" in kind:
            return "null"
        kind = next((k for k in kind if k != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(schema: Mapping[str, Any], default: float, name: str) -> float:
    value = schema.get(name)
    sound = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    return value if sound and value is not None else default


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    both = {**second, **first}
    both["properties"] = {**_mapping(first.get("properties")), **_mapping(second.get("properties"))}
    both["required"] = [*_list(first.get("required")), *_list(second.get("required"))]
    if not both["properties"]:
        del both["properties"], both["required"]
    return both


def _weight(schema: Mapping[str, Any]) -> int:
    """How much a branch may grow: null least, objects most."""
    return {"null": 0, "boolean": 1, "integer": 1, "number": 1, "string": 1, "array": 2}.get(str(schema.get("type")), 3)


def strict_fault(schema: Any, path: str = "", depth: int = 0) -> tuple[str, str, str] | None:
    """What strict mode forbids first: (path, reason, kind), or None when it may be used (groq-api 3.3 and 5)."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST_SCHEMA:
        return path or "/", "schema must be an object", "invalid_type"
    if schema.get("type") == "object" or "properties" in schema:
        found = _object_fault(schema, path)
        if found:
            return found
    for place, part in _parts(schema, path):
        found = strict_fault(part, place, depth + 1)
        if found:
            return found
    return None


def _object_fault(schema: Mapping[str, Any], path: str) -> tuple[str, str, str] | None:
    place = path or "/"
    if schema.get("additionalProperties") is not False:
        return place, "`additionalProperties:false` must be set on every object", "additional_properties"
    properties = _mapping(schema.get("properties"))
    required = schema.get("required")
    if not isinstance(required, list):
        if not properties:
            return None
        text = "`required` is required to be supplied and to be an array including every key in properties"
        return place, text, "required_missing"
    missing = [name for name in properties if name not in required]
    if missing:
        text = f"The following properties must be listed in `required`: {', '.join(missing)}"
        return place, text, "required_incomplete"
    return None


def _parts(schema: Mapping[str, Any], path: str) -> list[tuple[str, Any]]:
    parts = [(f"{path}/properties/{name}", part) for name, part in _mapping(schema.get("properties")).items()]
    if "items" in schema:
        parts.append((f"{path}/items", schema["items"]))
    for branching in ("anyOf", "oneOf"):
        parts += [(f"{path}/{branching}/{i}", part) for i, part in enumerate(_list(schema.get(branching)))]
    for definitions in ("$defs", "definitions"):
        parts += [(f"{path}/{definitions}/{name}", part) for name, part in _mapping(schema.get(definitions)).items()]
    return parts
