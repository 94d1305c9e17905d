"""Owns the cache of a running gate: its tiers, what was declared void, its counts. It knows entries and no HTTP.

For whoever administers it (`Gateway.cache`, None where `[cache] enabled = false`):

    cache.stats() -> CacheStats                          # headgate.cache.counts, with one TierStats for each tier
    await cache.invalidate(Kind.TAG, "prices") -> Invalidated        # KEY, TAG, MODEL, TENANT, ALL ("" for ALL)
    cache.warning                                        # "" or what is wrong with the hit rate

`Kind` is `headgate.cache.marks.Kind`. A key is what `x-headgate-explain` and `Found.entry.key` tell; tags are what
requests gave as `x-headgate-cache-tags`; a model is the one that served, by its id in the catalogue.

Look-ups that may wait are bounded by the tiers' own guards: a tier that raises `TierDown` has nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from headgate.cache.counts import CacheStats, Counts
from headgate.cache.entry import Entry, encode_entry
from headgate.cache.key import Space
from headgate.cache.marks import ALL, Kind, Marks, mark_of
from headgate.cache.rules import WhyNot
from headgate.cache.tier import Tier, TierDown, TierName
from headgate.cache.walk import TierRow, Walk, keep_s
from headgate.domain.fact import Alert, AlertKind, Fact
from headgate.domain.time import Seconds
from headgate.runtime.cache_writer import CacheWriter
from headgate.runtime.clock import Clock
from headgate.runtime.memory_tier import MemoryTier
from headgate.runtime.settings_model import MAX_SECONDS

MARKS_EVERY_S: Final[Seconds] = 2.0
"""How soon what another process declared void is void here too."""
LONGEST_REQUEST_S: Final[Seconds] = MAX_SECONDS
"""How long after it was asked for an answer may be kept: marks of that time matter as long as the answer does."""
MOST_DELETED: Final = 1_000
"""Single keys that were deleted last: their answers that were under way then are not kept."""
STOP_WITHIN_S: Final[Seconds] = 2.0
"""How long a stop waits for entries that are still to be written."""


class FarTier(msgspec.Struct, frozen=True):
    """A tier that may wait for a network, and how long it keeps what it is given. `tier` guards itself: it answers or
    raises `TierDown` within its timeout."""

    tier: Tier
    ttl_s: Seconds


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """What a request looks for: its key, in which space, and the models that may have served."""

    key: str
    space: Space
    models: tuple[str, ...]


class Found(msgspec.Struct, frozen=True, gc=False):
    """An entry, where it was, and how old it is. `is_stale`: its time is over."""

    entry: Entry
    tier: TierName
    age_s: Seconds
    is_stale: bool = False


class Invalidated(msgspec.Struct, frozen=True):
    """What an invalidation did. `mark` is None for a single key. By tier: `deleted`, `absent` (a key that was not
    there), `marked` (older entries are void from now on) or `down` (it did not answer: it is told again until it does,
    and in this process the entries are void at once)."""

    kind: Kind
    value: str
    at: float
    mark: str | None
    tiers: dict[str, str]


class Cache:
    """Memory first, then the far tiers in order."""

    def __init__(
        self,
        *,
        memory: MemoryTier,
        memory_ttl_s: Seconds,
        far: Sequence[FarTier],
        stale_s: Seconds,
        clock: Clock,
        observe: Callable[[Fact], None],
        root: bytes = b"",
    ) -> None:
        """`root` is the secret that the keys of every space are made with."""
        self.root = root
        self.memory = memory
        self.marks = Marks()
        self.renewals = 0
        """How many entries were asked for anew although there may have been one."""
        self.stale_s = stale_s
        self.clock = clock
        self._observe = observe
        self._near = TierRow(TierName.MEMORY, memory_ttl_s)
        self._far = {each.tier.name: each for each in far}
        self._rows = (self._near, *(TierRow(each.tier.name, each.ttl_s) for each in far))
        self.counts = Counts(tuple(row.name for row in self._rows))
        self._writers = {name: CacheWriter(each.tier, self.counts) for name, each in self._far.items()}
        self._deleted: dict[str, float] = {}
        self._untold: dict[TierName, dict[str, float]] = {name: {} for name in self._far}
        self._tending: asyncio.Task[None] | None = None

    @property
    def longest_s(self) -> Seconds:
        """How long the most patient tier keeps an entry."""
        return max(row.ttl_s for row in self._rows)

    @property
    def far(self) -> tuple[FarTier, ...]:
        """The tiers behind memory, nearest first."""
        return tuple(self._far.values())

    @property
    def memory_ttl_s(self) -> Seconds:
        """How long memory keeps an entry."""
        return self._near.ttl_s

    @property
    def waits(self) -> bool:
        """Whether a look-up may have to wait for a network."""
        return bool(self._far)

    # Looking ---------------------------------------------------------------------------------------------------------

    def look_near(self, ticket: Ticket) -> Found | None:
        """The fresh entry in memory, at once. Counts nothing but flaws."""
        walk = self._walk(ticket, self._rows[:1])
        walk.take(self.memory.find(ticket.key))
        self._tidy(walk, ticket)
        return self._found(walk)

    async def look_far(self, ticket: Ticket) -> Found | None:
        """The fresh entry in a far tier; nearer ones are given it on the way. Counts nothing but flaws and failures."""
        walk = self._walk(ticket, self._rows[1:])
        await self._ask(walk, ticket)
        found = self._found(walk)
        if found is not None:
            self._put(found.entry, ticket, (self._near, *walk.promote))
        return found

    async def recall(self, ticket: Ticket) -> Found | None:
        """Any entry that is not void, fresh or not, for when nothing better can be had. The freshest that is there."""
        walk = self._walk(ticket, self._rows)
        await self._ask(walk, ticket)
        if walk.hit is None and walk.stale is not None:
            entry, tier = walk.stale, walk.stale_tier
            assert tier is not None
            self.counts.stale += 1
            return Found(entry, tier, entry.age_s(self.clock.wall()), is_stale=True)
        return self._found(walk)

    def counted(self, found: Found | None) -> None:
        """A look-up is over."""
        now = self.clock.now()
        if found is None:
            self.counts.miss(now)
            if text := self.counts.newly_low(now):
                self._observe(Alert(now, AlertKind.CACHE_HIT_RATE, "cache", text))
        else:
            self.counts.hit(found.tier, tokens_of(found.entry), now)

    def _walk(self, ticket: Ticket, rows: Sequence[TierRow]) -> Walk:
        return Walk(rows, ticket.key, ticket.space, ticket.models, self.marks, self.clock.wall(), self.stale_s)

    async def _ask(self, walk: Walk, ticket: Ticket) -> None:
        while (name := walk.next_tier) is not None:
            if name is TierName.MEMORY:
                walk.take(self.memory.find(ticket.key))
                continue
            try:
                data = await self._far[name].tier.get(ticket.key)
            except TierDown:
                self.counts.down[name] += 1
                data = None
            walk.take(data)
        self._tidy(walk, ticket)

    def _found(self, walk: Walk) -> Found | None:
        if walk.hit is None:
            return None
        assert walk.tier is not None
        return Found(walk.hit, walk.tier, walk.hit.age_s(self.clock.wall()))

    def _tidy(self, walk: Walk, ticket: Ticket) -> None:
        """Count what was wrong. It is taken away where that is at once; elsewhere the next entry of this key, which the
        miss brings, takes its place."""
        for flaw in walk.flaws:
            self.counts.flaw(flaw)
        if TierName.MEMORY in walk.drop:
            self.memory.forget(ticket.key)

    # Keeping ---------------------------------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """Changes with whatever makes an entry that was found before no longer the one to give."""
        return self.marks.generation + self.renewals

    def keep(self, entry: Entry, ticket: Ticket, *, renews: bool = False) -> WhyNot | None:
        """Keep an answer in every tier; why not, if not. What was declared void since it was asked for is not kept;
        what another process declared void, and is heard of later, is found void then. `renews`: it takes the place of
        what may be there."""
        if self.marks.is_void(entry.marks, entry.since) or entry.since < self._deleted.get(entry.key, entry.since):
            return WhyNot.VOIDED
        self.renewals += renews
        self._put(entry, ticket, self._rows)
        self.counts.stored += 1
        return None

    def _put(self, entry: Entry, ticket: Ticket, rows: Sequence[TierRow]) -> None:
        data, wall_s = encode_entry(entry, ticket.space), self.clock.wall()
        for row in rows:
            left_s = keep_s(row, entry, wall_s, self.stale_s)
            if left_s <= 0:
                continue
            if row.name is TierName.MEMORY:
                self.memory.keep(entry.key, data, left_s)
            else:
                self._writers[row.name].put(entry.key, data, left_s)

    # Forgetting ------------------------------------------------------------------------------------------------------

    async def invalidate(self, kind: Kind, value: str = "") -> Invalidated:
        """Forget one entry by its key, or all that bear a tag, came from a model or belong to a tenant, or all."""
        at = self.clock.wall()
        if kind is Kind.KEY:
            return Invalidated(kind, value, at, None, await self._delete(value, at))
        mark = mark_of(kind, value)
        self.marks.void(mark, at)
        if mark == ALL:
            self.memory.clear()
        told = {TierName.MEMORY.value: "marked"}
        for name in self._far:
            self._untold[name][mark] = at
            told[name.value] = "marked" if await self._tell(name) else "down"
        return Invalidated(kind, value, at, mark, told)

    async def _delete(self, key: str, at: float) -> dict[str, str]:
        self._deleted.pop(key, None)
        self._deleted[key] = at
        if len(self._deleted) > MOST_DELETED:
            del self._deleted[next(iter(self._deleted))]
        self.marks.generation += 1  # answers that are ready may be this entry's
        done = {TierName.MEMORY.value: "deleted" if self.memory.forget(key) else "absent"}
        for name, far in self._far.items():
            try:
                done[name.value] = "deleted" if await far.tier.delete(key) else "absent"
            except TierDown:
                self.counts.down[name] += 1
                done[name.value] = "down"
        return done

    async def _tell(self, name: TierName) -> bool:
        """Tell a tier what it was not told yet; whether it knows everything now."""
        untold = self._untold[name]
        try:
            for mark, before_wall_s in list(untold.items()):
                await self._far[name].tier.mark_void(mark, before_wall_s)
                if untold.get(mark) == before_wall_s:
                    del untold[mark]
        except TierDown:
            self.counts.down[name] += 1
        return not untold

    # Running ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Learn what is void in the far tiers, and go on doing so."""
        if self._far and self._tending is None:
            await self._tend_once()
            self._tending = asyncio.get_running_loop().create_task(self._tend())

    async def stop(self) -> None:
        """Let entries that wait be written, for a moment, and close the tiers. Twice does nothing more."""
        tending, self._tending = self._tending, None
        if tending is not None:
            tending.cancel()
            await asyncio.wait([tending])
        for writer in self._writers.values():
            await writer.stop(STOP_WITHIN_S)
        for far in self._far.values():
            await far.tier.close()

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(MARKS_EVERY_S)
            await self._tend_once()

    async def _tend_once(self) -> None:
        least_wall_s = self.clock.wall() - self.longest_s - self.stale_s - LONGEST_REQUEST_S
        for name, far in self._far.items():
            if self._untold[name]:
                await self._tell(name)
            try:
                self.marks.absorb(await far.tier.marks(), least_wall_s)
            except TierDown:
                self.counts.down[name] += 1
        self.marks.prune(least_wall_s)

    async def settled(self) -> None:
        """Once every entry that is to be written has been tried."""
        for writer in self._writers.values():
            await writer.settled()

    # Telling ---------------------------------------------------------------------------------------------------------

    def stats(self) -> CacheStats:
        """All counts, and the hit rates of the last minutes."""
        sizes = {TierName.MEMORY: (self.memory.entries, self.memory.size_bytes)}
        return self.counts.snapshot(self.clock.now(), sizes)

    @property
    def warning(self) -> str:
        """What is wrong with the hit rate; "" if nothing is."""
        return self.counts.warning(self.clock.now())


def tokens_of(entry: Entry) -> int:
    """The tokens that giving an entry again saves."""
    usage = entry.usage
    return 0 if usage is None else usage.prompt_tokens + usage.completion_tokens
