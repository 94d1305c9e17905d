"""Settings to the cache tiers behind memory: each is switched on by its URL, and guarded."""

from collections.abc import Callable, Iterable
from typing import Final

from headgate.runtime.cache import FarTier
from headgate.runtime.clock import Clock
from headgate.runtime.settings import InvalidSettings, Settings
from headgate.store.extras import MissingExtra
from headgate.store.folder_sweep import Sweeper
from headgate.store.guarded_tier import CountedTier, GuardedTier, GuardLimits
from headgate.store.object_tier import InvalidPlace, ObjectTier, place_of
from headgate.store.redis_tier import RedisTier

WRITES_TAKE: Final = 10
"""How many look-ups' patience a write may take: nobody waits for it."""


def far_tiers(settings: Settings, clock: Clock) -> tuple[FarTier, ...]:
    """The tiers behind memory, nearest first. Raises InvalidSettings for one that cannot be made; whether it can be
    reached shows later."""
    asked = settings.cache
    tiers: list[FarTier] = []
    if asked.redis is not None:
        url = asked.redis.reveal()
        redis = _made("redis", "is not the URL of a Redis", lambda: RedisTier(url, wall=clock.wall))
        tiers.append(FarTier(_guarded(redis, asked.redis_timeout_ms, clock), asked.redis_ttl_s))
    if asked.object is not None:
        text = asked.object.reveal()
        objects = _made("object", "is no place for objects", lambda: ObjectTier(place_of(text), wall=clock.wall))
        tiers.append(FarTier(_guarded(objects, asked.object_timeout_ms, clock), asked.object_ttl_s))
    return tuple(tiers)


def sweeper_of(settings: Settings, clock: Clock) -> Sweeper | None:
    """What keeps the folder of an object tier within its bounds; None where there is none."""
    asked = settings.cache
    folder = None if asked.object is None or not asked.enabled else place_of(asked.object.reveal()).folder
    return None if folder is None else Sweeper(folder, wall=clock.wall, max_bytes=asked.object_max_bytes)


def guarded(far: Iterable[FarTier]) -> tuple[GuardedTier, ...]:
    """The guards of tiers that `far_tiers` made: their `health()` tells how each is."""
    return tuple(each.tier for each in far if isinstance(each.tier, GuardedTier))


async def tell_of_trouble(tiers: Iterable[GuardedTier], tell: Callable[[str], None]) -> None:
    """Tell an operator of tiers that cannot be reached at the start, which is no reason not to start."""
    for tier in tiers:
        if fault := await tier.trouble():
            tell(f"The {tier.name} cache tier cannot be used ({fault}): Headgate goes without it until it can.")


def _guarded(tier: CountedTier, timeout_ms: int, clock: Clock) -> GuardedTier:
    look_up_s = timeout_ms / 1000
    return GuardedTier(tier, GuardLimits(look_up_s, WRITES_TAKE * look_up_s), clock.now)


def _made(key: str, what: str, make: Callable[[], CountedTier]) -> CountedTier:
    """The tier; the words about one that cannot be made never show its URL, which may hold a password."""
    try:
        return make()
    except MissingExtra as missing:
        told = InvalidSettings("settings", f"cache.{key}", "needs a part that is not installed", missing.fix)
    except InvalidPlace as problem:
        told = InvalidSettings("settings", f"cache.{key}", what, str(problem))
    except OSError as problem:
        told = InvalidSettings(
            "settings", f"cache.{key}", f"cannot be used: {problem.strerror}", "choose another place"
        )
    except ValueError:
        told = InvalidSettings("settings", f"cache.{key}", what, "write it as docs/configuration.md shows")
    raise told from None
