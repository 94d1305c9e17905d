"""When a request would be admitted, if all before it flow through the same deployments like water. Changes nothing."""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from headgate.domain.limits import Dimension
from headgate.domain.time import NEVER, Seconds
from headgate.quota.answers import View
from headgate.quota.bucket import REQUESTS, SELECTOR, TOKENS, Need
from headgate.quota.meter import wait_in

Ahead: TypeAlias = tuple[tuple[str, ...], float, float]
"""(deployment ids they may use, how many requests, how many tokens they are expected to settle at)."""

Flow: TypeAlias = tuple[Seconds, float, float]
"""(when it starts to give, what it gives at once, what it gives a second after that)."""

FLUID: Final = tuple(d for d in Dimension if SELECTOR[d] in (REQUESTS, TOKENS))
"""The dimensions in which the mean cost of waiting requests is known."""


def admission_in_s(views: Sequence[View], needs: Sequence[Need], ahead: Iterable[Ahead]) -> Seconds:
    """How long until one of the deployments can take its need, after those ahead; NEVER if none ever can.

    Those ahead spread over all that they may use by drain, so only the share that falls on these deployments counts.
    """
    possible = [(v, n, w) for v, n in zip(views, needs, strict=True) if (w := wait_in(v, n)) < NEVER]
    if not possible:
        return NEVER
    soonest_s = min(wait_s for _, _, wait_s in possible)
    ours = {view.id for view, _, _ in possible}
    requests = tokens = 0.0
    for ids, count, cost in ahead:
        shared = sum(1 for id_ in ids if id_ in ours)
        if shared:
            requests += count * shared / len(ids)
            tokens += cost * shared / len(ids)
    if not requests:
        return soonest_s
    least = min((need for _, need, _ in possible), key=lambda need: need[TOKENS])
    for dimension in FLUID:
        flows = _flows([view for view, _, _ in possible], dimension)
        if flows is None:
            continue
        by_request = SELECTOR[dimension] == REQUESTS
        asked = requests + 1.0 if by_request else tokens + least[TOKENS]
        soonest_s = max(soonest_s, _filled_in_s(flows, asked))
    return soonest_s


def _flows(views: Iterable[View], dimension: Dimension) -> list[Flow] | None:
    """What each deployment gives in a dimension, or None when one of them has no limit there."""
    flows: list[Flow] = []
    for view in views:
        row = next((row for row in view.rows if row.dimension is dimension), None)
        if row is None:
            return None
        start_s = view.ready_in_s
        at_once = min(float(row.limit), row.free + start_s * row.drain)
        if at_once < 0.0:  # overdrawn: it gives nothing until it has recovered, and takes nothing from the others
            start_s, at_once = start_s - at_once / row.drain, 0.0
        flows.append((start_s, at_once, row.drain))
    return sorted(flows)


def _filled_in_s(flows: Sequence[Flow], asked: float) -> Seconds:
    """When flows that start one after the other have given what is asked."""
    given, rate, at_s = 0.0, 0.0, 0.0
    for start_s, at_once, drain in flows:
        if rate and given + rate * (start_s - at_s) >= asked:
            break
        given += rate * (start_s - at_s) + at_once
        rate += drain
        at_s = start_s
    return at_s + max(0.0, asked - given) / rate if rate else NEVER
