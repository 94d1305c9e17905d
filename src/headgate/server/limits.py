"""The door of `GET /limits`: how much of every quota is spent, as the ledger sees it now. It reads and changes nothing.

Whose quota it is stays between the operator and the provider: other tenants see models and levels, no organisation,
and nothing of what other callers' own keys have spent.
"""

from typing import Final

import msgspec

from headgate.decide.gate import Gate
from headgate.domain.limits import Deployment
from headgate.domain.time import Instant, Seconds
from headgate.quota.meter import Meter
from headgate.server.visit import Visit

OWN: Final = "own-"
"""How the organisation of a caller's own key is called (decide/pool.py)."""

MOST_SHOWN: Final = 1_000


class BucketShown(msgspec.Struct, frozen=True):
    """One limit: `level` of `limit` is spent, and `per_s` of it drains every second."""

    dimension: str
    limit: int
    level: float
    per_s: float


class CooldownShown(msgspec.Struct, frozen=True):
    """Not used for so long; `source` is who says so."""

    seconds: Seconds
    source: str
    reason: str


class DeploymentShown(msgspec.Struct, frozen=True):
    """One model at one organisation. `open` calls hold reservations, which are in the levels."""

    provider: str
    organisation: str | None
    model: str
    open: int
    is_usable: bool
    cooldown: CooldownShown | None
    buckets: tuple[BucketShown, ...]


class LimitsShown(msgspec.Struct, frozen=True):
    """The answer: every deployment that was asked for or was brought back, up to a thousand."""

    data: tuple[DeploymentShown, ...]
    has_more: bool
    object: str = "list"


async def limits(visit: Visit) -> None:
    """`GET /limits`."""
    gateway, identity = visit.gateway, visit.identity
    sees_all = identity.admin or gateway.door.is_open
    shown = limits_shown(gateway.driver.gate, gateway.now(), own_key=identity.own_key_id, sees_all=sees_all)
    await visit.reply(msgspec.json.encode(shown))


def limits_shown(gate: Gate, now: Instant, *, own_key: str | None, sees_all: bool) -> LimitsShown:
    """What one caller may see of a gate."""
    meters = [meter for meter in gate.ledger.meters() if sees_all or _may_see(meter.deployment, own_key)]
    return LimitsShown(
        tuple(_shown(gate, meter, now, named=sees_all) for meter in meters[:MOST_SHOWN]), len(meters) > MOST_SHOWN
    )


def _may_see(deployment: Deployment, own_key: str | None) -> bool:
    organisation = deployment.organisation
    return not organisation.startswith(OWN) or organisation == f"{OWN}{own_key}"


def _shown(gate: Gate, meter: Meter, now: Instant, *, named: bool) -> DeploymentShown:
    deployment, cooldown = meter.deployment, meter.cooldown
    return DeploymentShown(
        deployment.provider,
        deployment.organisation if named else None,
        deployment.model,
        meter.open,
        gate.is_usable(deployment, now),
        None
        if cooldown is None or cooldown.until <= now
        else CooldownShown(round(cooldown.until - now, 3), cooldown.source.value, cooldown.reason),
        tuple(
            BucketShown(b.dimension.value, b.limit, round(b.level_at(now), 3), round(b.rate, 6)) for b in meter.buckets
        ),
    )
