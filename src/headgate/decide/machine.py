"""The machine: one request's state, an event, and the shared gate give the next actions (design 4).

    actions = step(gate, journey, event, now)

Synchronous, total, no await, no I/O. One table, phase by event type, is the only dispatcher:

    NEW -> RESERVING -> CALLING -> (STREAMING) -> DONE
             |  ^          |
             v  |          +-> FAILED -> RESERVING | WAITING | SLEEPING | MENDING | LOCAL | DONE
          WAITING          +-> CHECKING -> DONE | FAILED
    any phase, client gone -> LEAVING (a call is open) or DONE

Settlement comes first in a step. A reservation ends exactly once, whoever has left meanwhile.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide import giving_up, routing, settling
from headgate.decide.journey import Journey, OpenCall, Phase, Plan
from headgate.decide.learned import weight
from headgate.decide.remedying import take
from headgate.domain.answer import Reply, Source
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.request import Check
from headgate.domain.time import Instant, Seconds

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

Actions = tuple[a.Action, ...]
Method = Callable[..., Actions]


def step(gate: "Gate", journey: Journey, event: e.Event, now: Instant) -> Actions:
    """The next actions. A pair that the table does not know is a defect of the driver: KeyError."""
    return _TABLE[journey.phase][type(event)](gate, journey, event, now)


# Getting a place -------------------------------------------------------------------------------------------------


def _arrived(gate: "Gate", journey: Journey, event: e.Arrived, now: Instant) -> Actions:
    journey.prompt_weight = weight(event.request.prompt)
    return seek(gate, journey, now)


def seek(gate: "Gate", journey: Journey, now: Instant) -> Actions:
    """Run now where that is possible and nobody is passed over; else wait; else give up."""
    if not gate.room.waiting() or not gate.room.must_queue(routing.options(gate, journey, now)):
        plan = routing.pick(gate, journey, now)
        if plan is not None:
            return reserve(journey, plan)
    return wait(gate, journey, now)


def reserve(journey: Journey, plan: Plan) -> Actions:
    """Ask the ledger for the plan's amounts."""
    journey.phase = Phase.RESERVING
    journey.plan = plan
    return (a.Reserve(plan.deployment, journey.next_reservation(), plan.amounts),)


def wait(gate: "Gate", journey: Journey, now: Instant) -> Actions:
    """Wait for a place when one can come in time."""
    ticket = routing.ticket(gate, journey, now)
    if ticket is None:
        return no_place(gate, journey, now)
    journey.phase = Phase.WAITING
    journey.queued_at = now
    return (a.Enqueue(ticket),)


def no_place(gate: "Gate", journey: Journey, now: Instant) -> Actions:
    """Nothing in the pool can run in time: the row `no_key_left`."""
    failure = journey.failure or Failure(FailureKind.NO_KEY_LEFT, written=False)
    return giving_up.finish(gate, journey, failure, now)


def _woke(gate: "Gate", journey: Journey, event: e.Woke, now: Instant) -> Actions:
    journey.waited_s += now - journey.queued_at
    if event.deployment is None:
        return no_place(gate, journey, now)
    name = event.deployment.id
    if name in journey.called and not gate.repeat_allowed(name, now):
        return wait(gate, journey, now)  # others have used up the budget of repeats while this one waited
    plan = routing.plan_at(gate, journey, event.deployment, now)
    if plan is None or not plan.fits_now:  # estimates grew meanwhile: what the ticket was promised still fits
        ask = event.amounts.output_tokens if plan is None else plan.ask_tokens
        plan = Plan(event.deployment, event.amounts.input_tokens, event.amounts.output_tokens, ask)
    return reserve(journey, plan)


def _slept(gate: "Gate", journey: Journey, event: e.Woke, now: Instant) -> Actions:  # noqa: ARG001
    before, journey.retry = journey.retry, None
    assert before is not None
    journey.waited_s += now - journey.queued_at
    if routing.allowed(gate, journey, before.deployment, now):
        plan = routing.plan_at(gate, journey, before.deployment, now)
        if plan is not None and plan.fits_now:
            return reserve(journey, plan)
    return seek(gate, journey, now)


# Calling ---------------------------------------------------------------------------------------------------------


def _granted(gate: "Gate", journey: Journey, event: e.Granted, now: Instant) -> Actions:
    plan, request = journey.plan, journey.request
    assert plan is not None
    deployment = plan.deployment
    key = gate.pool.key_for(deployment, request.session, request.own_key)
    if key is None:  # its last key went in this very tick
        journey.excluded.add(deployment.id)
        return (a.Release(event.reservation, keep_request=False), *seek(gate, journey, now))
    journey.calls += 1
    number, endpoint = journey.calls, gate.pool.endpoint(deployment.provider)
    journey.open = OpenCall(number, plan, key, event.reservation, event.note, now, endpoint)
    journey.phase = Phase.CALLING
    is_repeat = deployment.id in journey.called
    journey.called.add(deployment.id)
    journey.fitted = plan.fitted(request.ask_tokens)
    return (
        a.Call(
            number,
            deployment,
            key,
            endpoint,
            event.reservation,
            plan.cap_tokens,
            _patience_with(gate, journey, plan),
            request.deadline_at,
            "on_demand" if journey.on_demand else None,
            is_repeat,
        ),
    )


def _patience_with(gate: "Gate", journey: Journey, plan: Plan) -> Seconds:
    """How long the call may show nothing: to its first token, or buffered until the cap could have been generated, at
    the learned speed (the catalogue's while none is learned, and at least half of it). Twice the learned longest output
    bounds that cap, so that a huge one hides no slowness."""
    speed = gate.learned.speed(plan.deployment.model)
    target = speed.target_s(journey.request.first_token_target_s)
    if journey.request.stream:
        return target
    usual = gate.model(plan.deployment.model).tokens_per_s or 0
    usual_tokens = 2 * gate.learned.lengths(plan.deployment.model, journey.task).quantile_tokens
    return target + min(plan.cap_tokens, usual_tokens) / max(speed.tokens_per_s or usual, usual / 2, 1.0)


def _refused(gate: "Gate", journey: Journey, event: e.Refused, now: Instant) -> Actions:  # noqa: ARG001
    """Somebody else was quicker (a shared ledger): no call was made, so wait like anybody else."""
    return wait(gate, journey, now)


def _began(gate: "Gate", journey: Journey, event: e.Began, now: Instant) -> Actions:  # noqa: ARG001
    call = journey.open
    assert call is not None
    assert call.number == event.call
    call.began_at = now
    journey.phase = Phase.STREAMING
    if event.limits is None:
        return ()
    call.absorbed = True
    return (a.Absorb(call.plan.deployment, event.limits, call.note, at_stream_start=True),)


# A call is over --------------------------------------------------------------------------------------------------


def _replied(gate: "Gate", journey: Journey, event: e.Replied, now: Instant) -> Actions:
    call = journey.open
    assert call is not None
    assert call.number == event.call
    settled = settling.replied(gate, journey, call, event, now)
    journey.open, journey.reply, journey.served = None, event.reply, call.plan.deployment
    if _cut_by_us(journey, call.plan, event.reply):
        journey.cut_call, journey.cut_plan = call.number, call.plan
        larger = _larger(gate, journey, call.plan, now)
        if larger is not None:
            return (*settled, *larger)
    if journey.request.check is not Check.NONE and not journey.request.stream:
        journey.phase = Phase.CHECKING
        journey.checked_call = call.number
        journey.failed = call.plan
        journey.last_key = call.key
        return (*settled, a.Verify(call.number))
    return (*settled, *answer(journey, call.number, _why(journey), now))


def _why(journey: Journey) -> str:
    """Why the answer is not simply the first choice's: the last failure on the way to it."""
    return journey.request.reason if journey.failure is None else journey.failure.kind


def _cut_by_us(journey: Journey, plan: Plan, reply: Reply) -> bool:
    return reply.finish_reason == "length" and plan.cap_tokens < plan.ask_tokens and not journey.request.stream


def _larger(gate: "Gate", journey: Journey, plan: Plan, now: Instant) -> Actions | None:
    """Call once more with a larger cap: where that can run now, else after a wait."""
    request = journey.request
    if journey.least_cap_tokens or journey.attempts >= request.max_attempts or journey.calls >= request.max_calls:
        return None
    journey.least_cap_tokens = min(plan.ask_tokens, 3 * plan.cap_tokens)
    larger = routing.pick(gate, journey, now)
    if larger is not None and larger.cap_tokens > plan.cap_tokens:
        return reserve(journey, larger)
    ticket = routing.ticket(gate, journey, now)
    if ticket is None:
        return None
    journey.phase = Phase.WAITING
    journey.queued_at = now
    return (a.Enqueue(ticket),)


def answer(journey: Journey, call: int, reason: str, now: Instant) -> Actions:
    """The answer of a call goes to the client."""
    journey.phase = Phase.DONE
    journey.reason = reason
    end = a.Finish(a.Ending.ANSWER, Source.UPSTREAM, reason, call=call)
    return (giving_up.finished(journey, end, now), end)


def _failed(gate: "Gate", journey: Journey, event: e.Failed, now: Instant) -> Actions:
    call = journey.open
    assert call is not None
    assert call.number == event.call
    settled = settling.failed(gate, journey, call, event, now)
    journey.open = None
    journey.failure, journey.failed, journey.last_key = event.failure, call.plan, call.key
    if event.failure.kind not in settling.SAYS_NOTHING_OF_THE_ANSWERER:
        journey.excluded.add(call.plan.deployment.id)
    journey.phase = Phase.FAILED
    return (*settled, a.Consider())


def _considered(gate: "Gate", journey: Journey, event: e.Considered, now: Instant) -> Actions:  # noqa: ARG001
    assert journey.failure is not None
    return take(gate, journey, journey.failure, now)


def _verified(gate: "Gate", journey: Journey, event: e.Verified, now: Instant) -> Actions:
    if not event.problem:
        return answer(journey, journey.checked_call, _why(journey), now)
    journey.failure = Failure(FailureKind.INVALID_JSON, status=200, message=event.problem)
    return take(gate, journey, journey.failure, now)


def _mended(gate: "Gate", journey: Journey, event: e.Mended, now: Instant) -> Actions:
    assert journey.failure is not None
    if event.ok:
        return answer(journey, journey.mended_call, "mended", now)
    return take(gate, journey, journey.failure, now)


def _answered_locally(gate: "Gate", journey: Journey, event: e.AnsweredLocally, now: Instant) -> Actions:
    if not event.ok:
        return giving_up.refuse(gate, journey, now)
    journey.phase = Phase.DONE
    end = a.Finish(a.Ending.LOCAL, Source.LOCAL, journey.reason)
    return (giving_up.finished(journey, end, now), end)


# The client left -------------------------------------------------------------------------------------------------


def _gone(gate: "Gate", journey: Journey, event: e.ClientGone, now: Instant) -> Actions:  # noqa: ARG001
    leaving: Actions = ()
    if journey.phase is Phase.WAITING:
        leaving = (a.Leave(journey.request.id),)
    call = journey.open
    if call is not None:
        leaving = (a.Cancel(call.number),)
    ended = giving_up.finish(gate, journey, Failure(FailureKind.CANCELLED, written=False), now)
    if call is not None:
        journey.phase = Phase.LEAVING
    return (*leaving, *ended)


def _late_reply(gate: "Gate", journey: Journey, event: e.Replied, now: Instant) -> Actions:
    call, journey.open = journey.open, None
    assert call is not None
    journey.phase = Phase.DONE
    return settling.replied(gate, journey, call, event, now)


def _late_failure(gate: "Gate", journey: Journey, event: e.Failed, now: Instant) -> Actions:
    call, journey.open = journey.open, None
    assert call is not None
    journey.phase = Phase.DONE
    return settling.failed(gate, journey, call, event, now)


def _ignored(gate: "Gate", journey: Journey, event: e.Event, now: Instant) -> Actions:  # noqa: ARG001
    return ()


def _never(gate: "Gate", journey: Journey, event: e.Event, now: Instant) -> Actions:  # noqa: ARG001
    raise AssertionError(f"{type(event).__name__} cannot happen in phase {journey.phase.name}")


_EVENTS: Final = (
    e.Arrived,
    e.Granted,
    e.Refused,
    e.Began,
    e.Replied,
    e.Failed,
    e.Considered,
    e.Verified,
    e.Mended,
    e.AnsweredLocally,
    e.Woke,
    e.ClientGone,
)

_LIVE: Final[dict[Phase, dict[type, Method]]] = {
    Phase.NEW: {e.Arrived: _arrived},
    Phase.RESERVING: {e.Granted: _granted, e.Refused: _refused},
    Phase.WAITING: {e.Woke: _woke, e.ClientGone: _gone},
    Phase.SLEEPING: {e.Woke: _slept, e.ClientGone: _gone},
    Phase.CALLING: {e.Began: _began, e.Replied: _replied, e.Failed: _failed, e.ClientGone: _gone},
    Phase.STREAMING: {e.Replied: _replied, e.Failed: _failed, e.ClientGone: _gone},
    Phase.FAILED: {e.Considered: _considered},
    Phase.CHECKING: {e.Verified: _verified, e.ClientGone: _gone},
    Phase.MENDING: {e.Mended: _mended, e.ClientGone: _gone},
    Phase.LOCAL: {e.AnsweredLocally: _answered_locally, e.ClientGone: _gone},
    Phase.LEAVING: {
        e.Began: _ignored,
        e.Replied: _late_reply,
        e.Failed: _late_failure,
        e.Woke: _ignored,
        e.ClientGone: _ignored,
    },
    Phase.DONE: {e.Woke: _ignored, e.ClientGone: _ignored},
}
"""What can happen in each phase. Every other pair is a defect of the driver and stops it (`_never`)."""

_TABLE: Final[tuple[dict[type, Method], ...]] = tuple(
    {event: _LIVE[phase].get(event, _never) for event in _EVENTS} for phase in Phase
)


def legal_events(phase: Phase) -> tuple[type, ...]:
    """What can happen in a phase, for those who draw the machine."""
    return tuple(_LIVE[phase])
