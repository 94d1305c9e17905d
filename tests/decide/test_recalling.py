"""What the machine does with old answers, and with those who wait for longer than the one who asked."""

from typing import Any

import msgspec
import pytest
from tests.decide.test_wrong_answers import SMALL, Told

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import advance
from headgate.decide.journey import Phase
from headgate.domain.answer import Source
from headgate.domain.fact import RequestFinished
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.request import Check

OLD = e.CacheHit("groq", SMALL, 700.0, 150)
SLOW = Failure(FailureKind.TOO_SLOW, message="no token in time")


def told(**fields: Any) -> Told:
    """A journey of a request that an old answer will do for."""
    journey = Told(SMALL, check=Check.NONE, attempts=1)
    request = msgspec.structs.replace(journey.journey.request, **{"recallable": True} | fields)
    journey.journey.request = request
    return journey


def fail(journey: Told) -> a.Action:
    """Ask, and have the only call fail."""
    call = journey.step(e.Arrived(journey.journey.request))
    assert isinstance(call, a.Call)
    return journey.step(e.Failed(call.number, SLOW))


def test_old_answer_is_looked_for_when_no_call_is_left() -> None:
    """It ends the request as an answer of the cache, with what asking would have cost."""
    journey = told()
    assert fail(journey) == a.LookUp()
    assert journey.journey.phase is Phase.RECALLING
    assert journey.step(OLD) == a.Finish(a.Ending.ANSWER, Source.CACHE, "stale")
    finished = journey.facts[-1]
    assert isinstance(finished, RequestFinished)
    assert (finished.model_served, finished.provider, finished.organisation) == (SMALL, "groq", "")
    assert (finished.cache, finished.saved_tokens, finished.calls) == ("stale", 150, 1)


def test_without_an_old_answer_the_row_goes_on() -> None:
    """Once: it is not looked for again, and what comes after it in the row ends the request."""
    journey = told()
    fail(journey)
    end = journey.step(e.CacheMissed())
    assert isinstance(end, a.Finish)
    assert (end.ending, end.reason) == (a.Ending.REFUSAL, "too_slow")


def test_request_that_takes_no_old_answer_is_not_given_one() -> None:
    """As those that the cache has no part in, or that want a new one."""
    end = fail(told(recallable=False))
    assert isinstance(end, a.Finish)
    assert end.ending is a.Ending.REFUSAL


def test_client_may_leave_while_it_is_looked_for() -> None:
    """Nothing is open then."""
    journey = told()
    fail(journey)
    end = journey.step(e.ClientGone())
    assert isinstance(end, a.Finish)
    assert end.ending is a.Ending.ABANDONED


@pytest.mark.parametrize("more_s, deadline_at, patience_until", [(30.0, 80.0, 55.0), (-30.0, 50.0, 25.0)])
def test_time_of_a_request_is_only_ever_extended(more_s: float, deadline_at: float, patience_until: float) -> None:
    """By those who wait for the same answer; who has less time changes nothing for the others."""
    journey = told()
    request = journey.journey.request
    journey.step(e.Arrived(request))
    longer = e.Extended(request.deadline_at + more_s, request.patience_until + more_s)
    assert advance(journey.gate, journey.journey, longer, 2.0, journey.facts.append) == []
    now = journey.journey.request
    assert (now.deadline_at, now.patience_until) == (deadline_at, patience_until)


def test_who_comes_after_their_deadline_makes_no_call() -> None:
    """They have waited for an answer that others asked for; the end is as for any request that took too long."""
    journey = told(recallable=False)
    journey.now = journey.journey.request.deadline_at
    end = journey.step(e.Arrived(journey.journey.request))
    assert isinstance(end, a.Finish)
    assert end.refusal is not None
    assert end.refusal.code == "deadline_exceeded"
    assert journey.journey.calls == 0
