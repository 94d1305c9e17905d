"""The machine: one request's state, an event, and the shared gate give the next actions (design 4).

    actions = step(gate, journey, event, now)

Synchronous, total, no await, no I/O. One table, phase by event type, is the only dispatcher:

    NEW -> RESERVING -> CALLING -> (STREAMING) -> DONE
             |  ^          |
             v  |          +-> FAILED -> RESERVING | WAITING | SLEEPING | MENDING | LOCAL |
                                       RECALLING | DONE
          WAITING          +-> CHECKING -> DONE | FAILED
    NEW -> LOCAL -> DONE | RESERVING, where a local skill is asked first
    any phase, client gone -> LEAVING (a call is open) or DONE

Settlement comes first in a step. A reservation ends exactly once, whoever has left meanwhile.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide import giving_up, routing, settling, trimming, unable
from headgate.decide.journey import Journey, OpenCall, Phase, Plan, Wrong
from headgate.decide.learned import weight
from headgate.decide.remedies import Remedy
from headgate.decide.remedying import take
from headgate.domain.answer import Source, Tried
from headgate.domain.fact import AnswerDiscarded, PromptScreened
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Deployment
from headgate.domain.request import Check, Request
from headgate.domain.time import Instant, Seconds

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

SKILL_FIRST: Final = "skill_first"
"""Why a local skill answers a request that no model was asked for: its route or task says so."""
HEARD_PER_S: Final = 20
"""Seconds of audio that a transcription gets through in a second, at the least."""

Actions = tuple[a.Action, ...]
Method = Callable[..., Actions]

# Asking an enum for its member takes as long as three calls of our own: what every request needs is asked for once.
_RESERVING: Final = Phase.RESERVING
_CALLING: Final = Phase.CALLING
_DONE: Final = Phase.DONE
_NO_CHECK: Final = Check.NONE
_WRONG: Final = frozenset({FailureKind.INVALID_JSON, FailureKind.MALFORMED_BODY})
_ANSWER: Final = a.Ending.ANSWER
_UPSTREAM: Final = Source.UPSTREAM


def step(gate: "Gate", journey: Journey, event: e.Event, now: Instant) -> Actions:
    """The next actions. A pair that the table does not know is a defect of the driver: KeyError."""
    return _TABLE[journey.phase][type(event)](gate, journey, event, now)


# Getting a place -------------------------------------------------------------------------------------------------


def _arrived(gate: "Gate", journey: Journey, event: e.Arrived, now: Instant) -> Actions:
    request = event.request
    journey.prompt_weight = weight(request.prompt)
    journey.task = request.task or request.agent or ""
    journey.turn = gate.turn
    if now >= request.deadline_at:  # it has waited elsewhere, for an answer that others asked for
        late = Failure(FailureKind.TOO_SLOW, message="the deadline is over", written=False)
        return giving_up.finish(gate, journey, late, now)
    skill = request.skill
    if skill is not None and skill.first and request.local and request.local_possible:
        journey.phase, journey.asks_skill_first = Phase.LOCAL, True
        return (a.AnswerLocally(skill.name, SKILL_FIRST),)
    return _seek_first(gate, journey, now)


def _seek_first(gate: "Gate", journey: Journey, now: Instant) -> Actions:
    request = journey.request
    if request.trims_to:
        trimming.before_the_first_call(gate, journey, now)
    return seek(gate, journey, now)


def seek(gate: "Gate", journey: Journey, now: Instant) -> Actions:
    """Run now where that is possible and nobody is passed over; else wait; else give up."""
    room, priority = gate.room, journey.request.priority
    if not room.waiting() or not room.must_queue(routing.options(gate, journey, now), priority):
        plan = routing.pick(gate, journey, now)
        if plan is not None:
            return reserve(journey, plan)
    return wait(gate, journey, now)


def reserve(journey: Journey, plan: Plan) -> Actions:
    """Ask the ledger for the plan's amounts."""
    journey.phase = _RESERVING
    journey.plan = plan
    return (a.Reserve(plan.deployment, journey.next_reservation(), plan.amounts()),)


def wait(gate: "Gate", journey: Journey, now: Instant) -> Actions:
    """Wait for a place when one can come in time."""
    ticket = routing.ticket(gate, journey, now)
    if ticket is None:
        return no_place(gate, journey, now)
    journey.phase = Phase.WAITING
    journey.queued_at, journey.extended = now, False
    return (a.Enqueue(ticket),)


def no_place(gate: "Gate", journey: Journey, now: Instant) -> Actions:
    """No candidate can run in time: another provider, else the row `no_key_left`."""
    request = journey.request
    if request.elsewhere and journey.attempts < request.max_attempts and journey.calls < request.max_calls:
        plan = routing.pick_elsewhere(gate, journey, now)
        if plan is not None:
            gate.remedy_taken(Remedy.OTHER_PROVIDER)
            return reserve(journey, plan)
    failure = journey.failure or journey.unable or Failure(FailureKind.NO_KEY_LEFT, written=False)
    return giving_up.finish(gate, journey, failure, now)


def _woke(gate: "Gate", journey: Journey, event: e.Woke, now: Instant) -> Actions:
    journey.waited_s += now - journey.queued_at
    if event.deployment is None:
        if journey.extended:
            return wait(gate, journey, now)
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
    deployment, reservation, called = plan.deployment, event.reservation, journey.called
    key = gate.pool.key_for(deployment, request.session, request.own_key)
    if key is None:  # its last key went in this very tick
        journey.excluded += (deployment.id,)
        return (a.Release(reservation, keep_request=False), *seek(gate, journey, now))
    journey.calls = number = journey.calls + 1
    endpoint = gate.pool.endpoint(deployment.provider)
    journey.open = OpenCall(number, plan, key, reservation, event.note, now, endpoint)
    journey.phase = _CALLING
    is_repeat = deployment.id in called
    if not is_repeat:
        journey.called = (*called, deployment.id)
    journey.fitted = journey.fitted_by(plan)
    return (
        a.Call(
            number,
            deployment,
            key,
            endpoint,
            reservation,
            plan.cap_tokens,
            _patience_with(gate, journey, plan),
            request.deadline_at,
            "on_demand" if journey.on_demand else None,
            is_repeat,
            journey.manner,
            journey.trim_to,
        ),
    )


def _patience_with(gate: "Gate", journey: Journey, plan: Plan) -> Seconds:
    """How long the call may show nothing: to its first token, or buffered until the cap could have been generated, at
    the learned speed (the catalogue's while none is learned, and at least half of it). Twice the learned longest output
    bounds that cap, so that a huge one hides no slowness."""
    model, request, learned = plan.deployment.model, journey.request, gate.learned
    speed = learned.speed(model)
    target = speed.target_s(request.first_token_target_s)
    if request.stream:
        return target
    usual = gate.models[model].tokens_per_s or 0
    if plan.fixed is not None:
        return target + plan.fixed.audio_s / HEARD_PER_S
    tokens, usual_tokens = plan.cap_tokens, 2 * learned.lengths(model, journey.task).quantile_tokens
    per_s, least = speed.tokens_per_s or usual, usual / 2 if usual > 2 else 1.0
    return target + (tokens if tokens < usual_tokens else usual_tokens) / (per_s if per_s > least else least)


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
    books = settling.replied(gate, journey, call, event, now)
    request, plan, reply = journey.request, call.plan, event.reply
    journey.open, journey.reply, journey.served = None, reply, plan.deployment
    if reply.finish_reason == "length" and plan.cap_tokens < plan.ask_tokens and not request.stream:  # we cut it
        journey.cut_call, journey.cut_plan = call.number, plan
        larger = _larger(gate, journey, plan, now)
        if larger is not None:
            return (*books, *larger)
    if request.check is not _NO_CHECK and not request.stream:
        journey.phase = Phase.CHECKING
        journey.checked_call, journey.checked_s = call.number, now - call.started_at
        journey.failed = plan
        journey.last_key = call.key
        return (*books, a.Verify(call.number))
    return (*books, *answer(journey, call.number, journey.why(), now))


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
    journey.phase = _DONE
    journey.reason = reason
    end = a.Finish(_ANSWER, _UPSTREAM, reason, call)
    return (giving_up.finished(journey, end, now), end)


def _failed(gate: "Gate", journey: Journey, event: e.Failed, now: Instant) -> Actions:
    call = journey.open
    assert call is not None
    assert call.number == event.call
    settled = settling.failed(gate, journey, call, event, now)
    journey.open = None
    if unable.passed_over(gate, journey, call.plan, event.failure):
        journey.phase = Phase.FAILED
        return (*settled, a.Consider())
    journey.failure, journey.failed, journey.last_key = event.failure, call.plan, call.key
    if event.failure.kind not in settling.SAYS_NOTHING_OF_THE_ANSWERER:
        journey.excluded += (call.plan.deployment.id,)
    if event.failure.kind in _WRONG:
        journey.wrong += (Wrong(call.number, call.plan, event.failure.failed_generation),)
    journey.phase = Phase.FAILED
    return (*settled, a.Consider())


def _considered(gate: "Gate", journey: Journey, event: e.Considered, now: Instant) -> Actions:  # noqa: ARG001
    if journey.failure is None:  # nothing failed yet: a provider that could not be asked was passed over
        return seek(gate, journey, now)
    return take(gate, journey, journey.failure, now)


def _verified(gate: "Gate", journey: Journey, event: e.Verified, now: Instant) -> Actions:
    if not event.problem:
        return answer(journey, journey.checked_call, journey.why(), now)
    assert journey.failed is not None
    at = journey.failed.deployment
    journey.tried += (Tried(at.provider, at.model, FailureKind.INVALID_JSON, round(journey.checked_s * 1000)),)
    journey.wrong += (Wrong(journey.checked_call, journey.failed),)
    journey.failure = Failure(FailureKind.INVALID_JSON, status=200, message=event.problem)
    return take(gate, journey, journey.failure, now)


def _mended(gate: "Gate", journey: Journey, event: e.Mended, now: Instant) -> Actions:
    mend, failure = journey.mending, journey.failure
    assert mend is not None
    assert failure is not None
    if not event.ok:
        return (*_discarded(journey, mend, now), *take(gate, journey, failure, now))
    call = event.call or mend.call
    plan = next((wrong.plan for wrong in journey.wrong if wrong.call == call), journey.failed)
    assert plan is not None
    journey.served, journey.fitted = plan.deployment, journey.fitted_by(plan)
    return answer(journey, call, mend.how.value, now)


def _discarded(journey: Journey, mend: a.Mend, now: Instant) -> Actions:
    """For review: nothing that any model wrote held enough."""
    if mend.how is not a.Mending.EXTRACT or not mend.accepts_low:
        return ()
    places = tuple(wrong.plan.deployment for wrong in journey.wrong)
    return (a.Note(AnswerDiscarded(now, journey.request.id, journey.request.tenant, places)),)


def _answered_locally(gate: "Gate", journey: Journey, event: e.AnsweredLocally, now: Instant) -> Actions:
    is_first, journey.asks_skill_first = journey.asks_skill_first, False
    if not event.ok and is_first:
        return _seek_first(gate, journey, now)
    if not event.ok:
        assert journey.failure is not None
        journey.local_failed = True
        return giving_up.finish(gate, journey, journey.failure, now)
    if is_first:
        journey.reason = SKILL_FIRST
    journey.phase = Phase.DONE
    end = a.Finish(a.Ending.LOCAL, Source.LOCAL, journey.reason)
    return (giving_up.finished(journey, end, now), end)


def _recalled(gate: "Gate", journey: Journey, event: e.CacheHit, now: Instant) -> Actions:  # noqa: ARG001
    journey.phase = Phase.DONE
    journey.stale, journey.served = event, Deployment.of(event.provider, "", event.model)
    journey.reason, journey.fitted = giving_up.STALE, None
    end = a.Finish(_ANSWER, Source.CACHE, giving_up.STALE)
    return (giving_up.finished(journey, end, now), end)


def _not_recalled(gate: "Gate", journey: Journey, event: e.CacheMissed, now: Instant) -> Actions:  # noqa: ARG001
    """Behind this remedy there are only others that end the request."""
    assert journey.failure is not None
    return giving_up.finish(gate, journey, journey.failure, now)


def _extended(gate: "Gate", journey: Journey, event: e.Extended, now: Instant) -> Actions:  # noqa: ARG001
    """What is decided from here on has more time; a call that is under way has what it was given."""
    journey.request, journey.extended = extended(journey.request, event), True
    return ()


def extended(request: Request, event: e.Extended) -> Request:
    """The request with as much time as the event gives, and never less than it had."""
    return msgspec.structs.replace(
        request,
        deadline_at=max(request.deadline_at, event.deadline_at),
        patience_until=max(request.patience_until, event.patience_until),
    )


def _screened(gate: "Gate", journey: Journey, event: e.Screened, now: Instant) -> Actions:
    """Refused by the operator's list too: that is said, and written down. Else on with the row."""
    assert journey.failure is not None
    if not event.categories:
        return take(gate, journey, journey.failure, now)
    fact = PromptScreened(now, journey.request.id, journey.request.tenant, event.categories, is_blocked=True)
    return (a.Note(fact), *giving_up.block(journey, event.categories, now))


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
    e.CacheHit,
    e.CacheMissed,
    e.Screened,
    e.Woke,
    e.Extended,
    e.ClientGone,
)

_ALIVE: Final[dict[type, Method]] = {e.Extended: _extended, e.ClientGone: _gone}
"""What can happen wherever something is waited for."""

_LIVE: Final[dict[Phase, dict[type, Method]]] = {
    Phase.NEW: {e.Arrived: _arrived},
    Phase.RESERVING: {e.Granted: _granted, e.Refused: _refused},
    Phase.WAITING: {e.Woke: _woke, **_ALIVE},
    Phase.SLEEPING: {e.Woke: _slept, **_ALIVE},
    Phase.CALLING: {e.Began: _began, e.Replied: _replied, e.Failed: _failed, **_ALIVE},
    Phase.STREAMING: {e.Replied: _replied, e.Failed: _failed, **_ALIVE},
    Phase.FAILED: {e.Considered: _considered},
    Phase.CHECKING: {e.Verified: _verified, **_ALIVE},
    Phase.MENDING: {e.Mended: _mended, **_ALIVE},
    Phase.LOCAL: {e.AnsweredLocally: _answered_locally, e.Screened: _screened, **_ALIVE},
    Phase.RECALLING: {e.CacheHit: _recalled, e.CacheMissed: _not_recalled, **_ALIVE},
    Phase.LEAVING: {
        e.Began: _ignored,
        e.Replied: _late_reply,
        e.Failed: _late_failure,
        e.Woke: _ignored,
        e.Extended: _ignored,
        e.ClientGone: _ignored,
    },
    Phase.DONE: {e.Woke: _ignored, e.Extended: _ignored, e.ClientGone: _ignored},
}
"""What can happen in each phase. Every other pair is a defect of the driver and stops it (`_never`)."""

_TABLE: Final[tuple[dict[type, Method], ...]] = tuple(
    {event: _LIVE[phase].get(event, _never) for event in _EVENTS} for phase in Phase
)


def legal_events(phase: Phase) -> tuple[type, ...]:
    """What can happen in a phase, for those who draw the machine."""
    return tuple(_LIVE[phase])
