"""A running gateway whose cache tiers are down, slow, mute or coming and going, under load: no request fails for it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from tests.remedies.house import Answer, House, chat, open_house, pretend
from tests.store.redis_server import RedisServer, redis_server
from tests.store.s3_server import S3Server, s3_server
from tests.store.toxic_relay import ToxicRelay

from headgate.assembly.tiers import guarded
from headgate.cache.tier_health import TierHealth, TierState
from headgate.domain.limits import Dimension
from headgate.simulator.settings import Organisation

PLENTY = 1_000_000_000
NAMES = itertools.count()
CLIENTS = 8


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """One server for all tests of this file that leave it alone."""
    with redis_server() as running:
        yield running


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """One server for all tests of this file."""
    with s3_server() as running:
        yield running


def question(text: str) -> dict[str, Any]:
    """A request that the cache takes part in."""
    return chat(text, temperature=0)


def health(house: House) -> TierHealth:
    """How the far tier of a house is."""
    cache = house.gateway.cache
    assert cache is not None
    [tier] = guarded(cache.far)
    return tier.health()


async def become(question: Callable[[], bool], within_s: float = 20.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(within_s):
        while not question():  # noqa: ASYNC110 - what is asked announces nothing
            await asyncio.sleep(0.005)


@asynccontextmanager
async def house_with(line: str) -> AsyncIterator[House]:
    """A gateway with a far tier, and without limits upstream."""
    plenty = Organisation(plan="developer", limits={"*": dict.fromkeys(Dimension, PLENTY)})
    limits = "\n".join(f"{dimension.value} = {PLENTY}" for dimension in Dimension)
    toml = f'[cache]\n{line}\n[organisations.org_a.limits."*"]\n{limits}'
    async with open_house(pretend(organisations={"org_a": plenty}), toml=toml) as house:
        yield house


async def load(house: House, until: "asyncio.Event") -> list[Answer]:
    """New and repeated requests from several clients until the event."""
    answers: list[Answer] = []
    run = next(NAMES)

    async def client(number: int) -> None:
        for n in itertools.count():
            if until.is_set():
                return
            text = f"run {run} new {number} {n}" if n % 2 else f"run {run} again {n % 10}"
            answers.append(await house.ask(question(text)))

    await asyncio.gather(*map(client, range(CLIENTS)))
    return answers


def all_served(answers: list[Answer]) -> None:
    """Every answer is one, and enough were asked for to mean something."""
    assert len(answers) > 50
    assert {answer.status for answer in answers} == {200}
    others = {(answer.label("source"), answer.label("reason")) for answer in answers}
    assert {told for told in others if told[0] not in {"upstream", "cache"}} == set()


async def test_second_gateway_finds_what_the_first_kept(redis: RedisServer) -> None:
    """Two gateways that share a Redis: what one was answered the other finds there, then in its own memory."""
    line = f'redis = "{redis.url}"'
    text = f"shared {next(NAMES)}"
    async with house_with(line) as one, house_with(line) as other:
        first = await one.ask(question(text))
        assert first.label("cache") == "miss"
        await become(lambda: health(one).written == 1)
        again = [await other.ask(question(text)) for _ in range(2)]
        assert [answer.label("cache") for answer in again] == ["hit-redis", "hit-memory"]
        assert again[0].json["choices"] == first.json["choices"]
        assert other.seen == []


async def test_third_gateway_finds_it_in_object_storage(s3: S3Server) -> None:
    """The same through a bucket."""
    line = f'object = "{s3.url("shared")}"\nobject_timeout_ms = 5000'
    async with house_with(line) as one, house_with(line) as other:
        await one.ask(question("shared"))
        await become(lambda: health(one).written == 1)
        assert (await other.ask(question("shared"))).label("cache") == "hit-object"


@pytest.mark.parametrize("place", ["redis", "object"])
async def test_down_at_the_start(place: str) -> None:
    """A gateway whose tier nobody has ever reached starts and serves, and soon asks the tier no more."""
    url = {"redis": "redis://127.0.0.1:1/0", "object": "s3://b/p?endpoint=http://127.0.0.1:1&region=us-east-1"}[place]
    async with house_with(f'{place} = "{url}"') as house:
        until = asyncio.Event()
        asyncio.get_running_loop().call_later(1.0, until.set)
        all_served(await load(house, until))
        assert health(house).state is TierState.RESTING
        assert health(house).unasked > 10


async def test_killed_in_the_middle_and_started_again() -> None:
    """Redis dies under load and comes back: no request fails, and the tier takes part again by itself."""
    with redis_server() as server:
        async with house_with(f'redis = "{server.url}"') as house:
            until = asyncio.Event()
            loading = asyncio.create_task(load(house, until))
            await become(lambda: health(house).written > 5)
            server.kill()
            await become(lambda: health(house).state is TierState.RESTING)
            server.start()
            await become(lambda: health(house).state is TierState.READY)
            written = health(house).written
            await become(lambda: health(house).written > written)
            until.set()
            all_served(await loading)


ILLNESSES: dict[str, Callable[[ToxicRelay], None]] = {
    "a second late": lambda relay: setattr(relay, "latency_s", 1.0),
    "thin": lambda relay: setattr(relay, "bytes_per_s", 50.0),
    "mute": lambda relay: setattr(relay, "is_mute", True),
}


@pytest.mark.parametrize("illness", ILLNESSES.values(), ids=ILLNESSES.keys())
@pytest.mark.parametrize("place", ["redis", "object"])
async def test_slow_tier(redis: RedisServer, s3: S3Server, place: str, illness: Callable[[ToxicRelay], None]) -> None:
    """A tier that becomes slow under load is given up, and no request fails or waits for it longer than its time-out:
    look-ups that timed out are no more than those of its openings."""
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(ToxicRelay(redis.port if place == "redis" else s3.port))
        lines = {
            "redis": f'redis = "redis://127.0.0.1:{relay.port}/0"',
            "object": f'object = "{s3.url("slow", port=relay.port)}"',
        }
        house = await stack.enter_async_context(house_with(lines[place]))
        until = asyncio.Event()
        loading = asyncio.create_task(load(house, until))
        await become(lambda: health(house).written > 5)
        illness(relay)
        await become(lambda: health(house).state is TierState.RESTING)
        asyncio.get_running_loop().call_later(1.0, until.set)
        all_served(await loading)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["redis", "object"])
async def test_coming_and_going_each_second(redis: RedisServer, s3: S3Server, place: str) -> None:
    """Up for half a second and down for half a second, under load: every request is answered, and the tier is given up
    for longer each time."""
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(ToxicRelay(redis.port if place == "redis" else s3.port))
        lines = {
            "redis": f'redis = "redis://127.0.0.1:{relay.port}/0"',
            "object": f'object = "{s3.url("flapping", port=relay.port)}"',
        }
        house = await stack.enter_async_context(house_with(lines[place]))
        until = asyncio.Event()
        loading = asyncio.create_task(load(house, until))
        for _ in range(6):
            await asyncio.sleep(0.5)
            await relay.shut()
            await asyncio.sleep(0.5)
            await relay.open()
        until.set()
        all_served(await loading)
        assert 1 <= health(house).openings <= 3
