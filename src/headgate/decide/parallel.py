"""How many requests of a kind may be under way at once: what the quotas let through, times how long one takes.

More than that would only wait. Reads the gate, changes nothing.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from headgate.decide import routing
from headgate.decide.journey import Journey
from headgate.decide.learned import weight
from headgate.domain.limits import Amounts, Deployment
from headgate.domain.request import Request
from headgate.domain.time import Instant, Seconds
from headgate.quota.bucket import need_of

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

HORIZON_S: Final[Seconds] = 5.0
"""What is free now is used up in about this time, beside what drains in it."""
MARGIN: Final = 1.5
"""Requests differ in length: with just enough of them some quota would lie idle."""
USUAL_S: Final[Seconds] = 2.0
"""How long a request takes at a model of which nothing is known."""
WITHOUT_LIMIT: Final = 32
"""At once at a deployment that no limit is known of: a server of one's own."""
MOST: Final = 256


def at_once(gate: "Gate", requests: Iterable[Request], now: Instant, takes_s: Seconds | None = None) -> int:
    """From 1 to MOST, for requests of these kinds. `takes_s` is how long such ones were seen to take, without waiting
    for quota."""
    places: dict[str, float] = {}
    for request in requests:
        journey = Journey(request)
        journey.prompt_weight, journey.task, journey.turn = weight(request.prompt), request.task or "", gate.turn
        for each in routing.candidates(gate, journey, now):
            place = gate.ledger.canonical(each)
            if place.id not in places and gate.is_usable(place, now):
                places[place.id] = _at(gate, journey, place, now, takes_s)
    return max(1, min(MOST, math.ceil(sum(places.values()))))


def _at(gate: "Gate", journey: Journey, place: Deployment, now: Instant, takes_s: Seconds | None) -> float:
    """How many of one deployment's requests are under way when its quota is used up."""
    mean = routing.mean_cost(gate, journey, place.model)
    output = min(mean, int(gate.learned.lengths(place.model, journey.task).mean_tokens))
    need = need_of(Amounts(mean - output, output))
    view = gate.ledger.view(place, now)
    rates = [
        max(0.0, row.free + row.drain * (HORIZON_S - view.ready_in_s)) / HORIZON_S / need[row.selector]
        for row in view.rows
        if need[row.selector]
    ]
    if not rates:
        return WITHOUT_LIMIT
    return min(rates) * (takes_s or usual_s(gate, place.model, output)) * MARGIN


def usual_s(gate: "Gate", model: str, output_tokens: int) -> Seconds:
    """How long a request takes at a model, by what was learned of it, else by the catalogue."""
    speed = gate.learned.speed(model)
    per_s = speed.tokens_per_s or gate.models[model].tokens_per_s or 0
    return speed.first_s + output_tokens / per_s if per_s else USUAL_S
