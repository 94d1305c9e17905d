"""What a client is told where no key reaches any place that could serve it: a key helps, or another model; waiting does
not."""

from typing import TYPE_CHECKING

from headgate.catalog import PROVIDERS
from headgate.decide import routing
from headgate.decide.journey import Journey
from headgate.domain.time import Instant

if TYPE_CHECKING:
    from headgate.decide.gate import Gate


def told(gate: "Gate", journey: Journey, now: Instant) -> str | None:
    """The text; None where some place could be reached, or the caller brought a key of its own."""
    request = journey.request
    if request.own_key is not None or next(routing.every_place(gate, journey, now), None) is not None:
        return None
    missing: dict[str, list[str]] = {}
    for model in request.candidates:
        missing.setdefault(gate.models[model].provider, []).append(model)
    reached = dict.fromkeys(key.provider for key in gate.pool.keys.values() if key.id not in gate.pool.removed)
    texts = [_of_provider(gate, provider, models) for provider, models in missing.items()]
    if reached:
        texts.append(f"Or ask a model of {' or '.join(reached)}.")
    return " ".join(texts)


def _of_provider(gate: "Gate", provider: str, models: list[str]) -> str:
    row = PROVIDERS.get(provider)
    fix = f"add a key of {provider} to the settings" if row is None else f"set {row.key_variable}"
    served = ", ".join(models)
    if any(key.provider == provider for key in gate.pool.keys.values()):
        return f"{provider}, which serves {served}, has refused every key that this gateway has: {fix} to a good one."
    return f"There is no key for {provider}, which serves {served}: {fix}."
