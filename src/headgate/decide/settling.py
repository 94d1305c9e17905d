"""What a call's end means for the books: settlement first, then what the reply says of quota, health and lengths."""

from typing import TYPE_CHECKING, Final

import msgspec

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.journey import Journey, OpenCall
from headgate.decide.remedies import Effect
from headgate.domain.answer import Tried, Usage
from headgate.domain.fact import Alert, AlertKind, CallEnded
from headgate.domain.failure import Failure
from headgate.domain.failure import FailureKind as F
from headgate.domain.time import Instant
from headgate.quota.cooldown import announced_until

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

Actions = tuple[a.Action, ...]

UNHEALTHY: Final = frozenset(
    {F.OVER_CAPACITY, F.NETWORK, F.TOO_SLOW, F.MALFORMED_BODY, F.STREAM_BROKE_EARLY, F.STREAM_BROKE_LATE}
)
"""Failures that speak of the deployment's health; all others say nothing of it."""

ABOUT_WORDS: Final = frozenset({"json_validate_failed", "output_parse_failed", "tool_use_failed"})
"""Codes of streams that broke off because of what was written: the deployment is well."""

SAYS_NOTHING_OF_THE_ANSWERER: Final = frozenset(
    {
        F.REQUESTS_PER_MINUTE,
        F.TOKENS_PER_MINUTE,
        F.DAILY_LIMIT,
        F.REQUEST_TOO_LARGE,
        F.FLEX_FULL,
        F.INVALID_KEY,
        F.OVER_CAPACITY,
        F.NETWORK,
        F.STREAM_BROKE_EARLY,
        F.MALFORMED_BODY,
    }
)
"""Failures after which the same deployment may serve the same request later; after others it is not asked again."""

NOT_BILLED: Final = frozenset({500, 502, 503})
"""Statuses that prove that nothing was charged (groq-api.md 3.2, read 2026-11-20)."""


def is_unhealthy(failure: Failure) -> bool:
    """Whether the failure says that the deployment is not well."""
    return failure.kind in UNHEALTHY and failure.code not in ABOUT_WORDS


def replied(gate: "Gate", journey: Journey, call: OpenCall, event: e.Replied, now: Instant) -> Actions:
    """The books of a call that answered."""
    journey.attempts += 1
    plan, reply = call.plan, event.reply
    deployment, cap_tokens, usage = plan.deployment, plan.cap_tokens, reply.usage
    metered = first_s = None
    if usage is not None:
        metered, first_s = usage.metered(), _first_s(call, usage, now)
        journey.usage = usage
        journey.cost_nanousd += gate.models[deployment.model].cost_nanousd(usage)
    concluded = a.Conclude(
        deployment,
        call.reservation,
        metered,
        None if call.absorbed else event.limits,
        call.note,
        _timed(call, usage, now) if plan.fixed is None else None,
        journey.task,
        0.0 if journey.trim_to else journey.prompt_weight,  # trimmed words weigh that at most, nobody knows how much
        cap_tokens,
        cap_tokens < plan.ask_tokens and reply.finish_reason == "length",
        first_s,
    )
    return (concluded, a.Note(_call_ended(journey, call, None, usage, now)))


def _timed(call: OpenCall, usage: Usage | None, now: Instant) -> Usage | None:
    """The usage to learn from. Only Groq says how long the generating took; of a whole answer of any other provider the
    whole time counts as that, so that the speeds of all can be compared."""
    if usage is None or usage.completion_time_s is not None or call.began_at is not None:
        return usage
    return msgspec.structs.replace(usage, completion_time_s=now - call.started_at)


def _first_s(call: OpenCall, usage: Usage, now: Instant) -> float | None:
    """Time to the first token: seen in a stream, else what is left of the whole without the generating."""
    if call.began_at is not None:
        return call.began_at - call.started_at
    if usage.completion_time_s is None:
        return None
    first_s = now - call.started_at - usage.completion_time_s
    return first_s if first_s > 0.0 else 0.0


def failed(gate: "Gate", journey: Journey, call: OpenCall, event: e.Failed, now: Instant) -> Actions:
    """The books of a call that failed, and what its failure says beyond this request."""
    failure, deployment = event.failure, call.plan.deployment
    journey.attempts += failure.is_attempt
    ended = _call_ended(journey, call, failure, None, now)
    journey.tried = (
        *journey.tried,
        Tried(deployment.provider, deployment.model, failure.kind, round(ended.duration_s * 1000)),
    )
    end = _end_of(call.reservation, failure)
    done: list[a.Action] = [end]
    if failure.dimension is not None:
        done.append(a.AbsorbFailure(deployment, failure, call.note))
    elif event.limits is not None and not call.absorbed:
        note = call.note if isinstance(end, a.Settle) else call.note.without_its_call()
        done.append(a.Absorb(deployment, event.limits, note, at_stream_start=False))
    if failure.organisation is not None and not gate.pool.knows_name(
        deployment.provider, deployment.organisation, failure.organisation
    ):
        done.append(a.Identify(deployment.provider, deployment.organisation, failure.organisation))
    done.append(a.Health(deployment, call.reservation, ok=False if is_unhealthy(failure) else None))
    if failure.kind in _NETWORKISH and gate.policy.endpoints.get(deployment.provider, 1) > 1:
        done.append(a.MoveEndpoint(deployment.provider, call.endpoint))
    for effect in gate.rows[failure.kind].effects:
        done.extend(_effect(gate, journey, call, failure, event, effect, now))
    done.append(a.Note(ended))
    return tuple(done)


_NETWORKISH: Final = frozenset({F.NETWORK, F.STREAM_BROKE_EARLY, F.MALFORMED_BODY})


def _end_of(reservation: str, failure: Failure) -> a.Action:
    if not failure.written:
        return a.Release(reservation, keep_request=False)
    if failure.proves_nothing_generated or failure.status in NOT_BILLED:
        return a.Release(reservation, keep_request=True)
    return a.Settle(reservation, None)


def _call_ended(
    journey: Journey, call: OpenCall, failure: Failure | None, usage: Usage | None, now: Instant
) -> CallEnded:
    return CallEnded(
        now,
        journey.request.id,
        call.number,
        call.plan.deployment,
        call.key,
        now - call.started_at,
        None if failure is None else failure.kind,
        usage,
    )


def _effect(
    gate: "Gate",
    journey: Journey,
    call: OpenCall,
    failure: Failure,
    event: e.Failed,
    effect: Effect,
    now: Instant,
) -> Actions:
    deployment, policy = call.plan.deployment, gate.policy
    provider, organisation = deployment.provider, deployment.organisation
    header_s = None if event.limits is None else event.limits.retry_after_s
    match effect:
        case Effect.COOL | Effect.COOL_DAY:
            until = announced_until(now, header_s, failure.wait_s)
            if until is not None:
                return (a.Cool(deployment, until, announced=True, reason=failure.kind),)
            guess = policy.guessed_cooldown_s if effect is Effect.COOL else policy.daily_cooldown_s
            return (a.Cool(deployment, now + guess, announced=False, reason=failure.kind),)
        case Effect.DROP_KEY:
            return () if journey.request.own_key else (a.RemoveKey(call.key),)
        case Effect.DENY_PROVIDER:
            return (a.Out(provider, None, now + policy.denied_probe_s, failure.kind),)
        case Effect.ORGANISATION_OUT:
            return (a.Out(provider, organisation, now + policy.spend_probe_s, failure.kind),)
        case Effect.RETIRE_MODEL:
            everywhere = failure.code == "model_decommissioned"
            where = None if everywhere else organisation
            return (a.Retire(provider, deployment.model, where, now + policy.retired_probe_s),)
        case Effect.ALERT:
            return (a.Note(_alert(call, failure, now)),)


_ALERTS: Final[dict[F, AlertKind]] = {
    F.DAILY_LIMIT: AlertKind.DAILY_LIMIT,
    F.INVALID_KEY: AlertKind.KEY_REMOVED,
    F.ACCESS_DENIED: AlertKind.PROVIDER_DENIED,
    F.SPEND_LIMIT: AlertKind.SPEND_LIMIT,
    F.MODEL_GONE: AlertKind.MODEL_RETIRED,
}


def _alert(call: OpenCall, failure: Failure, now: Instant) -> Alert:
    deployment = call.plan.deployment
    subject = call.key if failure.kind is F.INVALID_KEY else deployment.id
    return Alert(now, _ALERTS[failure.kind], subject, f"{failure.kind} at {deployment.id} (key {call.key})")
