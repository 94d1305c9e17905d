"""How a request ends when no call will answer it: locally, relayed, broken off, or refused with what would help."""

import math
from typing import TYPE_CHECKING, Final

from headgate.decide import actions as a
from headgate.decide import keyless, routing, too_large
from headgate.decide.journey import Journey, Phase
from headgate.decide.remedies import Remedy, Situation, choose
from headgate.decide.settling import UNHEALTHY
from headgate.domain.answer import Refusal, RefusalCode, Source
from headgate.domain.fact import RequestFinished
from headgate.domain.failure import Failure
from headgate.domain.failure import FailureKind as F
from headgate.domain.request import Check
from headgate.domain.time import Instant, Seconds

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

Actions = tuple[a.Action, ...]

QUOTA: Final = frozenset(
    {F.REQUESTS_PER_MINUTE, F.TOKENS_PER_MINUTE, F.DAILY_LIMIT, F.REQUEST_TOO_LARGE, F.NO_KEY_LEFT}
)
PASSING: Final = UNHEALTHY | {F.FLEX_FULL}
"""What was wrong with a place, and may be over the next time."""
LONGEST_RETRY_AFTER_S: Final[Seconds] = 86_400.0
AFTER_A_FAILURE_S: Final[Seconds] = 5.0
BLOCKED: Final = (
    "The provider refused the prompt for safety, and this gateway's blocklist names something in it ({}). Word it "
    "otherwise, or ask the operator."
)
WORDLESS: Final = (
    "The provider answered with status {} and no word of why. Is its address right? Retrying will not help."
)
"""A bad request whose error had a body would be relayed."""
CLIENT_GONE: Final = "client_gone"
STALE: Final = "stale"
TEMPLATE: Final = "template"
"""The local skill of requests whose route and task name none."""
_ANSWER: Final = a.Ending.ANSWER


def finish(gate: "Gate", journey: Journey, failure: Failure, now: Instant) -> Actions:
    """Nothing can run any more. The failure's own row says how to end, with every remedy that calls ruled out."""
    journey.failure = failure
    situation = Situation.NONE
    if journey.request.local and journey.request.local_possible and not journey.local_failed:
        situation |= Situation.LOCAL_ALLOWED
    if journey.request.recallable and not journey.recalled:
        situation |= Situation.STALE_POSSIBLE
    if failure.body and failure.status is not None and 400 <= failure.status < 600:
        situation |= Situation.UPSTREAM_BODY
    remedy = choose(failure.kind, situation, gate.rows)
    gate.remedy_taken(remedy)
    return end(gate, journey, failure, remedy, now)


def mend(journey: Journey, how: a.Mending, *, accepts_low: bool = False) -> Actions:
    """Have an answer made of what models wrote."""
    journey.phase = Phase.MENDING
    journey.mending = a.Mend(journey.calls, how, accepts_low)
    return (journey.mending,)


def extract(journey: Journey, *, accepts_low: bool) -> Actions:
    """Have the best of all wrong answers taken, if it is good enough."""
    journey.extracted_call = journey.calls
    return mend(journey, a.Mending.EXTRACT, accepts_low=accepts_low)


def _can_extract(gate: "Gate", journey: Journey) -> bool:
    """Whether earlier calls wrote answers that were wrong and may still hold enough, whatever failed since."""
    extracts = Remedy.PARTIAL_EXTRACTION in gate.rows[F.INVALID_JSON].remedies
    is_new = journey.extracted_call != journey.calls
    return bool(journey.wrong) and is_new and extracts and journey.request.check is Check.SCHEMA


_NOTHING_IS_MISSED: Final = frozenset({Remedy.ABANDON, Remedy.ERROR_EVENT, Remedy.REJECT_OWN_KEY})


def end(gate: "Gate", journey: Journey, failure: Failure, remedy: Remedy, now: Instant) -> Actions:
    """End as the remedy says. A complete answer that only our own cap cut short beats anything that is no answer, and
    so does an earlier one that was wrong but holds enough."""
    journey.reason = journey.reason or failure.kind
    if remedy not in _NOTHING_IS_MISSED and _can_extract(gate, journey):
        return extract(journey, accepts_low=True)
    if journey.cut_call and remedy is not Remedy.ABANDON:
        journey.phase = Phase.DONE
        assert journey.cut_plan is not None
        journey.served = journey.cut_plan.deployment
        journey.fitted = journey.fitted_by(journey.cut_plan)
        return _done(journey, a.Finish(a.Ending.ANSWER, Source.UPSTREAM, "cut", call=journey.cut_call), now)
    match remedy:
        case Remedy.ANSWER_LOCALLY:
            journey.phase = Phase.LOCAL
            skill = journey.request.skill
            return (a.AnswerLocally(TEMPLATE if skill is None else skill.name, failure.kind),)
        case Remedy.STALE_CACHE:
            journey.phase = Phase.RECALLING
            journey.recalled = True
            return (a.LookUp(),)
        case Remedy.RELAY:
            ending = a.Finish(a.Ending.RELAY, None, failure.kind, failure=failure)
        case Remedy.ERROR_EVENT:
            ending = a.Finish(a.Ending.BREAK, Source.UPSTREAM, failure.kind, call=journey.calls, failure=failure)
        case Remedy.ABANDON:
            ending = a.Finish(a.Ending.ABANDONED, None, CLIENT_GONE)
        case Remedy.REJECT_OWN_KEY:
            refusal = Refusal(
                RefusalCode.UPSTREAM_KEY_REJECTED,
                "The provider does not accept the API key that you sent. Check it in the provider's console.",
                401,
                tried=journey.tried,
            )
            ending = a.Finish(a.Ending.REFUSAL, None, failure.kind, refusal=refusal)
        case _:
            return refuse(gate, journey, now)
    journey.phase = Phase.DONE
    return _done(journey, ending, now)


def refuse(gate: "Gate", journey: Journey, now: Instant) -> Actions:
    """Refuse, saying what was tried and when to come again."""
    failure = journey.failure
    kind = F.NO_KEY_LEFT if failure is None else failure.kind
    journey.phase = Phase.DONE
    journey.reason = journey.reason or kind
    refusal = _refusal(gate, journey, kind, now)
    return _done(journey, a.Finish(a.Ending.REFUSAL, None, kind, refusal=refusal), now)


def block(journey: Journey, categories: tuple[str, ...], now: Instant) -> Actions:
    """Refuse what the provider refused for safety and the operator's blocklist names as well."""
    failure = journey.failure
    assert failure is not None
    journey.phase = Phase.DONE
    journey.reason = failure.kind
    refusal = Refusal(RefusalCode.CONTENT_FILTER, BLOCKED.format(", ".join(categories)), 400, tried=journey.tried)
    return _done(journey, a.Finish(a.Ending.REFUSAL, None, failure.kind, refusal=refusal), now)


def _refusal(gate: "Gate", journey: Journey, kind: F, now: Instant) -> Refusal:
    request, failure = journey.request, journey.failure
    soonest = routing.soonest(gate, journey, now)
    in_s = soonest - now
    retry_after_s = None if in_s > LONGEST_RETRY_AFTER_S else float(max(1, math.ceil(in_s)))
    if retry_after_s is None and (kind in PASSING or any(each.failure in PASSING for each in journey.tried)):
        retry_after_s = AFTER_A_FAILURE_S  # what this request may not ask again, the next one may
    when = "Retrying will not help." if retry_after_s is None else f"Try again in {retry_after_s:.0f} s."
    if (without_key := keyless.told(gate, journey, now)) is not None:
        code = RefusalCode.NO_CAPACITY if kind in QUOTA else RefusalCode.UPSTREAM_FAILED
        return Refusal(code, without_key, 503, tried=journey.tried)
    if now + gate.policy.least_call_s >= request.deadline_at:
        text = f"No answer within the deadline of {request.deadline_at - request.arrived_at:.3g} s. {when}"
        return Refusal(RefusalCode.DEADLINE_EXCEEDED, text, 503, retry_after_s, tried=journey.tried)
    if kind in QUOTA and (too_much := too_large.told(gate, journey, now)) is not None:
        return Refusal(RefusalCode.NO_CAPACITY, too_much, 429, tried=journey.tried)
    if kind in QUOTA:
        models = ", ".join(request.candidates)
        text = f"No quota for {models} within {request.patience_until - request.arrived_at:.3g} s of waiting. {when}"
        return Refusal(RefusalCode.NO_CAPACITY, text, 429, retry_after_s, tried=journey.tried)
    if kind is F.BAD_REQUEST and failure is not None:
        return Refusal(RefusalCode.UPSTREAM_FAILED, WORDLESS.format(failure.status), 503, tried=journey.tried)
    if retry_after_s is not None:
        retry_after_s = max(retry_after_s, AFTER_A_FAILURE_S)
        when = f"Try again in {retry_after_s:.0f} s."
    calls = "1 upstream call" if len(journey.tried) == 1 else f"{len(journey.tried)} upstream calls"
    text = f"{calls} failed, the last with {kind}. {when}"
    return Refusal(RefusalCode.UPSTREAM_FAILED, text, 503, retry_after_s, tried=journey.tried)


def _done(journey: Journey, ending: a.Finish, now: Instant) -> Actions:
    return (finished(journey, ending, now), ending)


def finished(journey: Journey, ending: a.Finish, now: Instant) -> a.Note:
    """The fact that a request has its outcome."""
    request = journey.request
    is_answer = ending.ending is _ANSWER or ending.ending is a.Ending.BREAK
    served, stale = (journey.served, journey.stale) if is_answer else (None, None)
    return a.Note(
        RequestFinished(
            now,
            request.id,
            request.tenant,
            request.model_asked,
            served.model if served is not None else "headgate/local" if ending.ending is a.Ending.LOCAL else "",
            ending.source,
            served.provider if served is not None else "",
            ending.reason,
            journey.attempts,
            journey.calls,
            journey.waited_s,
            now - request.arrived_at,
            journey.fitted,
            journey.cost_nanousd,
            journey.usage,
            journey.tried,
            None if ending.refusal is None else ending.refusal.code,
            request.agent,
            request.task,
            request.route,
            request.session,
            served.organisation if served is not None else "",
            request.parts,
            "" if stale is None else STALE,
            0 if stale is None else stale.tokens,
        )
    )
