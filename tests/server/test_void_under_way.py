"""What one gateway declares void while another, which shares its Redis, is still being answered."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.remedies.house import BIG, House, chat, open_house, pretend
from tests.store.redis_server import RedisServer, redis_server

from headgate.assembly.tiers import guarded
from headgate.cache.marks import Kind
from headgate.simulator.faults import Fault, FaultKind

SLOW = Fault(FaultKind.SLOW, delay_s=0.5)
BODY = chat("What is the price of tea?", temperature=0, headgate={"cache_tags": "prices"})
MARKS = [(Kind.TAG, "prices"), (Kind.TENANT, "local"), (Kind.MODEL, BIG), (Kind.ALL, "")]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """One server for all tests of this file."""
    with redis_server() as running:
        yield running


async def settle(house: House) -> None:
    """Let what is kept be written, and what is declared void be heard of."""
    assert house.gateway.cache is not None
    await house.gateway.cache.settled()
    async with asyncio.timeout(5):
        while any(tier.health().queued for tier in guarded(house.gateway.cache.far)):  # noqa: ASYNC110 - nor does this
            await asyncio.sleep(0.005)
    await house.gateway.cache._tend_once()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind, value", MARKS, ids=[str(kind) for kind, _ in MARKS])
async def test_answer_that_was_asked_for_before(redis: RedisServer, kind: Kind, value: str, stream: bool) -> None:
    """Its own client gets it, and nobody else: neither gateway gives it again, from memory or from Redis. What is asked
    for afterwards is kept as ever."""
    toml = f'[cache]\nredis = "{redis.url}"\nredis_timeout_ms = 2000'
    body = BODY | {"stream": stream, "seed": [kind for kind, _ in MARKS].index(kind) * 2 + stream}
    async with open_house(pretend(SLOW), toml=toml) as one, open_house(pretend(), toml=toml) as other:
        assert other.gateway.cache is not None
        asking = asyncio.create_task(one.ask(body))
        async with asyncio.timeout(5):
            while not one.seen:  # noqa: ASYNC110 - the call's beginning is announced to nobody
                await asyncio.sleep(0.005)
        told = await other.gateway.cache.invalidate(kind, value)
        assert told.tiers["redis"] == "marked"
        assert (await asking).label("cache") == "miss"
        for house in (one, other):
            await settle(house)
        assert (await other.ask(body)).label("cache") == "miss"
        await settle(other)
        assert (await one.ask(body)).label("cache") == "hit-redis", "what was asked for later is good"
        assert (len(one.seen), len(other.seen)) == (1, 1)
