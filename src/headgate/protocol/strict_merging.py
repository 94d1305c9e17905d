"""Owns what JSON Schema's keywords do to a schema, and how two schemas that both hold are made one.

Merging is exact for what gives an answer its shape; of two bounds that only narrow one is kept, because the answer is
checked against the client's own schema afterwards.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.protocol.strict_forms import NotPossible

SHAPING: Final = frozenset({
    "type", "enum", "const", "properties", "additionalProperties", "patternProperties", "items", "prefixItems",
    "anyOf", "oneOf", "allOf", "$ref", "$dynamicRef", "$recursiveRef",
})  # fmt: skip
"""They say which values there are."""
NOTED: Final = (
    "format", "pattern", "minLength", "maxLength", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
)  # fmt: skip
"""They only narrow, and are told to the model in words."""
NARROWING: Final = frozenset({
    *NOTED, "required", "not", "propertyNames", "dependentRequired", "contains", "minContains", "maxContains",
    "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
CONDITIONAL: Final = frozenset({"if", "then", "else", "dependentSchemas", "dependencies"})
"""They narrow, unless they name properties that stand nowhere else."""
ASSERTING: Final = SHAPING | NARROWING | CONDITIONAL

TYPES_MAX: Final = 7
"""There are no more."""

_UNMERGEABLE: Final = CONDITIONAL | {
    "anyOf", "oneOf", "patternProperties", "prefixItems", "$dynamicRef", "$recursiveRef",
}  # fmt: skip
"""Both holding at once is more than one of them can say."""


def merged(first: Mapping[str, Any], second: Mapping[str, Any], place: str) -> dict[str, Any]:
    """One schema for what satisfies both, neither with `$ref` or `allOf`. Raises `NotPossible`."""
    for one, other in ((first, second), (second, first)):
        _check_closed(one, other, place)
    both = {**second, **first}
    for keyword in first.keys() & second.keys():
        mine, theirs = first[keyword], second[keyword]
        if mine == theirs and not isinstance(mine, bool):
            continue
        if keyword in _UNMERGEABLE:
            raise NotPossible(place, f"asks for two {keyword} at once")
        both[keyword] = _both_hold(keyword, mine, theirs, place)
    return both


def as_enum(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """`const` is an enum of one."""
    if "const" not in schema:
        return schema
    rest = {keyword: value for keyword, value in schema.items() if keyword != "const"}
    return rest if "enum" in rest else {**rest, "enum": [schema["const"]]}


def types_of(schema: Mapping[str, Any], place: str) -> list[str] | None:
    """The types that are named; None when none is. Raises `NotPossible` when it is neither a name nor a list."""
    named = schema.get("type")
    if named is None:
        return None
    names = [named] if isinstance(named, str) else named
    if not isinstance(names, list) or not 0 < len(names) <= TYPES_MAX or not all(isinstance(n, str) for n in names):
        raise NotPossible(place, "has a type that is not the name of one")
    return list(dict.fromkeys(names))


def text_of(value: object) -> str:
    """A value as JSON, so that 1 and true are told apart."""
    return msgspec.json.encode(value, order="sorted").decode()


def _both_hold(keyword: str, mine: Any, theirs: Any, place: str) -> Any:
    match keyword:
        case "properties" if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            shared = {name: {"allOf": [mine[name], theirs[name]]} for name in mine if name in theirs}
            return {**mine, **theirs, **shared}
        case "required" if isinstance(mine, list) and isinstance(theirs, list):
            return list({text_of(name): name for name in (*mine, *theirs)}.values())
        case "enum" if isinstance(mine, list) and isinstance(theirs, list):
            allowed = {text_of(value) for value in theirs}
            return [value for value in mine if text_of(value) in allowed]
        case "type":
            return _shared_types(types_of({"type": mine}, place) or [], types_of({"type": theirs}, place) or [], place)
        case "items":
            return {"allOf": [mine, theirs]}
        case "additionalProperties":
            return False if mine is False or theirs is False else {"allOf": [mine, theirs]}
        case _:
            return mine


def _shared_types(mine: list[str], theirs: list[str], place: str) -> list[str]:
    shared = [name for name in mine if name in theirs or (name == "integer" and "number" in theirs)]
    shared += [name for name in theirs if name == "integer" and "number" in mine and name not in shared]
    if not shared:
        raise NotPossible(place, "asks for two types at once, which no value has")
    return shared


def _check_closed(one: Mapping[str, Any], other: Mapping[str, Any], place: str) -> None:
    """What `one` says of unnamed properties would hold for those that only `other` names."""
    if one.get("additionalProperties", True) is True and "patternProperties" not in one:
        return
    mine, theirs = one.get("properties", {}), other.get("properties", {})
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping) and theirs.keys() <= mine.keys():
        return
    raise NotPossible(place, "has a part of an allOf that forbids or redefines properties of another part")
