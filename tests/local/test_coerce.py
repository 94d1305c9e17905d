"""Obvious conversions: what is turned into the type that the schema asks for, and what is left alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.local.check import satisfies
from headgate.local.coerce import coerced


def typed(kind: str | list[str]) -> dict[str, Any]:
    """A schema of one type or several."""
    return {"type": kind}


@pytest.mark.parametrize(
    "value, schema, expected",
    [
        ("42", typed("integer"), 42),
        (" -1,234 ", typed("integer"), -1234),
        ("3.0", typed("integer"), 3),
        ("3.5", typed("integer"), "3.5"),
        (4.0, typed("integer"), 4.0),
        ("$12.50", typed("number"), 12.5),
        ("12 %", typed("number"), 12),
        ("1e3", typed("number"), 1000.0),
        ("nan", typed("number"), "nan"),
        ("inf", typed("number"), "inf"),
        ("1,2", typed("number"), "1,2"),
        ("12 apples", typed("integer"), "12 apples"),
        (True, typed("integer"), True),
        ("9" * 50, typed("integer"), "9" * 50),
        ("true", typed("boolean"), True),
        ("No", typed("boolean"), False),
        (1, typed("boolean"), True),
        (2, typed("boolean"), 2),
        (42, typed("string"), "42"),
        (True, typed("string"), "true"),
        (None, typed("string"), None),
        ({"a": 1}, typed("string"), {"a": 1}),
        ("null", typed("null"), None),
        ("null", typed(["string", "null"]), "null"),
        ("", typed(["integer", "null"]), None),
        ("5", typed(["integer", "null"]), 5),
        ("x", typed("array"), ["x"]),
        (None, typed("array"), []),
        ("[1, 2,]", typed("array"), [1, 2]),
        ("5", {"type": "array", "items": typed("integer")}, [5]),
        ("{'a': 1}", typed("object"), {"a": 1}),
        ([{"a": 1}], typed("object"), {"a": 1}),
        ([{"a": 1}, {}], typed("object"), [{"a": 1}, {}]),
        ("High", {"enum": ["low", "high"]}, "high"),
        ("in progress", {"enum": ["IN_PROGRESS", "DONE"]}, "IN_PROGRESS"),
        ("2", {"enum": [1, 2]}, 2),
        ("a-b", {"enum": ["a_b", "a b"]}, "a-b"),
        ("Cat", {"const": "cat"}, "cat"),
        ("5", {"anyOf": [typed("integer"), typed("null")]}, 5),
        ("5", {"anyOf": [typed("integer"), typed("string")]}, "5"),
        ("x", {"anyOf": [typed("integer"), typed("null")]}, "x"),
        ({"Full Name": "Ann"}, {"properties": {"full_name": typed("string")}}, {"full_name": "Ann"}),
        ({"a": "1", "A": "2"}, {"properties": {"a": typed("integer")}}, {"a": 1, "A": "2"}),
        ({"x": "1"}, {"type": "object", "additionalProperties": typed("integer")}, {"x": 1}),
        (
            {"a": {"b": ["1"]}},
            {
                "properties": {"a": {"$ref": "#/$defs/a"}},
                "$defs": {"a": {"properties": {"b": {"type": "array", "items": typed("integer")}}}},
            },
            {"a": {"b": [1]}},
        ),
        ("x", {"$ref": "#"}, "x"),
        ("x", {"$ref": "other.json"}, "x"),
    ],
)
def test_obvious_conversion(value: object, schema: dict[str, Any], expected: object) -> None:
    """Only what has one reading is converted; the rest stays as it is, for the check to refuse."""
    found = coerced(value, schema)
    assert found == expected
    assert type(found) is type(expected)


def test_alternatives_within_alternatives_are_bounded() -> None:
    """A schema that offers itself eight times does not make a conversion run away."""
    schema = {"anyOf": [{"$ref": "#"}] * 8 + [{"type": "array", "items": {"$ref": "#"}}]}
    value: Any = "x"
    for _ in range(30):
        value = [value, value] if not isinstance(value, list) else [value]
    assert coerced(value, schema) == value


PROPERTIES = {"a": typed("integer"), "b": typed("string"), "c": {"type": "array", "items": typed("boolean")}}
OPEN = {"type": "object", "properties": PROPERTIES, "required": ["a"]}
VALID = st.fixed_dictionaries({"a": st.integers()}, optional={"b": st.text(), "c": st.lists(st.booleans())})


@given(VALID)
def test_valid_value_is_never_touched(value: dict[str, Any]) -> None:
    """What satisfies its schema comes out equal."""
    assert satisfies(value, OPEN)
    assert coerced(value, OPEN) == value


@given(VALID)
def test_written_out_value_is_converted_back(value: dict[str, Any]) -> None:
    """Numbers and booleans written as text are read back to what they were."""
    written = {**value, "a": str(value["a"])}
    if "c" in value:
        written["c"] = [str(item).lower() for item in value["c"]]
    if len(written["a"]) <= 40:
        assert coerced(written, OPEN) == value
