"""A model that is shown a schema in its messages answers by it: what clients rely on that prompt for structure."""

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulator.asking import body, decoded, groq, post, rich

from headgate.simulator.schema import shown_schema

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
WRITTEN = json.dumps(CITY)
DOUBLED = WRITTEN.replace("{", "{{").replace("}", "}}")
EXAMPLE = '{"properties": {"foo": {"type": "array"}}, "required": ["foo"]}'


@pytest.mark.parametrize(
    "text, expected",
    [
        (f"Answer in JSON by this schema: {WRITTEN}", CITY),
        (f"JSON, please.\n```\n{json.dumps(CITY, indent=2)}\n```\nNothing else.", CITY),
        (f"JSON. For the schema {EXAMPLE} the object {{'foo': 1}} fits. The schema is {WRITTEN}", CITY),
        (f"A template left its braces in this JSON schema: {DOUBLED} Do not repeat it.", CITY),
        (f"Use {{placeholders}} and {{ braces, in JSON: {WRITTEN}", CITY),
        (f"Answer by this: {WRITTEN}", None),
        ('A JSON object like {"city": "Pune"} is what I want.', None),
        ('JSON with a "properties" that never ends: {"properties": {', None),
        ('JSON: {"properties": 3}', None),
        ("Say hello", None),
    ],
)
def test_schema_in_a_text(text: str, expected: dict[str, Any] | None) -> None:
    """The last one counts, whole and decodable, in a text that speaks of JSON."""
    assert shown_schema(text) == expected


@given(st.text(alphabet='{}[]":,properties json', max_size=300))
def test_no_text_upsets_the_look(text: str) -> None:
    """Whatever stands there, a schema or nothing comes out."""
    found = shown_schema(f'json "properties" {text}')
    assert found is None or isinstance(found["properties"], dict)


def test_braces_without_end_are_given_up() -> None:
    """A text of nothing but braces is not read for ever, nor deeper than Python can."""
    assert shown_schema('json {"properties":' + '{"a":' * 50_000) is None


@pytest.mark.parametrize("form", [None, {"type": "json_object"}])
def test_prompt_that_shows_a_schema_is_answered_by_it(form: dict[str, Any] | None) -> None:
    """With JSON mode and without it, also when the schema is the system's message."""
    more: dict[str, Any] = {} if form is None else {"response_format": form}
    system = {"role": "system", "content": f"Always answer with JSON that fits {WRITTEN}"}
    for request in (
        body(f"A city, in JSON by {WRITTEN}", **more),
        body(**more) | {"messages": [system, {"role": "user", "content": "A city"}]},
    ):
        answer = decoded(post(groq(organisation=rich()), request))["choices"][0]["message"]["content"]
        jsonschema_rs.validate(CITY, json.loads(answer))


def test_code_block_that_is_asked_for() -> None:
    """Without JSON mode the document comes in the block that the prompt speaks of; JSON mode allows no block."""
    asked = f"Return JSON by {WRITTEN} within a ```json codeblock."
    block = decoded(post(groq(organisation=rich()), body(asked)))["choices"][0]["message"]["content"]
    assert block.startswith("```json\n")
    assert block.endswith("\n```")
    jsonschema_rs.validate(CITY, json.loads(block[7:-3]))
    held = body(asked, response_format={"type": "json_object"})
    jsonschema_rs.validate(
        CITY, json.loads(decoded(post(groq(organisation=rich()), held))["choices"][0]["message"]["content"])
    )


def test_prompt_that_shows_a_schema_may_be_cut() -> None:
    """Outside JSON mode what fits the maximum is the answer, with finish reason length, and no error."""
    script = post(
        groq(organisation=rich()), body(f"JSON by {WRITTEN}", max_completion_tokens=3, reasoning_effort="low")
    )
    assert script.status == 200
    assert decoded(script)["choices"][0]["finish_reason"] == "length"


def test_tool_comes_before_a_schema_that_is_shown() -> None:
    """A required tool is called whatever the messages show."""
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
    script = post(groq(organisation=rich()), body(f"JSON by {WRITTEN}", tools=[tool], tool_choice="required"))
    message = decoded(script)["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["name"] == "find"
    assert not message.get("content")
