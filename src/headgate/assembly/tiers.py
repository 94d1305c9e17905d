"""Settings to the cache tiers behind memory: each switched on by its URL or beside the store, and guarded."""

import hashlib
import importlib.util
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import msgspec

from headgate.runtime.cache import FarTier
from headgate.runtime.clock import Clock
from headgate.runtime.settings import InvalidSettings, Settings
from headgate.runtime.settings_secret import Secret
from headgate.store.extras import MissingExtra
from headgate.store.folder_sweep import Sweeper
from headgate.store.guarded_tier import CountedTier, GuardedTier, GuardLimits
from headgate.store.object_tier import InvalidPlace, ObjectTier, check_place, place_of
from headgate.store.redis_tier import RedisTier
from headgate.store.sqlite import SqliteStore

T = TypeVar("T")
ANSWERS_FOLDER: Final = "answers"
"""Beside the store's file."""
NO_REDIS: Final = "is not the URL of a Redis"
NO_OBJECTS: Final = "is no place for objects"
WRITES_TAKE: Final = 10
"""How many look-ups' patience a write may take: nobody waits for it."""


def far_tiers(settings: Settings, clock: Clock) -> tuple[FarTier, ...]:
    """The tiers behind memory, nearest first. Raises InvalidSettings for one that cannot be made; whether it can be
    reached shows later."""
    asked = settings.cache
    tiers: list[FarTier] = []
    if asked.redis is not None:
        url = asked.redis.reveal()
        redis = _made("redis", NO_REDIS, lambda: RedisTier(url, wall=clock.wall))
        tiers.append(FarTier(_guarded(redis, asked.redis_timeout_ms, clock), asked.redis_ttl_s))
    place = asked.object_place
    if place is not None:
        objects = _made("object", NO_OBJECTS, lambda: ObjectTier(place_of(place), wall=clock.wall))
        tiers.append(FarTier(_guarded(objects, asked.object_timeout_ms, clock), asked.object_ttl_s))
    return tuple(tiers)


def check_tiers(settings: Settings, clock: Clock) -> None:
    """Raises InvalidSettings where `far_tiers` would, and neither makes a folder nor asks anybody."""
    asked, place = settings.cache, settings.cache.object_place
    if asked.redis is not None:
        url = asked.redis.reveal()
        _made("redis", NO_REDIS, lambda: RedisTier(url, wall=clock.wall))
    if place is not None:
        _made("object", NO_OBJECTS, lambda: check_place(place_of(place)))


def with_usual_folder(settings: Settings, store: SqliteStore | None) -> Settings:
    """The settings with the usual object tier, where they say nothing of one: a folder beside the store that is to hold
    what the upstreams say; None where they only pretend. Each set of upstreams has its own, since a model of one name
    may be another one elsewhere."""
    if store is None or settings.cache.object is not None or importlib.util.find_spec("obstore") is None:
        return settings
    origins = sorted(each.origin for provider in settings.providers for each in provider.endpoints)
    folder = store.path.with_name(ANSWERS_FOLDER) / hashlib.sha256("\n".join(origins).encode()).hexdigest()[:16]
    cache = msgspec.structs.replace(settings.cache, object=Secret(str(folder)))
    return msgspec.structs.replace(settings, cache=cache)


def sweeper_of(settings: Settings, clock: Clock) -> Sweeper | None:
    """What keeps the folder of an object tier within its bounds; None where there is none."""
    asked = settings.cache
    folder = None if asked.object_place is None or not asked.enabled else place_of(asked.object_place).folder
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


def _made(key: str, what: str, make: Callable[[], T]) -> T:
    """What `make` gives; the words about one that cannot be made never show its URL, which may hold a password."""
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
