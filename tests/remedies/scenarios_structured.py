"""The situations of structured output and tool calls: what is made of wrong answers, who is asked again, and how."""

from typing import Any, Final

import msgspec
from tests.remedies.house import BIG, SMALL, Said, chat, pretend
from tests.remedies.scenarios import Ask, Expect, Scenario, by, error, fault, refused

from headgate.decide.remedies import Remedy
from headgate.domain.failure import FailureKind as K
from headgate.simulator.faults import Fault
from headgate.simulator.faults import FaultKind as F

R = Remedy

CITY: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "country": {"type": "string"},
        "people": {"type": "integer"},
        "coastal": {"type": "boolean"},
    },
    "required": ["city", "country", "people", "coastal"],
    "additionalProperties": False,
}
WEATHER: Final[dict[str, Any]] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def schema(asked: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A `response_format` of a schema."""
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": asked, **more}}


def completion(text: str, **message: Any) -> bytes:
    """A whole answer that says `text`."""
    told = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    return msgspec.json.encode({"id": "c", "object": "chat.completion", "model": BIG, "choices": [told]})


CITIES: Final = (Ask(chat("Tell me of a city as json.", cap=300, response_format=schema(CITY))),)
JSON_MODE: Final = (Ask(chat("Answer in json.", cap=300, response_format={"type": "json_object"})),)
TOOLS: Final = (Ask(chat("Weather?", cap=300, tools=[WEATHER], tool_choice="required")),)
THREE_OF_FOUR: Final = '{"city": "Oslo", "country": "Norway", "people": 709000}'
NO_JSON: Final = "There is no such city."
ON_BIG: Final = (BIG, BIG)
BOTH: Final = (BIG, SMALL)

STRUCTURED: Final = (
    Scenario(
        K.INVALID_JSON,
        R.STRICT_MODEL,
        by(SMALL, 2, reason=K.INVALID_JSON),
        fault(F.OFF_SCHEMA_JSON, model=BIG),
        models=BOTH,
        asks=CITIES,
    ),
    Scenario(
        K.INVALID_JSON,
        R.SIMPLER_PROMPT,
        Expect(status=200, source="upstream", calls="2", models=ON_BIG, reason=K.INVALID_JSON, body_has=b"coastal"),
        fault(F.OFF_SCHEMA_JSON),
        asks=CITIES,
    ),
    Scenario(
        K.INVALID_JSON,
        R.PARTIAL_EXTRACTION,
        Expect(status=200, source="upstream", served=BIG, reason="partial", body_has=b'"missing":["coastal"]'),
        said=(Said(200, completion(THREE_OF_FOUR)),),
        asks=CITIES,
    ),
    Scenario(
        K.INVALID_JSON,
        R.RELAY,
        Expect(status=400, code="json_validate_failed", calls="2", body_has=b"as you asked"),
        said=(error(400, "json_validate_failed", "Not as you asked."),),
        asks=JSON_MODE,
    ),
    Scenario(
        K.INVALID_JSON,
        R.REFUSE,
        refused(503, "upstream_failed"),
        said=(Said(200, completion(NO_JSON)),),
        asks=CITIES,
    ),
    Scenario(
        K.MALFORMED_BODY,
        R.PARTIAL_EXTRACTION,
        Expect(status=200, source="upstream", calls="1", reason="partial", body_has=b'"level":"partial"'),
        said=(Said(200, completion(THREE_OF_FOUR)[:-50]),),
        asks=CITIES,
    ),
    Scenario(
        K.TOOL_CALL_FAILED,
        R.RESCUE_TOOL_CALL,
        Expect(status=200, source="upstream", served=BIG, calls="1", reason="rescued", body_has=b'"tool_calls"'),
        fault(F.TOOL_USE_FAILED),
        asks=TOOLS,
    ),
    Scenario(
        K.TOOL_CALL_FAILED,
        R.LOWER_TEMPERATURE,
        Expect(status=200, source="upstream", calls="2", models=ON_BIG, reason=K.TOOL_CALL_FAILED),
        fault(F.TOOL_USE_FAILED, value="required", times=1),
        asks=TOOLS,
    ),
    Scenario(
        K.TOOL_CALL_FAILED,
        R.OTHER_MODEL,
        by(SMALL, 2, reason=K.TOOL_CALL_FAILED),  # when the repeats that the place may have are used up
        pretend(Fault(F.TOOL_USE_FAILED, value="required", model=BIG)),
        models=BOTH,
        asks=TOOLS * 4,
    ),
)
