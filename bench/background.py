"""What background work costs a reply: the same requests without jobs, with jobs, and beside a flood of jobs.

    python -m bench.background                # about a minute

The pretend Groq runs in this process and thinks for 20 ms; the gateway, with a store, is `headgate serve` in a process
of its own. One client asks; the four kinds of requests take turns, so that all meet the same machine. Then the same
again while some thousands of jobs are queued, of which as many run at a time as the settings allow.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from headgate.domain.limits import Dimension
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import Lengths, Organisation, Pace, SimulatorSettings

MODEL = "openai/gpt-oss-20b"
KEY = "gsk_bench"
PLENTY = dict.fromkeys(Dimension, 1_000_000_000)
THINKS = Pace(network_s=0.0, queue_median_s=0.02, queue_sigma=0.0, output_speed_factor=1_000.0)
SHORT = Lengths(median_tokens=20.0, sigma=0.0, longest_tokens=40, reasoning_medium_tokens=0.0)
LOCAL = {"kind": "local", "skill": "language"}
RATE = {"kind": "chat", "model": MODEL, "messages": [{"role": "user", "content": "Rate {{reply}}"}]}
KINDS: dict[str, list[dict[str, Any]]] = {
    "no job": [],
    "a job about the message": [LOCAL],
    "a job about the reply": [RATE],
    "three jobs": [LOCAL, RATE, RATE],
}


def settings(folder: Path) -> Path:
    """A gateway that knows that there is room for everything."""
    limits = "".join(f"{dimension.value} = {limit}\n" for dimension, limit in PLENTY.items())
    path = folder / "headgate.toml"
    path.write_text(
        f'[[groq.keys]]\nsecret = "{KEY}"\norganisation = "o"\n[background]\nmax_open_per_tenant = 1000000\n'
        f'[organisations.o]\nplan = "developer"\n[organisations.o.limits."*"]\n{limits}',
        encoding="utf-8",
    )
    return path


def body(number: int, jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """One request; each asks something else."""
    asked: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": f"Good morning, tell me of number {number}."}],
        "max_completion_tokens": 40,
        "temperature": 1,
    }
    return asked | ({"headgate": {"background": jobs}} if jobs else {})


async def measured(client: aiohttp.ClientSession, rounds: int, first: int) -> dict[str, list[float]]:
    """Milliseconds to the last byte of each request, by kind."""
    took: dict[str, list[float]] = {kind: [] for kind in KINDS}
    number = first
    for _ in range(rounds):
        for kind, jobs in KINDS.items():
            number += 1
            started_at = time.perf_counter()
            async with client.post("/v1/chat/completions", json=body(number, jobs)) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            took[kind].append((time.perf_counter() - started_at) * 1_000.0)
    return took


async def flooded(client: aiohttp.ClientSession, jobs: int) -> None:
    """Queue so many jobs that are asked of a model."""
    spec = {**RATE, "messages": [{"role": "user", "content": "Rate this."}]}
    for _ in range(jobs):
        async with client.post("/v1/jobs", json=spec) as answer:
            assert answer.status == 202, await answer.text()


def told(name: str, took: dict[str, list[float]]) -> None:
    """Rows of the table."""
    plain = statistics.median(took["no job"])
    for kind, found in took.items():
        ordered = sorted(found)
        p99 = ordered[int(0.99 * (len(ordered) - 1))]
        median = statistics.median(ordered)
        print(f"| {kind}{name} | {median:.2f} | {median - plain:+.2f} | {p99:.1f} |")


async def run(rounds: int, jobs: int) -> None:
    """Both measurements."""
    pretend = await serve_simulator(
        SimulatorSettings(
            pace=THINKS,
            lengths=SHORT,
            keys={KEY: "o"},
            organisations={"o": Organisation(plan="developer", limits={"*": PLENTY})},
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "GROQ_BASE_URL": pretend.base_url, "HEADGATE_ADMIN__ENABLED": "false"}
        config, store = settings(Path(folder)), Path(folder) / "s.sqlite3"
        command = (sys.executable, "-m", "headgate", "serve", "--port", "0")
        process = await asyncio.create_subprocess_exec(
            *command, "--config", str(config), "--store", str(store), env=environ, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        try:
            line = (await process.stderr.readline()).decode()
            root = line.rpartition(" ")[2].strip()
            async with aiohttp.ClientSession(root) as client:
                await measured(client, 20, 0)
                print("| request | ms, median | more than without a job | p99 |\n| --- | --- | --- | --- |")
                told("", await measured(client, rounds, 1_000_000))
                await flooded(client, jobs)
                told(", beside the flood", await measured(client, rounds, 2_000_000))
                async with client.get("/v1/jobs?limit=1") as answer:
                    print("jobs at the end:", (await answer.json())["counts"])
        finally:
            process.terminate()
            await process.wait()
            await pretend.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--jobs", type=int, default=4_000)
    asked = parser.parse_args()
    asyncio.run(run(asked.rounds, asked.jobs))


if __name__ == "__main__":
    main()
