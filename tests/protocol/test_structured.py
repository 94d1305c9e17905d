"""How a chat that asks for JSON is written for each kind of model and provider, and how the answer is brought back."""

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from headgate.catalog import Model
from headgate.decide.remedying import INSTRUCTION
from headgate.domain.manner import Manner
from headgate.domain.request import Need
from headgate.protocol.chat import Chat, parse_chat
from headgate.protocol.cleaning import NOTHING_TO_CLEAN, Cleaned, clean
from headgate.protocol.dialects import DIALECTS
from headgate.protocol.strict_rules import strict_problems
from headgate.protocol.structured import (
    AS_IT_IS,
    IN_JSON,
    JSON_ONLY,
    SCHEMA_ONLY,
    Shaped,
    cooler,
    instructed,
    joined,
    shape,
)

STRICT: Final = Model(id="strict", can=Need.JSON_OBJECT | Need.JSON_SCHEMA | Need.TOOLS, strict_schema=True)
LOOSE: Final = Model(id="loose", can=Need.JSON_OBJECT | Need.JSON_SCHEMA | Need.TOOLS)
OBJECTS: Final = Model(id="objects", can=Need.JSON_OBJECT | Need.TOOLS)
PLAIN: Final = Model(id="plain", can=Need.TOOLS)
GROQ: Final = DIALECTS["groq"]

CLOSED: Final = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
OPTIONAL: Final = {"type": "object", "properties": {"n": {"type": "integer"}, "m": {"type": "string"}}, "required": []}
NEVER_STRICT: Final = {"type": "object", "properties": {"n": {}}, "required": ["n"], "patternProperties": {"^x": {}}}
TOOL: Final = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
JSON_OBJECT: Final = {"type": "json_object"}


def asking(response_format: Any = None, text: str = "Tell me.", **more: Any) -> Chat:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    if response_format is not None:
        body["response_format"] = response_format
    return parse_chat(msgspec.json.encode(body))


def schema(asked: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": asked, **more}}


def sent(chat: Chat, shaped: Shaped) -> dict[str, Any]:
    """The fields that go upstream."""
    fields = shaped.cleaned.apply(chat.fields)
    return {name: msgspec.json.decode(raw) for name, raw in fields.items()}


def written(chat: Chat, model: Model, dialect: str = "groq", manner: Manner = Manner.USUAL) -> dict[str, Any]:
    return sent(chat, shape(chat, model, DIALECTS[dialect], manner))


@pytest.mark.parametrize(
    "chat, model",
    [
        (asking(), PLAIN),
        (asking({"type": "text"}), PLAIN),
        (asking(JSON_OBJECT, "Tell me as JSON."), OBJECTS),
        (asking(schema(CLOSED)), LOOSE),
        (asking(schema(CLOSED, strict=False)), LOOSE),
        (asking(schema(CLOSED, strict=True)), STRICT),
    ],
)
def test_nothing_to_do(chat: Chat, model: Model) -> None:
    """A request that fits the model stays as it is, down to the very object that says so."""
    assert shape(chat, model, GROQ) is AS_IT_IS


def test_strict_as_it_is() -> None:
    """A schema that obeys the rules is sent byte for byte, strictly; the answer needs no way back."""
    chat = asking(schema(CLOSED, description="of old"))
    shaped = shape(chat, STRICT, GROQ)
    assert sent(chat, shaped)["response_format"] == schema(CLOSED, description="of old", strict=True)
    assert shaped.restore is None


def test_rewritten_schema() -> None:
    """A schema that breaks the rules is rewritten, and what the model answers is brought back."""
    chat = asking(schema(OPTIONAL))
    shaped = shape(chat, STRICT, GROQ)
    asked = sent(chat, shaped)["response_format"]["json_schema"]
    assert asked["strict"] is True
    assert not strict_problems(asked["schema"])
    assert shaped.restore is not None
    assert shaped.restore({"n": 1, "m": None}) == {"n": 1}


@pytest.mark.parametrize("strict", [None, True])
def test_schema_that_would_lose_something(strict: bool | None) -> None:
    """It is asked for as well as may be, the reason is noted, and a strictness that would be refused is taken out."""
    chat = asking(schema(NEVER_STRICT) if strict is None else schema(NEVER_STRICT, strict=strict))
    shaped = shape(chat, STRICT, GROQ)
    asked = sent(chat, shaped)["response_format"]["json_schema"]
    assert asked["schema"] == NEVER_STRICT
    assert not asked.get("strict")
    assert shaped.restore is None
    assert any("trict" in note for note in shaped.cleaned.notes)


def test_stream_of_a_rewritten_schema() -> None:
    """Deltas cannot be brought back, so strict mode is not used; where it changes nothing it is."""
    rewritten = written(asking(schema(OPTIONAL), stream=True), STRICT)["response_format"]
    assert rewritten == schema(OPTIONAL)
    assert written(asking(schema(CLOSED), stream=True), STRICT)["response_format"] == schema(CLOSED, strict=True)


@pytest.mark.parametrize("dialect, is_kept", [("groq", False), ("compatible", True), ("openrouter", True)])
def test_strictness_at_a_model_without_it(dialect: str, is_kept: bool) -> None:
    """Groq answers 400 to it; elsewhere the provider may well be able to, and the client's word goes through."""
    chat = asking(schema(CLOSED, strict=True))
    assert written(chat, LOOSE, dialect)["response_format"]["json_schema"]["strict"] is is_kept


def test_model_that_knows_objects_only() -> None:
    """It is asked for an object, and told the schema before everything else, always in the same words."""
    first, second = (written(asking(schema(CLOSED), text), OBJECTS) for text in ("one", "two"))
    assert first["response_format"] == JSON_OBJECT
    assert msgspec.json.encode(CLOSED).decode() in first["messages"][0]["content"]
    assert first["messages"][0] == second["messages"][0]
    assert [message["content"] for message in (first["messages"][-1], second["messages"][-1])] == ["one", "two"]


@pytest.mark.parametrize(
    "chat, model, dialect",
    [
        (asking(schema(CLOSED)), PLAIN, "compatible"),
        (asking(JSON_OBJECT), PLAIN, "compatible"),
        (asking(schema({"type": "array", "items": {}})), OBJECTS, "groq"),
        (asking(schema(CLOSED), tools=[TOOL]), STRICT, "groq"),
        (asking(JSON_OBJECT, tools=[TOOL]), OBJECTS, "gemini"),
    ],
)
def test_what_can_only_be_said_in_words(chat: Chat, model: Model, dialect: str) -> None:
    """The field is left out, the first message asks for it, and the dialect has nothing left to refuse."""
    fields = written(chat, model, dialect)
    assert "response_format" not in fields
    assert "JSON" in fields["messages"][0]["content"]
    raw = {name: Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    clean(raw, DIALECTS[dialect])


def test_tools_where_both_go() -> None:
    """A provider that takes tools and JSON together is given both."""
    assert written(asking(schema(CLOSED), tools=[TOOL]), STRICT, "openai")["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    "text, asks", [("as json", False), ("As JSON, please", False), ("Jason?", True), ("", True), ("en français", True)]
)
def test_the_word_json(text: str, asks: bool) -> None:
    """It is said for a client who did not say it, in any case, and never twice."""
    fields = written(asking(JSON_OBJECT, text), OBJECTS)
    assert fields["response_format"] == JSON_OBJECT
    assert len(fields["messages"]) == 1 + asks


def test_the_word_json_in_a_part() -> None:
    """Parts of a message count as well."""
    parts = [{"type": "text", "text": "as json"}]
    chat = parse_chat(
        msgspec.json.encode(
            {"model": "m", "messages": [{"role": "user", "content": parts}], "response_format": JSON_OBJECT}
        )
    )
    assert shape(chat, OBJECTS, GROQ) is AS_IT_IS


@pytest.mark.parametrize("response_format", [schema(CLOSED), JSON_OBJECT])
def test_simple_manner(response_format: dict[str, Any]) -> None:
    """Only words are left, and no chance; a stream stays a stream."""
    fields = written(asking(response_format, temperature=0.9, stream=True), STRICT, manner=Manner.SIMPLE)
    assert "response_format" not in fields
    assert fields["temperature"] == 0
    assert fields["stream"] is True
    assert fields["messages"][0]["role"] == "system"


@pytest.mark.parametrize("asked, sent_upstream", [(None, 0.3), (1.0, 0.3), (2.0, 0.3), (0.5, 0.15), (0.0, 0.0)])
def test_cooler_manner(asked: float | None, sent_upstream: float) -> None:
    """The temperature is lowered, never raised, and nothing else is touched."""
    chat = asking(tools=[TOOL]) if asked is None else asking(tools=[TOOL], temperature=asked)
    fields = written(chat, STRICT, manner=Manner.COOLER)
    assert cooler(asked) == pytest.approx(sent_upstream) == fields.pop("temperature")
    assert fields == {name: value for name, value in sent(chat, AS_IT_IS).items() if name != "temperature"}


def test_words_that_the_machine_reserves_for() -> None:
    """Simple words without their schema are no longer than what the remedy adds to the prompt's size."""
    assert max(map(len, (IN_JSON, JSON_ONLY, SCHEMA_ONLY))) + len("Unless you call a tool, ") <= INSTRUCTION.latin


def test_system_message_of_the_client() -> None:
    """The instruction goes into it, before its own words: templates of some models allow one system message only."""
    raw = Raw(b'[{"role":"system","content":"Be kind."}, {"role":"user","content":"Hi  ","name":"x"}]')
    made = bytes(instructed(raw, "Answer in JSON."))
    assert made == (
        b'[{"role":"system","content":"Answer in JSON.\\n\\nBe kind."},{"role":"user","content":"Hi  ","name":"x"}]'
    )


def test_differences_put_together() -> None:
    """What cleaning does to what was shaped wins, and no note is lost."""
    one = Cleaned({"a": Raw(b"1"), "b": Raw(b"1")}, frozenset({"c"}), ("one",))
    two = Cleaned({"b": Raw(b"2")}, frozenset({"d"}), ("two",))
    fields = {name: Raw(b"0") for name in "abcde"}
    assert joined(one, two).apply(fields) == two.apply(one.apply(fields))
    assert joined(one, two).notes == ("one", "two")
    assert joined(NOTHING_TO_CLEAN, two) is two
    assert joined(one, NOTHING_TO_CLEAN) is one


NAMES: Final = st.sampled_from(["a", "b", "c", "d e", "é"])
LEAVES: Final[st.SearchStrategy[dict[str, Any]]] = st.sampled_from(
    [{"type": "string"}, {"type": "integer"}, {"type": ["string", "null"]}, {"enum": ["x", 1]}, {"const": 3}, {}]
)


def objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    properties = st.dictionaries(NAMES, inner, max_size=3)
    return st.tuples(properties, st.booleans(), st.booleans()).map(
        lambda drawn: {
            "type": "object",
            "properties": drawn[0],
            "required": list(drawn[0])[: 1 if drawn[1] else None],
            **({"additionalProperties": False} if drawn[2] else {}),
        }
    )


@settings(max_examples=150, deadline=None)
@given(objects(st.recursive(LEAVES, lambda inner: st.one_of(objects(inner), inner.map(lambda i: {"items": i})))))
def test_any_schema_at_any_model(asked: dict[str, Any]) -> None:
    """What is sent is strict only if it obeys the rules, a stream needs no way back, the rest stays the client's."""
    for model in (STRICT, LOOSE, OBJECTS, PLAIN):
        for stream in (False, True):
            chat = asking(schema(asked), "as json", stream=stream, seed=7)
            shaped = shape(chat, model, GROQ)
            fields = sent(chat, shaped)
            form = fields.get("response_format", {}).get("json_schema", {})
            assert not form.get("strict") or not strict_problems(form["schema"])
            assert not (stream and shaped.restore)
            assert fields["seed"] == 7
            assert fields["messages"][-1] == {"role": "user", "content": "as json"}
