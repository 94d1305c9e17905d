"""Owns the counts of a cache: what was looked for and found, where, over all time and in a sliding window.

It is given the time. `snapshot` is what the admin API and `headgate cache stats` show.
"""

from collections import deque
from typing import Final

import msgspec

from headgate.cache.entry import Flaw
from headgate.cache.rules import WhyNot
from headgate.cache.tier import TierName
from headgate.domain.time import Instant, Seconds

WINDOW_S: Final[Seconds] = 600.0
SLOT_S: Final[Seconds] = 10.0
SLOTS: Final = int(WINDOW_S / SLOT_S)
LOW_RATE: Final = 0.5
LEAST_LOOKUPS: Final = 100
"""Of a window, before its rate means anything."""


class TierStats(msgspec.Struct, frozen=True):
    """One tier. `hit_rate` is of the look-ups that reached it within the window, None without any; `down` counts times
    that it did not answer; `entries` and `size_bytes` are None where only the tier itself knows."""

    name: str
    lookups: int
    hits: int
    hit_rate: float | None
    down: int
    entries: int | None = None
    size_bytes: int | None = None


class CacheStats(msgspec.Struct, frozen=True):
    """Everything that is counted, since the start but for the rates, which are of the last `window_s`.

    A follower of a single flight is a look-up and counts as `shared`, neither hit nor miss; so does an answer to a
    similar request, as `similar`. `saved_tokens` are those
    that the providers would have been paid for. `warning` is "" or says what is wrong with the hit rate.
    """

    lookups: int
    hits: int
    misses: int
    shared: int
    similar: int
    stale: int
    stored: int
    not_stored: dict[str, int]
    flaws: dict[str, int]
    puts_dropped: int
    saved_tokens: int
    tiers: tuple[TierStats, ...]
    hit_rate: float | None
    window_s: Seconds
    warning: str


class _Slot:
    """Some seconds of the window."""

    __slots__ = ("hits", "lookups", "number", "shared")

    def __init__(self, number: int) -> None:
        self.number = number
        self.lookups = self.shared = 0
        self.hits: dict[TierName, int] = {}


class Counts:
    """The counts of one process."""

    def __init__(self, tiers: tuple[TierName, ...]) -> None:
        self.tiers = tiers
        self.misses = self.shared = self.similar = self.stale = self.stored = self.puts_dropped = self.saved_tokens = 0
        self.hits = dict.fromkeys(tiers, 0)
        self.down = dict.fromkeys(tiers, 0)
        self.flaws: dict[Flaw, int] = {}
        self.not_stored: dict[WhyNot, int] = {}
        self._slots: deque[_Slot] = deque([_Slot(-1)], maxlen=SLOTS)
        self._newest = self._slots[-1]
        self._was_low = False
        self._looked_at = -1

    def hit(self, tier: TierName, saved_tokens: int, now: Instant) -> None:
        """An answer was found. About half a microsecond."""
        slot = self._newest
        if slot.number != int(now / SLOT_S):
            slot = self._turn(now)
        slot.lookups += 1
        slot.hits[tier] = slot.hits.get(tier, 0) + 1
        self.hits[tier] += 1
        self.saved_tokens += saved_tokens

    def miss(self, now: Instant) -> None:
        """None was."""
        self._turn(now).lookups += 1
        self.misses += 1

    def follower(self, saved_tokens: int, now: Instant) -> None:
        """None was, but somebody was asking just now and shared the answer."""
        slot = self._turn(now)
        slot.lookups += 1
        slot.shared += 1
        self.shared += 1
        self.saved_tokens += saved_tokens

    def similar_hit(self, saved_tokens: int, now: Instant) -> None:
        """None was, but one to a request that asks the same."""
        slot = self._turn(now)
        slot.lookups += 1
        slot.shared += 1
        self.similar += 1
        self.saved_tokens += saved_tokens

    def flaw(self, flaw: Flaw) -> None:
        self.flaws[flaw] = self.flaws.get(flaw, 0) + 1

    def refused(self, why: WhyNot) -> None:
        """An answer was not kept."""
        self.not_stored[why] = self.not_stored.get(why, 0) + 1

    def newly_low(self, now: Instant) -> str:
        """The warning, once, when the hit rate of a whole window has come to lie under the bound; else "". May be asked
        at every miss: it looks once in some seconds."""
        if self._looked_at == int(now / SLOT_S):
            return ""
        self._looked_at = int(now / SLOT_S)
        warning = self.warning(now)
        is_news = bool(warning) and not self._was_low
        self._was_low = bool(warning)
        return warning if is_news else ""

    def warning(self, now: Instant) -> str:
        """What is wrong with the hit rate of the window, followers of flights counted as served; "" if nothing is."""
        slots = self._recent(now)
        lookups = sum(slot.lookups for slot in slots)
        served = sum(sum(slot.hits.values()) + slot.shared for slot in slots)
        if lookups < LEAST_LOOKUPS or served >= LOW_RATE * lookups or not self._is_full(now):
            return ""
        return (
            f"The cache answered {served / lookups:.0%} of {lookups} requests in the last {WINDOW_S / 60:.0f} minutes. "
            "Requests that differ in a date or an id never meet; a longer time to live or scope `tenant` may help; "
            'for routes whose requests do not repeat, `cache = "off"` spares the look-ups.'
        )

    def snapshot(self, now: Instant, sizes: dict[TierName, tuple[int, int]]) -> CacheStats:
        """The counts as they are; `sizes` are entries and bytes of the tiers that know."""
        slots = self._recent(now)
        lookups = sum(slot.lookups for slot in slots)
        hits = sum(sum(slot.hits.values()) for slot in slots)
        total_hits = sum(self.hits.values())
        return CacheStats(
            lookups=total_hits + self.misses + self.shared + self.similar,
            hits=total_hits,
            misses=self.misses,
            shared=self.shared,
            similar=self.similar,
            stale=self.stale,
            stored=self.stored,
            not_stored={why.value: count for why, count in self.not_stored.items()},
            flaws={flaw.value: count for flaw, count in self.flaws.items()},
            puts_dropped=self.puts_dropped,
            saved_tokens=self.saved_tokens,
            tiers=self._tier_stats(slots, lookups, sizes),
            hit_rate=_rate(hits, lookups),
            window_s=WINDOW_S,
            warning=self.warning(now),
        )

    def _tier_stats(
        self, slots: list[_Slot], lookups: int, sizes: dict[TierName, tuple[int, int]]
    ) -> tuple[TierStats, ...]:
        """Each tier is reached by the look-ups that nearer ones could not answer."""
        reached_ever, reached, rows = (
            sum(self.hits.values()) + self.misses + self.shared + self.similar,
            lookups,
            list[TierStats](),
        )
        for tier in self.tiers:
            hits = sum(slot.hits.get(tier, 0) for slot in slots)
            entries, size_bytes = sizes.get(tier, (None, None))
            rate = _rate(hits, reached)
            rows.append(
                TierStats(tier.value, reached_ever, self.hits[tier], rate, self.down[tier], entries, size_bytes)
            )
            reached -= hits
            reached_ever -= self.hits[tier]
        return tuple(rows)

    def _turn(self, now: Instant) -> _Slot:
        number = int(now / SLOT_S)
        if self._newest.number != number:
            self._newest = _Slot(number)
            self._slots.append(self._newest)
        return self._newest

    def _recent(self, now: Instant) -> list[_Slot]:
        oldest = int(now / SLOT_S) - SLOTS
        return [slot for slot in self._slots if slot.number > oldest]

    def _is_full(self, now: Instant) -> bool:
        """Whether a whole window has been seen since the start or the last pause of one."""
        recent = self._recent(now)
        return bool(recent) and recent[0].number <= int(now / SLOT_S) - SLOTS + SLOTS // 5


def _rate(hits: int, lookups: int) -> float | None:
    return round(hits / lookups, 4) if lookups else None
