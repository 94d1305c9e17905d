"""Brings back at a start what a former life of the process knew of quota, as far as it still holds.

The settings' word comes first: limits that they state, keys that are no longer there, secrets that were changed.
Everything is read before anything is taken over, so that a state that cannot be used leaves a fresh gate behind.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headgate.decide.gate import Gate
from headgate.decide.learned import Learned
from headgate.domain.limits import Deployment, Dimension
from headgate.domain.time import Instant
from headgate.quota.meter import Meter
from headgate.store.contract import StateStore
from headgate.store.kept import (
    LEARNED,
    POOL,
    KeptMeter,
    KeptPool,
    Passage,
    Unreadable,
    changed_keys,
    decode,
    revive_circuit,
    revive_meter,
    revive_pool,
)
from headgate.store.problems import StoreError
from headgate.store.rows import MeterRow

OWN: Final = "own-"
"""How the organisation of a caller's own key is called (decide/pool.py)."""

LimitsNow = Callable[[Deployment, Mapping[Dimension, int] | None], Mapping[Dimension, int]]
"""The limits of a deployment at the start, from those that were learned of it, or None where none were."""


class Restored(msgspec.Struct, frozen=True):
    """What was brought back. `problem` says why nothing was, or is ""."""

    deployments: int = 0
    cooling: int = 0
    problem: str = ""


class _Read(msgspec.Struct):
    pool: KeptPool | None
    pool_at: float
    learned: Learned | None
    meters: list[tuple[KeptMeter, float]]


async def restore(
    gate: Gate,
    state: StateStore,
    *,
    now: Callable[[], Instant],
    wall: Callable[[], float],
    limits: LimitsNow,
    prints: Mapping[str, str],
) -> Restored:
    """Bring a fresh gate to where the last life left it. Raises nothing: what cannot be used is said and left out."""
    try:
        read = await _read(state)
    except StoreError as error:
        return Restored(problem=f"it cannot be read: {error}")
    except Unreadable as why:
        return Restored(problem=str(why))
    return _take_over(gate, read, now(), wall(), limits, prints)


async def _read(state: StateStore) -> _Read:
    pool, learned = await state.find(POOL), await state.find(LEARNED)
    return _Read(
        None if pool is None else decode(pool.state, pool.version, KeptPool),
        0.0 if pool is None else pool.at,
        None if learned is None else decode(learned.state, learned.version, Learned),
        [_meter(row) for row in await state.meters()],
    )


def _meter(row: MeterRow) -> tuple[KeptMeter, float]:
    return decode(row.state, row.version, KeptMeter), row.at


def _take_over(
    gate: Gate, read: _Read, now: Instant, wall: float, limits: LimitsNow, prints: Mapping[str, str]
) -> Restored:
    joined: dict[str, str] = {}
    strangers: frozenset[str] = frozenset()
    if read.pool is not None:
        strangers = changed_keys(read.pool, gate.pool, prints)
        passage = Passage.of(read.pool.now, read.pool_at, now, wall)
        joined = revive_pool(read.pool, gate.pool, prints, passage)
    if read.learned is not None:
        gate.learned = read.learned
    meters, places = [], _places(gate)
    for kept, at in read.meters:
        passage = Passage.of(kept.now, at, now, wall)
        if passage is not None and _still_matters(gate, kept.meter.deployment, strangers, places):
            meters.append(_meter_of(gate, kept, passage, limits))
    gate.ledger.adopt(meters, joined, now)
    return Restored(len(meters), sum(meter.cooldown is not None for meter in meters))


def _places(gate: Gate) -> frozenset[str]:
    """Every organisation that a key reaches, as "provider:organisation"."""
    pool = gate.pool
    return frozenset(f"{key.provider}:{pool.canonical(key.provider, key.organisation)}" for key in pool.keys.values())


def _still_matters(gate: Gate, deployment: Deployment, strangers: frozenset[str], places: frozenset[str]) -> bool:
    """Whether a key still reaches the deployment, and is the one that did."""
    provider, organisation = deployment.provider, deployment.organisation
    if f"{provider}:{organisation}" in strangers or gate.catalog.model(deployment.model) is None:
        return False
    return organisation.startswith(OWN) or f"{provider}:{gate.pool.canonical(provider, organisation)}" in places


def _meter_of(gate: Gate, kept: KeptMeter, passage: Passage, limits: LimitsNow) -> Meter:
    """A meter of the former life with the limits of this one, and its circuit put in place."""
    meter = revive_meter(kept, passage)
    if circuit := revive_circuit(kept, passage):
        gate.circuits[meter.deployment.id] = circuit
    was_learned = meter.seen_requests is not None or meter.seen_tokens is not None or bool(meter.stated)
    meter.set_limits(limits(meter.deployment, meter.limits() if was_learned else None), (0, 0, 0, 0, 0), passage.now)
    meter.hold_back()
    return meter
