"""Owns the rules of Groq's strict mode (groq-api 5, read 2026-11-20), as a list of what a schema breaks.

Knows nothing of the rewriting, which is tested against it. Where Groq's documents are silent it is careful: a keyword
that they do not name is a problem (`minItems` is refused live), and so are two alternatives of one type.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

DEPTH_MAX: Final = 200
"""Schemas inside each other."""
NODES_MAX: Final = 20_000
ALTERNATIVES_MAX: Final = 100_000
"""Alternatives that are looked at in all; those behind a reference count each time."""
PROBLEMS_MAX: Final = 20
"""How many problems are told."""

TYPES: Final = frozenset({"string", "number", "integer", "boolean", "object", "array", "null"})
_TELLING: Final = frozenset({"title", "description"})
_AT_ROOT: Final = frozenset({"$defs", "definitions", "$schema"})
_KNOWN: Final = _TELLING | {
    "type", "enum", "properties", "required", "additionalProperties", "items", "anyOf", "$ref",
}  # fmt: skip

_Found = Iterator[str]


def strict_problems(schema: object) -> list[str]:
    """What the schema breaks, each as `/path: reason`, at most `PROBLEMS_MAX`; empty when it may be sent as strict."""
    if not isinstance(schema, Mapping):
        return ["/: the schema is not an object"]
    found: list[str] = []
    for problem in _Rules(schema).all():
        found.append(problem)
        if len(found) == PROBLEMS_MAX:
            break
    return found


class _Rules:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._alternatives = 0

    def all(self) -> _Found:
        """Every schema of the document in turn, definitions included."""
        waiting: list[tuple[str, Any, int]] = [("", self._root, 0)]
        for definitions in ("$defs", "definitions"):
            waiting += _inside(self._root.get(definitions), f"/{definitions}", 1)
        nodes = 0
        while waiting:
            path, schema, depth = waiting.pop()
            nodes += 1
            if nodes > NODES_MAX or depth > DEPTH_MAX or self._alternatives > ALTERNATIVES_MAX:
                yield f"{path or '/'}: the schema is too large or nested too deeply"
                return
            if not isinstance(schema, Mapping):
                yield f"{path or '/'}: a schema must be an object"
                continue
            yield from (f"{path or '/'}: {problem}" for problem in self._broken(schema))
            waiting += _inside(schema.get("properties"), f"{path}/properties", depth + 1)
            if "items" in schema:
                waiting.append((f"{path}/items", schema["items"], depth + 1))
            if isinstance(schema.get("anyOf"), list):
                waiting += [(f"{path}/anyOf/{n}", branch, depth + 1) for n, branch in enumerate(schema["anyOf"])]

    def _broken(self, schema: Mapping[str, Any]) -> _Found:
        known = _KNOWN | _AT_ROOT if schema is self._root else _KNOWN
        yield from (f"the keyword {str(word)[:40]!r} is not supported" for word in schema if word not in known)
        if "$ref" in schema:
            yield from self._broken_reference(schema)
        elif "anyOf" in schema:
            yield from self._broken_union(schema)
        else:
            yield from _broken_type(schema)

    def _broken_reference(self, schema: Mapping[str, Any]) -> _Found:
        if schema.keys() - {"$ref"} - _AT_ROOT:
            yield "$ref must stand alone"
        if self._target(schema) is None:
            yield "$ref must be # or lead to a definition that is there"
        elif not list(self._opened(schema)):
            yield "$ref leads only to itself"

    def _broken_union(self, schema: Mapping[str, Any]) -> _Found:
        branches = schema["anyOf"]
        if not isinstance(branches, list) or not branches:
            yield "anyOf must be a list with something in it"
            return
        if schema.keys() - {"anyOf"} - _TELLING - _AT_ROOT:
            yield "anyOf must stand alone"
        kinds: set[str] = set()
        keys: set[str] = set()
        for branch in self._opened(schema):
            mine = set(_types(branch))
            if "integer" in mine:
                mine = mine - {"integer"} | {"number"}
            repeated = (kinds & mine) - {"object"}
            if repeated:
                yield f"anyOf disambiguation failed: two alternatives are {min(repeated)}"
            if "object" in mine:
                properties = branch.get("properties")
                names = {str(name) for name in properties} if isinstance(properties, Mapping) else set()
                # An object without keys has a key set of its own, once.
                shared = keys & (names or {""})
                if shared:
                    yield f"anyOf disambiguation failed: two alternatives have the key {min(shared)!r}"
                keys |= names or {""}
            kinds |= mine

    def _opened(self, schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """The alternatives of a schema: references followed, unions inside unions opened, each definition once."""
        waiting: list[Any] = [schema]
        seen: set[str] = set()
        while waiting and self._alternatives <= ALTERNATIVES_MAX:
            part = waiting.pop()
            self._alternatives += 1
            if not isinstance(part, Mapping):
                continue
            if "$ref" in part:
                if str(part["$ref"]) not in seen:
                    seen.add(str(part["$ref"]))
                    waiting.append(self._target(part))
            elif isinstance(part.get("anyOf"), list):
                waiting += part["anyOf"]
            else:
                yield part

    def _target(self, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        reference = schema["$ref"]
        if reference == "#":
            return self._root
        if not isinstance(reference, str):
            return None
        for prefix, keyword in (("#/$defs/", "$defs"), ("#/definitions/", "definitions")):
            definitions = self._root.get(keyword)
            if reference.startswith(prefix) and isinstance(definitions, Mapping):
                name = reference.removeprefix(prefix).replace("~1", "/").replace("~0", "~")
                found = definitions.get(name)
                return found if isinstance(found, Mapping) else None
        return None


def _broken_type(schema: Mapping[str, Any]) -> _Found:
    named = schema.get("type")
    types = _types(schema)
    if not types or not TYPES.issuperset(types):
        yield "a type must be named, one that is supported"
    if isinstance(named, list) and (len(named) != 2 or len(types) != 2 or "null" not in types):
        yield "a list of types must be one type and null"
    if "object" in types:
        yield from _broken_object(schema)
    elif not {"properties", "required", "additionalProperties"}.isdisjoint(schema.keys()):
        yield "properties are for objects"
    if ("array" in types) != ("items" in schema):
        yield "an array must say what its items are, and nothing else may"
    if "enum" in schema:
        yield from _broken_enum(schema["enum"], types)


def _broken_object(schema: Mapping[str, Any]) -> _Found:
    properties, required = schema.get("properties"), schema.get("required")
    if schema.get("additionalProperties") is not False:
        yield "`additionalProperties:false` must be set on every object"
    if not isinstance(properties, Mapping):
        yield "an object must have properties"
        return
    if not isinstance(required, list):
        yield "`required` is required to be supplied and to be an array including every key in properties"
        return
    listed = {name for name in required if isinstance(name, str)}
    missing = [str(name) for name in properties if name not in listed]
    if missing:
        yield f"the following properties must be listed in `required`: {', '.join(missing)[:200]}"
    if len(required) > len(properties) - len(missing):
        yield "`required` must name each property once, and nothing else"


def _broken_enum(values: Any, types: list[str]) -> _Found:
    if not isinstance(values, list) or not values:
        yield "enum must be a list with something in it"
    elif not all(_type_of(value) in types or (_type_of(value) == "integer" and "number" in types) for value in values):
        yield "enum must have values of its type only"


def _types(schema: Mapping[str, Any]) -> list[str]:
    named = schema.get("type")
    names = named if isinstance(named, list) else [named]
    return [name for name in names if isinstance(name, str)]


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case _:
            return ""


def _inside(parts: Any, path: str, depth: int) -> list[tuple[str, Any, int]]:
    return [(f"{path}/{name}", part, depth) for name, part in parts.items()] if isinstance(parts, Mapping) else []
