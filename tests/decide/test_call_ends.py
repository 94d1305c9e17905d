"""How calls end in the machine: what is booked, what is tried next, and what the next steps are held to."""

import random

from headgate.catalog import default_catalog
from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide import giving_up
from headgate.decide.advance import advance
from headgate.decide.gate import Gate
from headgate.decide.journey import Journey, Phase, Plan
from headgate.decide.learned import Learned
from headgate.decide.machine import step
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.decide.remedies import Remedy
from headgate.domain.fact import Fact, RequestFinished
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Amounts, Deployment, SeenLimits
from headgate.domain.request import PromptSize, Request
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom

LARGE, SMALL = "openai/gpt-oss-120b", "openai/gpt-oss-20b"
PROVIDER_DOWN = Failure(FailureKind.NETWORK, written=False)


def make_gate(keys: int = 1) -> Gate:
    catalog = default_catalog()
    return Gate(
        catalog=catalog,
        policy=Policy(),
        pool=pool_of([Key(f"k{n}", "groq", f"org{n}") for n in range(keys)], catalog),
        ledger=Ledger(lambda deployment: catalog.limits(deployment.model, "free")),
        room=WaitingRoom(),
        learned=Learned(),
        dice=random.Random(1),
    )


def request(*, candidates: tuple[str, ...] = (SMALL,), deadline_s: float = 50.0, name: str = "r") -> Request:
    return Request(
        id=name,
        model_asked=candidates[0],
        candidates=candidates,
        arrived_at=0.0,
        deadline_at=deadline_s,
        patience_until=min(25.0, deadline_s),
        prompt=PromptSize(latin=100, messages=1),
        ask_tokens=400,
    )


def arrive(gate: Gate, journey: Journey, now: float = 0.0) -> a.Call:
    call = advance(gate, journey, e.Arrived(journey.request), now, ignore)[-1]
    assert isinstance(call, a.Call), call
    return call


def ignore(_: Fact) -> None:
    pass


def fail(
    gate: Gate, journey: Journey, failure: Failure, now: float, limits: SeenLimits | None = None
) -> list[a.Action]:
    assert journey.open is not None
    return advance(gate, journey, e.Failed(journey.open.number, failure, limits), now, ignore)


def test_backoff_close_to_the_deadline() -> None:
    """It ends early enough for one more call: nothing is called at the deadline itself."""
    gate, journey = make_gate(), Journey(request(deadline_s=0.8))
    arrive(gate, journey)
    sleep = fail(gate, journey, PROVIDER_DOWN, 0.5)[-1]
    assert isinstance(sleep, a.Sleep)
    assert 0.5 <= sleep.until <= 0.8 - gate.policy.least_call_s


def test_400_that_says_nothing() -> None:
    """It does not prove that nothing was generated, so the whole reservation is booked; one that speaks does."""
    for failure, booked in (
        (Failure(FailureKind.BAD_REQUEST, status=400, body=b"<html>"), a.Settle),
        (Failure(FailureKind.BAD_REQUEST, status=400, message="no"), a.Release),
        (Failure(FailureKind.BAD_REQUEST, status=404), a.Release),
    ):
        gate, journey = make_gate(), Journey(request())
        arrive(gate, journey)
        assert journey.open is not None
        first = step(gate, journey, e.Failed(1, failure), 1.0)[0]
        assert isinstance(first, booked)
        assert failure.is_attempt is (booked is a.Settle)


def test_last_key_goes_between_grant_and_call() -> None:
    """The reservation ends without a call, and the next one has another name."""
    gate, journey = make_gate(2), Journey(request())
    (reserve,) = step(gate, journey, e.Arrived(journey.request), 0.0)
    assert isinstance(reserve, a.Reserve)
    granted = gate.apply(reserve, 0.0)
    assert granted is not None
    gate.pool.remove_key("k" + reserve.deployment.organisation[-1])
    release, again = step(gate, journey, granted, 0.0)
    assert isinstance(release, a.Release)
    assert isinstance(again, a.Reserve)
    assert release.reservation == reserve.reservation != again.reservation
    assert again.deployment != reserve.deployment


def test_others_use_up_the_repeats_while_one_waits() -> None:
    """Woken for a repeat that the budget no longer allows, the request looks elsewhere instead."""
    gate, journey = make_gate(), Journey(request())
    call = arrive(gate, journey)
    for now in (1.0, 1.1, 1.2):
        gate.apply(a.Call(1, call.deployment, "k0", 0, "x", 1, 1.0, 1.0, None, is_repeat=True), now)
    journey.phase, journey.failure = Phase.WAITING, PROVIDER_DOWN
    for woken_at, reserves in ((1.3, False), (20.0, True)):
        journey.phase = Phase.WAITING
        first = step(gate, journey, e.Woke(call.deployment, Amounts(200, 400)), woken_at)[0]
        assert isinstance(first, a.Reserve) is reserves


def test_headers_of_a_call_that_was_refused() -> None:
    """They never held what was reserved for it, so they are compared with a note that does not either."""
    gate, journey = make_gate(), Journey(request())
    arrive(gate, journey)
    assert journey.open is not None
    note = journey.open.note
    seen = SeenLimits(1000, 999, None, 8000, 8000)
    full = Failure(FailureKind.OVER_CAPACITY, status=503)
    absorb = next(x for x in step(gate, journey, e.Failed(1, full, seen), 1.0) if isinstance(x, a.Absorb))
    assert (absorb.note.tokens, absorb.note.output_tokens) == (note.tokens - note.need_tokens, 0)


def test_model_gone_without_a_named_successor() -> None:
    """Another model is next, not the same one at another organisation, which would hardly know it either."""
    gate, journey = make_gate(2), Journey(request(candidates=(SMALL, LARGE)))
    arrive(gate, journey)
    gone = Failure(FailureKind.MODEL_GONE, status=404, code="model_not_found", message="gone")
    call = fail(gate, journey, gone, 1.0)[-1]
    assert isinstance(call, a.Call)
    assert call.deployment.model == LARGE


def test_cut_answer_is_given_out_after_a_later_call_failed() -> None:
    """It is labelled with the maximum that cut it, not with that of the later call."""
    gate, journey = make_gate(), Journey(request())
    journey.cut_call, journey.cut_plan = 1, Plan(Deployment.of("groq", "org0", SMALL), 100, 64, 400)
    journey.calls, journey.fitted = 2, None
    told = giving_up.end(gate, journey, PROVIDER_DOWN, Remedy.REFUSE, 5.0)[0]
    assert isinstance(told, a.Note)
    assert isinstance(told.fact, RequestFinished)
    assert told.fact.fitted == "400->64"
