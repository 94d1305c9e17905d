"""What a real Redis can answer that is neither an entry nor its absence, and what cancelling leaves behind."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from tests.store.redis_server import RedisServer, redis_server
from tests.store.toxic_relay import ToxicRelay

from headgate.cache.tier import TierDown
from headgate.store.redis_tier import ENTRIES, MARKS, MAX_ENTRY_BYTES, RedisTier


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """One server for all tests of this file that do not spoil it."""
    with redis_server() as running:
        yield running


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., RedisTier]]:
    """Makes tiers that are closed in the end."""
    made: list[RedisTier] = []

    def make(url: str, **options: int) -> RedisTier:
        made.append(RedisTier(url, wall=time.time, **options))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
async def tier(server: RedisServer, opened: Callable[..., RedisTier]) -> RedisTier:
    """A tier in an empty database."""
    made = opened(server.url)
    await made._client.flushdb()
    return made


async def test_value_of_another_type(tier: RedisTier) -> None:
    """What a foreign hand put there as a list is a miss and counted."""
    await tier._client.rpush(ENTRIES + "key", "one")
    assert await tier.get("key") is None
    assert tier.poisoned == 1
    await tier.put("key", b"entry", 60.0)
    assert await tier.get("key") == b"entry"


async def test_value_beyond_all_bounds(tier: RedisTier) -> None:
    """Of a huge value no more than an entry's bound is read, and it is a miss."""
    await tier._client.set(ENTRIES + "key", b"x" * (MAX_ENTRY_BYTES + 1))
    assert await tier.get("key") is None
    assert tier.poisoned == 1


async def test_marks_of_a_foreign_hand(tier: RedisTier) -> None:
    """What is no number voids nothing, and a mark of ours stands beside it."""
    await tier._client.hset(MARKS, mapping={"all": "soon", "tag:x": "inf"})
    now = time.time()
    await tier.mark_void("tag:y", now)
    assert await tier.marks() == {"tag:y": now}


async def test_marks_that_the_server_lost(
    server: RedisServer, tier: RedisTier, opened: Callable[..., RedisTier]
) -> None:
    """Marks outlive their eviction: a tier that saw them writes them again, for all others."""
    now = time.time()
    await tier.mark_void("tenant:acme", now)
    await tier._client.delete(MARKS)
    assert await tier.marks() == {"tenant:acme": now}
    assert await opened(server.url).marks() == {"tenant:acme": now}


async def test_scripts_that_the_server_lost(tier: RedisTier) -> None:
    """A server that forgot its scripts (NOSCRIPT) is given them again."""
    now = time.time()
    await tier.mark_void("all", now)
    await tier._client.script_flush()
    await tier.mark_void("all", now + 1)
    assert await tier.marks() == {"all": now + 1}


async def test_server_that_is_full(opened: Callable[..., RedisTier]) -> None:
    """With noeviction a full server refuses writes (OOM): down, while what it holds can still be read."""
    with redis_server("--maxmemory-policy", "noeviction") as server:
        tier = opened(server.url)
        await tier.put("first", b"entry", 600.0)
        await tier._client.config_set("maxmemory", 1)
        with pytest.raises(TierDown, match="full"):
            await tier.put("second", b"entry", 600.0)
        assert await tier.get("first") == b"entry"
        with pytest.raises(TierDown, match="full"):
            await tier.mark_void("all", time.time())


async def test_server_that_evicts(opened: Callable[..., RedisTier]) -> None:
    """With allkeys-lru older entries go, the newest is there, and marks that were evicted come back."""
    with redis_server("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru") as server:
        tier = opened(server.url)
        now = time.time()
        await tier.mark_void("all", now)
        for n in range(100):
            await tier.put(f"key-{n}", random.Random(n).randbytes(100_000), 600.0)
        kept = [n for n in range(100) if await tier.get(f"key-{n}") is not None]
        assert 0 < len(kept) < 40
        assert await tier.get("key-99") == random.Random(99).randbytes(100_000)
        assert await tier.marks() == {"all": now}


async def test_server_that_became_a_replica(tier: RedisTier) -> None:
    """A server that takes no writes (READONLY) is down for writes, and serves again when it is a primary again."""
    await tier.put("key", b"entry", 60.0)
    await tier._client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(TierDown, match="read only"):
            await tier.put("key", b"newer", 60.0)
    finally:
        await tier._client.replicaof("NO", "ONE")
    await tier.put("key", b"newer", 60.0)
    assert await tier.get("key") == b"newer"


async def test_server_that_is_loading(opened: Callable[..., RedisTier]) -> None:
    """A server that still reads its file (LOADING) is down, and serves when it has read it."""
    with redis_server("--save", "9999 1") as server:
        tier = opened(server.url)
        for n in range(100):  # clients are heard once in 2 MiB of loading
            await tier.put(f"{n}", random.Random(n).randbytes(100_000), 600.0)
        await tier._client.save()
        server.kill()
        server.start("--key-load-delay", "20000")
        with pytest.raises(TierDown, match="loading"):
            await tier.get("1")
        async with asyncio.timeout(20):
            while True:
                try:
                    assert await tier.get("1") == random.Random(1).randbytes(100_000)
                    break
                except TierDown:
                    await asyncio.sleep(0.05)


async def test_password_is_asked_for(opened: Callable[..., RedisTier]) -> None:
    """Without its password a server lets nobody in; the words about it name neither the password nor the address."""
    with redis_server("--requirepass", "open sesame") as server:
        refused = opened(server.url.replace("//", "//:shut-sesame@"))
        with pytest.raises(TierDown) as told:
            await refused.get("key")
        assert str(told.value) == "access denied"
        assert told.value.__cause__ is None
        tier = opened(server.url.replace("//", "//:open%20sesame@"))
        await tier.put("key", b"entry", 60.0)
        assert await tier.get("key") == b"entry"


async def test_server_that_was_started_anew(opened: Callable[..., RedisTier]) -> None:
    """Idle connections that died with the old server cost no failure."""
    with redis_server() as server:
        tier = opened(server.url)
        await asyncio.gather(*(tier.get(f"{n}") for n in range(20)))
        server.kill()
        server.start()
        assert await asyncio.gather(*(tier.get(f"{n}") for n in range(20))) == [None] * 20


async def test_cancelled_in_the_middle(server: RedisServer, tier: RedisTier, opened: Callable[..., RedisTier]) -> None:
    """Whoever cancels leaves no answer behind for the next one: in a storm of time-outs every entry that comes back is
    the one that was asked for, and no connection is lost."""
    for n in range(40):
        await tier.put(f"key-{n}", f"entry {n}".encode() * 100, 60.0)
    async with ToxicRelay(server.port) as relay:
        relay.latency_s = 0.002
        slow = opened(f"redis://127.0.0.1:{relay.port}/0", max_connections=20)
        dice = random.Random(7)
        seen = {True: 0, False: 0}

        async def ask(n: int, patience_s: float) -> None:
            try:
                async with asyncio.timeout(patience_s):
                    assert await slow.get(f"key-{n}") == f"entry {n}".encode() * 100
            except TimeoutError:
                seen[False] += 1
            else:
                seen[True] += 1

        async with asyncio.timeout(60):
            while min(seen.values()) < 100:
                await asyncio.gather(*(ask(dice.randrange(40), dice.uniform(0.0, 0.03)) for _ in range(16)))
        assert not slow._client.connection_pool._in_use_connections
