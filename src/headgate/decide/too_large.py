"""What a client is told whose prompt no limit of any place would ever hold: a shorter one helps; waiting does not."""

from typing import TYPE_CHECKING

from headgate.decide import routing
from headgate.decide.journey import Journey
from headgate.domain.time import Instant

if TYPE_CHECKING:
    from headgate.decide.gate import Gate


def told(gate: "Gate", journey: Journey, now: Instant) -> str | None:
    """The text; None where some place could hold the prompt, or what a call takes is not made of prompt and answer."""
    if journey.request.fixed is not None:
        return None
    largest = 0
    for place in routing.every_place(gate, journey, now):
        prompt = gate.learned.prompt_tokens(place.model, journey.prompt_weight)
        if gate.ledger.ceiling(place, prompt) >= 1:
            return None
        largest = max(largest, prompt)
    if not largest:
        return None
    models = ", ".join(journey.request.candidates)
    return (
        f"The prompt of about {largest:,} tokens is more than the limits of {models} here hold at once. Shorten it, or "
        "ask the operator for a larger plan. Retrying will not help."
    )
