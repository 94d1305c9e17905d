"""Local skills in place of a model, over real sockets: at the end of all or before any call, whole and streamed."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.remedies.house import ALONE, QUICK, SMALL, Answer, chat, open_house, pretend

from headgate import Extracted, Headgate, Route
from headgate.assembly import catalog_of, make_gate
from headgate.decide import events as e
from headgate.decide.machine import SKILL_FIRST
from headgate.decide.replay import Replay
from headgate.local.check import satisfies
from headgate.local.skills import MOST_CHARS
from headgate.runtime.settings import InvalidSettings, load_settings
from headgate.runtime.step_log import StepLog, read_log
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.http import serve_simulator

DOWN = Fault(FaultKind.OVER_CAPACITY)
MESSAGE = "Pay Rs 500 to ramesh.k@okaxis or call 98765 43210 today. Where is my refund?"
TEXT = {"type": "string"}


def obj(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


PAYMENT = obj({"upi_id": TEXT, "amount": {"type": "number"}})
NAMED = obj({"upi_id": TEXT, "amount": {"type": "number"}, "customer_name": TEXT})
STRANGE = obj({"favourite_colour": TEXT, "shoe_size": {"type": "integer"}})


def with_schema(schema: dict[str, Any], text: str = MESSAGE, **more: Any) -> dict[str, Any]:
    form = {"type": "json_schema", "json_schema": {"name": "asked", "schema": schema}}
    return chat(text, response_format=form, **more)


def text_of(answer: Answer) -> str:
    """The text of an answer, whole or streamed."""
    if not answer.body.startswith(b"data:"):
        return str(answer.json["choices"][0]["message"]["content"])
    choices = [event["choices"][0] for event in events_of(answer) if event["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def events_of(answer: Answer) -> list[dict[str, Any]]:
    lines = answer.body.split(b"\n")
    return [msgspec.json.decode(line[6:]) for line in lines if line.startswith(b"data: {")]


def label_of(answer: Answer) -> dict[str, Any]:
    body = events_of(answer)[0] if answer.body.startswith(b"data:") else answer.json
    found: dict[str, Any] = body["headgate"]
    return found


def is_local(answer: Answer, skill: str) -> bool:
    assert answer.status == 200, answer.body
    assert answer.label("source") == "local"
    assert answer.label("model-served") == "headgate/local"
    label = label_of(answer)
    assert 0 <= label["confidence"] <= 1
    return bool(label["skill"] == skill)


@pytest.mark.parametrize("stream", [False, True])
async def test_route_names_the_skill_that_answers_when_no_model_can(stream: bool) -> None:
    """Every call fails, so the skill answers instead of a sentence that says sorry; with a schema it is filled."""
    async with open_house(pretend(DOWN), route='skill = "extract"', toml=ALONE) as house:
        answer = await house.ask(with_schema(PAYMENT, stream=stream))
        assert is_local(answer, "fill")
        assert msgspec.json.decode(text_of(answer)) == {"upi_id": "ramesh.k@okaxis", "amount": 500}
        assert label_of(answer)["confidence"] > 0.8
        assert "partial" not in label_of(answer)
        assert int(answer.label("calls") or 0) >= 1
        assert answer.label("reason") == "over_capacity"
        if stream:
            assert answer.body.endswith(b"data: [DONE]\n\n")
        plain = await house.ask(chat(MESSAGE, stream=stream))
        assert is_local(plain, "extract")
        found = msgspec.json.decode(text_of(plain))
        assert [each["kind"] for each in found["entities"]] == ["amount", "upi", "mobile"]


@pytest.mark.parametrize("first", [False, True])
async def test_too_long_a_text_is_left_to_models(first: bool) -> None:
    """A skill reads as much here as at its own door; a longer text goes to the models, or gets the sentence that says
    sorry, as if no skill were named."""
    long = MESSAGE.ljust(MOST_CHARS, ".")
    route = f'skill = "extract"\nskill_first = {str(first).lower()}'
    async with open_house(pretend(*(() if first else (DOWN,))), route=route, toml=ALONE) as house:
        assert is_local(await house.ask(chat(long, cap=20)), "extract")
        answer = await house.ask(chat(long + ".", cap=20))
        assert answer.status == 200
        if first:
            assert answer.label("source") == "upstream"
        else:
            assert not is_local(answer, "extract")


async def test_json_mode_gets_the_skills_result_as_an_object() -> None:
    """Without a schema any JSON object is an answer: the whole result, with confidence and evidence."""
    async with open_house(pretend(DOWN), route='skill = "language"', toml=ALONE) as house:
        answer = await house.ask(chat(f"Answer in JSON. {MESSAGE}", response_format={"type": "json_object"}))
        assert is_local(answer, "language")
        assert msgspec.json.decode(text_of(answer))["code"] == "en"


@pytest.mark.parametrize("stream", [False, True])
async def test_partly_filled_schema_is_flagged(stream: bool) -> None:
    """When nothing else can be had, at least half of the required fields is an answer, with the missing ones named."""
    async with open_house(pretend(DOWN), route='skill = "extract"', toml=ALONE) as house:
        answer = await house.ask(with_schema(NAMED, stream=stream))
        assert is_local(answer, "fill")
        label = label_of(answer)
        assert (label["partial"], label["level"], label["missing"]) == (True, "partial", ["customer_name"])
        assert msgspec.json.decode(text_of(answer)) == {"upi_id": "ramesh.k@okaxis", "amount": 500}


@pytest.mark.parametrize("schema, text", [(STRANGE, MESSAGE), (PAYMENT, "Good morning!"), (PAYMENT, "   ")])
async def test_schema_that_cannot_be_filled_is_refused(schema: dict[str, Any], text: str) -> None:
    """Valid JSON or a refusal: prose and inventions are no answers, and the refusal says what was tried."""
    async with open_house(pretend(DOWN), route='skill = "extract"', toml=ALONE) as house:
        answer = await house.ask(with_schema(schema, text))
        assert answer.status == 503
        assert answer.error["code"] == "upstream_failed"
        assert answer.json["headgate"]["tried"]


async def test_unsure_skill_leaves_the_word_to_the_template() -> None:
    """Below the route's confidence the usual sentence is given, and says that it answers nothing."""
    route = 'skill = "language"\nskill_confidence = 0.999'
    async with open_house(pretend(DOWN), route=route, toml=ALONE) as house:
        answer = await house.ask(chat("Refund not received"))
        assert is_local(answer, "template")
        assert label_of(answer)["confidence"] == 0.0


async def test_skill_first_makes_no_call() -> None:
    """Where the skill is sure enough nobody is asked: no call, no attempt, whole and streamed; its story says why."""
    async with open_house(pretend(), route='skill = "extract"\nskill_first = true') as house:
        for stream in (False, True):
            answer = await house.ask(with_schema(PAYMENT, stream=stream))
            assert is_local(answer, "fill")
            assert satisfies(msgspec.json.decode(text_of(answer)), PAYMENT)
            assert (answer.label("calls"), answer.label("attempts")) == ("0", "0")
            assert answer.label("reason") == SKILL_FIRST
            story = (await house.fetch("GET", f"/v1/requests/{answer.headers['x-request-id']}")).json
            assert (story["source"], story["reason"], story["calls"]) == ("local", SKILL_FIRST, [])
        assert house.seen == []
        house.gate.ledger.check(house.gateway.clock.now())


@pytest.mark.parametrize(
    "body",
    [with_schema(STRANGE), with_schema(NAMED), chat("Good morning!"), chat("")],
    ids=["nothing", "part", "none", "empty"],
)
async def test_skill_that_is_not_sure_lets_the_model_answer(body: dict[str, Any]) -> None:
    """A part of a schema is no answer while a model may give all of it; the request goes on as if nothing had been."""
    async with open_house(pretend(), route='skill = "extract"\nskill_first = true') as house:
        answer = await house.ask(body)
        assert (answer.status, answer.label("source"), answer.label("calls")) == (200, "upstream", "1")
        assert answer.label("reason") is None
        assert len(house.seen) == 1


async def test_client_who_wants_no_local_answer_gets_none() -> None:
    """`local: off` beats a route that asks the skill first."""
    async with open_house(pretend(), route='skill = "extract"\nskill_first = true') as house:
        answer = await house.ask(chat(MESSAGE), x_headgate_local="off")
        assert answer.label("source") == "upstream"


async def test_required_tool_is_never_answered_by_a_skill() -> None:
    """With `tool_choice: required` text is no answer, first or last."""
    tool = {"type": "function", "function": {"name": "pay", "parameters": {"type": "object", "properties": {}}}}
    body = chat(MESSAGE, tools=[tool], tool_choice="required")
    async with open_house(pretend(), route='skill = "extract"\nskill_first = true') as house:
        assert (await house.ask(body)).label("source") == "upstream"


async def test_what_a_text_does_not_say_is_left_to_the_model() -> None:
    """An image is not seen by any skill, and behind a tool's result the model is to go on."""
    picture = {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}}
    seen = {"role": "user", "content": [{"type": "text", "text": MESSAGE}, picture]}
    call = {"id": "c1", "type": "function", "function": {"name": "pay", "arguments": "{}"}}
    used = [
        {"role": "user", "content": MESSAGE},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "paid"},
    ]
    vision = "qwen/qwen3.8-27b"
    route = 'skill = "extract"\nskill_first = true'
    async with open_house(pretend(), route=route, models=()) as house:
        for body in (chat(model=vision, messages=[seen]), chat(messages=used)):
            answer = await house.ask(body)
            assert (answer.status, answer.label("source")) == (200, "upstream"), answer.body


TASKS = """
[local.tasks]
"payment-extraction" = "extract"
[local.tasks.triage]
skill = "classify"
first = true
confidence = 0.4
options = { labels = ["refund", { name = "payment", keywords = ["pay rs"] }, "other"] }
[local.tasks.answer]
skill = "reply"
first = true
confidence = 0.3
options = { persona = "elder" }
"""


async def test_task_names_its_skill_and_its_options() -> None:
    """The control `task` chooses; each task has its own skill, options and confidence; other tasks have none."""
    async with open_house(pretend(), toml=TASKS) as house:
        triage = await house.ask(chat("I want a refund"), x_headgate_task="triage")
        assert is_local(triage, "classify")
        assert text_of(triage) == "refund"
        unsure = await house.ask(chat("Good morning"), x_headgate_task="triage")
        assert unsure.label("source") == "upstream"
        choice = with_schema(obj({"intent": {"enum": ["refund", "payment", "other"]}}), "Please pay Rs 70")
        filled = await house.ask(choice, x_headgate_task="triage")
        assert is_local(filled, "fill")
        assert msgspec.json.decode(text_of(filled)) == {"intent": "payment"}
        assert (await house.ask(chat(MESSAGE), x_headgate_task="payment-extraction")).label("source") == "upstream"
        assert (await house.ask(chat("I want a refund"))).label("source") == "upstream"


async def test_reply_does_not_say_what_was_said() -> None:
    """The conversation's own earlier answers are avoided: three turns, three replies."""
    async with open_house(pretend(), toml=TASKS) as house:
        said: list[str] = []
        for _ in range(3):
            messages = [{"role": "user", "content": "Tell me the OTP"}]
            for text in said:
                messages += [{"role": "assistant", "content": text}, {"role": "user", "content": "Tell me the OTP"}]
            answer = await house.ask({"model": SMALL, "messages": messages}, x_headgate_task="answer")
            assert is_local(answer, "reply")
            said.append(text_of(answer))
        assert len(set(said)) == 3
        assert house.seen == []


async def test_long_prompt_is_worked_on_beside_others() -> None:
    """A prompt of many characters goes to a thread and still gets its answer."""
    async with open_house(pretend(), route='skill = "extract"\nskill_first = true') as house:
        answer = await house.ask(with_schema(PAYMENT, MESSAGE + " Thank you very much." * 400))
        assert is_local(answer, "fill")


async def test_other_apis_get_the_skills_answer_in_their_words() -> None:
    """Messages and Responses are chats inside: the same answer in their own shape."""
    async with open_house(pretend(), toml=TASKS) as house:
        headers = {"content-type": "application/json", "x-headgate-task": "triage"}
        body = {"model": SMALL, "max_tokens": 20, "messages": [{"role": "user", "content": "I want a refund"}]}
        told = await house.fetch("POST", "/v1/messages", msgspec.json.encode(body), headers)
        assert told.json["content"][0]["text"] == "refund"
        asked = {"model": SMALL, "input": "I want a refund"}
        said = await house.fetch("POST", "/v1/responses", msgspec.json.encode(asked), headers)
        assert said.json["output"][-1]["content"][0]["text"] == "refund"
        assert {told.label("source"), said.label("source")} == {"local"}


async def test_in_process_door_answers_by_skill_too() -> None:
    """A route in code names a skill; `extract` gives a typed value, or a flagged part of it."""
    pretended = await serve_simulator(pretend(DOWN))
    try:
        named = {"GROQ_BASE_URL": pretended.base_url, "GROQ_API_KEY": "gsk_a"}
        settings = load_settings(None, named)
        routes = {"pay": Route(skill="extract", deadline_s=3.0, patience_s=0.0)}
        async with Headgate(settings, routes=routes) as gate:
            got: Extracted[Any] = await gate.extract(MESSAGE, PAYMENT, route="pay")
            assert (got.value, got.is_partial) == ({"upi_id": "ramesh.k@okaxis", "amount": 500}, False)
            assert got.answer.source == "local"
            part: Extracted[Any] = await gate.extract(MESSAGE, NAMED, route="pay")
            assert (part.is_partial, part.missing, part.level) == (True, ("customer_name",), "partial")
    finally:
        await pretended.close()


@pytest.mark.parametrize(
    "toml, place, complaint",
    [
        ('[routes.a]\nskill = "extrakt"', "routes.a.skill", "did you mean `extract`"),
        ('[routes.a]\nskill = "classify"', "routes.a.skill_options", "labels"),
        ('[routes.a]\nskill = "summary"\nskill_options = { max = 3 }', "routes.a.skill_options", "max"),
        ("[routes.a]\nskill_first = true", "routes.a.skill", "is missing"),
        ('[routes.a]\nskill = "extract"\nskill_confidence = 2', "routes.a.skill_confidence", "<= 1"),
        ('[local.tasks]\n"pay" = "nothing"', "local.tasks.pay", "no local skill"),
        ("[local.tasks.pay]\nfirst = true", "local.tasks.pay.skill", "missing"),
        ('[local.tasks.pay]\nskill = "reply"\noptions = { tone = 1 }', "local.tasks.pay.options", "tone"),
        ('[local.tasks.pay]\nskill = "reply"\nfrist = true', "local.tasks.pay.frist", "no such key"),
    ],
)
def test_wrong_skills_in_settings_are_refused_at_the_start(
    tmp_path: Path, toml: str, place: str, complaint: str
) -> None:
    """A name, an option or a bound that cannot be is found when the file is read, not when all models are down."""
    path = tmp_path / "headgate.toml"
    path.write_text(toml)
    with pytest.raises(InvalidSettings) as caught:
        load_settings(path, {})
    assert place in str(caught.value)
    assert complaint in str(caught.value)


async def test_log_with_skills_in_it_replays(tmp_path: Path) -> None:
    """What skills answered, and what they left to models, comes out the same from the log."""
    failing = Fault(FaultKind.OVER_CAPACITY, probability=0.5)
    route = 'skill = "extract"\nskill_first = true'
    async with open_house(pretend(failing), route=route, toml=ALONE) as house:
        recorder = StepLog(tmp_path / "steps.log", house.gate)
        house.gateway.driver.recorder = recorder
        asked = [with_schema(PAYMENT), with_schema(NAMED), with_schema(STRANGE), chat(MESSAGE), chat("Good morning!")]
        told = [await house.ask({**body, "stream": stream}) for body in asked * 2 for stream in (False, True)]
        recorder.close()
        final = house.gate.snapshot()
    snapshot, steps = read_log(tmp_path / "steps.log")
    answered = [step.event.ok for step in steps if isinstance(step.event, e.AnsweredLocally)]
    assert set(answered) == {True, False}, [answer.label("source") for answer in told]
    gate = make_gate(house.settings, catalog_of(house.settings), random.Random(0), policy=QUICK)
    gate.restore(snapshot)
    assert Replay(gate).run(steps) == len(steps)
    assert gate.snapshot() == final


async def test_nothing_is_paid_where_no_skill_is_named() -> None:
    """Without a skill in the settings no request carries one, and local answers are what they were."""
    async with open_house(pretend(DOWN), toml=ALONE) as house:
        answer = await house.ask(chat(MESSAGE))
        assert is_local(answer, "template")
        refused = await house.ask(with_schema(PAYMENT))
        assert refused.status >= 400
