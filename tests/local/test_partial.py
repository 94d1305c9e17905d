"""Partial results: what can be had from an answer that is off schema, and how far it is to be trusted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import Check
from headgate.local.check import VIOLATIONS_MAX, Problem, check_value, violations
from headgate.local.partial import Level, extract_partial, trust

STRING = {"type": "string"}
INTEGER = {"type": "integer"}


def an_object(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    """An object schema."""
    return {"type": "object", "properties": properties, "required": list(required), **more}


ADDRESS = an_object({"street": STRING, "city": STRING}, "street", "city")
PERSON = an_object(
    {
        "name": STRING,
        "age": INTEGER,
        "email": {"type": "string", "format": "email"},
        "address": {"$ref": "#/$defs/address"},
        "tags": {"type": "array", "items": STRING},
        "note": STRING,
    },
    "name",
    "age",
    "address",
    **{"$defs": {"address": ADDRESS}},
)
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {"node": an_object({"id": INTEGER, "next": {"$ref": "#/$defs/node"}}, "id", "next")},
}
FLAT = an_object(dict.fromkeys("abcd", INTEGER), "a", "b", "c", "d")
WHOLE = {"name": "Ann", "age": 5, "address": {"street": "Main", "city": "Rome"}}


@pytest.mark.parametrize(
    "value, schema, share, level, missing",
    [
        (WHOLE, PERSON, 1, Level.FULL, ()),
        ({**WHOLE, "note": 5}, PERSON, 1, Level.PARTIAL, ()),
        ({**WHOLE, "age": "5"}, PERSON, 0.75, Level.PARTIAL, ("age",)),
        ({"name": "Ann", "age": 5}, PERSON, 0.5, Level.PARTIAL, ("address.street", "address.city")),
        ({"name": "Ann", "age": 5, "address": None}, PERSON, 0.5, Level.PARTIAL, ("address.street", "address.city")),
        ({"name": "Ann", "address": "Main"}, PERSON, 0.25, Level.LOW, ("age", "address.street", "address.city")),
        ({"address": {"city": "Rome"}}, PERSON, 0.25, Level.LOW, ("name", "age", "address.street")),
        ({"email": "a@b.c"}, PERSON, 0, Level.DISCARD, ("name", "age", "address.street", "address.city")),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, FLAT, 1, Level.FULL, ()),
        ({"a": 1, "b": 1}, FLAT, 0.5, Level.PARTIAL, ("c", "d")),
        ({"a": 1, "b": "x"}, FLAT, 0.25, Level.LOW, ("b", "c", "d")),
        ({}, FLAT, 0, Level.DISCARD, ("a", "b", "c", "d")),
        ([], FLAT, 0, Level.DISCARD, ("a", "b", "c", "d")),
        ({"a": 1}, an_object({"a": INTEGER, "b": INTEGER}), 0.5, Level.PARTIAL, ("b",)),
        ({}, {"type": "object"}, 1, Level.FULL, ()),
        ([], {"type": "object"}, 0, Level.DISCARD, ("",)),
        ({"l": [1, "x"]}, an_object({"l": {"type": "array", "items": INTEGER}}, "l"), 0, Level.DISCARD, ("l",)),
        ({"u": None}, an_object({"u": {"anyOf": [INTEGER, {"type": "null"}]}}, "u"), 1, Level.FULL, ()),
        ({"u": "x"}, an_object({"u": {"anyOf": [INTEGER, {"type": "null"}]}}, "u"), 0, Level.DISCARD, ("u",)),
        ({"o": None}, an_object({"o": {**ADDRESS, "type": ["object", "null"]}}, "o"), 1, Level.FULL, ()),
        (
            {"a": 1},
            {"allOf": [an_object({"a": INTEGER}, "a"), an_object({"b": INTEGER}, "b")]},
            0.5,
            Level.PARTIAL,
            ("b",),
        ),
        ({"a": 1}, {"type": "thing", "properties": {"a": INTEGER}, "required": ["a"]}, 0, Level.DISCARD, ("a",)),
    ],
)
def test_trust_is_the_share_of_required_fields(
    value: Any, schema: dict[str, Any], share: float, level: Level, missing: tuple[str, ...]
) -> None:
    """Nested required fields count in place of the object that holds them; without required fields all properties."""
    judged = trust(value, schema)
    assert (judged.share, judged.level, judged.missing) == (share, level, missing)


def test_recursive_schema_is_walked_to_a_depth() -> None:
    """A schema that requires itself for ever has a share too."""
    judged = trust({"id": 1, "next": {"id": 2}}, TREE)
    assert 0 < judged.share < 0.5
    assert judged.level in {Level.LOW, Level.DISCARD}


@pytest.mark.parametrize(
    "text, value, level",
    [
        (json.dumps(WHOLE), WHOLE, Level.FULL),
        (json.dumps({**WHOLE, "age": "5"}), WHOLE, Level.FULL),
        (json.dumps({**WHOLE, "Age": 5, "age": None}), {**WHOLE, "Age": 5, "age": None}, None),
        (
            "{'name': 'Ann', 'age': '5', 'address': {'street': 'Main', 'city': 'Rome'}, 'note': ['x', 'y']}",
            WHOLE,
            Level.FULL,
        ),
        (json.dumps({**WHOLE, "tags": "new"}), {**WHOLE, "tags": ["new"]}, Level.FULL),
        (json.dumps({**WHOLE, "tags": ["new", {"a": 1}]}), {**WHOLE, "tags": ["new"]}, Level.FULL),
        (
            '{"name": "Ann", "age": 5, "address": {"street": "Ma',
            {"name": "Ann", "age": 5, "address": {"street": "Ma"}},
            Level.PARTIAL,
        ),
        ('{"name": "Ann", "age": "young"}', {"name": "Ann"}, Level.LOW),
        ('Here it is:\n```json\n{"Name": "Ann", "AGE": 5}\n```', {"name": "Ann", "age": 5}, Level.PARTIAL),
        ("Name: Ann\nAge: 5\nStreet: Main\nCity: Rome", WHOLE, Level.FULL),
        (
            "- **Name:** Ann\n- **Age:** 5 \n* **City**: Rome,",
            {"name": "Ann", "age": 5, "address": {"city": "Rome"}},
            Level.PARTIAL,
        ),
        ("| Field | Value |\n|---|---|\n| Name | Ann |\n| Age | 5 |", {"name": "Ann", "age": 5}, Level.PARTIAL),
        (
            "| Name | Age | City |\n|---|:-:|---|\n| Ann | 5 | Rome |",
            {"name": "Ann", "age": 5, "address": {"city": "Rome"}},
            Level.PARTIAL,
        ),
        ("1. Name: Ann\n2. Tags: new, vip", {"name": "Ann", "tags": ["new", "vip"]}, Level.LOW),
        ("Write to ann@example.org.", {"email": "ann@example.org"}, None),
    ],
)
def test_best_of_an_answer_off_schema(text: str, value: object, level: Level | None) -> None:
    """Invalid members go, obvious types are converted, labelled lines and tables are read; no share, no result."""
    found = extract_partial(text, PERSON)
    if level is None:
        assert found is None or found.level is not Level.FULL
        return
    assert found is not None
    assert (found.value, found.level) == (value, level)


@pytest.mark.parametrize(
    "text, field, schema, value",
    [
        ("Write to ann@example.org.", "email", STRING, "ann@example.org"),
        ("Write to ann@example.org.", "contact", {"type": "string", "format": "email"}, "ann@example.org"),
        ("Contact email: Ann <ann@example.org>", "contact_email", STRING, "ann@example.org"),
        ("Call +49 30 1234567 now", "phone", STRING, "+49 30 1234567"),
        ("Call (030) 123-4567.", "phoneNumber", STRING, "(030) 123-4567"),
        ("due on 2026-03-12 at noon", "due_date", STRING, "2026-03-12"),
        ("due on March 5th, 2026", "due_date", {"type": "string", "format": "date"}, "2026-03-05"),
        ("due on 5 Mar 2026", "date", STRING, "2026-03-05"),
        ("That makes $1,234.50 in all", "amount", {"type": "number"}, 1234.5),
        ("Total: 99 EUR", "total", {"type": "number"}, 99),
        ("see https://example.org/a?b=1.", "url", STRING, "https://example.org/a?b=1"),
        ("Paid: yes", "paid", {"type": "boolean"}, True),
        ("Mood = HAPPY", "mood", {"enum": ["happy", "sad"]}, "happy"),
        ("`Share`: 12 %", "share", {"type": "number"}, 12),
    ],
)
def test_known_patterns_in_plain_text(text: str, field: str, schema: dict[str, Any], value: object) -> None:
    """A field called or typed like something that everybody knows is found without a label, if there is only one."""
    found = extract_partial(text, an_object({field: schema}, field))
    assert found is not None
    assert (found.value, found.level) == ({field: value}, Level.FULL)


@pytest.mark.parametrize(
    "text, field, schema",
    [
        ("Write to a@example.org or b@example.org.", "email", STRING),
        ("I am sorry, I do not know.", "name", STRING),
        ("Age: unknown", "age", INTEGER),
        ("between $5 and $10", "price", {"type": "number"}),
        ("order 4711 of 2026", "phone", STRING),
        ("", "name", STRING),
        ("null", "name", STRING),
    ],
)
def test_plain_text_is_not_guessed_at(text: str, field: str, schema: dict[str, Any]) -> None:
    """Two candidates, no label, or a value of another type: nothing is found."""
    assert extract_partial(text, an_object({field: schema}, field)) is None


def test_incomplete_items_of_a_list_are_dropped() -> None:
    """An item that was cut off does not spoil the list."""
    item = an_object({"id": INTEGER, "ok": {"type": "boolean"}}, "id", "ok", additionalProperties=False)
    schema = an_object({"items": {"type": "array", "items": item}}, "items", additionalProperties=False)
    text = '{"items": [{"id": "1", "ok": "true", "x": 1}, {"id": 2, "ok": maybe}, {"id": 3, "ok": false}, {"id": 4'
    found = extract_partial(text, schema)
    assert found is not None
    assert found.value == {"items": [{"id": 1, "ok": True}, {"id": 3, "ok": False}]}
    assert found.level is Level.FULL


def test_violations_are_bounded() -> None:
    """However much is wrong with a value, only so much of it is listed."""
    broken = violations(["x"] * (VIOLATIONS_MAX + 5), {"type": "array", "items": INTEGER})
    assert not isinstance(broken, Problem)
    assert len(broken) == VIOLATIONS_MAX


SCHEMAS: tuple[dict[str, Any], ...] = (
    PERSON,
    FLAT,
    TREE,
    {},
    {"type": "array", "items": INTEGER},
    {"type": "nothing"},
    {"$ref": "#/nowhere"},
)
PIECES = st.sampled_from(
    [*'{}[]",:|*\n `', "name", "age", "Name: ", "5", "null", "address", '"city"', "a@b.org", "\ud800"]
)


@given(st.text(max_size=60) | st.lists(PIECES, max_size=30).map("".join), st.sampled_from(SCHEMAS))
def test_no_text_raises_and_full_means_valid(text: str, schema: dict[str, Any]) -> None:
    """Any text and any schema: a share from 0 to 1, and what is called full satisfies the schema."""
    found = extract_partial(text, schema)
    if found is None:
        return
    assert 0 < found.share <= 1
    assert (found.level is Level.FULL) == (check_value(found.value, Check.SCHEMA, schema) is None and not found.missing)


@given(st.permutations(list(WHOLE)), st.integers(0, 3))
def test_more_fields_are_never_trusted_less(names: list[str], count: int) -> None:
    """Adding a valid field never lowers the share."""
    few = {name: WHOLE[name] for name in names[:count]}
    more = {name: WHOLE[name] for name in names[: count + 1]}
    assert trust(few, PERSON).share <= trust(more, PERSON).share
