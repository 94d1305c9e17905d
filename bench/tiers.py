"""What a cache tier that is well, dead, slow or coming and going adds to the time of a request.

    python -m bench.tiers [--seconds 10] [--rate 100] [--rounds 3]      # about six minutes

Every request is a new one at temperature 0: each is looked for in every tier in vain, asked of a canned upstream, and
kept. So each pays what a tier can cost; answers that are found save the upstream's time instead. Requests come at a
steady rate whatever becomes of those before (open loop), from one process; the gateway is another. "dead" refuses
connections from the start, "a second late" answers everything a second later, "coming and going" is up for half a
second and down for half a second; the last two are well while the gateway starts. The S3 server is moto's, which takes
some milliseconds of one core for an operation. Medians over the rounds, which go through all cases in turn.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import boto3  # type: ignore[import-untyped]
import uvloop
from bench.overhead import GATEWAY, free_port, module, process
from tests.store.redis_server import redis_server
from tests.store.s3_server import BUCKET, S3Server
from tests.store.toxic_relay import ToxicRelay

from headgate.cache.tier import Tier
from headgate.store.object_tier import ObjectTier, place_of
from headgate.store.redis_tier import RedisTier

WARM = 100
"""Requests before those that are measured."""
NONE = "none but memory"
OPS = 1_000
"""Of each kind that are timed."""

Ill = Callable[[ToxicRelay, float], Coroutine[Any, Any, None]]


async def well(_relay: ToxicRelay, seconds: float) -> None:
    """Nothing happens."""
    await asyncio.sleep(seconds)


async def late(relay: ToxicRelay, seconds: float) -> None:
    """Every chunk comes a second later."""
    relay.latency_s = 1.0
    await asyncio.sleep(seconds)


async def flapping(relay: ToxicRelay, seconds: float) -> None:
    """Up and down, once a second."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await relay.shut()
        await asyncio.sleep(0.5)
        await relay.open()
        await asyncio.sleep(0.5)


ILLS: dict[str, Ill | None] = {"well": well, "dead": None, "a second late": late, "coming and going": flapping}


async def ask(client: aiohttp.ClientSession, port: int, number: int, taken_s: list[float]) -> int:
    """One new request; its status."""
    body = {
        "model": "llama-3.1-8b-instant",
        "messages": [
            {"role": "user", "content": f"{time.monotonic_ns():020d} {number:09d} What holds the water back?"}
        ],
        "max_tokens": 64,
        "temperature": 0,
    }
    started_at = time.monotonic()
    async with client.post(f"http://127.0.0.1:{port}/openai/v1/chat/completions", json=body) as answer:
        await answer.read()
    taken_s.append(time.monotonic() - started_at)
    return answer.status


async def load(port: int, seconds: float, rate: float, relay: ToxicRelay, ill: Ill) -> tuple[list[float], int]:
    """The times of all requests, and how many of them failed."""
    taken_s: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        for number in range(WARM):
            await ask(client, port, number, [])
        illness = asyncio.create_task(ill(relay, seconds))
        started_at = time.monotonic()
        asks = []
        for number in range(int(seconds * rate)):
            await asyncio.sleep(max(0.0, started_at + number / rate - time.monotonic()))
            asks.append(asyncio.create_task(ask(client, port, number, taken_s)))
        statuses = await asyncio.gather(*asks)
        await illness
    return taken_s, sum(status != 200 for status in statuses)


@asynccontextmanager
async def gateway(upstream: int, tier: str) -> AsyncIterator[int]:
    """A gateway process with this line under [cache]; its port."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GROQ_", "HEADGATE_", "REDIS_", "AWS_"))}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "headgate.toml"
        config.write_text(f"{GATEWAY.format(upstream=upstream)}[cache]\n{tier}\n[admin]\nenabled = false\n")
        environment["HEADGATE_STORE__ENABLED"] = "false"
        with process(module("headgate", "serve", "--config", str(config), "--port", str(port)), port, environment):
            yield port


class Times(NamedTuple):
    """One run of one case."""

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float


def times_of(taken_s: list[float], failed: int) -> Times:
    """What a run came to."""
    cuts = statistics.quantiles(taken_s, n=100)
    return Times(len(taken_s), failed, cuts[49] * 1000, cuts[98] * 1000)


def report(runs: dict[str, list[Times]]) -> None:
    """Print the table: medians over the rounds, and all failures."""
    p50 = {name: statistics.median(run.p50_ms for run in each) for name, each in runs.items()}
    p99 = {name: statistics.median(run.p99_ms for run in each) for name, each in runs.items()}
    print("| tier | requests | failed | p50 ms | p99 ms | added to p50 | added to p99 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, each in runs.items():
        requests, failed = sum(run.requests for run in each), sum(run.failed for run in each)
        added = f"{p50[name] - p50[NONE]:+.1f} | {p99[name] - p99[NONE]:+.1f}" if name != NONE else " | "
        print(f"| {name} | {requests:,} | {failed} | {p50[name]:.1f} | {p99[name]:.1f} | {added} |", flush=True)


async def operations(redis_url: str, s3_port: int) -> None:
    """Print what one look-up and one write of a 600-byte entry take, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        tiers: dict[str, Tier] = {
            "Redis": RedisTier(redis_url, wall=time.time),
            "a folder": ObjectTier(place_of(folder), wall=time.time),
            "S3 (moto)": ObjectTier(place_of(S3Server(s3_port).url("operations")), wall=time.time),
        }
        print("| one entry of 600 bytes | look-up, median µs | p99 | write, median µs | p99 |")
        print("| --- | --- | --- | --- | --- |")
        for name, tier in tiers.items():
            writes = await timed([partial(tier.put, f"key-{n}", bytes(600), 600.0) for n in range(OPS)])
            looks = await timed([partial(tier.get, f"key-{n}") for n in range(OPS)])
            print(f"| {name} | {looks} | {writes} |", flush=True)
            await tier.close()
    print()


async def timed(works: list[Callable[[], Coroutine[Any, Any, object]]]) -> str:
    """Median and 99th percentile of the times of these, in microseconds, as two cells."""
    taken: list[float] = []
    for work in works:
        started_at = time.perf_counter()
        await work()
        taken.append((time.perf_counter() - started_at) * 1e6)
    return f"{statistics.median(taken):,.0f} | {statistics.quantiles(taken, n=100)[98]:,.0f}"


async def run(kind: str, ill: Ill | None, ports: dict[str, int], seconds: float, rate: float) -> Times:
    """One case once."""
    if kind == NONE:
        async with gateway(ports["upstream"], "") as port:
            return times_of(*await load(port, seconds, rate, ToxicRelay(0), well))
    async with ToxicRelay(ports[kind]) as relay:
        if ill is None:
            await relay.shut()
        lines = {
            "Redis": f'redis = "redis://127.0.0.1:{relay.port}/0"',
            "S3": f'object = "{S3Server(ports["S3"]).url("bench", port=relay.port)}"',
        }
        async with gateway(ports["upstream"], lines[kind]) as port:
            return times_of(*await load(port, seconds, rate, relay, ill or well))


async def measure(seconds: float, rate: float, rounds: int) -> None:
    """Print both tables."""
    async with AsyncExitStack() as stack:
        upstream, s3 = free_port(), free_port()
        stack.enter_context(process(module("bench.canned_upstream", "--port", str(upstream)), upstream))
        stack.enter_context(process([sys.executable, "-m", "moto.server", "-p", str(s3)], s3))
        session = boto3.session.Session("me", "hush", region_name="us-east-1")
        session.client("s3", endpoint_url=f"http://127.0.0.1:{s3}").create_bucket(Bucket=BUCKET)
        redis = stack.enter_context(redis_server())
        ports = {"upstream": upstream, "Redis": redis.port, "S3": s3}
        await operations(redis.url, s3)
        cases: dict[str, tuple[str, Ill | None]] = {NONE: (NONE, None)}
        cases |= {f"{kind}, {name}": (kind, ill) for kind in ("Redis", "S3") for name, ill in ILLS.items()}
        runs: dict[str, list[Times]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, (kind, ill) in cases.items():
                runs[name].append(await run(kind, ill, ports, seconds, rate))
        report(runs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    uvloop.run(measure(options.seconds, options.rate, options.rounds))
