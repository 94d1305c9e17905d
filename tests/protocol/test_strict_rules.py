"""The rules of strict mode, one by one, as the rewriting is tested against them."""

import pytest
from tests.protocol.strict_drawing import Schema

from headgate.protocol.strict_rules import ALTERNATIVES_MAX, DEPTH_MAX, PROBLEMS_MAX, strict_problems


def obj(properties: Schema, *required: str, **more: object) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def closed(**properties: Schema) -> Schema:
    return obj(properties, *properties, additionalProperties=False)


TEXT = {"type": "string"}
COUNT = {"type": "integer"}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    "part, problem",
    [
        (TEXT, None),
        ({"type": ["string", "null"], "enum": ["x", None]}, None),
        ({"anyOf": [TEXT, COUNT, NULL, closed(a=TEXT), closed(b=TEXT), closed()]}, None),
        ({"$ref": "#"}, None),
        (closed(), None),
        ({"type": "array", "items": TEXT, "minItems": 1}, "'minItems' is not supported"),
        ({"type": "string", "const": "x"}, "'const' is not supported"),
        ({}, "a type must be named"),
        ({"type": "any"}, "a type must be named"),
        ({"type": ["string", "integer"]}, "one type and null"),
        ({"type": "array"}, "what its items are"),
        ({"type": "string", "enum": []}, "something in it"),
        ({"type": "string", "enum": [1]}, "values of its type"),
        ({"type": "integer", "enum": [True]}, "values of its type"),
        (obj({"a": TEXT}, "a"), "additionalProperties:false"),
        (obj({"a": TEXT}, additionalProperties=False), "must be listed in `required`: a"),
        (obj({"a": TEXT}, "a", "b", additionalProperties=False), "nothing else"),
        ({"type": "object", "properties": {}, "additionalProperties": False}, "is required to be supplied"),
        ({"type": "object", "required": [], "additionalProperties": False}, "must have properties"),
        ({"anyOf": []}, "something in it"),
        ({"anyOf": [TEXT], "type": "string"}, "anyOf must stand alone"),
        ({"anyOf": [TEXT, {"type": ["string", "null"]}]}, "two alternatives are string"),
        ({"anyOf": [COUNT, {"type": "number"}]}, "two alternatives are number"),
        ({"anyOf": [closed(a=TEXT, b=TEXT), closed(c=TEXT, b=TEXT)]}, "have the key 'b'"),
        ({"anyOf": [closed(), closed()]}, "have the key ''"),
        ({"anyOf": [{"$ref": "#"}, closed(it=TEXT)]}, "have the key 'it'"),
        ({"$ref": "#/$defs/nowhere"}, "a definition that is there"),
        ({"$ref": "#/properties/it"}, "a definition that is there"),
        ({"$ref": "#", "description": "x"}, "$ref must stand alone"),
        ({"$ref": "#/$defs/loop"}, "leads only to itself"),
        (True, "must be an object"),
    ],
)
def test_rule_of_strict_mode(part: object, problem: str | None) -> None:
    """Each rule is seen where it is broken, and nowhere else."""
    schema = {**obj({"it": part}, "it", additionalProperties=False), "$defs": {"loop": {"$ref": "#/$defs/loop"}}}
    problems = [found for found in strict_problems(schema) if not found.startswith("/$defs/loop")]
    assert [found for found in problems if problem is None or problem not in found] == []
    assert len(problems) == (problem is not None)
    assert all(found.startswith("/properties/it: ") for found in problems)


def test_schema_beyond_all_bounds() -> None:
    """Problems are counted out, and what is too deep, or refers too often, is itself a problem."""
    assert len(strict_problems(obj({f"p{n}": {} for n in range(100)}))) == PROBLEMS_MAX
    deep: Schema = TEXT
    for _ in range(DEPTH_MAX + 1):
        deep = {"type": "array", "items": deep}
    assert any("nested too deeply" in problem for problem in strict_problems(deep))
    many = {"anyOf": [closed(**{f"p{n}": TEXT}) for n in range(400)]}
    often = {**closed(**{f"q{n}": {"anyOf": [{"$ref": "#/$defs/U"}]} for n in range(400)}), "$defs": {"U": many}}
    assert ALTERNATIVES_MAX < 400 * 400
    assert any("too large" in problem for problem in strict_problems(often))


@pytest.mark.parametrize("schema", [None, [], "x"])
def test_schema_that_is_none(schema: object) -> None:
    """What is no object is a problem and no exception."""
    assert strict_problems(schema) == ["/: the schema is not an object"]
