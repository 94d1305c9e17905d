"""What the store costs: usage rows, results of a batch, levels, in µs of wall time and of CPU for each.

    python -m bench.store [--rows 50000]

Wall time is from the first row to the last commit. The last case asks how long one awaited row takes beside a loop that
is never idle: what the writing thread waits for then is the interpreter's lock.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import uvloop

from headgate.store.batch_rows import BatchChange, BatchStatus, LineResult, NewBatch, NewLine
from headgate.store.rows import GroupBy, MeterRow, UsageFilter, UsageRow
from headgate.store.sqlite import SqliteStore
from headgate.store.sqlite_opening import Durability

WRITERS = 50
IDS_AT_ONCE = 256
"""So many ids begin alike, and their rows come in no order of them, as in a gateway."""
TOGETHER = 200
"""Rows of one window of a gateway at full load."""
BEFORE = 9
"""So many times as many rows are there before those that are written behind them."""
ROUNDS = 5
BUSY_S = 0.0005
STATE = b"x" * 600
BODY = b"x" * 1_500

Case = Callable[[SqliteStore, int], Awaitable[None]]


def row(name: str, number: int) -> UsageRow:
    """A row as a chat request leaves it."""
    return UsageRow(
        at=1_790_000_000.0 + number,
        request_id=f"{name}-{number // IDS_AT_ONCE:06x}-{number * 0x9E3779B1 % (1 << 32):08x}-{number}",
        tenant=f"tenant-{number % 5}",
        outcome="answered",
        agent="assistant",
        task="extract",
        provider="groq",
        organisation="one",
        model_asked="openai/gpt-oss-20b",
        model_served="openai/gpt-oss-20b",
        source="upstream",
        prompt_tokens=400,
        completion_tokens=200,
        cost_nanousd=90_000,
        duration_s=0.8,
        calls=1,
        attempts=1,
    )


async def awaited(store: SqliteStore, rows: int) -> None:
    """Fifty writers, each waiting for its commit."""
    numbers = iter(range(rows))

    async def write() -> None:
        for number in numbers:
            await store.usage.write(row("awaited", number))

    await asyncio.gather(*(write() for _ in range(WRITERS)))


async def one_writer(store: SqliteStore, rows: int) -> None:
    """One writer: a commit for each row."""
    for number in range(rows):
        await store.usage.write(row("alone", number))


async def appended(store: SqliteStore, rows: int) -> None:
    """Rows that nobody awaits."""
    for number in range(rows):
        store.usage.append(row("appended", number))
        if number % 20 == 0:
            await asyncio.sleep(0)
    await store.flush()


async def together(store: SqliteStore, rows: int, *, first: int = 0, scatters: bool = False) -> None:
    """The same in bunches, as a gateway gives them; where it `scatters` without what ids have in common."""
    for start in range(first, first + rows, TOGETHER):
        some = [row("together", number) for number in range(start, min(first + rows, start + TOGETHER))]
        if scatters:
            some = [msgspec.structs.replace(each, request_id=each.request_id.split("-", 2)[2]) for each in some]
        store.usage.append_all([msgspec.structs.astuple(each) for each in some])
        await store.flush()


async def behind(rows: int) -> None:
    """Say what a row costs where many are there, with ids of a time that begin alike and with ids in no order."""
    for name, scatters in (("begin alike", False), ("are in no order", True)):
        with tempfile.TemporaryDirectory() as folder:
            store = SqliteStore.open(Path(folder) / "headgate.sqlite3")
            await together(store, BEFORE * rows, scatters=True)
            spent = time.process_time()
            await together(store, rows, first=BEFORE * rows, scatters=scatters)
            cpu_us = (time.process_time() - spent) / rows * 1e6
            print(f"a row behind {BEFORE * rows:,} others, where ids {name}: {cpu_us:.1f} µs of CPU")
            await store.close()


async def levels(store: SqliteStore, rows: int) -> None:
    """Eight deployments whose level changes with every request, fifty requests at a time."""
    for number in range(0, rows, WRITERS):
        for each in range(WRITERS):
            store.state.keep_meters([MeterRow(f"groq/org{each % 8}/m", STATE, float(number))])
        await store.flush()


async def results(store: SqliteStore, rows: int) -> None:
    """One batch: lines added, claimed by 50, recorded one by one."""
    await store.batches.create(NewBatch("batch_1", "t", "/v1/chat/completions", "file_1", "24h", 1))
    await store.batches.add_lines("batch_1", [NewLine(line, f"custom-{line}") for line in range(rows)])
    await store.batches.change("t", "batch_1", BatchChange(2, BatchStatus.IN_PROGRESS))
    while claimed := await store.batches.claim("batch_1", WRITERS):
        await asyncio.gather(
            *(store.batches.record("batch_1", [LineResult(line.line, True, BODY)]) for line in claimed)
        )


async def busy(store: SqliteStore, rows: int) -> None:
    """Say how long single awaited rows take beside a loop that is never idle."""
    is_over = asyncio.Event()

    async def burn() -> None:
        while not is_over.is_set():
            end = time.perf_counter() + BUSY_S
            while time.perf_counter() < end:
                pass
            await asyncio.sleep(0)

    burning = [asyncio.create_task(burn()) for _ in range(2)]
    took_ms = []
    for number in range(min(rows, 200)):
        begun = time.perf_counter()
        await store.usage.write(row("busy", number))
        took_ms.append((time.perf_counter() - begun) * 1e3)
    is_over.set()
    await asyncio.gather(*burning)
    took_ms.sort()
    print(f"a row beside a loop that is never idle: {took_ms[len(took_ms) // 2]:.1f} ms in the median, ", end="")
    print(f"{took_ms[int(len(took_ms) * 0.95)]:.1f} ms at the 95th percentile")


async def measure(case: Case, rows: int, durability: Durability = Durability.PROCESS) -> tuple[float, float, int]:
    """Wall and CPU µs for each row, the best of some rounds, and the commits of the last."""
    best: list[tuple[float, float]] = []
    commits = 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            store = SqliteStore.open(Path(folder) / "headgate.sqlite3", durability=durability)
            begun, spent = time.perf_counter(), time.process_time()
            await case(store, rows)
            best.append(((time.perf_counter() - begun) / rows * 1e6, (time.process_time() - spent) / rows * 1e6))
            commits = store.health().commits
            await store.close()
    return *min(best), commits


async def asking(rows: int) -> None:
    """How long the questions of an admin page take."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "headgate.sqlite3")
        await appended(store, rows)
        begun = time.perf_counter()
        await store.usage.add_up(UsageFilter(), (GroupBy.DAY, GroupBy.TENANT, GroupBy.MODEL_SERVED))
        summed = time.perf_counter()
        await store.usage.page(UsageFilter(tenant="tenant-1"), limit=100)
        paged = time.perf_counter()
        print(f"sums of {rows:,} rows: {(summed - begun) * 1e3:.0f} ms; a page of 100: {(paged - summed) * 1e3:.1f} ms")
        await store.close()


async def report(rows: int) -> None:
    """Measure and print."""
    print("| case | µs a row | CPU µs a row | rows a second | rows a commit |")
    for name, case, some, durability in (
        ("usage, 50 writers that wait", awaited, rows, Durability.PROCESS),
        ("usage, one writer that waits", one_writer, rows // 10, Durability.PROCESS),
        ("usage, nobody waits", appended, rows, Durability.PROCESS),
        (f"usage, {TOGETHER} together", together, rows, Durability.PROCESS),
        ("levels of 8 deployments", levels, rows, Durability.PROCESS),
        ("results of a batch, 1.5 kB each", results, rows, Durability.PROCESS),
        ("usage, 50 writers, against power cuts", awaited, rows // 10, Durability.POWER),
        ("usage, one writer, against power cuts", one_writer, rows // 50, Durability.POWER),
    ):
        wall_us, cpu_us, commits = await measure(case, some, durability)
        print(f"| {name} | {wall_us:.1f} | {cpu_us:.1f} | {1e6 / wall_us:,.0f} | {some / commits:.0f} |")
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "headgate.sqlite3")
        await busy(store, rows)
        await store.close()
    await asking(rows)
    await behind(rows)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    uvloop.run(report(parser.parse_args().rows))


if __name__ == "__main__":
    main()
