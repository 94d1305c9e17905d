"""Where a request can run: candidates in order, what fits now, what would fit later. Reads the gate, changes nothing.

Fit (design 7): the ask is never cut silently. When the bucket cannot hold it now, or anyone waits, the cap shrinks to
the larger of the learned 99.5th percentile of the output length and this request's share of what the bucket holds.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from headgate.catalog import Model
from headgate.decide.journey import Journey, Plan
from headgate.decide.settling import UNHEALTHY
from headgate.decide.strategies import ordered
from headgate.domain.limits import Amounts, Deployment
from headgate.domain.request import Priority, Request, Strategy
from headgate.domain.time import NEVER, Instant
from headgate.quota.bucket import need_of
from headgate.quota.lanes import Option, Ticket
from headgate.quota.meter import room_beside, wait_beside

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

UNKNOWN_WINDOW_TOKENS: Final = 8192

MOST_SMALLNESS: Final = 2.0
"""The forecast takes everybody for average. A smaller request slips in where the average does not fit, so one of half
the usual cost may be forecast to wait twice as long before it is refused."""

FILLED_SHARE: Final = 0.96
"""How much of a bucket one shrunk ask may fill: the rest forgives a prompt that was estimated a little too low."""

Accepts = Callable[[Deployment], bool]
_BACKGROUND: Final = Priority.BACKGROUND
_PRIORITY: Final = Strategy.PRIORITY
_ROUND_ROBIN: Final = Strategy.ROUND_ROBIN


def places(gate: "Gate", request: Request, model: str, turn: int) -> tuple[Deployment, ...]:
    """The model at every organisation, the session's own first; without a session they take turns."""
    found = gate.pool.deployments(model, request.own_key)
    if len(found) < 2:
        return found
    session = request.session
    first = (zlib.crc32(session.encode()) if session else turn) % len(found)
    return found[first:] + found[:first]


def candidates(gate: "Gate", journey: Journey, now: Instant) -> Iterator[Deployment]:
    """The request's deployments in order: its models in order, each at every organisation."""
    return _places_of(gate, journey, journey.request.candidates, now)


def _places_of(gate: "Gate", journey: Journey, models: Sequence[str], now: Instant) -> Iterator[Deployment]:
    """The places of these models, as the route's strategy orders them: each model's, or all of them together.

    A strategy is given the same order whenever it is asked for this request; one that takes turns itself, an order that
    does not turn.
    """
    request = journey.request
    if request.strategy is _PRIORITY:
        for model in models:
            yield from places(gate, request, model, gate.turn)
        return
    turn = 0 if request.strategy is _ROUND_ROBIN else journey.turn
    if request.mixes:
        found = [deployment for model in models for deployment in places(gate, request, model, turn)]
        yield from ordered(gate, journey, found, now)
    else:
        for model in models:
            yield from ordered(gate, journey, places(gate, request, model, turn), now)


def every_place(gate: "Gate", journey: Journey, now: Instant) -> Iterator[Deployment]:
    """The request's deployments, those that only stand in included."""
    return _places_of(gate, journey, (*journey.request.candidates, *journey.request.elsewhere), now)


def allowed(gate: "Gate", journey: Journey, deployment: Deployment, now: Instant) -> bool:
    """Whether the request may be sent there as far as health and budgets of repeats go; quota is another question."""
    name = deployment.id
    if name in journey.excluded or not gate.is_usable(deployment, now):
        return False
    return name not in journey.called or gate.repeat_allowed(name, now)


def plan_at(
    gate: "Gate", journey: Journey, deployment: Deployment, now: Instant, prompt_weight: float | None = None
) -> Plan | None:
    """The fit at a deployment: `fits_now` tells whether it can be admitted at once. None where it can never fit. With a
    `prompt_weight` as if the prompt had that."""
    if journey.request.fixed is not None:
        return _fixed_plan(gate, journey.request, journey.request.fixed, deployment, now)
    model = gate.models[deployment.model]
    prompt = gate.learned.prompt_tokens(model.id, journey.prompt_weight if prompt_weight is None else prompt_weight)
    ask = _ask(journey, model, prompt)
    if ask < 1:
        return None
    ledger = gate.ledger
    priority = journey.request.priority
    waiting = gate.room.waiting_for(deployment.id, priority)
    if priority is _BACKGROUND:
        room = room_beside(ledger.view(deployment, now), prompt, gate.policy.background_keeps)
    elif not waiting and ledger.surely_fits(deployment, prompt, ask, now):
        return Plan(deployment, prompt, ask, ask)
    else:
        room = ledger.room(deployment, prompt, now)
    if room >= ask and not waiting:
        return Plan(deployment, prompt, ask, ask)
    floor = least(gate, journey, model.id, ask)
    if room >= floor:
        others = waiting + ledger.open_count(deployment)
        share = int(room * FILLED_SHARE) // (1 + others)
        return Plan(deployment, prompt, min(ask, max(floor, share)), ask)
    ceiling = ledger.ceiling(deployment, prompt)
    if ceiling < 1:
        return None
    floor = min(floor, ceiling)
    return Plan(deployment, prompt, floor, ask, fits_now=room >= floor)


def _fixed_plan(gate: "Gate", request: Request, amounts: Amounts, deployment: Deployment, now: Instant) -> Plan | None:
    if request.priority is _BACKGROUND:
        wait_s = wait_beside(gate.ledger.view(deployment, now), need_of(amounts), gate.policy.background_keeps)
    else:
        wait_s = gate.ledger.wait_s(deployment, amounts, now)
    if wait_s >= NEVER:
        return None
    fits_now = wait_s <= 0 and not gate.room.waiting_for(deployment.id, request.priority)
    return Plan(deployment, amounts.input_tokens, amounts.output_tokens, amounts.output_tokens, fits_now, amounts)


def least(gate: "Gate", journey: Journey, model: str, ask: int) -> int:
    """The smallest cap that is fair to the request: what nearly all answers of its kind need, or its whole ask."""
    if not gate.policy.fits:
        return ask
    return min(ask, max(journey.least_cap_tokens, gate.learned.lengths(model, journey.task).quantile_tokens))


def _ask(journey: Journey, model: Model, prompt_tokens: int) -> int:
    """What the client asks for here: its own maximum, or the model's when unset, within model and window."""
    asked = journey.request.ask_tokens
    window = model.context_window_tokens or UNKNOWN_WINDOW_TOKENS
    most, beside = model.max_output_tokens or window, window - prompt_tokens
    if most > beside:
        most = beside
    return most if asked is None or asked > most else asked


def pick(gate: "Gate", journey: Journey, now: Instant, accepts: Accepts | None = None) -> Plan | None:
    """The first candidate in order that can run now."""
    return _pick(gate, journey, journey.request.candidates, now, accepts)


def pick_elsewhere(gate: "Gate", journey: Journey, now: Instant, accepts: Accepts | None = None) -> Plan | None:
    """The first model that can run now of a provider that was not asked yet: of one among the candidates, then of those
    that stand in. Whoever has failed this request is passed over, so that a chain is gone through and never back."""
    request, tried = journey.request, {each.provider for each in journey.tried}
    models = (*request.candidates, *request.elsewhere) if tried else request.elsewhere
    if not models:
        return None

    def untried(deployment: Deployment) -> bool:
        return deployment.provider not in tried and (accepts is None or accepts(deployment))

    return _pick(gate, journey, models, now, untried)


def _pick(gate: "Gate", journey: Journey, models: Sequence[str], now: Instant, accepts: Accepts | None) -> Plan | None:
    """The first place that can run now. After a failure of a place's health whoever was called already comes after all
    others: else two that are down would be asked in turn while a third is well."""
    failure, again = journey.failure, None
    is_wary = failure is not None and failure.kind in UNHEALTHY
    for deployment in _places_of(gate, journey, models, now):
        if (accepts is None or accepts(deployment)) and allowed(gate, journey, deployment, now):
            plan = plan_at(gate, journey, deployment, now)
            if plan is not None and plan.fits_now:
                if not (is_wary and deployment.id in journey.called):
                    return plan
                again = again or plan
    return again


def options(gate: "Gate", journey: Journey, now: Instant) -> tuple[Option, ...]:
    """Every deployment that the request could wait for, with the least that it would take there."""
    found, fixed = [], journey.request.fixed
    for deployment in candidates(gate, journey, now):
        name = deployment.id
        if name in journey.excluded or not gate.pool.is_up(deployment, now):
            continue
        if name in journey.called and not gate.repeat_allowed(name, now):
            continue
        if fixed is not None:
            if gate.ledger.wait_s(deployment, fixed, now) < NEVER:
                found.append(Option(deployment, fixed))
            continue
        model = gate.models[deployment.model]
        prompt = gate.learned.prompt_tokens(model.id, journey.prompt_weight)
        ask = _ask(journey, model, prompt)
        floor = min(least(gate, journey, model.id, ask), gate.ledger.ceiling(deployment, prompt))
        if floor >= 1:
            found.append(Option(deployment, Amounts(prompt, floor)))
    return tuple(found)


def ticket(gate: "Gate", journey: Journey, now: Instant) -> Ticket | None:
    """A place in the waiting room, or None when waiting cannot help: nothing to wait for, no time, no room,
    or a forecast that is half again as long as the request's patience."""
    request = journey.request
    expires_at = min(request.patience_until, request.deadline_at - gate.policy.least_call_s)
    if expires_at <= now or gate.room.is_full:
        return None
    found = options(gate, journey, now)
    if not found or all(gate.ledger.wait_s(o.deployment, o.amounts_minimum, now) > expires_at - now for o in found):
        return None
    cost = mean_cost(gate, journey, found[0].deployment.model)
    forecast = gate.room.forecast(gate.ledger, found, cost, request.priority, now, request.fairness_key)
    smallness = min(MOST_SMALLNESS, max(1.0, gate.room.mean_cost_tokens() / cost))
    if forecast - now > gate.policy.early_refusal_factor * smallness * (expires_at - now):
        return None
    kept = gate.policy.background_keeps if request.priority is _BACKGROUND else 0.0
    return Ticket(request.id, request.fairness_key, request.priority, now, expires_at, found, cost, kept=kept)


def mean_cost(gate: "Gate", journey: Journey, model: str) -> int:
    """What a request like this is expected to be settled at, in tokens."""
    if (fixed := journey.request.fixed) is not None:
        return max(1, fixed.input_tokens + fixed.output_tokens)
    prompt = gate.learned.prompt_tokens(model, journey.prompt_weight)
    mean = gate.learned.lengths(model, journey.task).mean_tokens
    return prompt + int(min(mean, journey.request.ask_tokens or mean))


def soonest(gate: "Gate", journey: Journey, now: Instant) -> Instant:
    """When the request could probably be served if it came again: the forecast for a newcomer. NEVER if not at all."""
    found = options(gate, journey, now)
    if not found:
        return NEVER
    first = min(gate.ledger.wait_s(o.deployment, o.amounts_minimum, now) for o in found)
    cost = mean_cost(gate, journey, found[0].deployment.model)
    return max(now + first, gate.room.forecast(gate.ledger, found, cost, journey.request.priority, now))
