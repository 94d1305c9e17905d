"""A process that writes through the store and says on stdout what it was promised, until somebody kills it.

python writing_process.py SRC JOB DATABASE
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])

import contextlib
import sqlite3

from headgate.store.batch_rows import BatchChange, BatchStatus, LineResult, NewBatch, NewLine
from headgate.store.migrate import Migration, migrate
from headgate.store.rows import MeterRow, NewFile, StateRow, UsageRow
from headgate.store.sqlite import SqliteStore
from headgate.store.sqlite_opening import connect

LINES = 300
WRITERS = 20
MIB = 1024 * 1024


def say(text: str) -> None:
    """In one system call, so that a kill leaves whole lines."""
    os.write(1, f"{text}\n".encode())


def row(name: str) -> UsageRow:
    """A row of that request."""
    return UsageRow(at=1.0, request_id=name, tenant="acme", outcome="answered")


async def usage(store: SqliteStore) -> None:
    """Writers that say each row after its commit; before each, rows are appended that nobody awaits."""

    async def writer(number: int) -> None:
        for count in range(1_000_000):
            store.usage.append(row(f"appended-{number}-{count}"))
            await store.usage.write(row(f"written-{number}-{count}"))
            say(f"{number} {count}")

    await asyncio.gather(*(writer(number) for number in range(WRITERS)))


async def appended(store: SqliteStore) -> None:
    """Rows and quota that nobody awaits; says so when the store has written them by itself."""
    for count in range(100):
        store.usage.append(row(f"appended-{count}"))
        store.state.keep_meters([MeterRow("groq/one/m", f"level {count}".encode(), float(count))])
    store.state.keep(StateRow("circuits", b"open", 1.0))
    while store.health().written_rows < 100:  # noqa: ASYNC110 - nobody tells of what nobody awaits
        await asyncio.sleep(0.001)
    say("settled")
    await asyncio.Event().wait()


async def state(store: SqliteStore) -> None:
    """Keeps two meters at the same level, over and over, and says what was flushed."""
    for count in range(1_000_000):
        level = f"level {count}".encode()
        store.state.keep_meters([MeterRow("groq/one/m", level, float(count)), MeterRow("groq/two/m", level, 0.0)])
        await store.flush()
        say(str(count))


async def files(store: SqliteStore) -> None:
    """Takes contents in and says each that is kept."""

    async def content(number: int) -> AsyncIterator[bytes]:
        for part in range(8):
            yield bytes([number % 256, part]) * (MIB // 16)

    async def taker(first: int) -> None:
        for number in range(first, 100_000, 4):
            meta = NewFile(f"file_{os.getpid()}_{number}", "acme", "batch", "in.jsonl", 1)
            kept = await store.files.create(meta, content(number), most_bytes=2 * MIB)
            say(f"{kept.id} {number % 256} {kept.size_bytes}")

    await asyncio.gather(*(taker(first) for first in range(4)))


async def batch(store: SqliteStore) -> None:
    """Runs one batch, starting or going on, and says each line after its result is kept."""
    if await store.batches.find("acme", "batch_1") is None:
        await store.batches.create(NewBatch("batch_1", "acme", "/v1/chat/completions", "file_1", "24h", 1))
    await store.batches.add_lines("batch_1", [NewLine(line, f"custom-{line}") for line in range(LINES)])
    await store.batches.change("acme", "batch_1", BatchChange(2, BatchStatus.IN_PROGRESS))

    async def runner() -> None:
        while claimed := await store.batches.claim("batch_1", 3):
            for line in claimed:
                result = LineResult(line.line, line.line % 10 > 0, f"{os.getpid()}".encode())
                (is_taken,) = await store.batches.record("batch_1", [result])
                assert is_taken, line
                say(str(line.line))

    await asyncio.gather(*(runner() for _ in range(8)))
    say("finished")
    await asyncio.Event().wait()


def migrating(path: Path) -> None:
    """Dies in the middle of the second migration."""
    connection = connect(path)
    connection.create_function("die", 0, lambda: os.kill(os.getpid(), 9))
    steps = [
        Migration(1, "CREATE TABLE one (a INTEGER);"),
        Migration(2, "ALTER TABLE one ADD COLUMN b INTEGER; \nCREATE TABLE two AS SELECT die() AS dead;"),
    ]
    migrate(connection, steps[:1])
    say("version 1")
    migrate(connection, steps)


def full(path: Path) -> None:
    """Writes until the file may not grow, says how it stands, and again after it may."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    asyncio.run(_full(path, lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard)), hard))


async def _full(path: Path, allow: object, hard: int) -> None:
    assert callable(allow)
    store = SqliteStore.open(path)
    await store.usage.write(row("before"))
    allow(256 * 1024)
    refused = 0
    for count in range(10_000):
        store.usage.append(row(f"appended-{count}"))
        try:
            await store.usage.write(row(f"full-{count}"))
            say(f"kept full-{count}")
        except Exception as error:  # noqa: BLE001 - the test looks at what it is
            refused += 1
            say(f"{type(error).__name__} {store.health().fault}")
        if refused == 3:
            break
    with contextlib.suppress(Exception):
        await store.files.create(NewFile("file_1", "acme", "batch", "f", 1), _much(), most_bytes=10 * MIB)
        say("kept a file")
    allow(hard)
    while store.health().queued_rows:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.001)
    await store.usage.write(row("after"))
    say(f"well {store.health().fault} dropped {store.health().dropped_rows}")
    await store.close()


async def _much() -> AsyncIterator[bytes]:
    yield bytes(MIB)


async def _serve(job: str, path: Path) -> None:
    store = SqliteStore.open(path)
    await {"usage": usage, "appended": appended, "state": state, "files": files, "batch": batch}[job](store)


def main() -> None:
    """Do the job."""
    job, path = sys.argv[2], Path(sys.argv[3])
    if job == "migrating":
        path.parent.mkdir(parents=True, exist_ok=True)
        sqlite3.connect(path).close()
        migrating(path)
    elif job == "full":
        full(path)
    else:
        asyncio.run(_serve(job, path))


if __name__ == "__main__":
    main()
