"""What a batch costs: lines a second against a pretend Groq without limits, memory, and how long the loop is kept busy.

    python -m bench.batch [--lines 5000] [--checked 50000]

The gateway and the pretend Groq share one process and one core here, so a line pays for both. The longest stall is the
latest that a timer of one millisecond fired while an input file was checked.
"""

import argparse
import asyncio
import json
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from headgate.assembly import make_gateway
from headgate.domain.limits import Dimension
from headgate.runtime.settings import load_settings
from headgate.server.gateway import Gateway
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import Lengths, Organisation, Pace, SimulatorSettings
from headgate.store.batch_rows import BatchRow, BatchStatus, NewBatch
from headgate.store.rows import NewFile
from headgate.store.sqlite import SqliteStore

CHAT = "/v1/chat/completions"
PLENTY = 1_000_000_000
QUICK = Pace(network_s=0.0, queue_median_s=0.001, queue_sigma=0.1, output_speed_factor=100.0)
SHORT = Lengths(median_tokens=20.0, sigma=0.2, longest_tokens=60, reasoning_medium_tokens=0.0)
PEAK_UNIT_BYTES = 1024
DAY_S = 86_400


def config(folder: Path) -> Path:
    """Settings without limits."""
    limits = "".join(f"{dimension.value} = {PLENTY}\n" for dimension in Dimension)
    path = folder / "headgate.toml"
    path.write_text(
        '[[groq.keys]]\nsecret = "gsk_bench"\norganisation = "bench"\n'
        f'[organisations.bench]\nplan = "developer"\n[organisations.bench.limits."*"]\n{limits}',
        encoding="utf-8",
    )
    return path


async def content(lines: int) -> AsyncIterator[bytes]:
    """An input file."""
    asked_for = [{"role": "user", "content": "Say a word."}]
    body = {"model": "openai/gpt-oss-20b", "messages": asked_for, "max_completion_tokens": 8}
    for first in range(0, lines, 1_000):
        rows = range(first, min(first + 1_000, lines))
        asked = ({"custom_id": f"line-{n}", "method": "POST", "url": CHAT, "body": body} for n in rows)
        yield b"".join(json.dumps(each).encode() + b"\n" for each in asked)


async def begun(gateway: Gateway, store: SqliteStore, name: str, lines: int) -> BatchRow:
    """A batch whose input is stored."""
    at = int(time.time())
    await store.files.create(
        NewFile(f"file_{name}", "local", "batch", "in.jsonl", at), content(lines), most_bytes=1 << 30
    )
    new = NewBatch(f"batch_{name}", "local", CHAT, f"file_{name}", "24h", at, at + DAY_S)
    row = await store.batches.create(new)
    assert gateway.batches is not None
    gateway.batches.begin(row)
    return row


async def reached(store: SqliteStore, row: BatchRow, status: BatchStatus) -> BatchRow:
    """The batch once it is so far."""
    while row.status is not status:
        await asyncio.sleep(0.01)
        found = await store.batches.find(row.tenant, row.id)
        assert found is not None
        row = found
    return row


async def stalls(longest_s: list[float]) -> None:
    """Notes how late the loop is at worst."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        longest_s[0] = max(longest_s[0], time.perf_counter() - began - 0.001)


def peak_mb() -> float:
    """The most memory that the process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * PEAK_UNIT_BYTES / 1e6


async def go(lines: int, checked: int) -> None:
    """Run one batch, check another, and print."""
    organisations = {"bench": Organisation(plan="developer", limits={"*": dict.fromkeys(Dimension, PLENTY)})}
    simulated = SimulatorSettings(pace=QUICK, lengths=SHORT, keys={"gsk_bench": "bench"}, organisations=organisations)
    pretend = await serve_simulator(simulated)
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "store" / "headgate.sqlite3")
        settings = load_settings(config(Path(folder)), {"GROQ_BASE_URL": pretend.base_url})
        gateway = make_gateway(settings, environment={}, store=store)
        await gateway.start()
        before_mb = peak_mb()
        row = await begun(gateway, store, "run", lines)
        row = await reached(store, row, BatchStatus.IN_PROGRESS)
        at, cpu = time.perf_counter(), time.process_time()
        row = await reached(store, row, BatchStatus.COMPLETED)
        took_s, cpu_s = time.perf_counter() - at, time.process_time() - cpu
        print(f"run      {lines / took_s:8.0f} lines/s   {cpu_s / lines * 1e6:6.0f} µs CPU a line, both sides")
        print(
            f"memory   {peak_mb() - before_mb:8.1f} MB more at the peak for {lines:,} lines; {row.completed:,} answered"
        )
        longest_s = [0.0]
        watching = asyncio.create_task(stalls(longest_s))
        at = time.perf_counter()
        row = await begun(gateway, store, "checked", checked)
        uploaded_s = time.perf_counter() - at
        longest_s[0] = 0.0
        row = await reached(store, row, BatchStatus.IN_PROGRESS)
        checked_s, stall_s = time.perf_counter() - at - uploaded_s, longest_s[0]
        watching.cancel()
        print(f"check    {checked / checked_s:8.0f} lines/s   longest stall {stall_s * 1e3:.1f} ms")
        await gateway.stop()
    await pretend.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=5_000)
    parser.add_argument("--checked", type=int, default=50_000)
    given = parser.parse_args()
    uvloop.run(go(given.lines, given.checked))


if __name__ == "__main__":
    main()
