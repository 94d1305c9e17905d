"""A chat's words from call to call: how each was written, and what is made of what came back."""

from typing import Any

import msgspec
import pytest

from headgate.catalog import Model, default_catalog
from headgate.decide import actions as a
from headgate.decide.journey import Journey, Plan, Wrong
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Deployment
from headgate.domain.manner import Manner
from headgate.domain.request import PromptSize, Request
from headgate.protocol.chat import parse_chat
from headgate.protocol.dialects import DIALECTS
from headgate.runtime.errand import ChatErrand, mended, watched
from headgate.runtime.settings_model import HandlingSettings

GROQ = DIALECTS["groq"]
PLACE = Deployment("groq:o:openai/gpt-oss-120b", "groq", "o", "openai/gpt-oss-120b")
FIELDS = {"name": {"type": "string"}, "age": {"type": "integer"}}
PERSON = {"type": "object", "properties": FIELDS, "required": ["name"]}
ON = HandlingSettings()
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in ("f", "g")]


def big() -> Model:
    model = default_catalog().model(PLACE.model)
    assert model is not None
    return model


def asking(handling: HandlingSettings = ON, **fields: Any) -> ChatErrand:
    body = {"model": PLACE.model, "messages": [{"role": "user", "content": "Who?"}], **fields}
    return ChatErrand(parse_chat(msgspec.json.encode(body)), handling)


def calling(number: int = 1, manner: Manner = Manner.USUAL) -> a.Call:
    return a.Call(number, PLACE, "k", 0, f"r#{number}", 100, 5.0, 50.0, manner=manner)


def journey(failure: Failure, *wrong: Wrong, calls: int = 1) -> Journey:
    """One that has failed so."""
    plan = Plan(PLACE, 10, 100, 100)
    request = Request("r", PLACE.model, (PLACE.model,), 0.0, 50.0, 25.0, PromptSize())
    return Journey(request, calls=calls, failure=failure, failed=plan, wrong=wrong)


def wrong(call: int, generation: str | None = None) -> Wrong:
    return Wrong(call, Plan(PLACE, 10, 100, 100), generation)


def completion(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return msgspec.json.encode({"id": "c", "model": PLACE.model, "choices": [choice], "usage": {"total_tokens": 7}})


def text_of(body: bytes | None) -> Any:
    assert body is not None
    return msgspec.json.decode(msgspec.json.decode(body)["choices"][0]["message"]["content"])


def failed(generation: str, kind: FailureKind = FailureKind.INVALID_JSON) -> Failure:
    return Failure(kind, status=400, failed_generation=generation)


def test_answer_in_strict_form() -> None:
    """It is brought to the client's form when it comes, and only for the calls that asked for another."""
    errand = asking(response_format=FORMAT)
    errand.write(calling(1), big(), GROQ)
    errand.write(calling(2, Manner.SIMPLE), big(), GROQ)
    body = completion('{"name":"Ann","age":null}')
    assert text_of(errand.given(calling(1), body)) == {"name": "Ann"}
    assert errand.given(calling(2), body) is body
    assert errand.given(calling(1), completion("no JSON")) == completion("no JSON")
    assert msgspec.json.decode(errand.given(calling(1), body))["usage"] == {"total_tokens": 7}


@pytest.mark.parametrize("in_body", [False, True])
def test_text_in_strict_form_that_must_be_mended(in_body: bool) -> None:
    """Mended first, brought to the client's form then, checked last."""
    errand = asking(response_format=FORMAT)
    errand.write(calling(), big(), GROQ)
    text = '```json\n{"name": "Ann", "age": null,}\n```'
    if in_body:
        body = errand.given(calling(), completion(text))
        made = errand.mend(journey(Failure(FailureKind.INVALID_JSON, status=200)), body, 0.0)
    else:
        made = errand.mend(journey(failed(text)), None, 0.0)
    assert text_of(made) == {"name": "Ann"}


def test_partial_text_in_strict_form() -> None:
    """What stands for absence is no field that is there."""
    asked = {"type": "object", "properties": {**FIELDS, "town": {"type": "string"}}, "required": ["name", "town"]}
    errand = asking(response_format={"type": "json_schema", "json_schema": {"name": "p", "schema": asked}})
    errand.write(calling(), big(), GROQ)
    generation = '{"name": "Ann", "age": null, "tow'
    told = journey(failed(generation), wrong(1, generation))
    mend = a.Mend(1, a.Mending.EXTRACT)
    made = mended(errand, mend, told, {}, 0.0)
    assert made is not None
    assert text_of(made.body) == {"name": "Ann"}
    assert msgspec.json.decode(made.body)["headgate"]["missing"] == ["town"]


def test_bodies_go_through_unchanged() -> None:
    """A chat that needs nothing is written from its own bytes; nothing is noted, nothing is watched."""
    errand = asking(temperature=0.5)
    written = errand.write(calling(), big(), GROQ)
    assert b'"messages":[{"role":"user","content":"Who?"}],"temperature":0.5' in written
    assert errand.notes == ()
    assert errand.watch(1000) is None


def test_notes_tell_what_was_done() -> None:
    """Both what was shaped and what was cleaned, without a word of the client's."""
    errand = asking(response_format=FORMAT, logprobs=False, metadata={"secret": "plum"})
    errand.write(calling(), big(), GROQ)
    assert any("strict" in note for note in errand.notes)
    assert any("metadata" in note for note in errand.notes)
    assert "plum" not in str(errand.notes)


@pytest.mark.parametrize("off", [HandlingSettings(clean=False), HandlingSettings(remedies=False)])
def test_switched_off(off: HandlingSettings) -> None:
    """Without cleaning or without remedies no format is rewritten, whatever the manner."""
    errand = asking(off, response_format=FORMAT)
    written = msgspec.json.decode(errand.write(calling(1, Manner.SIMPLE), big(), GROQ))
    assert written["response_format"] == FORMAT
    assert len(written["messages"]) == 1
    assert errand.given(calling(), completion('{"age":null}')) == completion('{"age":null}')


def test_watching_costs_nothing_where_nothing_was_asked_for() -> None:
    """A request without a check has nobody who watches; one with a check has, unless remedies are off."""
    plain = journey(failed("")).request
    checked = msgspec.structs.replace(plain, check="schema")
    errand = asking(response_format=FORMAT)
    assert watched(errand, plain, 1000) is None
    assert watched(errand, checked, 1000) is not None
    assert watched(asking(HandlingSettings(remedies=False), response_format=FORMAT), checked, 1000) is None


CALL_F = '{"name": "f", "arguments": {"x": 1}}'
CALL_BOTH = f'[{CALL_F}, {{"name": "g", "arguments": {{}}}}]'


@pytest.mark.parametrize(
    "fields, generation, names",
    [
        ({}, CALL_F, ["f"]),
        ({}, CALL_BOTH, ["f", "g"]),
        ({"parallel_tool_calls": False}, CALL_BOTH, None),
        ({"parallel_tool_calls": False}, CALL_F, ["f"]),
        ({"tool_choice": "none"}, CALL_F, None),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, CALL_F, ["f"]),
        ({"tool_choice": {"type": "function", "function": {"name": "g"}}}, CALL_F, None),
        ({}, "I would call f.", None),
    ],
)
def test_calls_that_the_client_would_take(fields: dict[str, Any], generation: str, names: list[str] | None) -> None:
    """All of what was written is rescued, or nothing; and only what the client allows. Each call has its own id."""
    told = journey(failed(generation, FailureKind.TOOL_CALL_FAILED))
    body = asking(tools=TOOLS, **fields).mend(told, None, 3.0)
    if names is None:
        assert body is None
        return
    assert body is not None
    decoded = msgspec.json.decode(body)
    calls = decoded["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == names
    assert len({call["id"] for call in calls}) == len(names)
    assert decoded["choices"][0]["finish_reason"] == "tool_calls"
    assert decoded["headgate"]["reason"] == "rescued"
    assert decoded["created"] == 3


def test_functions_of_the_former_kind() -> None:
    """They count as tools."""
    functions = [each["function"] for each in TOOLS]
    told = journey(failed(CALL_F, FailureKind.TOOL_CALL_FAILED))
    assert asking(functions=functions).mend(told, None, 0.0) is not None
