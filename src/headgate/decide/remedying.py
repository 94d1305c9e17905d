"""Taking the remedy that the table gives: what is true now, which remedy that allows, and what it does."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from headgate.decide import actions as a
from headgate.decide import giving_up, routing, trimming
from headgate.decide.journey import Journey, Phase, Plan
from headgate.decide.learned import weight
from headgate.decide.remedies import Remedy, Situation, calls, calls_after, choose
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Deployment
from headgate.domain.manner import Manner
from headgate.domain.request import Check, PromptSize
from headgate.domain.time import Instant
from headgate.quota.lanes import Ticket

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

Actions = tuple[a.Action, ...]
S = Situation


def take(gate: "Gate", journey: Journey, failure: Failure, now: Instant) -> Actions:
    """Choose the row's remedy for this moment and do it."""
    view = View(gate, journey, failure, now)
    situation = view.situation()
    remedy = choose(failure.kind, situation, gate.rows)
    if calls(remedy):
        journey.rows += (failure.kind,)
    view.is_last_resort = not calls_after(failure.kind, remedy, situation, gate.rows)
    gate.remedy_taken(remedy)
    return _METHODS[remedy](view)


class View:
    """One failure seen from one instant: where else the request could run, and what that makes true."""

    def __init__(self, gate: "Gate", journey: Journey, failure: Failure, now: Instant) -> None:
        self.gate, self.journey, self.failure, self.now = gate, journey, failure, now
        assert journey.failed is not None
        self.failed: Plan = journey.failed
        self.waiting_ticket: Ticket | None = None
        self.is_last_resort = True

    # Where it could run ----------------------------------------------------------------------------------------------

    def pick(self, accepts: Callable[[Deployment], bool]) -> Plan | None:
        return routing.pick(self.gate, self.journey, self.now, accepts)

    def organisation(self) -> Plan | None:
        """The same model at another organisation."""
        failed = self.failed.deployment
        return self.pick(lambda d: d.model == failed.model and d.organisation != failed.organisation)

    def model(self) -> Plan | None:
        """Another model, wherever."""
        failed = self.failed.deployment
        return self.pick(lambda d: d.model != failed.model)

    def provider(self) -> Plan | None:
        """A model of another provider than the one that failed."""
        failed = self.failed.deployment.provider
        return routing.pick_elsewhere(self.gate, self.journey, self.now, lambda d: d.provider != failed)

    def faster(self) -> Plan | None:
        """Another model, a faster one if there is one."""
        failed = self.gate.models[self.failed.deployment.model]
        quick = self.pick(lambda d: d.model != failed.id and self.speed(d.model) > self.speed(failed.id))
        return quick or self.model()

    def speed(self, model: str) -> int:
        return self.gate.models[model].tokens_per_s or 0

    def larger(self) -> Plan | None:
        """Another deployment that holds more: a larger bucket for what was too large, a larger window for overflow."""
        failed, journey = self.failed, self.journey
        if self.failure.kind is FailureKind.CONTEXT_OVERFLOW:
            window = self.gate.models[failed.deployment.model].context_window_tokens
            return self.pick(lambda d: self.gate.models[d.model].context_window_tokens > window)
        least = failed.prompt_tokens + 1
        return self.pick(
            lambda d: (
                d.id != failed.deployment.id
                and self.gate.ledger.ceiling(d, least) >= min(failed.cap_tokens, journey.request.ask_tokens or 1)
            )
        )

    def successor(self) -> Plan | None:
        """The catalogue's successor, else another model; the same one elsewhere only when there is no other."""
        row = self.gate.catalog.successor(self.failed.deployment.model)
        named = None if row is None else self.pick(lambda d: d.model == row.id)
        return named or self.model() or self.pick(lambda d: d.id != self.failed.deployment.id)

    def strict(self) -> Plan | None:
        """A model that was not asked yet: for a schema one with a strict mode, if there is one; here or elsewhere."""
        gate, journey = self.gate, self.journey
        asked = {name.split(":", 2)[2] for name in journey.called}
        if journey.request.check is Check.SCHEMA:
            strict = self._new(lambda d: d.model not in asked and gate.models[d.model].strict_schema)
            if strict is not None:
                return strict
        return self._new(lambda d: d.model not in asked)

    def _new(self, accepts: Callable[[Deployment], bool]) -> Plan | None:
        return self.pick(accepts) or routing.pick_elsewhere(self.gate, self.journey, self.now, accepts)

    def simpler(self) -> Plan | None:
        """Any place for a call in simpler words, at last the one that failed; once for a request."""
        journey, gate, deployment = self.journey, self.gate, self.failed.deployment
        if journey.request.check is Check.NONE or journey.manner is Manner.SIMPLE:
            return None
        if (plan := self.any()) is not None:
            return plan
        if not gate.is_usable(deployment, self.now) or not gate.repeat_allowed(deployment.id, self.now):
            return None
        plan = routing.plan_at(gate, journey, deployment, self.now)
        return plan if plan is not None and plan.fits_now else None

    def any(self) -> Plan | None:
        return self.pick(lambda d: True)  # noqa: ARG005 - every candidate will do

    def shrunk(self) -> Plan | None:
        """The same call with a cap smaller by the stated excess, and small enough for what we take the prompt to be."""
        failure, plan = self.failure, self.failed
        if failure.limit is None or failure.requested is None:
            return None
        cap = plan.cap_tokens - max(1, failure.requested - failure.limit)
        cap = min(cap, self.gate.ledger.ceiling(plan.deployment, plan.prompt_tokens))
        if cap < min(self.gate.policy.least_shrunk_tokens, plan.ask_tokens):
            return None
        return Plan(plan.deployment, plan.prompt_tokens, cap, plan.ask_tokens)

    def trimmed(self) -> tuple[float, Plan] | None:
        """Where it failed, with half of its prompt or less."""
        return trimming.halved(self.gate, self.journey, self.failed, self.now)

    # What is true ------------------------------------------------------------------------------------------------

    def situation(self) -> Situation:
        """All flags of the table that hold now."""
        true = S.NONE
        for flag, holds in _FLAGS:
            if holds(self):
                true |= flag
        return true

    def row_left(self) -> bool:
        limit = self.gate.rows[self.failure.kind].limit
        return limit is None or self.journey.rows.count(self.failure.kind) < limit

    def time_left(self) -> bool:
        return self.now + self.gate.policy.least_call_s < self.journey.request.deadline_at

    def calls_left(self) -> bool:
        return self.journey.calls < self.journey.request.max_calls and self.time_left()

    def repeat_allowed(self) -> bool:
        deployment = self.failed.deployment
        return self.gate.pool.is_up(deployment, self.now) and self.gate.repeat_allowed(deployment.id, self.now)

    def text_to_mend(self) -> bool:
        journey, failure = self.journey, self.failure
        if journey.mended_call == journey.calls:
            return False
        return bool(failure.failed_generation) or (failure.status == HTTP_OK and not journey.request.stream)

    def text_to_extract(self) -> bool:
        journey = self.journey
        has_fields = journey.request.check is Check.SCHEMA
        return has_fields and bool(journey.wrong) and journey.extracted_call != journey.calls

    def call_to_rescue(self) -> bool:
        return bool(self.failure.failed_generation) and self.journey.mended_call != self.journey.calls

    def wait_fits(self) -> bool:
        self.waiting_ticket = routing.ticket(self.gate, self.journey, self.now)
        return self.waiting_ticket is not None

    def endpoint_left(self) -> bool:
        provider = self.failed.deployment.provider
        return self.gate.policy.endpoints.get(provider, 1) > len(self.journey.tried)

    def local_allowed(self) -> bool:
        request = self.journey.request
        return request.local and request.local_possible and not self.journey.local_failed

    def rephrase_left(self) -> bool:
        journey = self.journey
        return journey.request.rephrases and journey.manner is not Manner.REPHRASED

    def upstream_body(self) -> bool:
        status = self.failure.status
        return bool(self.failure.body) and status is not None and HTTP_ERRORS[0] <= status < HTTP_ERRORS[1]


INSTRUCTION: Final = PromptSize(latin=160, messages=1)
"""The words in which structure is asked for (`protocol.structured`); the schema in them counts from the start."""
FRAME: Final = PromptSize(latin=240)
"""The frame in which the user's words stand after a refusal for safety (`protocol.rephrasing`)."""
HTTP_OK: Final = 200
HTTP_ERRORS: Final = (400, 600)

_FLAGS: Final[tuple[tuple[Situation, Callable[[View], object]], ...]] = (
    (S.CALLS_LEFT, View.calls_left),
    (S.ATTEMPTS_LEFT, lambda view: view.journey.attempts < view.journey.request.max_attempts),
    (S.ROW_LEFT, View.row_left),
    (S.ORGANISATION_CAN_RUN, View.organisation),
    (S.MODEL_CAN_RUN, View.model),
    (S.PROVIDER_CAN_RUN, View.provider),
    (S.FASTER_CAN_RUN, View.faster),
    (S.LARGER_CAN_RUN, View.larger),
    (S.SUCCESSOR_CAN_RUN, View.successor),
    (S.ENDPOINT_LEFT, View.endpoint_left),
    (S.WAIT_FITS, View.wait_fits),
    (S.SHRINK_FITS, View.shrunk),
    (S.TRIM_FITS, View.trimmed),
    (S.REPEAT_ALLOWED, View.repeat_allowed),
    (S.REPHRASE_LEFT, View.rephrase_left),
    (S.SAFEGUARD_LEFT, lambda view: view.journey.request.safeguard and not view.journey.screened),
    (S.KEY_CAN_RUN, View.any),
    (S.TIERED, lambda view: view.journey.request.service_tier in {"flex", "auto"} and not view.journey.on_demand),
    (S.TEXT_TO_MEND, View.text_to_mend),
    (S.TEXT_TO_EXTRACT, View.text_to_extract),
    (S.CALL_TO_RESCUE, View.call_to_rescue),
    (S.STRICT_CAN_RUN, View.strict),
    (S.SIMPLER_CAN_RUN, View.simpler),
    (S.OWN_KEY_FAILED, lambda view: view.journey.request.own_key is not None),
    (S.UPSTREAM_BODY, View.upstream_body),
    (S.LOCAL_ALLOWED, View.local_allowed),
    (S.STALE_POSSIBLE, lambda view: view.journey.request.recallable and not view.journey.recalled),
)


# What each remedy does -------------------------------------------------------------------------------------------


def _go(view: View, find: Callable[[View], Plan | None]) -> Actions:
    plan = find(view)
    assert plan is not None, "the situation promised a place"
    return _reserve(view.journey, plan)


def _reserve(journey: Journey, plan: Plan) -> Actions:
    journey.phase = Phase.RESERVING
    journey.plan = plan
    return (a.Reserve(plan.deployment, journey.next_reservation(), plan.amounts()),)


def _wait(view: View) -> Actions:
    ticket = view.waiting_ticket
    assert ticket is not None
    view.journey.phase = Phase.WAITING
    view.journey.queued_at = view.now
    return (a.Enqueue(ticket),)


def _again(view: View) -> Actions:
    """The same deployment at once, where the ledger holds it; else through the waiting room."""
    plan = routing.plan_at(view.gate, view.journey, view.failed.deployment, view.now)
    if plan is not None and plan.fits_now:
        return _reserve(view.journey, plan)
    return _sleep(view, view.now)


def _on_demand(view: View) -> Actions:
    view.journey.on_demand = True
    return _again(view)


def _backoff(view: View) -> Actions:
    """Full jitter: somewhere between nothing and the step, but early enough for a last call."""
    steps = view.gate.policy.backoff_s
    step = steps[min(view.journey.backoffs, len(steps) - 1)]
    view.journey.backoffs += 1
    until = view.now + step * view.gate.dice.random()
    return _sleep(view, min(until, view.journey.request.deadline_at - view.gate.policy.least_call_s))


def _sleep(view: View, until: Instant) -> Actions:
    journey = view.journey
    journey.phase = Phase.SLEEPING
    journey.retry = view.failed
    journey.queued_at = view.now
    return (a.Sleep(until),)


def _as_usual(view: View) -> Actions:
    """Another model gets the client's own words first."""
    view.journey.manner = Manner.USUAL
    return _go(view, View.strict)


def _simply(view: View) -> Actions:
    """What follows for this request is said in simple words; they make its prompt longer."""
    journey, plan = view.journey, view.simpler()
    assert plan is not None, "the situation promised a place"
    journey.manner = Manner.SIMPLE
    journey.prompt_weight += weight(INSTRUCTION)
    longer = routing.plan_at(view.gate, journey, plan.deployment, view.now)
    return _reserve(journey, plan if longer is None or not longer.fits_now else longer)


def _trim(view: View) -> Actions:
    """Once more where it failed, with fewer words: its failure spoke of their number, not of the place."""
    journey, failed, trimmed = view.journey, view.failed.deployment, view.trimmed()
    assert trimmed is not None, "the situation promised a smaller prompt"
    trimming.trim(view.gate, journey, failed.model, trimmed[0])
    journey.excluded = tuple(name for name in journey.excluded if name != failed.id)
    return _again(view)


def _cooler(view: View) -> Actions:
    """Once more where it failed: its failure spoke of what was drawn, not of the place."""
    journey, failed = view.journey, view.failed.deployment.id
    journey.manner = Manner.COOLER
    journey.excluded = tuple(name for name in journey.excluded if name != failed)
    return _again(view)


def _rephrased(view: View) -> Actions:
    """Once more where it was refused, in other words: the refusal spoke of the words, not of the place."""
    journey, failed = view.journey, view.failed.deployment.id
    journey.manner = Manner.REPHRASED
    journey.prompt_weight += weight(FRAME)
    journey.excluded = tuple(name for name in journey.excluded if name != failed)
    return _again(view)


def _safeguard(view: View) -> Actions:
    """Ask the operator's blocklist whether it refuses the prompt too."""
    journey = view.journey
    journey.screened = True
    journey.phase = Phase.LOCAL
    return (a.Screen(),)


def _mend(view: View, how: a.Mending) -> Actions:
    view.journey.mended_call = view.journey.calls
    return giving_up.mend(view.journey, how)


def _extract(view: View) -> Actions:
    """Half of what was asked for is taken before another call, a quarter when no call is left."""
    return giving_up.extract(view.journey, accepts_low=view.is_last_resort)


def _end(view: View, remedy: Remedy) -> Actions:
    return giving_up.end(view.gate, view.journey, view.failure, remedy, view.now)


_METHODS: Final[dict[Remedy, Callable[[View], Actions]]] = {
    Remedy.OTHER_ORGANISATION: partial(_go, find=View.organisation),
    Remedy.OTHER_MODEL: partial(_go, find=View.model),
    Remedy.OTHER_PROVIDER: partial(_go, find=View.provider),
    Remedy.FASTER_MODEL: partial(_go, find=View.faster),
    Remedy.MODEL_WITH_ROOM: partial(_go, find=View.larger),
    Remedy.LARGER_CONTEXT: partial(_go, find=View.larger),
    Remedy.SUCCESSOR: partial(_go, find=View.successor),
    Remedy.OTHER_KEY: partial(_go, find=View.any),
    Remedy.SHRINK: partial(_go, find=View.shrunk),
    Remedy.TRIM: _trim,
    Remedy.WAIT: _wait,
    Remedy.BACKOFF: _backoff,
    Remedy.OTHER_ENDPOINT: _again,
    Remedy.ON_DEMAND: _on_demand,
    Remedy.STRICT_MODEL: _as_usual,
    Remedy.SIMPLER_PROMPT: _simply,
    Remedy.LOWER_TEMPERATURE: _cooler,
    Remedy.REPHRASE: _rephrased,
    Remedy.LOCAL_SAFEGUARD: _safeguard,
    Remedy.MEND: partial(_mend, how=a.Mending.TEXT),
    Remedy.TOLERANT_PARSE: partial(_mend, how=a.Mending.TEXT),
    Remedy.RESCUE_TOOL_CALL: partial(_mend, how=a.Mending.RESCUE),
    Remedy.PARTIAL_EXTRACTION: _extract,
    **{
        remedy: partial(_end, remedy=remedy)
        for remedy in (
            Remedy.STALE_CACHE,
            Remedy.ERROR_EVENT,
            Remedy.RELAY,
            Remedy.REJECT_OWN_KEY,
            Remedy.ANSWER_LOCALLY,
            Remedy.REFUSE,
            Remedy.ABANDON,
        )
    },
}
