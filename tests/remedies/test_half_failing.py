"""One model fails every second call and another is healthy: clients get a model's answer all the same."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from tests.remedies.house import BIG, SMALL, Answer, House, chat, open_house, pretend
from tests.remedies.scenarios_structured import CITY, schema

from headgate.simulator.faults import Fault, FaultKind

CLIENTS = 30
ASKS = 4
LEAST_ANSWERED = 0.95
LONGEST_S = 12.0
JSON_MODE = {"response_format": {"type": "json_object"}}
SCHEMA = {"response_format": schema(CITY)}
NO_JSON = "I would rather write prose, which nobody can mend."


@dataclass(frozen=True)
class Trouble:
    """A fault that strikes every second request for the big model, and what the clients ask meanwhile."""

    name: str
    fault: Fault
    fields: dict[str, Any]


def trouble(name: str, kind: FaultKind, *, fields: dict[str, Any] | None = None, **more: Any) -> Trouble:
    return Trouble(name, Fault(kind, probability=0.5, model=BIG, **more), fields or {})


QUICK_ONES = (
    trouble("reset before headers", FaultKind.RESET_BEFORE_HEADERS),
    trouble("reset midway", FaultKind.RESET_MIDWAY),
    trouble("500", FaultKind.SERVER_ERROR),
    trouble("503", FaultKind.OVER_CAPACITY),
    trouble("502 html", FaultKind.BAD_GATEWAY),
    trouble("200 html", FaultKind.HTML),
    trouble("malformed json", FaultKind.MALFORMED_JSON),
    trouble("truncated", FaultKind.TRUNCATED_JSON),
    trouble("cut", FaultKind.CUT),
    trouble("empty choices", FaultKind.EMPTY_CHOICES),
    trouble("empty body", FaultKind.EMPTY_BODY),
    trouble("no JSON in JSON mode", FaultKind.INVALID_JSON_CONTENT, fields=JSON_MODE),
    trouble("400 in JSON mode", FaultKind.JSON_VALIDATE_FAILED, fields=JSON_MODE),
    trouble("prose in JSON mode", FaultKind.INVALID_JSON_CONTENT, fields=JSON_MODE, value=NO_JSON),
    trouble("prose in a 400 in JSON mode", FaultKind.JSON_VALIDATE_FAILED, fields=JSON_MODE, value=NO_JSON),
    trouble("JSON off its schema", FaultKind.OFF_SCHEMA_JSON, fields=SCHEMA),
    trouble("prose for a schema", FaultKind.INVALID_JSON_CONTENT, fields=SCHEMA, value=NO_JSON),
    trouble("output that cannot be parsed", FaultKind.OUTPUT_PARSE_FAILED, fields=SCHEMA, value=NO_JSON),
)
SLOW_ONES = (
    trouble("slow", FaultKind.SLOW, delay_s=60.0),
    trouble("silent after the head", FaultKind.STALLED, at=0.0),
    trouble("stalled midway", FaultKind.STALLED, at=0.5),
)


async def all_asked(house: House, fields: dict[str, Any], asks: int, cap: int) -> list[Answer]:
    """What all clients were told, each asking one thing after another, all of them at once."""

    async def client(number: int) -> list[Answer]:
        return [
            await house.ask(chat(f"Question {turn} of client {number}, please as json.", cap=cap, **fields))
            for turn in range(asks)
        ]

    told = await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return [answer for answers in told for answer in answers]


def by_a_model(answers: list[Answer]) -> float:
    """The share of answers that a model wrote."""
    return sum(a.status == 200 and a.label("source") == "upstream" for a in answers) / len(answers)


@pytest.mark.parametrize("wrong", QUICK_ONES, ids=lambda wrong: wrong.name)
async def test_half_of_one_models_calls_fail(wrong: Trouble) -> None:
    """At least 95 % of the answers are a model's, whatever way the other half goes wrong."""
    async with open_house(pretend(wrong.fault), models=(BIG, SMALL)) as house:
        answers = await all_asked(house, wrong.fields, ASKS, cap=60)
        struck = sum(seen.model == BIG for seen in house.seen)
    assert struck >= 5, "the fault had hardly a chance"
    assert by_a_model(answers) >= LEAST_ANSWERED, sorted({(a.status, a.label("reason")) for a in answers})


async def test_half_of_one_models_connections_are_refused() -> None:
    """A door that closes for half of the keys' connections costs no answer either."""
    refused = Fault(FaultKind.REFUSED, probability=0.5, key="gsk_a")
    async with open_house(pretend(refused), models=(BIG, SMALL), keys="ab") as house:
        answers = await all_asked(house, {}, ASKS, cap=60)
    assert by_a_model(answers) >= LEAST_ANSWERED, sorted({(a.status, a.label("reason")) for a in answers})


@pytest.mark.slow
async def test_half_of_one_models_calls_are_slow() -> None:
    """At least 95 % of the answers are a model's and come within 12 s, with the first-token target as it is shipped."""

    async def slow_world(wrong: Trouble) -> tuple[float, float]:
        async with open_house(pretend(wrong.fault), models=(BIG, SMALL), route="deadline_s = 50.0") as house:
            answers = await all_asked(house, wrong.fields, 1, cap=200)
            ends = [house.gateway.stories.story(a.headers["x-request-id"], "local") for a in answers]
        within = sum(
            a.label("source") == "upstream" and story is not None and story.duration_ms <= LONGEST_S * 1000
            for a, story in zip(answers, ends, strict=True)
        )
        struck = sum(bool(story and story.calls and story.calls[0].failure) for story in ends)
        return within / len(answers), struck

    for share, struck in await asyncio.gather(*(slow_world(wrong) for wrong in SLOW_ONES)):
        assert struck >= CLIENTS // 5, "the fault had hardly a chance"
        assert share >= LEAST_ANSWERED
