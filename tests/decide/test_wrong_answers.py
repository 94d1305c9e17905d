"""What the machine makes of wrong answers: who is asked again and how, what is taken when nobody can be."""

import random

from headgate.catalog import default_catalog
from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import advance
from headgate.decide.gate import Gate
from headgate.decide.journey import Journey
from headgate.decide.learned import Learned
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.domain.answer import Reply, Usage
from headgate.domain.fact import AnswerDiscarded, Fact
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.manner import Manner
from headgate.domain.request import Check, PromptSize, Request
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom

LARGE, SMALL = "openai/gpt-oss-120b", "openai/gpt-oss-20b"
LOOSE = "openai/gpt-oss-safeguard-20b"
WRONG = e.Verified("wrong")
TOOL = Failure(FailureKind.TOOL_CALL_FAILED, status=400, code="tool_use_failed", failed_generation="{}", body=b"{}")


class Told:
    """One journey under way, and the facts that it told."""

    def __init__(self, *candidates: str, check: Check = Check.SCHEMA, attempts: int = 3, stream: bool = False) -> None:
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
        self.facts: list[Fact] = []
        self.now = 0.0
        request = Request(
            id="r",
            model_asked=candidates[0],
            candidates=candidates,
            arrived_at=0.0,
            deadline_at=50.0,
            patience_until=25.0,
            prompt=PromptSize(latin=100, messages=1),
            ask_tokens=400,
            check=check,
            stream=stream,
            max_attempts=attempts,
            local_possible=False,
        )
        self.journey = Journey(request)

    def step(self, event: e.Event) -> a.Action:
        self.now += 1.0
        return advance(self.gate, self.journey, event, self.now, self.facts.append)[-1]

    def arrive(self) -> a.Call:
        call = self.step(e.Arrived(self.journey.request))
        assert isinstance(call, a.Call)
        return call

    def answer_wrong(self, call: a.Call) -> a.Action:
        """The call answers, what it answers is wrong, and mending does not help."""
        assert self.step(e.Replied(call.number, Reply("stop", Usage(100, 50)))) == a.Verify(call.number)
        assert self.step(WRONG) == a.Mend(call.number)
        return self.step(e.Mended(ok=False))

    def fail(self, call: a.Call, failure: Failure) -> a.Action:
        return self.step(e.Failed(call.number, failure))


def called(action: a.Action) -> tuple[str, Manner]:
    assert isinstance(action, a.Call), action
    return action.deployment.model, action.manner


def test_models_that_were_not_asked_yet() -> None:
    """For a schema one with a strict mode comes first, whatever the route's order, then any other."""
    told = Told(LARGE, LOOSE, SMALL, attempts=3)
    first = told.arrive()
    assert called(first) == (LARGE, Manner.USUAL)
    second = told.answer_wrong(first)
    assert called(second) == (SMALL, Manner.USUAL)
    assert isinstance(second, a.Call)
    assert called(told.answer_wrong(second)) == (LOOSE, Manner.USUAL)


def test_json_without_a_schema() -> None:
    """No strict mode would help: the route's order holds, and there are no fields to extract."""
    told = Told(LARGE, LOOSE, SMALL, check=Check.JSON, attempts=2)
    second = told.answer_wrong(told.arrive())
    assert called(second) == (LOOSE, Manner.USUAL)
    assert isinstance(second, a.Call)
    assert isinstance(told.answer_wrong(second), a.Finish)


def test_calls_after_wrong_answers() -> None:
    """They are limited however many attempts a route allows; the last is in simpler words; then what is there counts,
    a quarter of it included. Mending in between is no call."""
    told = Told(LARGE, SMALL, attempts=9)
    wording = []
    action: a.Action = told.arrive()
    while isinstance(action, a.Call):
        wording.append(called(action))
        action = told.answer_wrong(action)
    assert wording == [(LARGE, Manner.USUAL), (SMALL, Manner.USUAL), (LARGE, Manner.SIMPLE)]
    assert action == a.Mend(3, a.Mending.EXTRACT, accepts_low=True)


def test_extracted_answer_of_an_earlier_call() -> None:
    """It is given out under the name of the model that wrote it, with the maximum that this call had."""
    told = Told(LARGE, SMALL, attempts=2)
    second = told.answer_wrong(told.arrive())
    assert isinstance(second, a.Call)
    assert told.answer_wrong(second) == a.Mend(2, a.Mending.EXTRACT, accepts_low=True)
    finish = told.step(e.Mended(ok=True, call=1))
    assert isinstance(finish, a.Finish)
    assert (finish.call, finish.reason, told.journey.served) == (1, "partial", told.journey.wrong[0].plan.deployment)


def test_nothing_worth_extracting() -> None:
    """The request is refused, and a fact for review names the places that wrote it."""
    told = Told(LARGE, SMALL, attempts=1)
    told.answer_wrong(told.arrive())
    finish = told.step(e.Mended(ok=False))
    assert isinstance(finish, a.Finish)
    assert finish.ending is a.Ending.REFUSAL
    review = [fact for fact in told.facts if isinstance(fact, AnswerDiscarded)]
    assert [[place.model for place in fact.deployments] for fact in review] == [[LARGE]]


def test_torn_body_while_a_call_is_left() -> None:
    """Less than half is not taken then, and that it is not is nothing for review."""
    told = Told(LARGE, SMALL)
    torn = Failure(FailureKind.MALFORMED_BODY, status=200, body=b"{")
    assert told.fail(told.arrive(), torn) == a.Mend(1)
    assert told.step(e.Mended(ok=False)) == a.Mend(1, a.Mending.EXTRACT, accepts_low=False)
    assert called(told.step(e.Mended(ok=False))) == (SMALL, Manner.USUAL)
    assert not any(isinstance(fact, AnswerDiscarded) for fact in told.facts)


def test_wrong_answer_before_another_failure() -> None:
    """When the call after it fails for another reason, what it holds comes before a refusal, and is asked for once."""
    told = Told(LARGE, SMALL, attempts=2)
    second = told.answer_wrong(told.arrive())
    assert isinstance(second, a.Call)
    refused = Failure(FailureKind.SAFETY_REFUSAL, status=200)
    assert told.fail(second, refused) == a.Mend(2, a.Mending.EXTRACT, accepts_low=True)
    finish = told.step(e.Mended(ok=False))
    assert isinstance(finish, a.Finish)
    assert (finish.ending, finish.reason) == (a.Ending.REFUSAL, "safety_refusal")


def test_stream_that_cannot_become_what_was_asked_for() -> None:
    """There is no text to mend yet: another model is asked at once."""
    told = Told(LARGE, SMALL, stream=True)
    off = Failure(FailureKind.INVALID_JSON, status=200, code="json_validate_failed")
    assert called(told.fail(told.arrive(), off)) == (SMALL, Manner.USUAL)


def test_tool_call_that_failed_once_and_twice() -> None:
    """It is rescued, else asked for again in the same place at a lower temperature, once; then the error is relayed."""
    told = Told(LARGE, SMALL, check=Check.NONE)
    assert told.fail(told.arrive(), TOOL) == a.Mend(1, a.Mending.RESCUE)
    again = told.step(e.Mended(ok=False))
    assert called(again) == (LARGE, Manner.COOLER)
    assert isinstance(again, a.Call)
    assert again.is_repeat
    assert told.fail(again, TOOL) == a.Mend(2, a.Mending.RESCUE)
    finish = told.step(e.Mended(ok=False))
    assert isinstance(finish, a.Finish)
    assert finish.ending is a.Ending.RELAY


def test_rescued_tool_call() -> None:
    """It is an answer of the model that wrote it."""
    told = Told(LARGE, check=Check.NONE)
    told.fail(told.arrive(), TOOL)
    finish = told.step(e.Mended(ok=True, call=1))
    assert isinstance(finish, a.Finish)
    assert (finish.ending, finish.reason) == (a.Ending.ANSWER, "rescued")
    assert told.journey.served is not None
    assert told.journey.served.model == LARGE


def test_words_of_a_stream_say_nothing_of_health() -> None:
    """A stream that is stopped because of what it says does not open the circuit; one that breaks does."""
    for code, is_bad in (("json_validate_failed", False), ("tool_use_failed", False), (None, True)):
        told = Told(LARGE, stream=True)
        call = told.arrive()
        advance(told.gate, told.journey, e.Began(call.number), 1.5, told.facts.append)
        told.fail(call, Failure(FailureKind.STREAM_BROKE_LATE, status=200, code=code))
        circuit = told.gate.circuits[call.deployment.id]
        assert (circuit.failed_in_a_row > 0) is is_bad
