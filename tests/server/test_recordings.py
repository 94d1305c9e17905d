"""Real exchanges with Groq, recorded by others, played again as the upstream of a gateway over real sockets."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.remedies.house import Answer, Said, open_house, pretend

from headgate.decide.remedies import Remedy

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "groq_recordings.jsonl"
EXCHANGES: list[dict[str, Any]] = (
    [json.loads(line) for line in RECORDINGS.read_text(encoding="utf-8").splitlines()] if RECORDINGS.exists() else []
)
TRANSPARENT = "[handling]\nclean = false\nfit = false\nremedies = false\nredact = false\n"
WINDOW = 'lifecycle = "current"\ncontext_window_tokens = 131_072\nmax_output_tokens = 65_536\n'

CHANGED_BY_A_REMEDY = {"24-test_tool_use_failed_error_streaming": Remedy.ANSWER_LOCALLY}
"""Recordings whose reply reaches the client changed when remedies are on, and the remedy that made the difference: the
recorded stream fails at a tool call, and so does its repetition."""

pytestmark = pytest.mark.skipif(not EXCHANGES, reason="../shared/data is not beside the checkout: nothing to replay")


def name_of(number: int) -> str:
    """What tells one recording from the others."""
    stem = EXCHANGES[number]["source"].rpartition("/")[2].partition(".yaml")[0]
    return f"{number}-{stem}"


def reply_of(exchange: dict[str, Any]) -> bytes:
    """The recorded body: a stream as it was, an object in Groq's own compact writing."""
    response = exchange["response"]
    return response.encode() if isinstance(response, str) else json.dumps(response, separators=(",", ":")).encode()


def said(exchange: dict[str, Any]) -> Said:
    """The upstream says what was recorded, whatever it is asked."""
    kind = "text/event-stream" if exchange["request"].get("stream") else "application/json"
    return Said(exchange["status"], reply_of(exchange), content_type=kind)


def still_current() -> str:
    """The catalogue override under which every recorded model runs."""
    named = {exchange["request"]["model"] for exchange in EXCHANGES} - {"compound-beta"}
    return "".join(f'[models."{model}"]\n{WINDOW}' for model in sorted(named | {"groq/compound"}))


async def replayed(exchange: dict[str, Any], toml: str) -> tuple[Answer, list[dict[str, Any]], set[Remedy]]:
    """What the client got, what the upstream was asked, and which remedies were taken."""
    async with open_house(pretend(), said=(said(exchange),), models=(), toml=toml) as house:
        answer = await house.ask(exchange["request"])
        return answer, [seen.body for seen in house.seen], set(house.gate.remedies_taken)


@pytest.mark.parametrize("number", range(len(EXCHANGES)), ids=name_of)
async def test_recorded_reply_reaches_the_client_byte_for_byte(number: int) -> None:
    """With everything switched off that changes bytes, status, type and body are the upstream's own."""
    exchange = EXCHANGES[number]
    answer, asked, _ = await replayed(exchange, TRANSPARENT + still_current())
    assert answer.status == exchange["status"]
    assert answer.body == reply_of(exchange)
    assert len(asked) == 1
    assert asked[0]["messages"] == exchange["request"]["messages"]
    assert asked[0].get("tools") == exchange["request"].get("tools")


@pytest.mark.parametrize("number", range(len(EXCHANGES)), ids=name_of)
async def test_with_remedies_on_only_a_remedy_changes_a_reply(number: int) -> None:
    """Every difference is one that a remedy made, and the table above names it."""
    exchange = EXCHANGES[number]
    answer, _, taken = await replayed(exchange, still_current())
    if (remedy := CHANGED_BY_A_REMEDY.get(name_of(number))) is None:
        assert answer.body == reply_of(exchange)
        assert answer.status == exchange["status"]
    else:
        assert remedy in taken
        assert answer.label("source") == "local"
        assert answer.body != reply_of(exchange)


@pytest.mark.parametrize("number", range(len(EXCHANGES)), ids=name_of)
async def test_recorded_request_for_a_retired_model_is_served_by_its_successor(number: int) -> None:
    """Today's catalogue: what asked for a model that is gone is answered by a running one, and is told so."""
    request = EXCHANGES[number]["request"]
    async with open_house(pretend(), models=(), toml="[routes.open]\nsubstitute = true") as house:
        answer = await house.ask(request, x_headgate_route="open")
        resolution = house.gate.catalog.resolve(request["model"])
        assert resolution is not None
        assert answer.status == 200, answer.body
        assert answer.label("model-asked") == request["model"]
        served = house.gate.catalog.model(answer.label("model-served") or "")
        assert served is not None
        assert served.is_running
        if resolution.retired is not None:
            assert answer.label("reason") == "retired"
            assert served.id != resolution.retired
