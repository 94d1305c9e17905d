"""What the guard promises of a remote tier that is down, slow, full or back again; at a real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest
from tests.store.redis_server import RedisServer, redis_server
from tests.store.toxic_relay import ToxicRelay

from headgate.cache.breaker import MOST_FAILURES
from headgate.cache.tier import TierDown
from headgate.cache.tier_health import TierState
from headgate.store.guarded_tier import RESTING, GuardedTier, GuardLimits
from headgate.store.redis_tier import RedisTier

QUICK = GuardLimits(look_up_s=0.05, write_s=0.5)

Guard = Callable[..., GuardedTier]


class Clock:
    """Real time, and what a test adds to it: rests need not be waited for."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that a test may kill."""
    with redis_server() as running:
        yield running


@pytest.fixture
async def relay(server: RedisServer) -> AsyncIterator[ToxicRelay]:
    """What stands before the server."""
    async with ToxicRelay(server.port) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """The guard's clock."""
    return Clock()


@pytest.fixture
async def guard(clock: Clock) -> AsyncIterator[Guard]:
    """Makes guarded tiers at a port."""
    made: list[GuardedTier] = []

    def make(port: int, limits: GuardLimits = QUICK) -> GuardedTier:
        made.append(GuardedTier(RedisTier(f"redis://127.0.0.1:{port}/0", wall=time.time), limits, clock))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def become(question: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(10):
        while not question():  # noqa: ASYNC110 - what is asked announces nothing
            await asyncio.sleep(0.002)


async def state_after_probe(tier: GuardedTier, clock: Clock) -> TierState:
    """Let the rest be over, ask, and see what the probe found."""
    clock.ahead_s += 31.0
    with suppress(TierDown):
        await tier.get("key")
    assert tier._probe is not None
    await asyncio.wait([tier._probe])
    return tier.health().state


async def given_up(tier: GuardedTier) -> int:
    """Ask until the tier rests; how many look-ups that took."""
    for times in range(1, 100):
        with suppress(TierDown):
            await tier.get("another key")
        if tier.health().state is TierState.RESTING:
            return times
    raise AssertionError("it never rested")


async def test_down_at_the_start(guard: Guard) -> None:
    """A tier that nobody has ever reached raises `TierDown` only, and after five look-ups nobody tries any more."""
    tier = guard(1)
    assert await given_up(tier) == MOST_FAILURES
    tried = tier.health().failures
    for _ in range(50):
        with pytest.raises(TierDown, match=RESTING):
            await tier.get("key")
    health = tier.health()
    assert (health.failures, health.unasked, health.fault) == (tried, 50, "unreachable")


async def test_trouble_before_anybody_needs_it(relay: ToxicRelay, guard: Guard, clock: Clock) -> None:
    """A tier that is found ill at the start rests from the first request on; one that is well is timed."""
    well, ill = guard(relay.port), guard(1)
    assert await well.trouble() == ""
    assert well.health().state is TierState.READY
    assert await ill.trouble() == "unreachable"
    with pytest.raises(TierDown, match=RESTING):
        await ill.get("key")
    relay.is_mute = True
    assert await well.trouble() == "no answer in time"
    relay.is_mute = False
    assert await state_after_probe(well, clock) is TierState.READY


async def test_tier_that_is_usually_quick(relay: ToxicRelay, guard: Guard) -> None:
    """One that answers in a millisecond is given up long before the setting's time is over."""
    tier = guard(relay.port, GuardLimits(look_up_s=30.0, write_s=30.0))
    for _ in range(20):
        await tier.get("key")
    relay.is_mute = True
    async with asyncio.timeout(15.0):
        await given_up(tier)
    assert tier.health().fault == "no answer in time"


async def test_killed_and_started_again(server: RedisServer, guard: Guard, clock: Clock) -> None:
    """After its server's death a tier rests; a probe finds it still dead, and the next one finds it well."""
    tier = guard(server.port)
    assert await tier.get("key") is None
    server.kill()
    await given_up(tier)
    assert await state_after_probe(tier, clock) is TierState.RESTING
    server.start()
    assert await state_after_probe(tier, clock) is TierState.READY
    assert await tier.get("key") is None
    assert tier.health().openings == 1


async def test_slow_tier_is_borne_for_a_quarter_of_a_second(relay: ToxicRelay, guard: Guard) -> None:
    """Each look-up gives up at its time-out, and the fifth is the last."""
    tier = guard(relay.port)
    relay.latency_s = 3.0
    assert await given_up(tier) == 5
    assert (tier.health().timeouts, tier.health().failures) == (5, 0)
    assert tier.health().fault == "no answer in time"


async def test_everybody_is_let_go_when_it_opens(relay: ToxicRelay, guard: Guard) -> None:
    """Look-ups that wait when a tier is given up wait no longer: those that came just before it rests get their answer
    in the turn in which it does."""
    tier = guard(relay.port, GuardLimits(look_up_s=0.1, write_s=0.5))
    relay.is_mute = True
    early = []
    for _ in range(8):  # at once they would count as one; a busy machine makes one of some of them
        early.append(asyncio.create_task(tier.get("key")))
        await asyncio.sleep(0.012)
    late = [asyncio.create_task(tier.get("key")) for _ in range(20)]
    await asyncio.wait(early)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.wait(late, timeout=0.02)
    assert [str(task.exception()) for task in late] == [RESTING] * 20
    assert {type(task.exception()) for task in early} == {TierDown}
    assert tier.health().timeouts < len(early)


async def test_thin_line(server: RedisServer, relay: ToxicRelay, guard: Guard) -> None:
    """An entry that comes too slowly to be of use is given up like no answer; a small one is had."""
    straight = guard(server.port)
    for key, entry in (("large", bytes(1_000_000)), ("small", b"entry")):
        await straight.put(key, entry, 60.0)
    await become(lambda: straight.health().written == 2)
    tier = guard(relay.port, GuardLimits(look_up_s=0.2, write_s=0.5))
    relay.bytes_per_s = 200_000.0
    assert await tier.get("small") == b"entry"
    with pytest.raises(TierDown, match="no answer in time"):
        await tier.get("large")
    assert await tier.get("small") == b"entry"


async def test_server_that_hangs(server: RedisServer, guard: Guard, clock: Clock) -> None:
    """A server that keeps its connections and answers nothing is given up, and no late answer of its comes to another
    look-up when it goes on."""
    tier = guard(server.port)
    for n in range(20):
        await tier.put(f"key-{n}", f"entry {n}".encode(), 60.0)
    await become(lambda: tier.health().written == 20)
    server.pause()
    await given_up(tier)
    server.resume()
    assert await state_after_probe(tier, clock) is TierState.READY
    for n in range(20):
        assert await tier.get(f"key-{n}") == f"entry {n}".encode()


async def test_client_that_leaves(relay: ToxicRelay, guard: Guard) -> None:
    """Cancelling a look-up is no failure of the tier's, and the cancellation comes through."""
    tier = guard(relay.port, GuardLimits(look_up_s=5.0, write_s=0.5))
    relay.is_mute = True
    task = asyncio.create_task(tier.get("key"))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tier.health().failures, tier.health().timeouts) == (0, 0)


async def test_writes_wait_for_nobody(relay: ToxicRelay, guard: Guard) -> None:
    """A put returns at once from a tier that is slow; what goes beyond the queue's bounds is dropped and counted."""
    limits = GuardLimits(look_up_s=0.05, write_s=5.0, writers=2, max_queued=10, max_queued_bytes=1_000)
    tier = guard(relay.port, limits)
    relay.latency_s = 0.05
    for n in range(30):
        await tier.put(f"key-{n}", b"entry", 60.0)
    assert relay.accepted == 0  # nobody waited even for a connection
    health = tier.health()
    assert (health.dropped, health.queued) == (18, 12)  # 10 wait, 2 are with the writers
    await tier.put("much", bytes(951), 60.0)
    assert tier.health().dropped == 19
    await become(lambda: tier.health().written == 12)
    assert tier.health().queued == tier.health().queued_bytes == 0


async def test_newer_entry_takes_the_place_in_the_queue(relay: ToxicRelay, guard: Guard) -> None:
    """Of a key that is put again and again the newest entry is the last to be written, by no two writers at once."""
    tier = guard(relay.port, GuardLimits(look_up_s=5.0, write_s=5.0))
    relay.latency_s = 0.01
    for n in range(20):
        await tier.put("key", f"entry {n}".encode(), 60.0)
        await asyncio.sleep(0)
    await become(lambda: tier.health().queued == 0)
    assert await tier.get("key") == b"entry 19"
    assert tier.health().written <= 3


async def test_closing_writes_what_is_queued(server: RedisServer, relay: ToxicRelay, guard: Guard) -> None:
    """Entries that wait when the gateway stops are written, while that takes no longer than its bound."""
    tier = guard(relay.port, GuardLimits(look_up_s=0.05, write_s=5.0))
    relay.latency_s = 0.02
    for n in range(20):
        await tier.put(f"key-{n}", b"entry", 60.0)
    await tier.close()
    straight = guard(server.port)
    assert [await straight.get(f"key-{n}") for n in range(20)] == [b"entry"] * 20


async def test_full_server_still_reads(server: RedisServer, guard: Guard) -> None:
    """A server that refuses writes is written to no more for a while, and asked all the same."""
    tier = guard(server.port)
    await tier.put("first", b"entry", 60.0)
    await become(lambda: tier.health().written == 1)
    await tier._tier._client.config_set("maxmemory", 1)  # type: ignore[attr-defined]
    for n in range(20):
        await tier.put(f"key-{n}", b"entry", 60.0)
        await become(lambda: tier.health().queued == 0)
    health = tier.health()
    assert (health.written, health.dropped, health.failures, health.fault) == (1, 20, MOST_FAILURES, "full")
    assert health.state is TierState.READY
    assert await tier.get("first") == b"entry"


async def test_mark_that_could_not_be_told(server: RedisServer, guard: Guard, clock: Clock) -> None:
    """What was voided while the tier was down is void when it is back: the mark is written before anybody is let in."""
    tier = guard(server.port)
    server.kill()
    with pytest.raises(TierDown):
        await tier.mark_void("tenant:acme", 1_900_000_000.0)
    await given_up(tier)
    server.start()
    assert await state_after_probe(tier, clock) is TierState.READY
    assert await guard(server.port).marks() == {"tenant:acme": 1_900_000_000.0}


async def test_entry_that_could_not_be_deleted(relay: ToxicRelay, guard: Guard, clock: Clock) -> None:
    """An entry that was deleted while the tier could not be reached is not given out when it is back."""
    tier = guard(relay.port)
    await tier.put("key", b"entry", 60.0)
    await become(lambda: tier.health().written == 1)
    await relay.shut()
    with pytest.raises(TierDown):
        await tier.delete("key")
    await relay.open()
    assert await tier.get("key") is None
    await relay.shut()
    await given_up(tier)
    await relay.open()
    assert await state_after_probe(tier, clock) is TierState.READY
    assert await guard(relay.port).get("key") is None


async def test_delete_of_what_is_being_written(relay: ToxicRelay, guard: Guard) -> None:
    """A deletion that comes while its entry is on the way wins."""
    tier = guard(relay.port, GuardLimits(look_up_s=5.0, write_s=5.0))
    relay.latency_s = 0.02
    await tier.put("key", b"entry", 60.0)
    await asyncio.sleep(0)
    assert await tier.delete("key") is True
    assert await tier.get("key") is None
    await tier.put("key", b"entry", 60.0)
    await become(lambda: tier.health().queued == 0)
    assert await tier.get("key") == b"entry"
