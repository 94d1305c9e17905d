"""When the machine leaves the provider that was asked, and for whom: in virtual time, over a real gate."""

import random

import msgspec
import pytest

from headgate.catalog import default_catalog
from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import advance
from headgate.decide.gate import Gate
from headgate.decide.journey import Journey
from headgate.decide.learned import Learned
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.domain.fact import Fact
from headgate.domain.failure import Failure
from headgate.domain.failure import FailureKind as K
from headgate.domain.limits import Amounts, Deployment, Dimension
from headgate.domain.request import PromptSize, Request
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom

BIG = "openai/gpt-oss-120b"
ELSEWHERE = ("openai/gpt-5.4-mini", "openai/gpt-4.1-mini", "mistral/mistral-small-latest", "gemini/gemini-flash-latest")
PROVIDERS = ("groq", "openai", "mistral", "gemini")
DOWN = Failure(K.NETWORK, written=False)
TOO_MANY = Failure(K.REQUESTS_PER_MINUTE, status=429, message="slow down", wait_s=100.0)
UNTELLABLE = Failure(K.BAD_REQUEST, status=400, message="'functions' is not supported", written=False, body=b"{}")


def make_gate(groq_rpm: int = 1000) -> Gate:
    catalog = default_catalog().with_chain(PROVIDERS)
    limits = {"groq": {Dimension.RPM: groq_rpm}}
    return Gate(
        catalog=catalog,
        policy=Policy(),
        pool=pool_of([Key(f"k-{name}", name, f"of-{name}") for name in PROVIDERS], catalog),
        ledger=Ledger(lambda deployment: limits.get(deployment.provider, {})),
        room=WaitingRoom(),
        learned=Learned(),
        dice=random.Random(1),
    )


def journey(**more: object) -> Journey:
    request = Request(
        id="r",
        model_asked=BIG,
        candidates=(BIG,),
        elsewhere=ELSEWHERE,
        arrived_at=0.0,
        deadline_at=50.0,
        patience_until=25.0,
        prompt=PromptSize(latin=100, messages=1),
        ask_tokens=100,
        local=False,
    )
    return Journey(msgspec.structs.replace(request, **more))


def ignore(_: Fact) -> None:
    pass


def arrive(gate: Gate, asked: Journey, now: float = 0.0) -> a.Action:
    return advance(gate, asked, e.Arrived(asked.request), now, ignore)[-1]


def fail(gate: Gate, asked: Journey, failure: Failure, now: float = 1.0) -> a.Action:
    assert asked.open is not None
    return advance(gate, asked, e.Failed(asked.open.number, failure, None), now, ignore)[-1]


def model(action: a.Action) -> str:
    assert isinstance(action, a.Call), action
    return action.deployment.model


def fill(gate: Gate, requests: int) -> None:
    """Groq's minute is spent."""
    gate.ledger.reserve(Deployment.of("groq", "of-groq", BIG), "others", Amounts(requests=requests), 0.0)


def test_a_short_wait_comes_before_another_provider() -> None:
    """A place in a second is worth waiting for; when none comes within the patience, the next provider is asked."""
    gate = make_gate(groq_rpm=60)
    fill(gate, 60)
    asked = journey()
    assert isinstance(arrive(gate, asked), a.Enqueue)
    assert model(advance(gate, asked, e.Woke(), 25.0, ignore)[-1]) == ELSEWHERE[0]


def test_a_long_wait_does_not() -> None:
    """What cannot come within the patience is not waited for at all."""
    gate = make_gate(groq_rpm=2)
    fill(gate, 2)
    assert model(arrive(gate, journey())) == ELSEWHERE[0]


def test_each_provider_is_asked_once_in_order() -> None:
    """One model of each, whatever they fail with; then the request ends with what the last of them said."""
    gate, asked = make_gate(), journey()
    called = [model(arrive(gate, asked))]
    for failure in (TOO_MANY, DOWN, TOO_MANY):
        called.append(model(fail(gate, asked, failure)))
    assert called == [BIG, ELSEWHERE[0], *ELSEWHERE[2:]]
    end = fail(gate, asked, TOO_MANY)
    assert isinstance(end, a.Finish)
    assert end.refusal is not None
    assert [each.provider for each in end.refusal.tried] == list(PROVIDERS)


def test_places_that_are_down_are_not_asked_in_turn() -> None:
    """Of three models at one provider the third is asked before the first is asked again."""
    gate = make_gate()
    models = (BIG, "openai/gpt-oss-20b", "qwen/qwen3.8-27b")
    asked = journey(candidates=models, elsewhere=())
    called = [model(arrive(gate, asked))]
    called += [model(fail(gate, asked, DOWN)) for _ in range(2)]
    assert called == list(models)


@pytest.mark.parametrize("first_failure", [None, TOO_MANY])
def test_who_cannot_be_told_is_no_failure(first_failure: Failure | None) -> None:
    """All of that provider's models are passed over; when nobody can be told, what was true before is the end."""
    gate = make_gate(groq_rpm=2 if first_failure is None else 1000)
    fill(gate, 2)
    asked = journey()
    action = arrive(gate, asked)
    if first_failure is not None:
        action = fail(gate, asked, first_failure)
    called = [model(action)]
    for _ in range(2):
        called.append(model(fail(gate, asked, UNTELLABLE)))
    assert called == [ELSEWHERE[0], *ELSEWHERE[2:]]
    end = fail(gate, asked, UNTELLABLE)
    assert isinstance(end, a.Finish)
    assert end.refusal is not None
    assert (end.refusal.status, end.refusal.code) == (429, "no_capacity")
    assert asked.attempts == 0


def test_the_provider_that_was_asked_may_say_no() -> None:
    """Its own 400 goes to the client at once, though others stand by."""
    gate, asked = make_gate(), journey()
    arrive(gate, asked)
    end = fail(gate, asked, UNTELLABLE)
    assert isinstance(end, a.Finish)
    assert end.ending is a.Ending.RELAY
