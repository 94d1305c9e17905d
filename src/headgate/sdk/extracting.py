"""Owns `extract`: a text and a schema or type in, a value of that type out, and how much of it can be trusted."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, TypeVar, cast

import msgspec

from headgate.protocol.extraction import extraction_messages, schema_format
from headgate.sdk.answer import Answer
from headgate.sdk.problems import HeadgateError, InvalidRequest

T = TypeVar("T")

TASK: Final = "extract"
"""The task that extractions are learned by when the caller names none."""


class Extracted(msgspec.Struct, Generic[T], frozen=True):
    """What was extracted. `value` is of the type that was asked for; of a partial result it is the plain JSON value.

    `level` is "full", or for a partial result "partial" (at least half of the required fields) or "low" (at least a
    quarter); `missing` are the paths of required fields that are not there.
    """

    value: T
    answer: Answer
    level: str = "full"
    missing: tuple[str, ...] = ()

    @property
    def is_partial(self) -> bool:
        return self.level != "full"


class _Flag(msgspec.Struct):
    level: str = "full"
    missing: tuple[str, ...] = ()
    partial: bool = False


class _Labelled(msgspec.Struct):
    headgate: _Flag | None = None


def schema_of(wanted: object) -> tuple[str, dict[str, Any]]:
    """The name and JSON Schema of a schema (a mapping) or a type: pydantic's, msgspec's, a dataclass, a TypedDict.

    Raises InvalidRequest for what has no schema.
    """
    if isinstance(wanted, Mapping):
        return str(wanted.get("title", TASK)), dict(wanted)
    name = getattr(wanted, "__name__", TASK)
    own = getattr(wanted, "model_json_schema", None)
    if inspect.isclass(wanted) and callable(own):  # pydantic, without importing it
        return name, own()
    try:
        (schema,), components = msgspec.json.schema_components([wanted], ref_template="#/$defs/{name}")
    except TypeError as error:
        text = f"There is no JSON Schema for {wanted!r}: {error}. Give a mapping or a type with typed fields."
        raise InvalidRequest(text, "schema_or_type") from None
    if reference := schema.get("$ref"):
        schema = components[reference.removeprefix("#/$defs/")]
    return name, {**schema, "$defs": components} if components else schema


def request_for(
    text: str, wanted: object, instructions: str | None, examples: Sequence[tuple[str, object]]
) -> tuple[list[dict[str, object]], dict[str, object]]:
    """The messages and the `response_format` that ask for it."""
    name, schema = schema_of(wanted)
    plain = [(said, _plain(value)) for said, value in examples]
    return extraction_messages(text, schema, instructions, plain), schema_format(name, schema)


def extracted(answer: Answer, wanted: type[T] | Mapping[str, object]) -> Extracted[T]:
    """The value of an answer. Raises HeadgateError for an answer that is no such value."""
    try:
        value = msgspec.json.decode(answer.text)
        flag = msgspec.json.decode(answer.raw, type=_Labelled).headgate or _Flag()
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise HeadgateError(f"The answer of {answer.model_served} is no JSON: {error}") from None
    if flag.partial:
        return Extracted(value, answer, flag.level, flag.missing)
    return Extracted(converted(value, wanted), answer)


def converted(value: Any, wanted: type[T] | Mapping[str, object]) -> T:
    """The value as the type that was asked for. Raises HeadgateError."""
    if isinstance(wanted, Mapping):
        return cast("T", value)
    validate = getattr(wanted, "model_validate", None)
    try:
        return cast("T", validate(value)) if callable(validate) else msgspec.convert(value, wanted)
    except (msgspec.ValidationError, ValueError) as error:  # pydantic's is a ValueError
        name = getattr(wanted, "__name__", wanted)
        raise HeadgateError(f"The answer fits the schema of {name} but not the type: {error}") from None


def _plain(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
