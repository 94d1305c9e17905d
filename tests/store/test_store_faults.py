import asyncio
import sqlite3
from pathlib import Path

import pytest
from tests.store.stored import asked, fields, reopened, usage, writing

from headgate.store.problems import StoreError, StoreFault, fault_of, store_error
from headgate.store.rows import MeterRow, UsageFilter
from headgate.store.sqlite import SqliteStore, contents_of


@pytest.mark.parametrize(
    "name, fault",
    [
        ("SQLITE_FULL", StoreFault.FULL),
        ("SQLITE_READONLY", StoreFault.READ_ONLY),
        ("SQLITE_READONLY_DBMOVED", StoreFault.READ_ONLY),
        ("SQLITE_IOERR_WRITE", StoreFault.IO),
        ("SQLITE_IOERR_FSYNC", StoreFault.SYNC_FAILED),
        ("SQLITE_CORRUPT_INDEX", StoreFault.CORRUPT),
        ("SQLITE_NOTADB", StoreFault.CORRUPT),
        ("SQLITE_BUSY_SNAPSHOT", StoreFault.BUSY),
        ("SQLITE_CONSTRAINT_NOTNULL", StoreFault.UNFIT),
        ("SQLITE_ERROR", StoreFault.UNFIT),
        ("", StoreFault.UNFIT),
    ],
)
def test_what_sqlite_says(name: str, fault: StoreFault) -> None:
    """Each of SQLite's errors is one of ours; what is not the storage's fault is the row's."""
    error = sqlite3.OperationalError("told")
    error.sqlite_errorname = name
    assert fault_of(error) is fault
    assert "told" in str(store_error(error))


def test_disk_that_is_full_for_a_while(path: Path) -> None:
    """Awaited rows fail with our error and say why, appended ones wait; with space again all of them are written."""
    with writing("full", path) as (process, printed):
        said = printed.read().splitlines()
        assert process.wait() == 0
    refused = [line for line in said if line.startswith("StoreError")]
    assert len(refused) == 3
    assert all(line.split()[1] in {"full", "io"} for line in refused)
    assert "kept a file" not in said
    assert said[-1] == "well None dropped 0"
    kept = {name for (name,) in asked(path, "SELECT request_id FROM usage")}
    acknowledged = {line.removeprefix("kept ") for line in said if line.startswith("kept ")}
    assert {name for name in kept if name.startswith("full-")} == acknowledged
    assert {f"appended-{count}" for count in range(len(acknowledged) + 3)} <= kept
    assert {"before", "after"} <= kept
    assert list(contents_of(path).iterdir()) == []


async def test_full_database(path: Path) -> None:
    """SQLite's own limit: refused while it holds, retried when it does not, and the close is clean."""
    store = SqliteStore.open(path)
    _, connection = store._connections
    await store.usage.write(usage(0))
    connection.execute("PRAGMA max_page_count = 1").fetchone()
    faults: list[StoreFault] = []
    for number in range(1, 3_000):
        (error,) = await asyncio.gather(store.usage.write(usage(number)), return_exceptions=True)
        faults += [error.fault] if isinstance(error, StoreError) else []
        if len(faults) == 5:
            break
    assert faults == [StoreFault.FULL] * 5
    store.usage.append(usage(5_000))
    assert store.health().fault == "full"
    connection.execute("PRAGMA max_page_count = 1000000").fetchone()
    await store.usage.write(usage(5_001))
    assert store.health().fault is None
    assert await store.usage.find("acme", "req_5000") is not None
    await store.close()
    assert not reopened(path).was_checked


async def test_read_only_storage(path: Path) -> None:
    """Every write fails with our error, reading goes on, and the gateway's appends raise nothing."""
    store = SqliteStore.open(path)
    await store.usage.write(usage(1))
    _, connection = store._connections
    connection.execute("PRAGMA query_only = ON")
    store.usage.append(usage(2))
    with pytest.raises(StoreError) as caught:
        await store.usage.write(usage(3))
    assert caught.value.fault is StoreFault.READ_ONLY
    assert store.health().queued_rows == 1
    assert len((await store.usage.page(UsageFilter())).rows) == 1
    await store.close()
    assert store.health().dropped_rows == 1
    assert reopened(path).was_checked


async def test_writer_behind_many_rows_that_wait(path: Path) -> None:
    """It hears of the fault at once, although its row is not in the first group."""
    store = SqliteStore.open(path)
    await store.flush()
    _, connection = store._connections
    connection.execute("PRAGMA query_only = ON")
    for number in range(2_500):
        store.usage.append(usage(number))
    async with asyncio.timeout(10):
        with pytest.raises(StoreError):
            await store.usage.write(usage(3_000))
    connection.execute("PRAGMA query_only = OFF")
    await store.flush()
    assert store.health().written_rows == 2_500
    assert await store.usage.find("acme", "req_3000") is None
    await store.close()


async def test_rows_together_wait_for_the_storage(path: Path) -> None:
    """They stay whole and in order with what came after them, and are written when the storage takes them again."""
    store = SqliteStore.open(path)
    await store.flush()
    _, connection = store._connections
    connection.execute("PRAGMA query_only = ON")
    store.usage.append_all([fields(number) for number in range(2_000)])
    with pytest.raises(StoreError):
        await store.usage.write(usage(5_000))
    store.usage.append_all([fields(number) for number in range(2_000, 2_010)])
    assert store.health().queued_rows == 2_010
    connection.execute("PRAGMA query_only = OFF")
    await store.flush()
    assert (store.health().written_rows, store.health().queued_rows, store.health().dropped_rows) == (2_010, 0, 0)
    kept = asked(path, "SELECT request_id FROM usage ORDER BY seq")
    assert kept == [(f"req_{number}",) for number in range(2_010)]
    await store.close()


async def test_levels_kept_beside_a_fault(path: Path) -> None:
    """They wait like rows; what is kept meanwhile is newer than what waited."""
    store = SqliteStore.open(path)
    await store.flush()
    _, connection = store._connections
    connection.execute("PRAGMA query_only = ON")
    store.state.keep_meters([MeterRow("groq/one/m", b"old", 1.0), MeterRow("groq/two/m", b"only", 1.0)])
    with pytest.raises(StoreError):
        await store.usage.write(usage(1))
    store.state.keep_meters([MeterRow("groq/one/m", b"new", 2.0)])
    connection.execute("PRAGMA query_only = OFF")
    await store.usage.write(usage(2))
    assert [meter.state for meter in await store.state.meters()] == [b"new", b"only"]
    await store.close()


async def test_storage_that_must_not_be_written_again(path: Path) -> None:
    """After a damage nothing more is written until a restart, which checks the file."""
    store = SqliteStore.open(path)
    await store.usage.write(usage(1))
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorname = "SQLITE_CORRUPT"

    def damaged(connection: sqlite3.Connection) -> None:
        assert connection.in_transaction
        raise error

    with pytest.raises(StoreError):
        await store._writer.run(damaged)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            await store.usage.write(usage(2))
        assert caught.value.fault is StoreFault.CORRUPT
    await store.close()
    again = SqliteStore.open(path)
    assert again.opened.was_checked
    assert await again.usage.find("acme", "req_2") is None
    await again.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_defect_in_a_work(path: Path) -> None:
    """The thread ends loudly; whoever waits, and whoever comes later, is told instead of left waiting."""
    store = SqliteStore.open(path)

    def defect(_: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    given = await asyncio.gather(store._writer.run(defect), store.usage.write(usage(1)), return_exceptions=True)
    assert [type(one) for one in given] == [StoreError, StoreError]
    with pytest.raises(StoreError):
        await store.usage.write(usage(2))
    store.usage.append(usage(3))
    assert store.health().dropped_rows == 1
    await store.close()


async def test_somebody_else_holds_the_lock(path: Path) -> None:
    """A person with a shell, or a backup: the commit waits for them, and nothing is lost."""
    store = SqliteStore.open(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    writing_row = asyncio.create_task(store.usage.write(usage(1)))
    assert await asyncio.to_thread(lambda: other.execute("SELECT count(*) FROM usage").fetchone()) == (0,)
    assert not writing_row.done()
    other.execute("COMMIT")
    await writing_row
    other.close()
    await store.close()
