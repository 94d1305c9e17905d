"""Checking answers: JSON or not, of the schema or not, and schemas that are wrong themselves."""

from typing import Any

import pytest

from headgate.domain.request import Check
from headgate.local.check import COMPILED_SCHEMAS_MAX, ProblemKind, _remembered, check_answer, compiled

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["n"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "text, check, schema, kind, path",
    [
        ("anything", Check.NONE, None, None, ""),
        ("{}", Check.JSON, None, None, ""),
        ("[1]", Check.JSON, None, None, ""),
        ("", Check.JSON, None, ProblemKind.JSON, ""),
        ("{'a': 1}", Check.JSON, None, ProblemKind.JSON, ""),
        ('{"a": NaN}', Check.JSON, None, ProblemKind.JSON, ""),
        ('"text"', Check.JSON, None, ProblemKind.JSON, ""),
        ("[" * 100_000, Check.JSON, None, ProblemKind.JSON, ""),
        ('{"a": "\ud800"}', Check.JSON, None, ProblemKind.JSON, ""),
        ('{"n": 1, "tags": ["a"]}', Check.SCHEMA, SCHEMA, None, ""),
        ('{"n": "1"}', Check.SCHEMA, SCHEMA, ProblemKind.OFF_SCHEMA, "n"),
        ('{"n": 1, "tags": ["a", 2]}', Check.SCHEMA, SCHEMA, ProblemKind.OFF_SCHEMA, "tags.1"),
        ("{}", Check.SCHEMA, SCHEMA, ProblemKind.OFF_SCHEMA, ""),
        ('{"n": 1, "m": 2}', Check.SCHEMA, SCHEMA, ProblemKind.OFF_SCHEMA, ""),
        ("no", Check.SCHEMA, SCHEMA, ProblemKind.JSON, ""),
        ("{}", Check.SCHEMA, None, None, ""),
        ("7", Check.SCHEMA, {"type": "integer"}, None, ""),
        ("{}", Check.SCHEMA, {"type": "thing"}, ProblemKind.SCHEMA, ""),
        ("{}", Check.SCHEMA, {"$ref": "#/nowhere"}, ProblemKind.SCHEMA, ""),
        ("{}", Check.SCHEMA, {"$ref": "http://127.0.0.1:9/schema"}, ProblemKind.SCHEMA, ""),
        ("{}", Check.SCHEMA, {"$ref": "file:///etc/hostname"}, ProblemKind.SCHEMA, ""),
        ("{}", Check.SCHEMA, {"properties": {"a": {"pattern": "("}}}, ProblemKind.SCHEMA, ""),
    ],
)
def test_answer_is_judged(
    text: str, check: Check, schema: dict[str, Any] | None, kind: ProblemKind | None, path: str
) -> None:
    """The problem names its kind and the place in the answer; no schema is ever fetched from anywhere."""
    problem = check_answer(text, check, schema)
    assert (problem.kind if problem else None) == kind
    if problem is not None:
        assert problem.path == path
        assert problem.message


def test_pattern_that_would_run_away_counts_as_no_match() -> None:
    """A schema of a client cannot hold the process up by its patterns."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^(a|aa)+\1$(?=x)"}}}
    problem = check_answer('{"a": "' + "a" * 60 + '!"}', Check.SCHEMA, schema)
    assert problem is not None
    assert problem.kind is ProblemKind.OFF_SCHEMA


def test_equal_schemas_are_compiled_once() -> None:
    """Two equal schemas of two requests share one validator."""
    assert compiled({"type": "object", "title": "one"}) is compiled({"type": "object", "title": "one"})


def test_remembered_schemas_are_bounded() -> None:
    """However many schemas come, only so many stay; a huge one never does."""
    for n in range(COMPILED_SCHEMAS_MAX + 50):
        compiled({"type": "object", "title": f"schema {n}"})
    assert _remembered.cache_info().currsize == COMPILED_SCHEMAS_MAX
    huge = {"type": "object", "description": "x" * 100_000}
    assert compiled(huge) is not compiled(huge)


def test_schema_that_contains_itself_is_a_problem() -> None:
    """A schema built in code can be circular; that is a problem of the schema and no exception."""
    schema: dict[str, Any] = {"type": "object"}
    schema["properties"] = {"again": schema}
    problem = check_answer("{}", Check.SCHEMA, schema)
    assert problem is not None
    assert problem.kind is ProblemKind.SCHEMA
