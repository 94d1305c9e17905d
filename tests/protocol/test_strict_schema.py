"""Rewriting schemas for strict mode: the rules are obeyed, nothing is lost, and what cannot be said is refused."""

import json
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from tests.protocol.strict_drawing import Drawing, Instances, Schema, is_valid, told

from headgate.protocol.strict import NotStrict, Strict, rewrite
from headgate.protocol.strict_forms import BRANCHES_MAX, DEPTH_MAX, ENUM_VALUES_MAX, PROPERTIES_MAX
from headgate.protocol.strict_restore import ENCODE_STEPS_MAX
from headgate.protocol.strict_rules import strict_problems

EXAMPLES = 40
"""For each kind and direction; 1,000 there and back, 200 the other way were run when this was written."""
KINDS = ("optional", "union", "definition", "recursion", "map", "any")


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_instance_goes_there_and_back(kind: str, data: st.DataObject) -> None:
    """The strict schema obeys every rule, takes every instance in its strict form, and gives the same one back."""
    schema = Drawing(data, bounds=True).schema(kind)
    strict = rewrite(schema)
    assert isinstance(strict, Strict), strict
    assert strict_problems(strict.schema) == []
    value = Instances(data, schema).of(schema)
    assert is_valid(schema, value)
    answer = strict.encode(value)
    assert is_valid(strict.schema, answer)
    back = strict.restore(answer)
    assert told(back) == told(value)
    assert is_valid(schema, back)
    if strict.is_identity:
        assert back == answer


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_model_answers_anything_that_strict_mode_allows(kind: str, data: st.DataObject) -> None:
    """Whatever obeys the strict schema restores to an instance of the client's, and as it is where nothing changes."""
    schema = Drawing(data, bounds=False).schema(kind)
    strict = rewrite(schema)
    assert isinstance(strict, Strict), strict
    answer = Instances(data, strict.schema).of(strict.schema)
    assert is_valid(strict.schema, answer)
    assert is_valid(schema, strict.restore(answer))
    if strict.is_identity:
        assert is_valid(schema, answer)
        assert strict.restore(answer) == answer


# ------------------------------------------------------------------------------------------------------ what it becomes


def obj(properties: Schema, *required: str, **more: object) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def closed(**properties: Schema) -> Schema:
    return obj(properties, *properties, additionalProperties=False)


TEXT = {"type": "string"}
COUNT = {"type": "integer"}
NULL = {"type": "null"}
CAT = obj({"kind": {"const": "cat"}, "lives": COUNT}, "kind", "lives")
DOG = obj({"kind": {"const": "dog"}, "name": TEXT}, "kind", "name")


@pytest.mark.parametrize(
    "part, expected",
    [
        pytest.param({"const": "x"}, {"type": "string", "enum": ["x"]}, id="const"),
        pytest.param({"enum": ["x", None]}, {"type": ["string", "null"], "enum": ["x", None]}, id="enum with null"),
        pytest.param({"enum": [True, False]}, {"type": "boolean"}, id="booleans are not enumerated"),
        pytest.param({"const": True}, {"type": "boolean", "description": "(always true)"}, id="a sole boolean is told"),
        pytest.param(
            {"enum": ["x", 1]},
            {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "integer", "enum": [1]}]},
            id="enum of two types",
        ),
        pytest.param({"type": ["integer", "number"]}, {"type": "number"}, id="an integer is a number"),
        pytest.param({"type": "number", "enum": [1, 2.5]}, {"type": "number", "enum": [1, 2.5]}, id="enum of numbers"),
        pytest.param({"anyOf": [TEXT, {"const": "x"}]}, TEXT, id="two texts are one"),
        pytest.param({"anyOf": [TEXT, NULL, COUNT]}, {"anyOf": [TEXT, COUNT, NULL]}, id="null last"),
        pytest.param({"oneOf": [COUNT, {"anyOf": [TEXT]}]}, {"anyOf": [COUNT, TEXT]}, id="union in a union"),
        pytest.param(
            {"type": "string", "pattern": "^a", "maxLength": 3, "description": "Short.", "examples": ["a"]},
            {"type": "string", "description": "Short. (pattern: ^a; maxLength: 3)"},
            id="bounds are told in words",
        ),
        pytest.param({"allOf": [TEXT, {"maxLength": 3}]}, {**TEXT, "description": "(maxLength: 3)"}, id="allOf bounds"),
        pytest.param(
            {"allOf": [obj({"a": COUNT}), obj({"a": {"type": "number"}, "b": TEXT}, "a", "b")]},
            closed(a=COUNT, b=TEXT),
            id="allOf of objects",
        ),
        pytest.param(
            {"anyOf": [obj({"a": TEXT}, "a"), obj({"b": TEXT}, "b")]},
            {"anyOf": [closed(a=TEXT), closed(b=TEXT)]},
            id="alternatives with keys of their own",
        ),
        pytest.param(
            {"type": "object", "required": ["n"], "properties": {"n": COUNT}, "oneOf": [CAT, DOG]},
            {
                "anyOf": [
                    closed(cat=closed(kind={**TEXT, "enum": ["cat"]}, lives=COUNT, n=COUNT)),
                    closed(dog=closed(kind={**TEXT, "enum": ["dog"]}, name=TEXT, n=COUNT)),
                ]
            },
            id="alternatives that share a key get a tag, and what stands beside them",
        ),
        pytest.param(
            obj({"a": TEXT, "b": TEXT}, "a", "b", anyOf=[{"required": ["a"]}, {"required": ["b"]}]),
            closed(a=TEXT, b=TEXT),
            id="alternatives that only narrow",
        ),
        pytest.param(obj({"a": TEXT, "b": False}, "a"), closed(a=TEXT), id="forbidden property"),
        pytest.param(obj({"a": TEXT}), closed(a={"type": ["string", "null"]}), id="optional"),
        pytest.param(
            obj({"a": {"type": ["string", "null"]}}),
            closed(a={"anyOf": [closed(value={"type": ["string", "null"]}), NULL]}),
            id="optional and nullable",
        ),
        pytest.param(
            obj({"a": {"type": ["string", "null"], "default": None}}),
            closed(a={"type": ["string", "null"]}),
            id="optional and null by default",
        ),
        pytest.param(
            {"type": "object", "additionalProperties": COUNT},
            {"type": "array", "items": closed(key=TEXT, value=COUNT), "description": "One entry for each key."},
            id="map",
        ),
        pytest.param(
            {"type": "object", "patternProperties": {"^x": COUNT}, "additionalProperties": False},
            {"type": "array", "items": closed(key=TEXT, value=COUNT), "description": "One entry for each key."},
            id="map by pattern",
        ),
    ],
)
def test_part_becomes(part: Schema, expected: Schema) -> None:
    """What the model is shown instead; it obeys the rules."""
    strict = rewrite(obj({"it": part}, "it"))
    assert isinstance(strict, Strict), strict
    assert strict.schema == closed(it=expected)
    assert strict_problems(strict.schema) == []


@pytest.mark.parametrize(
    "schema, value, answer",
    [
        (obj({"a": TEXT}), {}, {"a": None}),
        (obj({"a": {"type": ["string", "null"]}}), {"a": None}, {"a": {"value": None}}),
        (obj({"a": {"type": ["string", "null"]}}), {}, {"a": None}),
        ({"type": "object", "additionalProperties": COUNT}, {"x": 1}, {"value": [{"key": "x", "value": 1}]}),
        (
            {"type": "object", "properties": {"a": TEXT}, "additionalProperties": COUNT},
            {"a": "x", "other_entries": 1},
            {"a": "x", "other_entries": [{"key": "other_entries", "value": 1}]},
        ),
        ({"type": "array", "items": COUNT}, [1], {"value": [1]}),
        ({"oneOf": [CAT, DOG]}, {"kind": "cat", "lives": 9}, {"value": {"cat": {"kind": "cat", "lives": 9}}}),
        (
            {"anyOf": [{"type": "array", "items": COUNT}, {"type": "array", "items": TEXT}]},
            ["x"],
            {"value": {"option_2": ["x"]}},
        ),
        ({"anyOf": [obj({"a": TEXT}), NULL]}, None, {"value": None}),
    ],
)
def test_instance_becomes(schema: Schema, value: object, answer: object) -> None:
    """How the model answers, and that it is understood."""
    strict = rewrite(schema)
    assert isinstance(strict, Strict), strict
    assert strict.encode(value) == answer
    assert strict.restore(answer) == value


def test_absent_property_whose_default_is_null() -> None:
    """It comes back as null, which the schema says is the same, and answers need not be changed at all."""
    strict = rewrite(obj({"a": {"type": ["string", "null"], "default": None}}))
    assert isinstance(strict, Strict)
    assert strict.is_identity
    assert strict.restore(strict.encode({})) == {"a": None}


@pytest.mark.parametrize(
    "schema, same",
    [
        (obj({"a": TEXT, "b": {"type": "array", "items": COUNT}}, "a", "b"), True),
        (obj({"a": {"anyOf": [TEXT, NULL], "default": None}}), True),
        (obj({"a": {"anyOf": [obj({"x": TEXT}, "x"), obj({"y": TEXT}, "y")]}}, "a"), True),
        (obj({"a": TEXT}), False),
        (obj({"a": {"oneOf": [CAT, DOG]}}, "a"), False),
        (obj({"a": {"type": "object", "additionalProperties": TEXT}}, "a"), False),
        (obj({"a": {"$ref": "#/$defs/A"}}, "a", **{"$defs": {"A": obj({"b": TEXT})}}), False),
        ({"type": "array", "items": TEXT}, False),
    ],
)
def test_answers_need_no_change(schema: Schema, *, same: bool) -> None:
    """It is known beforehand whether answers are the client's as they are, so that streams may be relayed."""
    strict = rewrite(schema)
    assert isinstance(strict, Strict)
    assert strict.is_identity is same


def test_schema_that_is_strict_already() -> None:
    """It is sent as it is, title for title."""
    schema = {**closed(a={**TEXT, "title": "A"}, b={"$ref": "#/$defs/B"}), "$defs": {"B": closed(c=COUNT)}}
    strict = rewrite(schema)
    assert isinstance(strict, Strict)
    assert strict.schema == schema
    assert strict.is_identity
    assert strict.restore({"a": "x"}) == strict.encode({"a": "x"}) == {"a": "x"}


def test_recursion_through_the_whole_and_through_a_definition() -> None:
    """References stay references: the whole is `#`, a definition keeps its name."""
    node = obj({"next": {"$ref": "#/definitions/Node"}, "whole": {"$ref": "#"}})
    strict = rewrite({**obj({"node": {"$ref": "#/definitions/Node"}}, "node"), "definitions": {"Node": node}})
    assert isinstance(strict, Strict)
    again = {"anyOf": [{"$ref": "#/$defs/Node"}, NULL]}
    expected = closed(next=again, whole={"anyOf": [{"$ref": "#"}, NULL]})
    assert strict.schema == {**closed(node={"$ref": "#/$defs/Node"}), "$defs": {"Node": expected}}
    value: Schema = {"node": {"next": {"next": {}}, "whole": {"node": {}}}}
    assert strict.restore(strict.encode(value)) == value


def test_union_that_recurs_through_its_own_alternative() -> None:
    """An alternative that was written in place becomes a definition where two unions lead to it."""
    again = {"anyOf": [{"$ref": "#/$defs/U"}, NULL]}
    schema = {**obj({"it": {"$ref": "#/$defs/U"}}, "it"), "$defs": {"U": {"anyOf": [obj({"x": again}, "x"), TEXT]}}}
    strict = rewrite(schema)
    assert isinstance(strict, Strict)
    assert strict_problems(strict.schema) == []
    value = {"it": {"x": {"x": "end"}}}
    assert strict.is_identity
    assert is_valid(strict.schema, value)
    assert strict.restore(strict.encode(value)) == value


def test_definitions_whose_names_are_written_alike() -> None:
    """Each keeps a name of its own."""
    definitions = {"A b": obj({"x": TEXT}), "A_b": obj({"x": COUNT})}
    both = obj({"p": {"$ref": "#/$defs/A b"}, "q": {"$ref": "#/$defs/A_b"}, "r": {"$ref": "#/definitions/A_b"}}, "p")
    strict = rewrite({**both, "$defs": definitions, "definitions": {"A_b": obj({"x": {"type": "boolean"}})}})
    assert isinstance(strict, Strict)
    assert len(strict.schema["$defs"]) == 3
    value = {"p": {"x": "y"}, "q": {"x": 1}, "r": {"x": True}}
    assert is_valid(strict.schema, strict.encode(value))


@pytest.mark.parametrize(
    "answer",
    [
        {"cat": {}, "more": 1},
        {"value": {"cat": {"kind": "cat"}, "more": 1}},
        {"value": {"cow": {}}},
        {"value": {}},
        [],
        7,
    ],
)
def test_answer_that_is_no_alternative(answer: object) -> None:
    """It is left as it is, and nothing in it is lost before the check sees it."""
    strict = rewrite({"oneOf": [CAT, DOG]})
    assert isinstance(strict, Strict)
    inner = answer["value"] if isinstance(answer, dict) and "value" in answer else answer
    assert strict.restore(answer) == inner


class Cat(BaseModel):
    """Told apart by its kind."""

    kind: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    """Has others in it."""

    kind: Literal["dog"]
    friends: "list[Cat | Dog]" = []


class House(BaseModel):
    """The whole."""

    owner: str
    pet: Cat | Dog = Field(discriminator="kind")
    phone: str | None = None
    rooms: dict[str, float] = {}


def test_schema_of_a_pydantic_model() -> None:
    """What most clients send: optional with null, a discriminated union, recursion and a map."""
    schema = House.model_json_schema()
    strict = rewrite(schema)
    assert isinstance(strict, Strict), strict
    assert strict_problems(strict.schema) == []
    friends: list[Cat | Dog] = [Cat(kind="cat", lives=9), Dog(kind="dog", friends=[])]
    house = House(owner="Ada", pet=Dog(kind="dog", friends=friends), rooms={"hall": 12.5})
    answer = strict.encode(house.model_dump())
    assert is_valid(strict.schema, answer)
    assert House.model_validate(strict.restore(answer)) == house


# ------------------------------------------------------------------------------------------------- what is not possible


@pytest.mark.parametrize(
    "part, reason",
    [
        ({}, "free-form"),
        (True, "free-form"),
        ({"description": "anything"}, "free-form"),
        ({"type": "object"}, "free-form"),
        ({"type": "array"}, "free-form"),
        (obj({"a": TEXT}, additionalProperties=True), "free-form"),
        (obj({"a": TEXT}, "b"), "without saying what it is"),
        (obj({"a": TEXT}, "a", patternProperties={"^b": COUNT}), "patternProperties"),
        (False, "allows no value"),
        ({"enum": []}, "no value fits"),
        ({"enum": [{"a": 1}]}, "objects or arrays"),
        ({"type": "array", "prefixItems": [TEXT, COUNT]}, "tuple"),
        ({"type": "array", "items": [TEXT]}, "tuple"),
        ({"type": "thing"}, "unknown type"),
        ({"type": 7}, "not the name of one"),
        ({"allOf": [TEXT, COUNT]}, "two types at once"),
        ({"allOf": [obj({"a": TEXT}, additionalProperties=False), obj({"b": TEXT})]}, "another part"),
        ({"allOf": [{"anyOf": [TEXT, COUNT]}, {"anyOf": [TEXT, NULL]}]}, "two anyOf"),
        ({"anyOf": [TEXT], "oneOf": [TEXT, COUNT]}, "at once"),
        ({"anyOf": [{"const": n} for n in range(BRANCHES_MAX + 1)]}, "list of 1 to"),
        (obj({"a": TEXT}, "a", **{"if": obj({}), "then": obj({"b": TEXT})}), "properties of its own"),
        (obj({"a": TEXT}, dependentSchemas={"a": {"required": ["b"]}}), "properties of its own"),
        ({"$ref": "#/$defs/nowhere"}, "not there"),
        ({"$ref": "#/$defs/loop"}, "refers to itself"),
        ({"$ref": "https://example.org/schema"}, "not a place in the schema"),
        ({"$ref": "other.json"}, "not a place in the schema"),
        ({"$ref": 7}, "not a place in the schema"),
        ({"$dynamicRef": "#node"}, "dynamic"),
        ({"$id": "https://example.org/x", "type": "string"}, "address of its own"),
        ({"allOf": [{"$ref": "#/properties/it"}, {"minLength": 3}]}, "levels deep"),
        ({"type": "object", "properties": [1]}, "not a JSON Schema"),
        ({"type": "object", "properties": {"a": 1}}, "not a JSON Schema"),
        ({"type": "object", "properties": {"a": TEXT}, "required": [["a"]]}, "not a JSON Schema"),
        ({"enum": list(range(ENUM_VALUES_MAX + 1))}, "enum values"),
        (obj({f"p{n}": TEXT for n in range(PROPERTIES_MAX + 1)}), "properties"),
    ],
)
def test_part_cannot_be_strict(part: object, reason: str) -> None:
    """A sentence says what and why, for the operator and the client."""
    loop = {"$ref": "#/$defs/also"}
    definitions = {"loop": loop, "also": {"anyOf": [{"$ref": "#/$defs/loop"}]}}
    strict = rewrite({**obj({"it": part}, "it"), "$defs": definitions})
    assert isinstance(strict, NotStrict)
    assert strict.reason.startswith("Strict mode is not used: ")
    assert reason in strict.reason


def deep(levels: int) -> Schema:
    schema: Schema = TEXT
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def doubled(levels: int) -> Schema:
    """Each definition is the next one twice."""
    twice = {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}, {"$ref": f"#/$defs/{n + 1}"}]} for n in range(levels)}
    return {"$ref": "#/$defs/0", "$defs": {**twice, str(levels): obj({"a": TEXT}, "a")}}


def circular() -> Schema:
    schema: Schema = {"type": "object"}
    schema["properties"] = {"again": schema}
    return schema


def shared(levels: int) -> Schema:
    """Small in memory, 2 ** levels long as JSON."""
    schema: Schema = TEXT
    for _ in range(levels):
        schema = obj({"a": schema, "b": schema}, "a", "b")
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(deep(DEPTH_MAX + 1), id="nested too deeply"),
        pytest.param(deep(3_000), id="nested beyond any recursion"),
        pytest.param(doubled(28), id="references that double at each step"),
        pytest.param({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, id="all of itself, twice"),
        pytest.param({"anyOf": [{"$ref": "#"}]}, id="itself"),
        pytest.param(circular(), id="an object that contains itself"),
        pytest.param(shared(60), id="parts that are shared"),
        pytest.param(obj({"a": {"enum": ["x" * 300_000]}}), id="long texts"),
        pytest.param({"type": "object", "a": object()}, id="not JSON"),
        pytest.param({"type": "object", "properties": {"a": {"const": "\ud800"}}}, id="not Unicode"),
        pytest.param([], id="no object"),
        pytest.param(None, id="nothing"),
    ],
)
def test_hostile_schema(schema: object) -> None:
    """It is refused in bounded steps, with a reason and without an exception."""
    assert isinstance(rewrite(schema), NotStrict)


def test_many_unions_of_many_alternatives() -> None:
    """A union behind many references is not copied without end: the strict schema stays small, or is refused."""
    union = {"anyOf": [obj({f"p{n}": TEXT}) for n in range(BRANCHES_MAX)]}
    strict = rewrite({**obj({f"q{n}": {"$ref": "#/$defs/U"} for n in range(500)}), "$defs": {"U": union}})
    assert isinstance(strict, Strict)
    assert len(json.dumps(strict.schema)) < 150_000
    nested = {"anyOf": [{"$ref": "#/$defs/U"}, {"type": "array", "items": TEXT}]}
    assert isinstance(rewrite({**obj({"q": nested}), "$defs": {"U": union}}), NotStrict)


def test_value_with_too_many_alternatives() -> None:
    """Encoding what fits almost everywhere gives up; it does not try alternatives without end."""
    again = {"type": "array", "items": {"$ref": "#"}}
    strict = rewrite({"anyOf": [again, {**again, "maxItems": 3}, {**again, "minItems": 9}, TEXT]})
    assert isinstance(strict, Strict)
    value: object = 7
    for _ in range(40):
        value = [value]
    assert ENCODE_STEPS_MAX < 3**40
    with pytest.raises(ValueError, match="too many alternatives"):
        strict.encode(value)


KEYWORDS = """
    type enum const properties required additionalProperties patternProperties items prefixItems anyOf oneOf allOf $ref
    $defs not if then default minimum pattern title description $id a b # string object
"""
keywords = st.sampled_from(KEYWORDS.split())
leaves = st.sampled_from(
    ["string", "integer", "object", "array", "null", "#", "#/$defs/a", "#/properties/a", "a", 1, 1.5, None, True, False]
)
junk = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keywords, inner, max_size=5),
    max_leaves=40,
)


@given(junk, junk)
def test_any_json_as_a_schema(schema: object, answer: object) -> None:
    """Nothing raises; what is rewritten obeys the rules; any answer is taken without an exception."""
    strict = rewrite(schema)
    strict_problems(schema)
    if isinstance(strict, Strict):
        assert strict_problems(strict.schema) == []
        strict.restore(answer)


@given(data=st.data(), with_what=junk)
def test_schema_with_something_foreign_in_it(data: st.DataObject, with_what: object) -> None:
    """A sound schema in which one part is replaced by anything: nothing raises, and what is rewritten obeys."""
    schema = Drawing(data, bounds=True).schema("any")
    part: Any = schema
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.integers(0, 3)) == 0:
            break
        part = part[key]
    part[key] = with_what
    strict = rewrite(schema)
    if isinstance(strict, Strict):
        assert strict_problems(strict.schema) == []
        strict.restore({"it": with_what})


@given(data=st.data(), answer=junk)
def test_answer_off_the_strict_form(data: st.DataObject, answer: object) -> None:
    """It is not touched more than its form allows, and never raises."""
    strict = rewrite(Drawing(data, bounds=False).schema("any"))
    assert isinstance(strict, Strict)
    strict.restore(answer)
    strict.restore({"it": answer})
    strict.restore({"value": answer})


def test_answer_nested_without_end() -> None:
    """What lies too deep is left as it is, for the check to refuse."""
    strict = rewrite(obj({"next": {"$ref": "#"}}))
    assert isinstance(strict, Strict)
    answer: Schema = {"next": None}
    for _ in range(5_000):
        answer = {"next": answer}
    restored = strict.restore(answer)
    assert isinstance(restored, dict)
    with pytest.raises(ValueError, match="too deeply"):
        strict.encode(answer)


@pytest.mark.parametrize(
    "schema, value",
    [
        (obj({"a": TEXT}, "a"), {}),
        (obj({"a": TEXT}, "a"), {"a": 1}),
        (obj({"a": TEXT}, "a"), {"a": "x", "b": 1}),
        (obj({"a": {"enum": [1]}}, "a"), {"a": True}),
        (obj({"a": {"anyOf": [TEXT, NULL]}}, "a"), {"a": 1}),
        (obj({"a": {"type": "array", "items": TEXT}}, "a"), {"a": {}}),
    ],
)
def test_value_that_is_no_instance(schema: Schema, value: object) -> None:
    """Encoding it is an error."""
    strict = rewrite(schema)
    assert isinstance(strict, Strict)
    with pytest.raises(ValueError, match=r".+"):
        strict.encode(value)
