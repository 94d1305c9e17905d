"""The cache of a gate: memory and a far tier, promotion, forgetting, what was declared void elsewhere.

The far tier here is a second memory tier under another name: the same interface, without a network.
"""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.cache.cache_drawing import MODEL, entry, space

from headgate.cache.entry import Entry, Flaw, encode_entry
from headgate.cache.marks import Kind
from headgate.cache.rules import WhyNot
from headgate.cache.tier import TierDown, TierName
from headgate.domain.fact import Alert, Fact
from headgate.runtime.cache import LONGEST_REQUEST_S, MOST_DELETED, Cache, FarTier, Ticket
from headgate.runtime.cache_writer import MOST_WAITING
from headgate.runtime.memory_tier import MemoryTier

HERE = space()
TICKET = Ticket("k", HERE, (MODEL,))


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def wall(self) -> float:
        return 1000.0 + self.at


class Far(MemoryTier):
    """A far tier in this process, which can be out of reach."""

    name = TierName.REDIS
    down = False

    async def get(self, key: str) -> bytes | None:
        self._reach()
        return await super().get(key)

    async def put(self, key: str, entry: bytes, ttl_s: float) -> None:
        self._reach()
        await super().put(key, entry, ttl_s)

    async def mark_void(self, mark: str, before_wall_s: float) -> None:
        self._reach()
        await super().mark_void(mark, before_wall_s)

    async def marks(self) -> Mapping[str, float]:
        self._reach()
        return await super().marks()

    async def delete(self, key: str) -> bool:
        self._reach()
        return await super().delete(key)

    def _reach(self) -> None:
        if self.down:
            raise TierDown("out of reach")


class House:
    """Two processes can share one far tier."""

    def __init__(self, time: Time | None = None, far: Far | None = None) -> None:
        self.time = time or Time()
        self.far = far or Far(1_000_000, self.time)
        self.facts: list[Fact] = []
        self.cache = Cache(
            memory=MemoryTier(1_000_000, self.time),
            memory_ttl_s=60.0,
            far=(FarTier(self.far, 600.0),),
            stale_s=100.0,
            clock=self.time,
            observe=self.facts.append,
        )

    async def keep(self, **fields: Any) -> Entry:
        made = entry(written_at=self.time.wall(), **{"ttl_s": 600.0} | fields)
        assert self.cache.keep(made, TICKET) is None
        await self.cache.settled()
        return made


async def test_entry_is_in_every_tier_and_promoted_from_afar() -> None:
    """Memory keeps it for its own time; then the far tier has it, and memory again."""
    house = House()
    made = await house.keep()
    near = house.cache.look_near(TICKET)
    assert near is not None
    assert (near.entry, near.tier, near.age_s) == (made, TierName.MEMORY, 0.0)
    house.time.at = 61.0
    assert house.cache.look_near(TICKET) is None
    far = await house.cache.look_far(TICKET)
    assert far is not None
    assert (far.entry, far.tier, far.age_s) == (made, TierName.REDIS, 61.0)
    assert house.cache.look_near(TICKET) is not None


async def test_other_process_finds_what_one_wrote() -> None:
    """That is what a far tier is for."""
    one = House()
    other = House(one.time, one.far)
    made = await one.keep()
    assert other.cache.look_near(TICKET) is None
    found = await other.cache.look_far(TICKET)
    assert found is not None
    assert found.entry == made


async def test_what_one_process_declares_void_is_void_in_all() -> None:
    """At once where it was said, within moments in the others; what is written afterwards counts."""
    one = House()
    other = House(one.time, one.far)
    await one.keep()
    assert await other.cache.look_far(TICKET) is not None
    one.time.at = 1.0
    done = await one.cache.invalidate(Kind.TAG, "prices")
    assert (done.mark, done.tiers) == ("tag:prices", {"memory": "marked", "redis": "marked"})
    assert one.cache.look_near(TICKET) is None
    assert await one.cache.look_far(TICKET) is None
    await other.cache.start()
    assert other.cache.look_near(TICKET) is None
    await other.cache.stop()
    made = await one.keep()
    found = one.cache.look_near(TICKET)
    assert found is not None
    assert found.entry == made


@pytest.mark.parametrize(
    "kind, value", [(Kind.TENANT, "acme"), (Kind.MODEL, MODEL), (Kind.TAG, "prices"), (Kind.ALL, "")]
)
async def test_classes_of_entries_are_forgotten(kind: Kind, value: str) -> None:
    """Those that bear the mark, and no others."""
    house = House()
    await house.keep()
    house.time.at = 1.0
    if kind is not Kind.ALL:
        await house.cache.invalidate(kind, "another")
        assert house.cache.look_near(TICKET) is not None
    await house.cache.invalidate(kind, value)
    assert house.cache.look_near(TICKET) is None
    assert await house.cache.look_far(TICKET) is None
    assert await house.cache.recall(TICKET) is None


async def test_single_key_is_deleted_everywhere() -> None:
    """And what was made ready from it is looked at again."""
    house = House()
    await house.keep()
    before = house.cache.marks.generation
    done = await house.cache.invalidate(Kind.KEY, "k")
    assert done.tiers == {"memory": "deleted", "redis": "deleted"}
    assert house.cache.marks.generation > before
    assert (await house.cache.invalidate(Kind.KEY, "k")).tiers == {"memory": "absent", "redis": "absent"}
    assert await house.cache.recall(TICKET) is None


async def test_answer_of_a_single_key_that_was_under_way_is_not_kept() -> None:
    """Deleting takes its future away as well; what is asked for later is kept. Only the last deletions are known."""
    house = House()
    asked_at = house.time.wall()
    house.time.at = 1.0
    await house.cache.invalidate(Kind.KEY, "k")
    late = entry(written_at=house.time.wall(), asked_at=asked_at)
    assert house.cache.keep(late, TICKET) is WhyNot.VOIDED
    assert house.cache.look_near(TICKET) is None
    for number in range(MOST_DELETED):
        await house.cache.invalidate(Kind.KEY, f"k{number}")
    assert len(house.cache._deleted) == MOST_DELETED
    await house.cache.invalidate(Kind.KEY, "k")
    assert (await house.keep(asked_at=house.time.wall())).since == house.time.wall()


async def test_tier_that_was_down_is_told_later_what_is_void() -> None:
    """Here it is void at once; there as soon as it can be reached."""
    house = House()
    house.far.down = True
    done = await house.cache.invalidate(Kind.MODEL, MODEL)
    assert done.tiers == {"memory": "marked", "redis": "down"}
    house.far.down = False
    await house.cache.start()
    assert await house.far.marks() == {f"model:{MODEL}": 1000.0}
    await house.cache.stop()


async def test_answer_that_was_asked_for_before_it_was_declared_void_is_not_kept() -> None:
    """It may be of the old state."""
    house = House()
    asked_at = house.time.wall()
    house.time.at = 1.0
    await house.cache.invalidate(Kind.TAG, "prices")
    house.time.at = 2.0
    assert house.cache.keep(entry(written_at=house.time.wall(), asked_at=asked_at), TICKET) is WhyNot.VOIDED
    assert house.cache.look_near(TICKET) is None


async def test_old_marks_of_a_far_tier_are_no_news() -> None:
    """A far tier tells of marks for longer than they matter: what was made ready stays so from one look to the next.
    They are forgotten only when nothing can bear them any more that was being answered when they were set."""
    house = House()
    asked_at = house.time.wall()
    house.time.at = 1.0
    await house.cache.invalidate(Kind.TAG, "prices")
    house.time.at = LONGEST_REQUEST_S
    late = entry(written_at=house.time.wall(), ttl_s=600.0, asked_at=asked_at)
    house.time.at += 600.0 + 99.0
    await house.cache._tend_once()
    assert house.cache.marks.is_void(late.marks, late.since)
    house.time.at += 10.0
    for _ in range(3):
        generation = house.cache.marks.generation
        await house.cache._tend_once()
        assert house.cache.marks.generation == generation
        assert not house.cache.marks.before
    assert await house.far.marks(), "the tier still tells of it"


async def test_answer_that_was_under_way_when_another_process_declared_it_void() -> None:
    """It is kept, since nobody here knew better; once the mark is heard of it is void in every tier, by when it was
    asked for, and a later answer is not."""
    one, far = House(), None
    far = one.far
    other = House(one.time, far)
    asked_at = one.time.wall()
    one.time.at = 1.0
    await other.cache.invalidate(Kind.TAG, "prices")
    one.time.at = 2.0
    await one.keep(asked_at=asked_at)
    assert one.cache.look_near(TICKET) is not None
    assert await other.cache.look_far(TICKET) is None, "who set the mark knows at once"
    await one.cache.start()
    assert one.cache.look_near(TICKET) is None
    assert await one.cache.look_far(TICKET) is None
    later = await one.keep(asked_at=one.time.wall())
    assert one.cache.look_near(TICKET) is not None
    found = await other.cache.look_far(TICKET)
    assert found is not None
    assert found.entry == later
    await one.cache.stop()


async def test_tier_that_is_down_fails_nobody() -> None:
    """It has nothing, its puts are counted as dropped, and memory goes on."""
    house = House()
    house.far.down = True
    await house.keep()
    assert house.cache.look_near(TICKET) is not None
    house.time.at = 61.0
    assert await house.cache.look_far(TICKET) is None
    told = house.cache.stats()
    assert told.puts_dropped == 1
    assert told.tiers[1].down == 2


async def test_stale_entry_is_recalled_with_its_age_and_no_longer_than_allowed() -> None:
    """It never answers a usual look-up."""
    house = House()
    made = await house.keep(ttl_s=30.0)
    house.time.at = 50.0
    assert house.cache.look_near(TICKET) is None
    found = await house.cache.recall(TICKET)
    assert found is not None
    assert (found.entry, found.age_s, found.is_stale) == (made, 50.0, True)
    house.time.at = 131.0
    assert await house.cache.recall(TICKET) is None


async def test_poisoned_and_foreign_entries_are_counted_and_replaced() -> None:
    """Whatever lies under the key, in whatever tier, is a miss."""
    house = House()
    good = encode_entry(entry("k", written_at=1000.0), HERE)
    rival = space("rival")
    for number, (data, flaw) in enumerate(
        (
            (good[:-1] + b"?", Flaw.POISONED),
            (good[:9], Flaw.UNREADABLE),
            (encode_entry(entry("k", owner=rival), rival), Flaw.FOREIGN),
        ),
        1,
    ):
        house.cache.memory.keep("k", data, 60.0)
        await house.far.put("k", data, 60.0)
        assert house.cache.look_near(TICKET) is None
        assert house.cache.memory.find("k") is None
        assert await house.cache.look_far(TICKET) is None
        assert house.cache.stats().flaws[flaw.value] == 2, number
    await house.keep()
    assert await house.cache.look_far(TICKET) is not None


async def test_writes_that_come_too_fast_are_dropped_and_counted() -> None:
    """What waits for a far tier is bounded."""
    house = House()
    for number in range(MOST_WAITING + 50):
        ticket = Ticket(f"k{number}", HERE, (MODEL,))
        house.cache.keep(entry(ticket.key, written_at=1000.0), ticket)
    await house.cache.settled()
    assert house.cache.stats().puts_dropped == 50
    assert house.far.entries <= MOST_WAITING


async def test_low_hit_rate_is_an_alert() -> None:
    """One fact for those who watch, and a text in the counts."""
    house = House()
    for second in range(700):
        house.time.at = float(second)
        house.cache.counted(None)
    alerts = [fact for fact in house.facts if isinstance(fact, Alert)]
    assert len(alerts) == 1
    assert house.cache.warning == house.cache.stats().warning
    assert house.cache.warning[:24] == alerts[0].text[:24]


def test_memory_keeps_what_is_asked_for_and_stays_within_its_bound() -> None:
    """Least recently used goes first, by weight; what is larger than everything is not taken."""
    time = Time()
    tier = MemoryTier(10_000, time)
    assert tier.keep("hot", b"h" * 1000, 60.0)
    for number in range(100):
        assert tier.keep(f"cold{number}", b"c" * 1000, 60.0)
        assert tier.find("hot") is not None
    assert tier.size_bytes <= 10_000
    assert tier.find("cold0") is None
    assert tier.find("cold99") is not None
    assert not tier.keep("huge", bytes(20_000), 60.0)
    time.at = 61.0
    assert tier.find("hot") is None
