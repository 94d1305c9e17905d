"""What each provider says when it fails, over real sockets: read as the remedy table means it, and Groq answers.

The provider comes first on the route and Groq second. What the errors look like is groq-api.md 13, as the profiles of
the simulator write them.
"""

from typing import Any, Final

import pytest
from tests.remedies.house import (
    BIG,
    KEYS_ELSEWHERE,
    LONG,
    OWN_MODEL,
    UNHURRIED,
    Answer,
    House,
    chat,
    elsewhere,
    open_house,
    pretend,
)

from headgate.domain.fact import CallEnded
from headgate.domain.failure import FailureKind as K
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import Organisation, SimulatorSettings, SpendBlock

F = FaultKind
FIRST: Final = {
    "openai": "openai/gpt-4.1-mini",
    "mistral": "mistral/mistral-small-latest",
    "gemini": "gemini/gemini-flash-latest",
    "openrouter": "openrouter/openai/gpt-oss-120b",
    "compatible": f"compatible/{OWN_MODEL}",
}
"""Whom the route asks first."""


def limited(dimension: str) -> Fault:
    return Fault(F.RATE_LIMITED, value=dimension, delay_s=30.0)


RATE: Final = K.REQUESTS_PER_MINUTE
SITUATIONS: Final[dict[str, tuple[Fault | None, tuple[K, ...]]]] = {
    # in the order of FIRST
    "minute": (limited("RPM"), (RATE,) * 5),
    "tokens": (limited("TPM"), (K.TOKENS_PER_MINUTE, RATE, K.TOKENS_PER_MINUTE, RATE, RATE)),
    "day": (limited("RPD"), (K.DAILY_LIMIT, RATE, K.DAILY_LIMIT, K.DAILY_LIMIT, RATE)),
    "wrong key": (Fault(F.INVALID_KEY), (K.INVALID_KEY,) * 5),
    "no credits": (None, (K.SPEND_LIMIT, K.SPEND_LIMIT, K.INVALID_KEY, K.SPEND_LIMIT, K.OVER_CAPACITY)),
    "overloaded": (Fault(F.OVER_CAPACITY), (K.OVER_CAPACITY,) * 5),
    "server error": (Fault(F.SERVER_ERROR), (K.OVER_CAPACITY,) * 5),
    "bad gateway": (Fault(F.BAD_GATEWAY), (K.OVER_CAPACITY,) * 5),
    "page": (Fault(F.HTML), (K.MALFORMED_BODY,) * 5),
    "no choice": (Fault(F.EMPTY_CHOICES), (K.MALFORMED_BODY,) * 5),
    "reset": (Fault(F.RESET_BEFORE_HEADERS), (K.NETWORK,) * 5),
}
CASES: Final = [
    (situation, provider, kinds[index])
    for situation, (_, kinds) in SITUATIONS.items()
    for index, provider in enumerate(FIRST)
]


def broken(provider: str, fault: Fault | None, **more: Any) -> SimulatorSettings:
    """The provider with this wrong; without a fault, with its money spent."""
    if fault is not None:
        return elsewhere(provider, fault, **more)
    organisation = Organisation("developer", spend_block=SpendBlock())
    return elsewhere(provider, organisations={f"org_{KEYS_ELSEWHERE[provider]}": organisation}, **more)


def failures(house: House) -> list[tuple[str, K | None]]:
    """Each call's provider, and how it failed."""
    ended = [fact for fact in house.facts if isinstance(fact, CallEnded)]
    return [(fact.deployment.provider, fact.failure) for fact in ended]


@pytest.mark.parametrize("situation, provider, kind", CASES)
async def test_a_failure_elsewhere_is_understood_and_passed(situation: str, provider: str, kind: K) -> None:
    """One call there, with the row of the remedy table that it means; then the other provider answers."""
    fault, _ = SITUATIONS[situation]
    async with open_house((pretend(), broken(provider, fault)), models=(FIRST[provider], BIG)) as house:
        answer = await house.ask()
        assert failures(house) == [(provider, kind), ("groq", None)]
    assert (answer.status, answer.label("provider"), answer.label("model-served")) == (200, "groq", BIG)
    assert answer.label("reason") == kind


async def streamed(provider: str, fault: Fault) -> tuple[Answer, list[tuple[str, K | None]]]:
    first = elsewhere(provider, fault, lengths=LONG, pace=UNHURRIED)
    async with open_house((pretend(), first), models=(FIRST[provider], BIG)) as house:
        return await house.ask(chat(stream=True)), failures(house)


@pytest.mark.parametrize("provider", FIRST)
async def test_an_error_at_the_start_of_a_stream_is_passed(provider: str) -> None:
    """Told in an event, or beside a choice (OpenRouter): nobody has seen a word, so the other stream comes."""
    answer, calls = await streamed(provider, Fault(F.STREAM_ERROR_EVENT, at=0.0))
    assert [name for name, _ in calls] == [provider, "groq"]
    assert calls[0][1] in {K.OVER_CAPACITY, K.STREAM_BROKE_EARLY}
    assert answer.label("provider") == "groq"
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b'"error"' not in answer.body


@pytest.mark.parametrize("provider", FIRST)
async def test_an_error_in_the_midst_of_a_stream_is_told(provider: str) -> None:
    """After the first words no other model's may follow: an error event ends it, and never `[DONE]`."""
    answer, calls = await streamed(provider, Fault(F.STREAM_ERROR_EVENT, at=0.8))
    assert calls == [(provider, K.STREAM_BROKE_LATE)]
    assert answer.label("provider") == provider
    assert b"event: error" in answer.body
    assert b"[DONE]" not in answer.body


async def test_a_provider_that_denies_access_is_left_for_a_while() -> None:
    """403 without a code: the key stays, the provider is out, and the next request does not ask it."""
    first = elsewhere("openai", Fault(F.ACCESS_DENIED))
    async with open_house((pretend(), first), models=(FIRST["openai"], BIG)) as house:
        answers = [await house.ask(), await house.ask()]
        assert failures(house) == [("openai", K.ACCESS_DENIED), ("groq", None), ("groq", None)]
        assert house.gate.pool.removed == set()
    assert {answer.label("provider") for answer in answers} == {"groq"}
