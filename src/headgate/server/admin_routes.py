"""The table of the operators' paths, and the doors of health and of the cache."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headgate.cache.counts import CacheStats
from headgate.cache.marks import Kind
from headgate.cache.tier_health import TierHealth
from headgate.runtime.cache import Cache, Invalidated
from headgate.server.admin import AdminRoute, AdminVisit, Role
from headgate.server.admin_metrics import health_of, metrics
from headgate.server.errors import invalid

Named = Annotated[str, Meta(min_length=1, max_length=200)]
DOWN: Final = "down"
DELETED: Final = "deleted"
ABSENT: Final = "absent"


class Health(msgspec.Struct, frozen=True):
    """What the listener says to whoever asks."""

    status: str = "ok"


class CacheTold(msgspec.Struct, frozen=True):
    """`GET /admin/cache`. `stats` is None where the cache is switched off; `health` is of the tiers behind memory."""

    enabled: bool
    stats: CacheStats | None = None
    warning: str = ""
    health: tuple[TierHealth, ...] = ()


class Invalidate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be forgotten: exactly one of them."""

    key: Named | None = None
    tag: Named | None = None
    model: Named | None = None
    tenant: Named | None = None
    all: bool = False

    def asked(self) -> list[tuple[Kind, str]]:
        """What was given."""
        named = [(kind, getattr(self, kind.value)) for kind in (Kind.KEY, Kind.TAG, Kind.MODEL, Kind.TENANT)]
        return [(kind, value) for kind, value in named if value is not None] + [(Kind.ALL, "")] * self.all


class InvalidateTold(msgspec.Struct, frozen=True):
    """What was forgotten. `complete` is false when a tier did not answer: it is told again until it does, and in this
    process the entries are void at once."""

    kind: str
    value: str
    tiers: dict[str, str]
    complete: bool


async def health(visit: AdminVisit) -> None:
    """`GET /admin/health`: that somebody is there."""
    await visit.tell(Health())


async def shown_cache(visit: AdminVisit) -> None:
    """`GET /admin/cache`: all counts, and the hit rates of the last minutes."""
    cache = visit.gateway.cache
    told = CacheTold(False) if cache is None else CacheTold(True, cache.stats(), cache.warning, health_of(cache))
    await visit.tell(told)


async def invalidate(visit: AdminVisit) -> None:
    """`POST /admin/cache/invalidate` with one of `key`, `tag`, `model`, `tenant`, `all`."""
    cache = await _cache(visit)
    if cache is None:
        return
    body = await visit.body()
    if body is None:
        return
    try:
        asked = msgspec.json.decode(body, type=Invalidate).asked()
    except (msgspec.DecodeError, UnicodeError) as error:
        await visit.refuse(invalid(f"The body cannot be understood: {error}."))
        return
    if len(asked) != 1:
        await visit.refuse(invalid('Give exactly one of "key", "tag", "model", "tenant", or "all": true.'))
        return
    kind, value = asked[0]
    if kind is Kind.MODEL:
        meant = visit.gateway.catalog.resolve(value)
        value = value if meant is None or meant.model is None else meant.model.id
    await visit.tell(_told(await cache.invalidate(kind, value)))


async def deleted(visit: AdminVisit) -> None:
    """`DELETE /admin/cache/{key}`: forget one entry; 404 where no tier has it."""
    cache = await _cache(visit)
    if cache is None:
        return
    done = await cache.invalidate(Kind.KEY, visit.given["key"])
    if all(what == ABSENT for what in done.tiers.values()):
        await visit.refuse(invalid("No tier has an entry of this key.", status=404))
    else:
        await visit.tell(_told(done))


async def _cache(visit: AdminVisit) -> Cache | None:
    """The cache; None when it is off, which was told."""
    cache = visit.gateway.cache
    if cache is None:
        await visit.refuse(invalid("The cache is switched off ([cache] enabled = false).", status=409))
    return cache


def _told(done: Invalidated) -> InvalidateTold:
    return InvalidateTold(done.kind.value, done.value, done.tiers, DOWN not in done.tiers.values())


ROUTES: Final = (
    AdminRoute("GET", "/admin/health", Role.ANYBODY, health),
    AdminRoute("GET", "/admin/cache", Role.OPERATOR, shown_cache),
    AdminRoute("POST", "/admin/cache/invalidate", Role.OPERATOR, invalidate),
    AdminRoute("DELETE", "/admin/cache/{key}", Role.OPERATOR, deleted),
    AdminRoute("GET", "/metrics", Role.OPERATOR, metrics),
)
