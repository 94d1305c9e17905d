"""Makes one value of what was extracted from the parts of a text: lists joined, scalars from the surest part. Pure.

What a part does not say is null there, so parts are asked with a schema in which everything may be null (`nullable`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.local.schema_walk import DEPTH_MAX, properties_of, required_of, resolved

_encode: Final = msgspec.json.Encoder(order="sorted").encode


class Conflict(msgspec.Struct, frozen=True):
    """A place for which parts said different things: which value was taken, from which part, and what others said."""

    path: str
    taken: Any
    part: int
    others: tuple[Any, ...]


class Merged(msgspec.Struct, frozen=True):
    """One value of several; `conflicts` are in the order of their places."""

    value: Any
    conflicts: tuple[Conflict, ...] = ()


def settled(value: Any, schema: Mapping[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """The value without members that no part said and the schema does not let be null; and the paths of those that it
    requires."""
    missing: list[str] = []
    return _settled(value, schema, schema, (), missing), tuple(missing)


def _settled(value: Any, schema: Any, root: Mapping[str, Any], path: tuple[str, ...], missing: list[str]) -> Any:
    if not isinstance(value, dict):
        return value
    rule = _without_null(resolved(schema, root), root)
    properties, left = properties_of(rule), {}
    for name, each in value.items():
        place = (*path, name)
        if each is not None or name not in properties or _may_be_null(properties[name], root):
            left[name] = _settled(each, properties.get(name), root, place, missing)
    missing += [".".join((*path, name)) for name in required_of(rule) if name not in left]
    return left


def _may_be_null(schema: Any, root: Mapping[str, Any]) -> bool:
    rule = resolved(schema, root)
    for word in ("anyOf", "oneOf"):
        if isinstance(rule.get(word), list):
            return any(_may_be_null(each, root) for each in rule[word])
    if "enum" in rule or "const" in rule:
        return None in rule.get("enum", [rule.get("const", "")])
    kind = rule.get("type")
    return kind is None or kind == "null" or (isinstance(kind, list) and "null" in kind)


class _Said(msgspec.Struct, frozen=True):
    value: Any
    part: int
    sureness: float


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema for a part: every member of every object may be null, but for lists, which may be empty, and what
    stands in their items, which are found as a whole."""
    return _nullable(schema, 0)


def _nullable(schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    made = dict(schema)
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and depth < DEPTH_MAX:
        made["properties"] = {name: _or_null(each, depth + 1) for name, each in properties.items()}
    return made


def _or_null(schema: Any, depth: int) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    made, kind = _nullable(schema, depth), schema.get("type")
    if kind == "array":
        return made
    if isinstance(kind, str) and "enum" not in schema and "const" not in schema:
        return made if kind == "null" else {**made, "type": [kind, "null"]}
    if isinstance(kind, list) and "null" in kind:
        return made
    return {"anyOf": [made, {"type": "null"}]}


def merge(
    values: Sequence[Any], schema: Mapping[str, Any] | None = None, sureness: Sequence[float] | None = None
) -> Merged:
    """One value of those of all parts. Lists are joined in order, each item once; objects are merged member by member;
    of scalars the first of the surest parts that say one is taken (`sureness` of each part, times the `confidence` of
    the object that it stands in, where that has one). No list grows beyond the schema's `maxItems`."""
    said = [_Said(value, at, sureness[at] if sureness else 1.0) for at, value in enumerate(values)]
    conflicts: list[Conflict] = []
    root = schema or {}
    value = _merged(said, root, root, (), conflicts)
    return Merged(value, tuple(conflicts))


def _merged(
    said: Sequence[_Said],
    schema: Any,
    root: Mapping[str, Any],
    path: tuple[str, ...],
    conflicts: list[Conflict],
) -> Any:
    known = [each for each in said if each.value is not None]
    if not known:
        return None
    rule = _without_null(resolved(schema, root), root)
    if any(isinstance(each.value, dict) for each in known):
        return _members([each for each in known if isinstance(each.value, dict)], rule, root, path, conflicts)
    if any(isinstance(each.value, list) for each in known):
        items = _joined([item for each in known if isinstance(each.value, list) for item in each.value])
        most = rule.get("maxItems")
        return items[:most] if isinstance(most, int) else items
    surest = max(known, key=lambda each: each.sureness)  # the first of the surest
    others = tuple(_joined([each.value for each in known if each.value != surest.value]))
    if others:
        conflicts.append(Conflict(".".join(path), surest.value, surest.part, others))
    return surest.value


def _members(
    said: Sequence[_Said],
    rule: Mapping[str, Any],
    root: Mapping[str, Any],
    path: tuple[str, ...],
    conflicts: list[Conflict],
) -> dict[str, Any]:
    names = dict.fromkeys(name for each in said for name in each.value)
    properties = properties_of(rule)
    return {
        name: _merged(
            [_Said(each.value[name], each.part, _sureness(each)) for each in said if name in each.value],
            properties.get(name),
            root,
            (*path, name),
            conflicts,
        )
        for name in names
    }


def _sureness(said: _Said) -> float:
    own = said.value.get("confidence")
    return said.sureness * own if isinstance(own, int | float) and 0 <= own <= 1 else said.sureness


def _without_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a member is where it is not null."""
    choices = schema.get("anyOf")
    if not isinstance(choices, list):
        return schema
    real = [each for each in choices if isinstance(each, Mapping) and each.get("type") != "null"]
    return resolved(real[0], root) if len(real) == 1 else schema


def _joined(items: Sequence[Any]) -> list[Any]:
    """Each item once, where it stood first. One that says less of the same than another, as what a border cut off
    does, is left out for that."""
    found: list[Any] = []
    known: set[bytes] = set()
    for item in items:
        name = _encode(item)
        if name in known:
            continue
        known.add(name)
        if not isinstance(item, dict):
            found.append(item)
            continue
        for at, other in enumerate(found):
            if isinstance(other, dict) and _says_less(item, other):
                break
            if isinstance(other, dict) and _says_less(other, item):
                found[at] = item
                break
        else:
            found.append(item)
    return found


def _says_less(item: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether all that the item says the other says too, and it says something."""
    told = {name: value for name, value in item.items() if value not in (None, "", [])}
    return bool(told) and all(name in other and other[name] == value for name, value in told.items())
