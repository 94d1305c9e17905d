"""Memory, a real Redis and a real S3 server as one cache, assembled as a gateway assembles them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.redis_server import RedisServer, redis_server
from tests.store.s3_server import BUCKET, S3Server, s3_server

from headgate.assembly.caching import make_cache
from headgate.assembly.tiers import guarded, tell_of_trouble
from headgate.cache.entry import Entry, Flaw, encode_entry
from headgate.cache.key import Space, space_of
from headgate.cache.marks import Kind, marks_of
from headgate.cache.rules import CacheScope
from headgate.cache.tier import TierName
from headgate.domain.answer import Usage
from headgate.domain.fact import Fact
from headgate.runtime.cache import Cache, Ticket
from headgate.runtime.clock import MonotonicClock
from headgate.runtime.settings import InvalidSettings, Settings, load_settings
from headgate.store.object_tier import HEAD, MAGIC, _path
from headgate.store.redis_tier import ENTRIES

MODEL = "openai/gpt-oss-20b"
ROOT = b"the secret of this installation"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """One server for all tests of this file."""
    with redis_server() as running:
        yield running


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """One server for all tests of this file."""
    with s3_server() as running:
        yield running


@pytest.fixture
def chosen(redis: RedisServer, s3: S3Server, request: pytest.FixtureRequest) -> Settings:
    """Settings that name both, with room of the test's own in each."""
    named = {
        "GROQ_API_KEY": "gsk_x",
        "REDIS_URL": redis.url,
        "HEADGATE_CACHE__OBJECT": s3.url(f"{abs(hash(request.node.nodeid))}"),
        "HEADGATE_CACHE__REDIS_TIMEOUT_MS": "2000",
        "HEADGATE_CACHE__OBJECT_TIMEOUT_MS": "2000",
    }
    return load_settings(None, named)


def space(tenant: str) -> Space:
    """Where a tenant's entries are."""
    made = space_of(ROOT, CacheScope.TENANT, tenant, None)
    assert made is not None
    return made


def entry(where: Space, key: str, text: str = "an answer", tenant: str = "acme") -> Entry:
    """An answer that was just written."""
    marks = marks_of(tenant, MODEL, ())
    return Entry("chat", key, where.name, MODEL, "groq", time.time(), 3_600.0, marks, Usage(10, 20), text.encode())


Opened = Callable[[], Cache]


@pytest.fixture
async def opened(chosen: Settings) -> AsyncIterator[Opened]:
    """Makes caches of gateways that share both tiers; all are stopped in the end."""
    made: list[Cache] = []

    def make() -> Cache:
        cache = make_cache(chosen, MonotonicClock(), _nobody)
        assert cache is not None
        made.append(cache)
        return cache

    yield make
    for each in made:
        await each.stop()


def _nobody(_fact: Fact) -> None:
    pass


async def settled(cache: Cache) -> None:
    """Once everything that was kept is in every tier."""
    await cache.settled()
    async with asyncio.timeout(10):
        while any(tier.health().queued for tier in guarded(cache.far)):  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0.005)


async def flush(redis: RedisServer) -> None:
    """Empty the Redis between two looks."""
    from redis.asyncio import Redis

    client = Redis(port=redis.port)
    await client.flushall()
    await client.aclose()


async def test_entry_climbs_from_the_farthest_tier(opened: Opened, redis: RedisServer) -> None:
    """A gateway that finds an answer in object storage gives it to Redis and to its memory; the next one finds it in
    Redis, and this one, the second time, in memory."""
    where, first = space("acme"), opened()
    ticket = Ticket("k" * 40, where, (MODEL,))
    assert first.keep(entry(where, ticket.key), ticket) is None
    await settled(first)
    await flush(redis)

    second = opened()
    found = await second.look_far(ticket)
    assert found is not None
    assert (found.tier, found.entry.body) == (TierName.OBJECT, b"an answer")
    near = second.look_near(ticket)
    assert near is not None
    assert near.tier is TierName.MEMORY
    await settled(second)

    third = opened()
    found = await third.look_far(ticket)
    assert found is not None
    assert found.tier is TierName.REDIS


POISONS = {
    "random bytes": os.urandom(500),
    "one byte": b"\x01",
    "a newer form": b"\xfe" + os.urandom(500),
    "an older form": b"\x00" + os.urandom(500),
    "JSON": b'{"answer":"yes"}',
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS.keys())
async def test_poison_in_both_tiers(opened: Opened, poison: bytes) -> None:
    """Whatever a foreign hand put under a key of ours, in either tier, is a miss and counted, and no exception."""
    where, cache = space("acme"), opened()
    ticket = Ticket("p" * 40, where, (MODEL,))
    near, far = (each._tier for each in guarded(cache.far))
    await near._client.set(ENTRIES + ticket.key, poison)  # type: ignore[attr-defined]
    await far._store.put_async(_path(ticket.key), HEAD.pack(MAGIC, 2**60) + poison)  # type: ignore[attr-defined]
    assert await cache.look_far(ticket) is None
    assert sum(cache.stats().flaws.values()) == 2


async def test_values_of_another_kind(opened: Opened) -> None:
    """A list under our key in Redis, and an object without our head, are misses that the tiers count themselves."""
    where, cache = space("acme"), opened()
    ticket = Ticket("w" * 40, where, (MODEL,))
    near, far = (each._tier for each in guarded(cache.far))
    await near._client.delete(ENTRIES + ticket.key)  # type: ignore[attr-defined]
    await near._client.rpush(ENTRIES + ticket.key, "x")  # type: ignore[attr-defined]
    await far._store.put_async(_path(ticket.key), os.urandom(100))  # type: ignore[attr-defined]
    assert await cache.look_far(ticket) is None
    assert [tier.health().poisoned for tier in guarded(cache.far)] == [1, 1]


async def test_entry_of_another_tenant_under_our_key(opened: Opened) -> None:
    """An answer of another tenant that somebody copied to our key is not given out."""
    ours, theirs, cache = space("acme"), space("evil"), opened()
    ticket = Ticket("f" * 40, ours, (MODEL,))
    near, _ = (each._tier for each in guarded(cache.far))
    await near._client.set(ENTRIES + ticket.key, encode_entry(entry(theirs, ticket.key), theirs))  # type: ignore[attr-defined]
    assert await cache.look_far(ticket) is None
    assert cache.stats().flaws == {Flaw.FOREIGN.value: 1}


@settings(max_examples=15)
@given(tenants=st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=4, unique=True), text=st.text(min_size=1))
def test_tenants_never_meet(redis: RedisServer, tenants: list[str], text: str) -> None:
    """Whatever tenants keep under the same key in one Redis, each finds its own answer or none."""

    async def check() -> None:
        asked = load_settings(None, {"REDIS_URL": redis.url, "HEADGATE_CACHE__REDIS_TIMEOUT_MS": "2000"})
        cache = make_cache(asked, MonotonicClock(), _nobody)
        assert cache is not None
        for tenant in tenants:
            where = space(tenant)
            ticket = Ticket("t" * 40, where, (MODEL,))
            cache.keep(entry(where, ticket.key, f"{text} of {tenant}", tenant), ticket)
            await settled(cache)
        for tenant in tenants:
            found = await cache.look_far(Ticket("t" * 40, space(tenant), (MODEL,)))
            assert found is None or found.entry.body.decode() == f"{text} of {tenant}"
        await cache.stop()

    asyncio.run(check())


async def test_void_in_one_gateway_is_void_in_the_other(opened: Opened) -> None:
    """What one gateway declares void the other, which shares the tiers, does not give out any more."""
    where, one, other = space("acme"), opened(), opened()
    ticket = Ticket("v" * 40, where, (MODEL,))
    one.keep(entry(where, ticket.key), ticket)
    await settled(one)
    assert await other.look_far(ticket) is not None
    told = await one.invalidate(Kind.TENANT, "acme")
    assert told.tiers == {"memory": "marked", "redis": "marked", "object": "marked"}
    await other._tend_once()
    assert other.look_near(ticket) is None
    assert await other.look_far(ticket) is None


async def test_redis_is_killed_in_the_middle(chosen: Settings) -> None:
    """With Redis dead an answer comes from object storage, and with both tiers dead there is none, but no failure."""
    with redis_server() as server:
        asked = load_settings(
            None,
            {"REDIS_URL": server.url, "HEADGATE_CACHE__OBJECT": chosen.cache.object.reveal()},  # type: ignore[union-attr]
        )
        cache = make_cache(asked, MonotonicClock(), _nobody)
        assert cache is not None
        where = space("acme")
        ticket = Ticket("d" * 40, where, (MODEL,))
        cache.keep(entry(where, ticket.key), ticket)
        await settled(cache)
        server.kill()
        for _ in range(10):
            found = await cache.look_far(ticket)
            assert found is not None
            assert found.tier is TierName.OBJECT
        await cache.stop()


async def test_trouble_at_the_start_is_told() -> None:
    """A gateway whose tiers cannot be reached starts, and says so in words that show no password."""
    asked = load_settings(
        None,
        {
            "REDIS_URL": "redis://me:hush@127.0.0.1:1/0",
            "HEADGATE_CACHE__OBJECT": f"s3://{BUCKET}/x?endpoint=http://127.0.0.1:1&region=x&access_key_id=me&secret_access_key=hush",
        },
    )
    cache = make_cache(asked, MonotonicClock(), _nobody)
    assert cache is not None
    said: list[str] = []
    await tell_of_trouble(guarded(cache.far), said.append)
    await cache.start()
    assert len(said) == 2
    assert all("cannot be used (unreachable)" in text and "hush" not in text for text in said)
    await cache.stop()


@pytest.mark.parametrize(
    "named, place",
    [
        ({"REDIS_URL": "http://me:hush@host"}, "cache.redis"),
        ({"HEADGATE_CACHE__REDIS": "redis://me:hush@host:port"}, "cache.redis"),
        ({"HEADGATE_CACHE__OBJECT": "ftp://me:hush@host/x"}, "cache.object"),
        ({"HEADGATE_CACHE__OBJECT": "s3://bucket/x?secret_access_key=hush&colour=red"}, "cache.object"),
    ],
)
def test_url_that_cannot_be_used(named: dict[str, str], place: str) -> None:
    """It is refused at the start with the key and the fix, and never shown."""
    with pytest.raises(InvalidSettings) as told:
        make_cache(load_settings(None, named), MonotonicClock(), _nobody)
    assert place in str(told.value)
    assert "Fix: " in str(told.value)
    assert "hush" not in str(told.value)


WITHOUT = """
import sys
sys.modules[{module!r}] = None
from headgate.assembly import make_gateway
from headgate.runtime.settings import InvalidSettings, load_settings
try:
    make_gateway(load_settings(None, {named!r}))
except InvalidSettings as told:
    print(told)
"""


@pytest.mark.parametrize(
    "module, named",
    [
        ("redis.asyncio", {"REDIS_URL": "redis://hush@host"}),
        ("obstore.store", {"HEADGATE_CACHE__OBJECT": "s3://bucket/x"}),
    ],
)
def test_part_that_is_not_installed(module: str, named: dict[str, str]) -> None:
    """A process without the optional part ends at the start, and is told what to install."""
    program = WITHOUT.format(module=module, named=named)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    extra = {"redis.asyncio": "redis", "obstore.store": "object"}[module]
    assert f"cache.{extra}" in done.stdout
    assert {"redis": "pip install 'redis[hiredis]'", "object": "pip install obstore"}[extra] in done.stdout
    assert "hush" not in done.stdout


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    """`REDIS_URL` beats the file, and the longer name beats it; no way of printing settings shows a URL."""
    file = tmp_path / "headgate.toml"
    file.write_text('[cache]\nredis = "redis://hush@one"\nobject = "/var/cache/answers"\n')
    assert load_settings(file, {}).cache.redis is not None
    for named, url in (
        ({}, "redis://hush@one"),
        ({"REDIS_URL": "redis://hush@two"}, "redis://hush@two"),
        ({"REDIS_URL": "redis://hush@two", "HEADGATE_CACHE__REDIS": "redis://hush@three"}, "redis://hush@three"),
    ):
        loaded = load_settings(file, named)
        assert loaded.cache.redis is not None
        assert loaded.cache.redis.reveal() == url
        assert "hush" not in repr(loaded)
