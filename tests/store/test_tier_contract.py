"""What every tier promises, at a real Redis, a real folder and a real S3 server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.store.redis_server import some_redis
from tests.store.s3_server import S3Server, s3_server

from headgate.cache.tier import Tier, TierDown
from headgate.store.guarded_tier import GuardedTier, GuardLimits
from headgate.store.object_tier import ObjectTier, place_of
from headgate.store.redis_tier import RedisTier

KINDS = ["redis", "folder", "s3", "guarded redis"]


class Wall:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    """The URL of one server for all tests of this file."""
    with some_redis() as url:
        yield url


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """One server for all tests of this file."""
    with s3_server() as server:
        yield server


@pytest.fixture
def wall() -> Wall:
    """The time of tiers that keep it themselves."""
    return Wall()


@pytest.fixture(params=KINDS)
async def tier(request: pytest.FixtureRequest, tmp_path: Path, wall: Wall) -> AsyncIterator[Tier]:
    """An empty tier of each kind."""
    made: Tier
    if "redis" in request.param:
        remote = RedisTier(request.getfixturevalue("redis"), wall=wall)
        await remote._client.flushdb()
        made = remote
        if "guarded" in request.param:
            made = GuardedTier(remote, GuardLimits(5.0, 5.0), asyncio.get_running_loop().time)
    elif request.param == "s3":
        prefix = f"{abs(hash(request.node.name))}"
        made = ObjectTier(place_of(request.getfixturevalue("s3").url(prefix)), wall=wall)
    else:
        made = ObjectTier(place_of(str(tmp_path / "answers")), wall=wall)
    yield made
    await made.close()


async def written(tier: Tier, key: str, entry: bytes, ttl_s: float) -> None:
    """Put, and see that it is there: a guarded tier writes behind."""
    await tier.put(key, entry, ttl_s)
    async with asyncio.timeout(5):
        while await tier.get(key) != entry:  # noqa: ASYNC110 - a write behind announces nothing
            await asyncio.sleep(0.001)


async def test_entry_comes_back(tier: Tier) -> None:
    """Any bytes under any key, and nothing under another."""
    entry = bytes(range(256)) * 300
    key = "hg1:tenant/ü:\n'k'" + "x" * 500
    await written(tier, key, entry, 60.0)
    assert await tier.get(key) == entry
    assert await tier.get(key + "y") is None


async def test_entry_is_replaced(tier: Tier) -> None:
    """The newer of two entries of a key is the one that is there."""
    await written(tier, "key", b"older", 60.0)
    await written(tier, "key", b"newer", 60.0)
    assert await tier.get("key") == b"newer"


async def test_delete_says_whether_there_was_one(tier: Tier) -> None:
    """True for what was there, False for what was not, and then it is gone."""
    await written(tier, "key", b"entry", 60.0)
    assert await tier.delete("key") is True
    assert await tier.get("key") is None
    assert await tier.delete("key") is False


async def test_entry_ends(tier: Tier, wall: Wall) -> None:
    """After its time an entry is not given out."""
    await tier.put("short", b"entry", 0.15)
    await written(tier, "long", b"entry", 60.0)
    wall.now += 1.0
    async with asyncio.timeout(5):
        while await tier.get("short") is not None:  # noqa: ASYNC110 - time goes by in another process
            await asyncio.sleep(0.01)
    assert await tier.get("long") == b"entry"


async def test_marks_move_forward(tier: Tier, wall: Wall) -> None:
    """The latest time of each mark counts, whatever the order in which they come."""
    now = wall.now
    long = "tag:" + "ü" * 196
    for mark, before in (("all", now), ("all", now - 5.0), ("tenant:acme", now - 9.0), (long, now + 0.25)):
        await tier.mark_void(mark, before)
    await tier.mark_void("tenant:acme", now - 3.0)
    marks = await tier.marks()
    assert {mark: round(at, 5) for mark, at in marks.items()} == {
        "all": now,
        "tenant:acme": now - 3.0,
        long: now + 0.25,
    }


async def test_marks_that_matter_no_more(tier: Tier, wall: Wall) -> None:
    """What voids only entries that are long over is forgotten, so that marks cannot pile up."""
    await tier.mark_void("tag:old", wall.now - 40 * 86_400.0)
    await tier.mark_void("tag:new", wall.now)
    assert dict(await tier.marks()) == {"tag:new": wall.now}
    assert dict(await tier.marks()) == {"tag:new": wall.now}


async def test_many_at_once(tier: Tier) -> None:
    """Concurrent writers and readers of the same keys see one of the whole entries, never a mixture. A server that
    errs meanwhile (this S3 server's threads get in each other's way) is down, and nothing else."""
    entries = [bytes([65 + n]) * 20_000 for n in range(8)]

    async def write(n: int) -> None:
        for _ in range(5):
            with contextlib.suppress(TierDown):
                await tier.put(f"key-{n % 2}", entries[n], 60.0)

    async def read(n: int) -> list[bytes | None]:
        found: list[bytes | None] = []
        for _ in range(10):
            with contextlib.suppress(TierDown):
                found.append(await tier.get(f"key-{n % 2}"))
        return found

    writes = asyncio.gather(*map(write, range(8)))
    seen = await asyncio.gather(*map(read, range(8)))
    await writes
    assert {entry for each in seen for entry in each} <= {None, *entries}


async def test_concurrent_marks(tier: Tier, wall: Wall) -> None:
    """Marks that are set at the same time all stand."""
    await asyncio.gather(*(tier.mark_void(f"tag:{n % 5}", wall.now + n) for n in range(20)))
    assert {mark: round(at) for mark, at in (await tier.marks()).items()} == {
        f"tag:{n}": wall.now + 15 + n for n in range(5)
    }


async def test_nobody_listens() -> None:
    """A tier that is not there says so, and nothing else."""
    tier = RedisTier("redis://127.0.0.1:1/0", wall=Wall())
    for work in (tier.get("key"), tier.put("key", b"entry", 1.0), tier.delete("key"), tier.marks()):
        with pytest.raises(TierDown, match="unreachable"):
            await work
    await tier.close()
