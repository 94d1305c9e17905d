"""When the machine asks a local skill: before any call, or when all else is done, and what follows when it has none."""

import random

import msgspec

from headgate.catalog import default_catalog
from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import advance
from headgate.decide.gate import Gate
from headgate.decide.journey import Journey, Phase
from headgate.decide.learned import Learned
from headgate.decide.machine import SKILL_FIRST
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.domain.answer import Source
from headgate.domain.fact import Fact, RequestFinished
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.request import Check, PromptSize, Request, SkillUse
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom

MODEL = "openai/gpt-oss-20b"
FIRST = SkillUse("extract", first=True)
LAST = SkillUse("extract")
REFUSED = Failure(FailureKind.INVALID_JSON, status=400, code="json_validate_failed", body=b'{"error":{}}')


class Told:
    """One journey of one key and one model."""

    def __init__(self, skill: SkillUse | None, **more: object) -> None:
        catalog = default_catalog()
        self.gate = Gate(
            catalog=catalog,
            policy=Policy(),
            pool=pool_of([Key("k", "groq", "org")], catalog),
            ledger=Ledger(lambda deployment: catalog.limits(deployment.model, "developer")),
            room=WaitingRoom(),
            learned=Learned(),
            dice=random.Random(1),
        )
        usual = Request("r", MODEL, (MODEL,), 0.0, 50.0, 25.0, PromptSize(latin=100, messages=1), 400, max_attempts=1)
        self.journey = Journey(msgspec.structs.replace(usual, skill=skill, **more))
        self.facts: list[Fact] = []
        self.now = 0.0

    def step(self, event: e.Event) -> a.Action:
        self.now += 1.0
        return advance(self.gate, self.journey, event, self.now, self.facts.append)[-1]

    def arrive(self) -> a.Action:
        return self.step(e.Arrived(self.journey.request))


def test_skill_that_comes_first_is_asked_before_anything_is_reserved() -> None:
    """It answers: no call, no reservation, and the outcome says why."""
    told = Told(FIRST)
    assert told.arrive() == a.AnswerLocally("extract", SKILL_FIRST)
    assert told.journey.reservations == 0
    end = told.step(e.AnsweredLocally(ok=True))
    assert isinstance(end, a.Finish)
    assert (end.ending, end.source, end.reason) == (a.Ending.LOCAL, Source.LOCAL, SKILL_FIRST)
    (fact,) = told.facts
    assert isinstance(fact, RequestFinished)
    assert (fact.calls, fact.model_served, fact.reason) == (0, "headgate/local", SKILL_FIRST)


def test_skill_that_has_no_answer_first_leaves_no_trace() -> None:
    """The model is called as if no skill had been asked, and its answer has no reason."""
    told = Told(FIRST)
    told.arrive()
    call = told.step(e.AnsweredLocally(ok=False))
    assert isinstance(call, a.Call)
    assert (told.journey.phase, told.journey.reason, told.journey.local_failed) == (Phase.CALLING, "", False)


def test_skill_is_asked_again_when_all_else_is_done() -> None:
    """What it said no to at first may be better than nothing at the end."""
    told = Told(FIRST)
    told.arrive()
    call = told.step(e.AnsweredLocally(ok=False))
    assert isinstance(call, a.Call)
    last = told.step(e.Failed(call.number, Failure(FailureKind.OVER_CAPACITY, status=503)))
    assert last == a.AnswerLocally("extract", FailureKind.OVER_CAPACITY)
    end = told.step(e.AnsweredLocally(ok=True))
    assert isinstance(end, a.Finish)
    assert (end.ending, end.reason) == (a.Ending.LOCAL, FailureKind.OVER_CAPACITY)


def test_what_upstream_said_is_relayed_when_the_skill_has_nothing() -> None:
    """A skill that might have filled the schema and could not does not cost the client the provider's own error."""
    told = Told(LAST, check=Check.SCHEMA)
    call = told.arrive()
    assert isinstance(call, a.Call)
    action = told.step(e.Failed(call.number, REFUSED))
    while isinstance(action, a.Mend):
        action = told.step(e.Mended(ok=False))
    assert action == a.AnswerLocally("extract", FailureKind.INVALID_JSON)
    end = told.step(e.AnsweredLocally(ok=False))
    assert isinstance(end, a.Finish)
    assert end.ending is a.Ending.RELAY


def test_request_that_wants_no_local_answer_goes_past_the_skill() -> None:
    """Neither a client's `local: off` nor a required tool call lets a skill answer."""
    for more in ({"local": False}, {"local_possible": False}):
        assert isinstance(Told(FIRST, **more).arrive(), a.Call)


def test_client_may_leave_while_the_skill_works() -> None:
    """Nothing was reserved, so nothing is settled, and the story ends as abandoned."""
    told = Told(FIRST)
    told.arrive()
    end = told.step(e.ClientGone())
    assert isinstance(end, a.Finish)
    assert end.ending is a.Ending.ABANDONED
    told.gate.ledger.check(told.now)
