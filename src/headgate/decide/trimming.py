"""When a prompt is trimmed, and to which weight: only where the request's route allows it, and never if it fits whole.

The words are trimmed by whoever writes them (`runtime.errand`); here only their weight is known. What they can be
trimmed to at the least stands in the request (`trims_to`).
"""

from typing import TYPE_CHECKING, Final

from headgate.decide import routing
from headgate.decide.fitting import SHARE, most
from headgate.decide.journey import Journey, Plan
from headgate.decide.learned import weight
from headgate.decide.remedies import Remedy
from headgate.domain.limits import Deployment
from headgate.domain.time import Instant

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

HALF: Final = 0.5
"""What is left of a prompt that was refused as too large, unless less is known to fit."""
MOST_OF_IT: Final = 0.9
"""A prompt that cannot be trimmed below this share of itself is not called again."""
ANSWER_SHARE: Final = 0.25
"""How much of what prompt and answer have together is kept for the answer, at the most."""


def before_the_first_call(gate: "Gate", journey: Journey, now: Instant) -> None:
    """Trim a prompt of which the estimate says that no place will ever hold it beside a usual answer."""
    request = journey.request
    if not request.trims_to or _is_held(gate, journey, now):
        return
    rooms = [
        (gate.learned.weight_within(place.model, tokens), place.model)
        for place in routing.candidates(gate, journey, now)
        if (tokens := room_tokens(gate, journey, place)) > 0
    ]
    room, model = max(rooms, default=(0.0, ""))
    if request.trims_to <= room < journey.prompt_weight:
        trim(gate, journey, model, room)
        gate.remedy_taken(Remedy.TRIM)


def _is_held(gate: "Gate", journey: Journey, now: Instant) -> bool:
    """Whether any place would hold the whole prompt and a usual answer, with everything else out of the way."""
    request = journey.request
    for place in routing.every_place(gate, journey, now):
        plan = routing.plan_at(gate, journey, place, now)
        if plan is not None:
            lengths = gate.learned.lengths(place.model, journey.task)
            least = min(int(lengths.mean_tokens), request.ask_tokens or int(lengths.mean_tokens))
            if plan.ask_tokens >= least and gate.ledger.ceiling(place, plan.prompt_tokens) >= least:
                return True
    return False


def room_tokens(gate: "Gate", journey: Journey, place: Deployment) -> int:
    """The most tokens that a prompt may have at a place: a share of the model's window and of its empty buckets, less
    what most answers of its kind need."""
    window = gate.models[place.model].context_window_tokens or routing.UNKNOWN_WINDOW_TOKENS
    whole = int(window * SHARE)
    whole = most(lambda tokens: gate.ledger.ceiling(place, int(tokens / SHARE)) >= 0, whole)
    answer = gate.learned.lengths(place.model, journey.task).quantile_tokens
    answer = min(answer, journey.request.ask_tokens or answer, int(whole * ANSWER_SHARE))
    return most(lambda tokens: gate.ledger.ceiling(place, int(tokens / SHARE)) >= answer, whole - answer)


def halved(gate: "Gate", journey: Journey, failed: Plan, now: Instant) -> tuple[float, Plan] | None:
    """Half of the prompt, or less where that is known not to fit, where it failed: its weight, and the plan for it.
    None where it may not or cannot be trimmed, or would have no place there in time."""
    request, place = journey.request, failed.deployment
    if not request.trims_to:
        return None
    fits = gate.learned.weight_within(place.model, room_tokens(gate, journey, place))
    target = max(min(journey.prompt_weight * HALF, fits), request.trims_to + _added(journey))
    if target > fits or target > journey.prompt_weight * MOST_OF_IT:
        return None
    plan = routing.plan_at(gate, journey, place, now, target)
    if plan is None:
        return None
    ends_at = min(request.patience_until, request.deadline_at - gate.policy.least_call_s)
    if not plan.fits_now and now + gate.ledger.wait_s(place, plan.amounts(), now) > ends_at:
        return None
    return target, plan


def trim(gate: "Gate", journey: Journey, model: str, target: float) -> None:
    """From now on the request's words weigh at most this."""
    if not journey.trimmed_from:
        journey.trimmed_from = gate.learned.prompt_tokens(model, journey.prompt_weight)
    journey.trim_to = target - _added(journey)
    journey.prompt_weight = target


def _added(journey: Journey) -> float:
    """What our own words for this request weigh beside the client's."""
    return journey.prompt_weight - (journey.trim_to or weight(journey.request.prompt))
