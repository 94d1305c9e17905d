"""What is kept of quota: its form in the store, and how it becomes true again in another life of the process.

Instants belong to one life. Each state carries the instant at which it was true, its row the wall time of the same
moment. The next life moves all instants so that as much time seems to have passed as did by the wall clock: levels
drain and cooldowns run on while the process is down. A wall clock that went backwards counts as no time at all, so
nothing drains and no cooldown ends early. Whatever is older than a day is empty or over by then, and is forgotten.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from headgate.decide.circuit import Circuit
from headgate.decide.pool import Pool
from headgate.domain.limits import DAY_S
from headgate.domain.time import Instant, Seconds
from headgate.quota.meter import Meter

VERSION: Final = 1
"""Of all states here. A field with a default is no new version; a changed meaning is."""

OLDEST_S: Final[Seconds] = DAY_S

POOL: Final = "pool"
LEARNED: Final = "learned"

ANONYMOUS: Final = "key-"
"""How the organisation of a key is called until a reply names it (`assembly`)."""


class KeptMeter(msgspec.Struct):
    """One deployment: its quota and the health of its circuit, as they were at `now`."""

    now: Instant
    meter: Meter
    circuit: Circuit | None = None


class KeptPool(msgspec.Struct):
    """What is out of use and who is who, as it was at `now`. `keys` maps a key's name to the print of its secret."""

    now: Instant
    keys: dict[str, str]
    removed: set[str]
    merged: dict[str, str]
    named: dict[str, str]
    out: dict[str, Instant]
    joined: dict[str, str]


class Unreadable(Exception):
    """A kept state is of a newer version, or no state at all."""


T = TypeVar("T")
encode: Final = msgspec.msgpack.Encoder().encode  # keeps infinities, which JSON does not


def decode(state: bytes, version: int, kind: type[T]) -> T:
    """A kept state. Raises Unreadable."""
    if version > VERSION:
        raise Unreadable(f"it is of version {version}, and this release knows {VERSION}")
    try:
        return msgspec.msgpack.decode(state, type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Unreadable(str(error)) from None


class Passage(msgspec.Struct, frozen=True):
    """From one life to another: the instant `then` of the former is `back_s` later than the same moment in this one."""

    back_s: Seconds
    now: Instant

    @classmethod
    def of(cls, then: Instant, then_wall: float, now: Instant, now_wall: float) -> "Passage | None":
        """None for what is too old to matter."""
        away_s = max(0.0, now_wall - then_wall)
        return cls(then + away_s - now, now) if away_s <= OLDEST_S else None


def revive_meter(kept: KeptMeter, passage: Passage) -> Meter:
    """The meter of a former life: reservations that were open count as settled in full."""
    meter = kept.meter
    meter.shift(passage.back_s)
    for watch in (meter.tokens, meter.requests):
        watch.low_count = 0
    if meter.cooldown is not None and meter.cooldown.until <= passage.now:
        meter.cooldown = None
    meter.close_books()
    return meter


def revive_circuit(kept: KeptMeter, passage: Passage) -> Circuit | None:
    """The circuit of a former life. Its probe died with whoever made it."""
    circuit = kept.circuit
    if circuit is None:
        return None
    circuit.open_until -= passage.back_s
    circuit.half_started_at -= passage.back_s
    circuit.probing = ""
    return circuit


def pool_to_keep(pool: Pool, joined: Mapping[str, str], prints: Mapping[str, str], now: Instant) -> KeptPool:
    """What is to be kept of a pool. Its endpoints are not: the first one is tried again."""
    return KeptPool(now, dict(prints), pool.removed, pool.merged, pool.named, _still_out(pool.out, now), dict(joined))


def changed_keys(kept: KeptPool, pool: Pool, prints: Mapping[str, str]) -> frozenset[str]:
    """The anonymous organisations whose key has another secret now, as "provider:organisation": nothing is known of
    them."""
    return frozenset(
        f"{key.provider}:{key.organisation}"
        for key in pool.keys.values()
        if key.organisation == f"{ANONYMOUS}{key.id}"
        and kept.keys.get(key.id, prints.get(key.id)) != prints.get(key.id)
    )


def revive_pool(kept: KeptPool, pool: Pool, prints: Mapping[str, str], passage: Passage | None) -> dict[str, str]:
    """Take into a fresh pool what still holds; the merges for the ledger. A key with another secret starts anew.

    Without a passage (too old) only who is who is taken over: that does not change by itself.
    """
    strangers = changed_keys(kept, pool, prints)

    def known(names: Mapping[str, str]) -> dict[str, str]:
        return {
            name: into
            for name, into in names.items()
            if name not in strangers and f"{name.partition(':')[0]}:{into}" not in strangers
        }

    pool.merged.update(known(kept.merged))
    pool.named.update(known(kept.named))
    pool.generation += 1
    if passage is not None:
        pool.removed |= {key for key in kept.removed & pool.keys.keys() if kept.keys.get(key) == prints.get(key)}
        out = {name: until - passage.back_s for name, until in kept.out.items() if name not in strangers}
        pool.out.update(_still_out(out, passage.now))
        pool.trouble = pool.trouble or bool(pool.out)
    return known(kept.joined)


def _still_out(out: Mapping[str, Instant], now: Instant) -> dict[str, Instant]:
    return {name: until for name, until in out.items() if until > now}
