"""Structured output and tool calls through the whole house: what is asked upstream, what the client is given."""

import itertools
from typing import Any, Final

import msgspec
import pytest
from tests.remedies.house import BIG, SMALL, Answer, Said, chat, one_after_another, open_house, pretend
from tests.remedies.scenarios_structured import CITY, THREE_OF_FOUR, WEATHER, completion, schema

from headgate.domain.fact import AnswerDiscarded, RequestFinished
from headgate.local.check import satisfies
from headgate.simulator.faults import Fault, FaultKind

F = FaultKind
WITHOUT_SCHEMAS: Final = "allam-2-7b"
SMALL_WINDOW: Final = 200
JSON_OBJECT: Final = {"type": "json_object"}


def obj(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, **more}


STRING: Final = {"type": "string"}
SCHEMAS: Final = {
    "optional": obj({"name": STRING, "nickname": STRING, "age": {"type": "integer"}}, ["name"]),
    "closed": CITY,
    "union": obj({"pet": {"anyOf": [obj({"meows": STRING}, ["meows"]), obj({"barks": STRING}, ["barks"])]}}, ["pet"]),
    "map": obj({"prices": {"type": "object", "additionalProperties": {"type": "number"}}}, ["prices"]),
    "recursive": {
        "$defs": {"node": obj({"name": STRING, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, [])},
        "$ref": "#/$defs/node",
    },
    "array": {"type": "array", "items": {"type": "integer"}},
}


def asking(asked: dict[str, Any], text: str = "Answer me.", **more: Any) -> dict[str, Any]:
    return chat(text, **{"cap": 400, "response_format": schema(asked), **more})


def text_of(answer: Answer) -> str:
    text = answer.json["choices"][0]["message"]["content"]
    assert isinstance(text, str)
    return text


def events_of(answer: Answer) -> list[dict[str, Any]]:
    lines = [line[6:] for line in answer.body.split(b"\n") if line.startswith(b"data: {")]
    return [msgspec.json.decode(line) for line in lines]


def streamed_text(answer: Answer) -> tuple[str, int]:
    """The text of a stream, and in how many deltas it came."""
    choices = [event["choices"][0] for event in events_of(answer) if event.get("choices")]
    deltas = [choice["delta"]["content"] for choice in choices if choice["delta"].get("content")]
    return "".join(deltas), len(deltas)


@pytest.mark.parametrize(
    "model, name",
    [(BIG, name) for name in SCHEMAS] + [(WITHOUT_SCHEMAS, name) for name in SCHEMAS if name != "array"],
)
async def test_schema_asked_of_any_model(model: str, name: str) -> None:
    """Where the model is able or not, the answer is an instance of the client's own schema, from one call."""
    cap = 400 if model == BIG else SMALL_WINDOW
    async with open_house(pretend(), models=(model,)) as house:
        answer = await house.ask(asking(SCHEMAS[name], cap=cap))
    assert (answer.status, answer.label("source"), answer.label("calls")) == (200, "upstream", "1"), answer.body
    assert satisfies(msgspec.json.decode(text_of(answer)), SCHEMAS[name])
    assert house.seen[0].body["response_format"] == JSON_OBJECT or model == BIG


async def test_model_with_a_strict_mode() -> None:
    """It is asked strictly, with a schema that obeys the rules; what stands for absence is absent for the client."""
    optional = SCHEMAS["optional"]
    async with open_house(pretend(Fault(F.OFF_SCHEMA_JSON, value='{"name":"Ann","nickname":null,"age":3}'))) as house:
        answer = await house.ask(asking(optional))
    sent = house.seen[0].body["response_format"]["json_schema"]
    assert sent["strict"] is True
    assert sorted(sent["schema"]["required"]) == ["age", "name", "nickname"]
    assert msgspec.json.decode(text_of(answer)) == {"name": "Ann", "age": 3}


async def test_strict_already() -> None:
    """A request that asks strictly for a strict schema goes upstream as it came."""
    asked = schema(CITY, strict=True)
    async with open_house(pretend()) as house:
        await house.ask(chat("A city as json", cap=300, response_format=asked))
    assert house.seen[0].body["response_format"] == asked
    assert len(house.seen[0].body["messages"]) == 1


async def test_tools_beside_a_schema() -> None:
    """Groq refuses the two together: the schema is said in words, and the text is held to it all the same."""
    async with open_house(pretend()) as house:
        answer = await house.ask(asking(CITY, tools=[WEATHER]))
    sent = house.seen[0].body
    assert "response_format" not in sent
    assert sent["messages"][0]["role"] == "system"
    assert satisfies(msgspec.json.decode(text_of(answer)), CITY)


async def test_tool_call_where_a_schema_was_asked_for_too() -> None:
    """A tool call is an answer: nothing is checked against the schema, nothing is asked again."""
    async with open_house(pretend()) as house:
        answer = await house.ask(asking(CITY, tools=[WEATHER], tool_choice="required"))
    assert answer.label("calls") == "1"
    assert answer.json["choices"][0]["finish_reason"] == "tool_calls"


async def test_json_mode_without_the_word() -> None:
    """Groq wants the word in the prompt: it is said for the client, whose own messages stay as they are."""
    async with open_house(pretend()) as house:
        answer = await house.ask(chat("Tell me something.", cap=300, response_format=JSON_OBJECT))
    assert answer.status == 200
    first, second = house.seen[0].body["messages"]
    assert "JSON" in first["content"]
    assert second == {"role": "user", "content": "Tell me something."}


# Streams -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["closed", "optional"])
async def test_stream_with_a_schema(name: str) -> None:
    """It is a real stream: many deltas, a valid whole, a clean end; a schema that strict mode would change is not."""
    async with open_house(one_after_another()) as house:
        answer = await house.ask(asking(SCHEMAS[name], stream=True))
    text, deltas = streamed_text(answer)
    assert satisfies(msgspec.json.decode(text), SCHEMAS[name])
    assert deltas > 3
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert house.seen[0].body["response_format"]["json_schema"].get("strict", False) is (name == "closed")


WRONG: Final = {
    "prose behind": '{"city":"Oslo","country":"Norway","people":709000,"coastal":true} That is all I know of it.',
    "wrong at the end": '{"city":"Oslo","country":"Norway","people":709000}',
    "cut": '{"city":"Oslo","country":"Norway","people":7090',
    "unknown property": '{"city":"Oslo","country":"Norway","mayor":"nobody","people":709000,"coastal":true}',
}


@pytest.mark.parametrize("name", WRONG)
async def test_stream_that_goes_wrong_after_the_first_token(name: str) -> None:
    """It ends in an error event and never looks whole: no finish, no [DONE]; what was shown is a prefix."""
    wrong = Fault(F.OFF_SCHEMA_JSON, value=WRONG[name])
    async with open_house(one_after_another(wrong)) as house:
        answer = await house.ask(asking(CITY, stream=True))
    text, _ = streamed_text(answer)
    assert text
    assert WRONG[name].startswith(text)
    assert b"event: error" in answer.body
    assert answer.error["code"] == "json_validate_failed"
    assert b"[DONE]" not in answer.body
    assert b'"finish_reason":"stop"' not in answer.body
    assert house.gate.circuits[house.gate.pool.deployments(BIG)[0].id].is_closed


async def test_stream_that_is_wrong_from_its_first_word() -> None:
    """Nobody has seen any of it: another model answers instead."""
    wrong = Fault(F.OFF_SCHEMA_JSON, value="Sure! Here is your city.", model=BIG)
    async with open_house(one_after_another(wrong), models=(BIG, SMALL)) as house:
        answer = await house.ask(asking(CITY, stream=True))
    assert satisfies(msgspec.json.decode(streamed_text(answer)[0]), CITY)
    assert (answer.label("model-served"), answer.label("reason")) == (SMALL, "invalid_json")
    assert answer.body.endswith(b"data: [DONE]\n\n")


async def test_failed_generation_where_a_stream_was_asked_for() -> None:
    """Nearly right JSON in a 400 is mended and given as a stream, labelled."""
    text = '```json\n{"city": "Oslo", "country": "Norway", "people": 709000, "coastal": true,}'
    told = {"message": "Failed.", "type": "x", "code": "json_validate_failed", "failed_generation": text}
    said = Said(400, msgspec.json.encode({"error": told}))
    async with open_house(pretend(), said=(said,)) as house:
        answer = await house.ask(asking(CITY, stream=True))
    assert satisfies(msgspec.json.decode(streamed_text(answer)[0]), CITY)
    assert answer.label("reason") == "mended"
    assert answer.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("effort", ["low", None])
async def test_tool_call_that_fails_in_a_stream(effort: str | None) -> None:
    """Before anything was shown it is rescued as from a 400: one delta of calls, then a clean end."""
    body = chat("Weather?", cap=300, stream=True, tools=[WEATHER], tool_choice="required", reasoning_effort=effort)
    async with open_house(pretend(Fault(F.TOOL_USE_FAILED))) as house:
        answer = await house.ask(body)
    choices = [event["choices"][0] for event in events_of(answer)]
    calls = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert [call["function"]["name"] for call in calls] == ["get_weather"]
    assert satisfies(msgspec.json.decode(calls[0]["function"]["arguments"]), WEATHER["function"]["parameters"])
    assert calls[0]["id"].startswith("fc_")
    assert choices[-1]["finish_reason"] == "tool_calls"
    assert (answer.label("reason"), answer.label("calls")) == ("rescued", "1")


@pytest.mark.parametrize(
    "fields", [{"tool_choice": "none"}, {"tool_choice": {"type": "function", "function": {"name": "other"}}}]
)
async def test_rescue_of_a_call_that_the_client_did_not_want(fields: dict[str, Any]) -> None:
    """A call that the client's tool_choice forbids is not given out, however well it reads."""
    other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object", "properties": {}}}}
    generation = '{"name": "get_weather", "arguments": {"city": "Oslo"}}'
    told = {"message": "Failed.", "type": "x", "code": "tool_use_failed", "failed_generation": generation}
    said = Said(400, msgspec.json.encode({"error": told}))
    async with open_house(pretend(), said=(said,)) as house:
        answer = await house.ask(chat("Weather?", tools=[WEATHER, other], **fields))
    assert (answer.status, answer.error["code"]) == (400, "tool_use_failed")


async def test_second_try_of_a_tool_call() -> None:
    """It is the same request at a lower temperature."""
    async with open_house(pretend(Fault(F.TOOL_USE_FAILED, value="required", times=1))) as house:
        answer = await house.ask(chat("Weather?", cap=300, tools=[WEATHER], tool_choice="required", temperature=0.8))
    first, second = (seen.body for seen in house.seen)
    assert (first.pop("temperature"), second.pop("temperature")) == (0.8, 0.24)
    assert first | {"max_completion_tokens": 0} == second | {"max_completion_tokens": 0}
    assert answer.status == 200


# Partial results -----------------------------------------------------------------------------------------------------

QUARTER: Final = '{"city": "Oslo", "nothing": "else"}'
PLAIN: Final = "- **City:** Oslo\n- **Country:** Norway\n- **People:** 709,000\n\nIt is a lovely place."


@pytest.mark.parametrize(
    "text, level, missing",
    [
        (THREE_OF_FOUR, "partial", ["coastal"]),
        (PLAIN, "partial", ["coastal"]),
        (QUARTER, "low", ["country", "people", "coastal"]),
    ],
)
async def test_answer_that_is_off_schema_for_good(text: str, level: str, missing: list[str]) -> None:
    """What it holds is given, flagged: how far to trust it and which fields are missing."""
    async with open_house(pretend(), said=(Said(200, completion(text)),)) as house:
        answer = await house.ask(asking(CITY))
    assert (answer.status, answer.label("reason"), answer.label("source")) == (200, "partial", "upstream")
    assert msgspec.json.decode(text_of(answer))["city"] == "Oslo"
    told = answer.json["headgate"]
    assert (told["partial"], told["level"], told["missing"]) == (True, level, missing)


async def test_answer_that_holds_too_little() -> None:
    """It is thrown away, and written down for review: which request, which models, no word of the text."""
    async with open_house(pretend(), said=(Said(200, completion('{"nothing": "Oslo"}')),)) as house:
        answer = await house.ask(asking(CITY))
    assert answer.status == 503
    review = [fact for fact in house.facts if isinstance(fact, AnswerDiscarded)]
    assert [[each.model for each in fact.deployments] for fact in review] == [[BIG, BIG]]
    assert b"Oslo" not in msgspec.json.encode(review)


async def test_answers_that_are_no_json_are_told_of() -> None:
    """A refusal names every call whose answer was not what had been asked for."""
    prose = Fault(F.INVALID_JSON_CONTENT, value="I would rather not.")
    async with open_house(pretend(prose)) as house:
        answer = await house.ask(chat("Answer me.", response_format=JSON_OBJECT), x_headgate_local="off")
    assert answer.error["code"] == "upstream_failed"
    assert answer.error["message"].startswith("2 upstream calls failed, the last with invalid_json")
    assert [(each["model"], each["failure"]) for each in answer.json["headgate"]["tried"]] == [
        (BIG, "invalid_json")
    ] * 2


async def test_best_of_two_wrong_answers() -> None:
    """The first model wrote more of it: its answer is given, under its name."""
    poor = msgspec.json.encode({**msgspec.json.decode(completion(QUARTER)), "model": SMALL})
    said = (Said(200, completion(THREE_OF_FOUR), model=BIG), Said(200, poor, model=SMALL))
    async with open_house(pretend(), said=said, models=(BIG, SMALL)) as house:
        answer = await house.ask(asking(CITY))
    assert (answer.json["model"], answer.label("model-served"), answer.json["headgate"]["level"]) == (
        BIG,
        BIG,
        "partial",
    )
    finished = [fact for fact in house.facts if isinstance(fact, RequestFinished)]
    assert [(fact.model_served, fact.reason) for fact in finished] == [(BIG, "partial")]


async def test_second_call_that_fails_altogether() -> None:
    """What the first model wrote is still there when the second one cannot be asked."""
    said = (Said(200, completion(THREE_OF_FOUR), model=BIG),)
    faults = Fault(F.RESET_BEFORE_HEADERS, model=SMALL)
    async with open_house(pretend(faults), said=said, models=(BIG, SMALL)) as house:
        answer = await house.ask(asking(CITY))
    assert (answer.status, answer.label("reason"), answer.label("model-served")) == (200, "partial", BIG)


async def test_low_result_of_a_torn_body_while_a_call_is_left() -> None:
    """A quarter of what was asked for is not enough as long as another call can be made."""
    torn = completion('{"city": "Oslo"}')[:-60]
    async with open_house(pretend(), said=(Said(200, torn, times=1),)) as house:
        answer = await house.ask(asking(CITY))
    assert satisfies(msgspec.json.decode(text_of(answer)), CITY)
    assert answer.label("calls") == "2"


# Switched off --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off", ["clean", "remedies"])
async def test_handling_switched_off(off: str) -> None:
    """The client's own format goes up as it is, and without remedies what comes down is not looked at."""
    asked = asking(SCHEMAS["optional"])
    wrong = Fault(F.OFF_SCHEMA_JSON, value="no JSON", times=1)
    async with open_house(pretend(wrong), toml=f"[handling]\n{off} = false") as house:
        answer = await house.ask(asked)
    assert all(seen.body["response_format"] == asked["response_format"] for seen in house.seen)
    assert all(seen.body["messages"] == asked["messages"] for seen in house.seen)
    if off == "remedies":
        assert (text_of(answer), answer.label("calls")) == ("no JSON", "1")


async def test_stream_with_remedies_switched_off() -> None:
    """It is relayed to its end, whatever it says."""
    wrong = Fault(F.OFF_SCHEMA_JSON, value="no JSON at all")
    async with open_house(pretend(wrong), toml="[handling]\nremedies = false") as house:
        answer = await house.ask(asking(CITY, stream=True))
    assert streamed_text(answer)[0] == "no JSON at all"
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_every_schema_is_unlike_the_others() -> None:
    """The table covers kinds, not one kind often."""
    assert all(one != other for one, other in itertools.combinations(SCHEMAS.values(), 2))
