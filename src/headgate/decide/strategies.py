"""In which order a request's deployments are tried, by the strategy of its route. Quota has its say afterwards.

Whoever comes first is only preferred: what cannot run now is passed over. The order of one request never changes while
it is under way, except where what it goes by has changed (headroom, latency).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf, log
from typing import TYPE_CHECKING, Final

from headgate.decide.journey import Journey
from headgate.domain.limits import Deployment
from headgate.domain.request import Strategy
from headgate.domain.time import Instant

if TYPE_CHECKING:
    from headgate.decide.gate import Gate

HASH_BYTES: Final = 6
HASHES: Final = 1 << 8 * HASH_BYTES
UNKNOWN_PRICE_NANOUSD: Final = 10**15
"""A model whose price nobody states counts as dearer than any."""
UNKNOWN_TOKENS_PER_S: Final = 80
"""What a model generates whose speed nobody states and nothing showed: its streams told only when they began."""
EXPECTED_OUTPUT_TOKENS: Final = 256
"""How long an answer is taken to be when costs and latencies are compared."""


def ordered(gate: "Gate", journey: Journey, found: Sequence[Deployment], now: Instant) -> Sequence[Deployment]:
    """All of `found` (in the order of priority) in the order of the request's strategy; equals keep theirs."""
    strategy = journey.request.strategy
    if strategy is Strategy.PRIORITY or len(found) < 2:
        return found
    return _ORDERS[strategy](gate, journey, found, now)


def _weighted(_gate: "Gate", journey: Journey, found: Sequence[Deployment], _now: Instant) -> Sequence[Deployment]:
    """A draw without putting back, by weight: each waits for a time drawn from the exponential distribution of its
    weight, and the shortest goes first (Efraimidis and Spirakis, 2006). A weight stands for a model or a provider, so
    its places share it. The draw is made from the request's id: it is the same whenever it is asked for. A checksum
    would not do: those of two places would differ by a constant.
    """
    request = journey.request
    weights = dict(request.weights)
    names = {each.id: _weighed_as(each, weights) for each in found}
    sharing = Counter(names.values())

    def drawn(deployment: Deployment) -> float:
        name = names[deployment.id]
        weight = (weights.get(name, 0) if weights else 1) / sharing[name]
        if weight <= 0:
            return inf
        digest = hashlib.blake2b(f"{request.id} {deployment.id}".encode(), digest_size=HASH_BYTES).digest()
        return -log((int.from_bytes(digest) + 0.5) / HASHES) / weight

    return sorted(found, key=drawn)


def _weighed_as(deployment: Deployment, weights: dict[str, int]) -> str:
    """What the deployment has its weight from; where none are given all places weigh the same."""
    if not weights:
        return deployment.id
    return deployment.model if deployment.model in weights else deployment.provider


def _round_robin(_gate: "Gate", journey: Journey, found: Sequence[Deployment], _now: Instant) -> Sequence[Deployment]:
    first = journey.turn % len(found)
    return (*found[first:], *found[:first])


def _least_latency(gate: "Gate", _journey: Journey, found: Sequence[Deployment], _now: Instant) -> Sequence[Deployment]:
    """By the learned time of an answer of usual length; one that has not answered yet goes first, to be learned."""

    def expected_s(deployment: Deployment) -> float:
        speed = gate.learned.speed(deployment.model)
        if not (speed.seen or speed.tokens_per_s):
            return 0.0
        tokens_per_s = speed.tokens_per_s or gate.models[deployment.model].tokens_per_s or UNKNOWN_TOKENS_PER_S
        return speed.first_s + EXPECTED_OUTPUT_TOKENS / tokens_per_s

    return sorted(found, key=expected_s)


def _least_cost(gate: "Gate", journey: Journey, found: Sequence[Deployment], _now: Instant) -> Sequence[Deployment]:
    def expected_nanousd(deployment: Deployment) -> int:
        model = gate.models[deployment.model]
        if model.input_nanousd_per_mtok is None or model.output_nanousd_per_mtok is None:
            return UNKNOWN_PRICE_NANOUSD
        prompt = gate.learned.prompt_tokens(model.id, journey.prompt_weight)
        return prompt * model.input_nanousd_per_mtok + EXPECTED_OUTPUT_TOKENS * model.output_nanousd_per_mtok

    return sorted(found, key=expected_nanousd)


def _most_headroom(gate: "Gate", _journey: Journey, found: Sequence[Deployment], now: Instant) -> Sequence[Deployment]:
    """By the free share of the fullest bucket; one that cools has none, one without limits has all."""

    def headroom(deployment: Deployment) -> float:
        view = gate.ledger.view(deployment, now)
        if view.ready_in_s > 0:
            return -1.0
        return min((row.free / row.limit for row in view.rows), default=1.0)

    return sorted(found, key=headroom, reverse=True)


_Order = Callable[["Gate", Journey, Sequence[Deployment], Instant], Sequence[Deployment]]

_ORDERS: Final[dict[Strategy, _Order]] = {
    Strategy.WEIGHTED: _weighted,
    Strategy.ROUND_ROBIN: _round_robin,
    Strategy.LEAST_LATENCY: _least_latency,
    Strategy.LEAST_COST: _least_cost,
    Strategy.MOST_HEADROOM: _most_headroom,
}
