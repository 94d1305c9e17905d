"""What a cache tier that is well, dead, slow or coming and going adds to the time of a request.

    python -m bench.tiers [--seconds 10] [--rate 100]          # about three minutes

Every request is a new one at temperature 0: each is looked for in every tier in vain, asked of a canned upstream, and
kept. So each pays what a tier can cost; answers that are found save the upstream's time instead. Requests come at a
steady rate whatever becomes of those before (open loop), from one process; the gateway is another. "dead" refuses
connections from the start, "a second late" answers everything a second later, "coming and going" is up for half a
second and down for half a second; the last two are well while the gateway starts. The S3 server is moto's, which takes
some milliseconds of one core for an operation.
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
from pathlib import Path
from typing import Any

import aiohttp
import boto3  # type: ignore[import-untyped]
import uvloop
from bench.overhead import GATEWAY, free_port, module, process
from tests.store.redis_server import redis_server
from tests.store.s3_server import BUCKET, S3Server
from tests.store.toxic_relay import ToxicRelay

WARM = 100
"""Requests before those that are measured."""
GOAL_MS = 50.0

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


def tell(name: str, taken_s: list[float], failed: int, base: tuple[float, float] | None) -> tuple[float, float]:
    """Print a row; its median and 99th percentile in milliseconds."""
    cuts = statistics.quantiles(taken_s, n=100)
    p50, p99 = cuts[49] * 1000, cuts[98] * 1000
    added = "" if base is None else f"{p50 - base[0]:+.1f} | {p99 - base[1]:+.1f}"
    print(f"| {name} | {len(taken_s)} | {failed} | {p50:.1f} | {p99:.1f} | {added or '| '} |", flush=True)
    return p50, p99


async def measure(seconds: float, rate: float) -> None:
    """Print the table."""
    async with AsyncExitStack() as stack:
        upstream, s3_port = free_port(), free_port()
        stack.enter_context(process(module("bench.canned_upstream", "--port", str(upstream)), upstream))
        stack.enter_context(process([sys.executable, "-m", "moto.server", "-p", str(s3_port)], s3_port))
        session = boto3.session.Session("me", "hush", region_name="us-east-1")
        session.client("s3", endpoint_url=f"http://127.0.0.1:{s3_port}").create_bucket(Bucket=BUCKET)
        redis = stack.enter_context(redis_server())
        print("| tier | requests | failed | p50 ms | p99 ms | added to p50 | added to p99 |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        async with gateway(upstream, "") as port:
            base = tell("none but memory", *await load(port, seconds, rate, ToxicRelay(0), well), None)
        for kind, behind in (("redis", redis.port), ("s3", s3_port)):
            for name, ill in ILLS.items():
                async with ToxicRelay(behind) as relay:
                    if ill is None:
                        await relay.shut()
                    at = {
                        "redis": f'redis = "redis://127.0.0.1:{relay.port}/0"',
                        "s3": f'object = "{S3Server(s3_port).url("bench", port=relay.port)}"',
                    }
                    async with gateway(upstream, at[kind]) as port:
                        tell(f"{kind}, {name}", *await load(port, seconds, rate, relay, ill or well), base)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=100.0)
    options = parser.parse_args()
    uvloop.run(measure(options.seconds, options.rate))
