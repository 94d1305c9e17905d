"""Owns the way through a JSON Schema: references followed, `allOf` joined, the fields that an object must have.

It refuses to fetch anything and to judge values (`check.py`). Recursive schemas are walked to a fixed depth.
"""

from collections.abc import Mapping
from typing import Any, Final

DEPTH_MAX: Final = 12
"""Objects within each other, and references after each other, that are followed."""
FIELDS_MAX: Final = 500
"""Fields of one schema that are counted."""

Path = tuple[str, ...]


def resolved(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a chain of `$ref` within `root` leads to, members of `allOf` joined in; {} for anything else."""
    for _ in range(DEPTH_MAX):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return _joined(schema, root)
        schema = _target(reference, root)
    return {}


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    if not reference.startswith("#"):
        return None
    place: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        place = place.get(name) if isinstance(place, Mapping) else None
    return place


def _joined(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    parts = schema.get("allOf")
    if not isinstance(parts, list):
        return schema
    whole = {name: value for name, value in schema.items() if name != "allOf"}
    for part in parts[:DEPTH_MAX]:
        if not isinstance(part, Mapping):
            continue
        target = _target(part["$ref"], root) if isinstance(part.get("$ref"), str) else part
        if isinstance(target, Mapping):
            properties = {**properties_of(whole), **properties_of(target)}
            required = [*required_of(whole), *required_of(target)]
            whole = {**target, **whole, "properties": properties, "required": required}
    return whole


def properties_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its declared members, {} if it has none."""
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def required_of(schema: Mapping[str, Any]) -> list[str]:
    """The names that must be there, each once."""
    required = schema.get("required")
    return list(dict.fromkeys(name for name in required if isinstance(name, str))) if isinstance(required, list) else []


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """What `type` allows; () where the schema does not say."""
    kinds = schema.get("type")
    if isinstance(kinds, str):
        return (kinds,)
    return tuple(kind for kind in kinds if isinstance(kind, str)) if isinstance(kinds, list) else ()


def branches_of(schema: Mapping[str, Any]) -> list[Any]:
    """What `anyOf` or `oneOf` offers."""
    return [branch for word in ("anyOf", "oneOf") if isinstance(found := schema.get(word), list) for branch in found]


def counted_fields(schema: Mapping[str, Any]) -> list[Path]:
    """The fields by which an answer is judged: the required ones, those of nested required objects in place of these.

    A list is one field. Where nothing is required, all properties of the root count; where there are none either, the
    value itself does (the empty path).
    """
    root = resolved(schema, schema)
    fields = _required_below(root, schema, (), 0)
    if fields == [()]:
        fields = [(name,) for name in properties_of(root)] or [()]
    return fields[:FIELDS_MAX]


def _required_below(schema: Mapping[str, Any], root: Mapping[str, Any], path: Path, depth: int) -> list[Path]:
    names = required_of(schema)
    if not names or depth >= DEPTH_MAX:
        return [path]
    fields: list[Path] = []
    for name in names:
        if len(fields) >= FIELDS_MAX:
            break
        below = resolved(properties_of(schema).get(name), root)
        fields += _required_below(below, root, (*path, name), depth + 1)
    return fields
