"""`gate.extract`: types and schemas in, values out, partial ones flagged."""

import dataclasses
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest
from tests.running_gateway import KEYS, QUICK, SHORT

from headgate import Extracted, Headgate, HeadgateSync, InvalidRequest
from headgate.runtime.settings import load_settings
from headgate.sdk.extracting import request_for, schema_of
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import SimulatorSettings

SCHEMA = {
    "title": "Invoice",
    "type": "object",
    "properties": {"number": {"type": "string"}, "total": {"type": "number"}},
    "required": ["number", "total"],
    "additionalProperties": False,
}


class Line(pydantic.BaseModel):
    """One line, as pydantic has it."""

    name: str
    count: int


class Order(pydantic.BaseModel):
    """Nested."""

    number: str
    lines: list[Line]


class Row(msgspec.Struct):
    """As msgspec has it."""

    name: str
    count: int | None = None


@dataclasses.dataclass
class Person:
    """As the standard library has it."""

    name: str
    age: int


class Place(TypedDict):
    """As typing has it."""

    city: str


async def extracted_by(wanted: Any, **options: Any) -> Extracted[Any]:
    server = await serve_simulator(SimulatorSettings(pace=QUICK, lengths=SHORT))
    try:
        settings = load_settings(None, {"GROQ_BASE_URL": server.base_url, **KEYS})
        async with Headgate(settings) as gate:
            return await gate.extract("Anna, 30, ordered 2 lamps in Riga.", wanted, **options)
    finally:
        await server.close()


@pytest.mark.parametrize("wanted", [Order, Row, Person, Place])
async def test_value_is_of_the_type_that_was_asked_for(wanted: Any) -> None:
    """Whatever brings a schema with it comes back as itself."""
    found = await extracted_by(wanted)
    assert not found.is_partial
    if wanted is Place:
        assert isinstance(found.value["city"], str)
    else:
        assert isinstance(found.value, wanted)
    assert found.answer.source == "upstream"


async def test_schema_gives_a_plain_value() -> None:
    """A mapping is taken as the JSON Schema that it is."""
    found = await extracted_by(SCHEMA, model="openai/gpt-oss-20b")
    assert set(found.value) == {"number", "total"}
    assert found.answer.model_served == "openai/gpt-oss-20b"


def test_without_await() -> None:
    """The synchronous door has the same method."""
    with HeadgateSync(load_settings(None, {}), simulate=True) as gate:
        assert isinstance(gate.extract("Anna is 30.", Person).value, Person)


def test_what_stays_the_same_stands_first() -> None:
    """Instruction, schema and examples are the same bytes for every text, and the text is last."""
    examples = [("Bob is 4.", Person("Bob", 4))]
    first, form = request_for("Anna is 30.", Person, "Names in capitals.", examples)
    second, _ = request_for("Carl is 7.", Person, "Names in capitals.", examples)
    assert first[:-1] == second[:-1]
    assert first[-1] == {"role": "user", "content": "Anna is 30."}
    assert msgspec.json.decode(str(first[2]["content"])) == {"name": "Bob", "age": 4}
    assert form["type"] == "json_schema"


def test_what_has_no_schema_is_refused() -> None:
    """A value that is no type says what to give instead."""
    with pytest.raises(InvalidRequest, match="typed fields"):
        schema_of(3)
