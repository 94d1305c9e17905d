"""Owns the question whether an answer is what the client asked for: JSON at all, or JSON of its schema.

Refuses to know how a wrong answer is put right (`mend.py`) or who asks. Compiled schemas are remembered, at most
`COMPILED_SCHEMAS_MAX`; a schema never fetches anything and its patterns cannot run away.
"""

from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Any, Final, Protocol

import msgspec

from headgate.domain.request import Check

COMPILED_SCHEMAS_MAX: Final = 256
"""How many compiled schemas are remembered."""
REMEMBERED_SCHEMA_BYTES_MAX: Final = 65_536
"""A schema longer than this is compiled again each time, so that strangers cannot fill the memory."""
PATTERN_STEPS_MAX: Final = 100_000
"""Backtracking steps that one pattern may take over one string; more counts as no match."""
VIOLATIONS_MAX: Final = 1_000
"""How many violations of one value are looked at."""
MESSAGE_CHARS_MAX: Final = 300
"""The longest message of a problem, in characters."""


class ProblemKind(StrEnum):
    """Why an answer may not be given out."""

    JSON = "json"
    """The text is not JSON, or not an object or array."""
    OFF_SCHEMA = "off_schema"
    """JSON, but not of the client's schema."""
    SCHEMA = "schema"
    """The client's schema itself is not valid: no answer can satisfy it."""


class Problem(msgspec.Struct, frozen=True):
    """What is wrong; `path` leads there, as `a.0.b`. `message` may quote the answer: it is for its client only."""

    kind: ProblemKind
    message: str
    path: str = ""


class Violation(msgspec.Struct, frozen=True):
    """One rule of a schema that one place in a value breaks.

    `keyword` is the schema's word, as `type` or `required`; `names` are the members that must not be there, for
    `additionalProperties`. `path` leads from the value's root, by names and positions.
    """

    path: tuple[str | int, ...]
    keyword: str
    names: tuple[str, ...] = ()


class Validator(Protocol):
    """What a compiled schema can do."""

    def is_valid(self, instance: Any) -> bool: ...

    def validate(self, instance: Any) -> None: ...

    def iter_errors(self, instance: Any) -> Iterator[Any]: ...


def check_answer(text: str, check: Check, schema: dict[str, Any] | None) -> Problem | None:
    """What keeps `text` from being given out; None when nothing does. Costs under 5 µs for a small object."""
    if check is Check.NONE:
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        return Problem(ProblemKind.JSON, f"The answer is not JSON: {_short(error)}")
    return check_value(value, check, schema)


def check_value(value: Any, check: Check, schema: dict[str, Any] | None) -> Problem | None:
    """The same question about a value that is decoded already."""
    if check is Check.NONE:
        return None
    if check is Check.SCHEMA and schema is not None:
        validator = compiled(schema)
        if isinstance(validator, Problem):
            return validator
        return None if _is_valid(validator, value) else _explain(validator, value)
    if isinstance(value, dict | list):
        return None
    return Problem(ProblemKind.JSON, "The answer is a bare JSON value, not an object or array.")


def satisfies(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a decoded value satisfies `schema`, without saying why not; never where the schema is not valid."""
    validator = compiled(schema)
    return not isinstance(validator, Problem) and _is_valid(validator, value)


def compiled(schema: dict[str, Any]) -> Validator | Problem:
    """The validator of a schema, remembered by the schema's text; a Problem of kind `schema` when it is not valid."""
    try:
        raw = msgspec.json.encode(schema)
    except (TypeError, ValueError, RecursionError) as error:
        return Problem(ProblemKind.SCHEMA, f"The schema cannot be read: {_short(error)}")
    return _remembered(raw) if len(raw) <= REMEMBERED_SCHEMA_BYTES_MAX else _compile(raw)


def violations(value: Any, schema: dict[str, Any]) -> list[Violation] | Problem:
    """All rules that `value` breaks, at most `VIOLATIONS_MAX`; a Problem where the schema or the value has no check."""
    validator = compiled(schema)
    if isinstance(validator, Problem):
        return validator
    try:
        return [_violation(error) for error in islice(validator.iter_errors(value), VIOLATIONS_MAX)]
    except (ValueError, RecursionError) as error:
        return Problem(ProblemKind.OFF_SCHEMA, f"The answer cannot be checked: {_short(error)}")


def _violation(error: Any) -> Violation:
    return Violation(tuple(error.instance_path), error.kind.name, tuple(getattr(error.kind, "unexpected", ())))


def _compile(raw: bytes) -> Validator | Problem:
    import jsonschema_rs

    try:
        validator: Validator = jsonschema_rs.validator_for(
            msgspec.json.decode(raw),
            offline=True,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=PATTERN_STEPS_MAX),
        )
    except (ValueError, RecursionError, jsonschema_rs.ReferencingError) as error:
        return Problem(ProblemKind.SCHEMA, f"The schema is not a valid JSON Schema: {_short(error)}")
    return validator


_remembered = lru_cache(maxsize=COMPILED_SCHEMAS_MAX)(_compile)


def _is_valid(validator: Validator, value: Any) -> bool:
    try:
        return validator.is_valid(value)
    except (ValueError, RecursionError):  # nested deeper than the validator goes, or a number beyond its range
        return False


def _explain(validator: Validator, value: Any) -> Problem:
    try:
        validator.validate(value)
    except (ValueError, RecursionError) as error:
        place = ".".join(str(step) for step in getattr(error, "instance_path", ()))
        return Problem(ProblemKind.OFF_SCHEMA, _short(getattr(error, "message", error)), place)
    return Problem(ProblemKind.OFF_SCHEMA, "The answer does not satisfy the schema.")


def _short(what: object) -> str:
    return str(what).partition("\n")[0][:MESSAGE_CHARS_MAX]
