import hashlib
import os
import sqlite3
import threading
from importlib.resources import files
from pathlib import Path

import pytest
from tests.store.stored import asked, chunks, new_file, reopened, usage, writing

from headgate.store.batch_rows import BatchStatus, LineCounts, LineResult
from headgate.store.migrate import Migration, migrate, shipped_migrations, statements
from headgate.store.problems import StoreError, StoreFault
from headgate.store.rows import MeterRow, StateRow, UsageFilter
from headgate.store.sqlite import SqliteStore, contents_of
from headgate.store.sqlite_opening import Durability, connect

VERSION_1 = Path(__file__).parent / "version_1.sql"
SHIPPED = {
    "0001_first.sql": "a5ce1e59ea0e4361ea46902d3dcfc609d1daf481d41088f3a226417ef90773c0",
    "0002_jobs.sql": "6b20e702446909a23056baa5230226b8b17438d10242307cdf7523377b3370ab",
    "0003_saved_tokens.sql": "f025b494f2c70ca991f47c95509f788b0f606f9e3502fc80c5fc54d47f5d6606",
}
"""SHA-256 of the migrations that were released: databases have run them, so they never change."""


def first_version(path: Path) -> None:
    """A database and a content as version 1 left them."""
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()
    contents_of(path).mkdir()
    (contents_of(path) / "file_1").write_bytes(b"{}\n")


async def test_database_of_version_1(path: Path) -> None:
    """This release reads everything that version 1 wrote."""
    first_version(path)
    store = SqliteStore.open(path)
    assert store.opened.version_before == 1
    assert store.opened.version == len(shipped_migrations("sqlite"))
    assert (await store.usage.page(UsageFilter())).rows == (usage(2), usage(1))
    (file,) = (await store.files.page("acme")).rows
    assert (file.id, file.size_bytes) == ("file_1", 3)
    assert await store.files.read_part("acme", "file_1", 0, 3) == b"{}\n"
    (batch,) = await store.batches.unfinished()
    assert (batch.id, batch.status, batch.total, batch.completed) == ("batch_1", BatchStatus.IN_PROGRESS, 3, 1)
    assert await store.batches.results("batch_1") == (LineResult(0, True, b'{"id":"r"}'),)
    assert await store.batches.count("batch_1") == LineCounts(2, 0, 1, 0)
    assert await store.state.meters() == (MeterRow("groq/one/m", b"\x00level", 4.0, 2),)
    assert await store.state.find("circuits") == StateRow("circuits", b"{}", 5.0)
    await store.close()


async def test_database_that_a_later_migration_changes(path: Path) -> None:
    """An older database gets what it lacks, once, and keeps its rows."""
    first_version(path)
    shipped = shipped_migrations("sqlite")
    column = "-- a column; with a semicolon\nALTER TABLE usage ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';"
    later = (*shipped, Migration(len(shipped) + 1, column))
    store = SqliteStore.open(path, migrations=later)
    assert (store.opened.version_before, store.opened.version) == (1, len(later))
    await store.usage.write(usage(3))
    assert len((await store.usage.page(UsageFilter())).rows) == 3
    await store.close()
    again = SqliteStore.open(path, migrations=later)
    assert (again.opened.version_before, again.opened.version) == (len(later), len(later))
    await again.close()


async def test_newer_database(path: Path) -> None:
    """It is refused, in words that name the file, both versions and what to do; and it is left as it was."""
    newer = (*shipped_migrations("sqlite"), Migration(len(shipped_migrations("sqlite")) + 1, "CREATE TABLE x (a);"))
    await SqliteStore.open(path, migrations=newer).close()
    with pytest.raises(StoreError) as caught:
        SqliteStore.open(path)
    assert caught.value.fault is StoreFault.NEWER
    for part in (str(path), f"version {len(newer)}", f"knows {len(newer) - 1}", "later"):
        assert part in str(caught.value)
    again = SqliteStore.open(path, migrations=newer)
    assert again.opened.left_by == ""
    await again.close()


def test_somebody_elses_database(path: Path) -> None:
    """It is refused, not migrated."""
    path.parent.mkdir(parents=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customers (a)")
    connection.close()
    with pytest.raises(StoreError, match="customers") as caught:
        SqliteStore.open(path)
    assert caught.value.fault is StoreFault.FOREIGN


async def test_migration_that_fails(path: Path) -> None:
    """Nothing of it stays, the error says so, and the release before opens the database as ever."""
    first_version(path)
    shipped = shipped_migrations("sqlite")
    broken = (*shipped, Migration(len(shipped) + 1, "CREATE TABLE two (a);\nINSERT INTO nowhere VALUES (1);"))
    with pytest.raises(StoreError, match="nowhere") as caught:
        SqliteStore.open(path, migrations=broken)
    assert caught.value.fault is StoreFault.UNFIT
    store = SqliteStore.open(path, migrations=shipped)
    assert store.opened.version == len(shipped)
    assert len((await store.usage.page(UsageFilter())).rows) == 2
    await store.close()


def test_two_that_migrate_at_once(path: Path) -> None:
    """Each step is done once; both end at the newest version."""
    path.parent.mkdir(parents=True)
    steps = [Migration(n, f"CREATE TABLE t{n} (a INTEGER);\nINSERT INTO t{n} VALUES ({n});") for n in range(1, 30)]
    connections = [connect(path) for _ in range(4)]
    ends: list[int] = []
    threads = [threading.Thread(target=lambda c=c: ends.append(migrate(c, steps)[1])) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == [29] * 4
    assert connections[0].execute("SELECT count(*) FROM schema_version").fetchone() == (29,)
    assert connections[0].execute("SELECT count(*) FROM t7").fetchone() == (1,)
    for connection in connections:
        connection.close()


def test_somebody_migrates_between_look_and_lock(path: Path) -> None:
    """Who got the lock second looks again and does nothing twice."""
    path.parent.mkdir(parents=True)
    first, second = connect(path), connect(path)
    steps = [Migration(1, "CREATE TABLE one (a INTEGER);")]
    is_waiting = threading.Event()
    second.set_trace_callback(lambda sql: is_waiting.set() if sql.startswith("BEGIN") else None)
    first.execute("PRAGMA journal_mode = WAL").fetchone()
    first.execute("BEGIN IMMEDIATE")
    ends: list[tuple[int, int]] = []
    thread = threading.Thread(target=lambda: ends.append(migrate(second, steps)))
    thread.start()
    assert is_waiting.wait(10)
    first.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT")
    first.execute("CREATE TABLE one (a INTEGER)")
    first.execute("INSERT INTO schema_version VALUES (1, 1)")
    first.execute("COMMIT")
    thread.join()
    assert ends == [(1, 1)]
    first.close()
    second.close()


def test_released_migrations_do_not_change() -> None:
    """Whoever edits one gets another database than those who have run it: write the next number instead."""
    folder = files("headgate.store").joinpath("migrations", "sqlite")
    found = {entry.name: hashlib.sha256(entry.read_bytes()).hexdigest() for entry in folder.iterdir()}
    assert found == SHIPPED
    assert [step.version for step in shipped_migrations("sqlite")] == list(range(1, len(SHIPPED) + 1))


def test_script_that_ends_in_the_middle() -> None:
    """A forgotten semicolon is found, not skipped; a comment at the end is none."""
    assert len(list(statements("SELECT 1;\n-- the end"))) == 1
    with pytest.raises(AssertionError):
        list(statements("SELECT 1;\nSELECT 2"))


def test_new_database(path: Path) -> None:
    """Folder, database, its companions, contents and lock are for their owner only."""
    store = SqliteStore.open(path)
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert modes.pop(contents_of(path).name) == 0o700
    assert set(modes) >= {path.name, f"{path.name}-wal", f"{path.name}-owner"}
    assert set(modes.values()) == {0o600}
    store.close_now()
    assert asked(path, "SELECT max(version) FROM schema_version") == [(store.opened.version,)]


async def test_content_is_private(path: Path) -> None:
    """A content is for its owner only."""
    store = SqliteStore.open(path)
    await store.files.create(new_file(1), chunks(b"x"), most_bytes=10)
    assert (contents_of(path) / "file_1").stat().st_mode & 0o777 == 0o600
    await store.close()


def test_database_that_was_open_to_all(path: Path) -> None:
    """Its mode is narrowed; a folder that was there is left as it is."""
    path.parent.mkdir(mode=0o755, parents=True)
    path.touch(mode=0o644)
    SqliteStore.open(path).close_now()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o755


def test_second_owner(path: Path) -> None:
    """It is refused with the first one's process id, in this process and from another; after closing it may."""
    store = SqliteStore.open(path)
    with pytest.raises(StoreError, match=str(os.getpid())) as caught:
        SqliteStore.open(path)
    assert caught.value.fault is StoreFault.OWNED
    store.close_now()
    with writing("appended", path) as (process, printed):
        assert printed.readline() == "settled\n"
        with pytest.raises(StoreError, match=str(process.pid)):
            SqliteStore.open(path)
        process.kill()
        process.wait()
    again = SqliteStore.open(path)
    assert again.opened.left_by == str(process.pid)
    again.close_now()


def test_owner_file_of_the_dead(path: Path) -> None:
    """What stays in the lock file is no lock, whatever it says; it says that the last close was unclean."""
    SqliteStore.open(path).close_now()
    path.with_name(path.name + "-owner").write_text("999999\n", encoding="ascii")
    store = SqliteStore.open(path)
    assert (store.opened.left_by, store.opened.was_checked) == ("999999", True)
    store.close_now()
    assert not reopened(path).was_checked


@pytest.mark.parametrize("damage", ["header", "page"])
async def test_damaged_database(path: Path, damage: str) -> None:
    """It is moved aside with the contents it knew, nothing is deleted, and the store starts empty and says so."""
    store = SqliteStore.open(path)
    for number in range(500):
        store.usage.append(usage(number))
    await store.files.create(new_file(1), chunks(b"content"), most_bytes=10)
    await store.close()
    damaged = spoil(path, only_header=damage == "header")
    again = SqliteStore.open(path)
    aside = again.opened.set_aside
    assert aside is not None
    assert again.opened.damage
    assert aside.read_bytes() == damaged
    (contents,) = [
        entry for entry in aside.parent.iterdir() if entry.name.startswith(f"{contents_of(path).name}.damaged-")
    ]
    assert (contents / "file_1").read_bytes() == b"content"
    assert (await again.usage.page(UsageFilter())).rows == ()
    await again.usage.write(usage(1))
    await again.close()
    assert reopened(path).set_aside is None


def spoil(path: Path, *, only_header: bool) -> bytes:
    """Write nonsense into a database that a dead process left: at its beginning, or over one page of usage rows."""
    damaged = bytearray(path.read_bytes())
    at = 0 if only_header else damaged.index(b"answered") // 4096 * 4096
    damaged[at : at + 64] = b"\xff" * 64
    path.write_bytes(damaged)
    path.with_name(path.name + "-owner").write_text("1\n", encoding="ascii")
    return bytes(damaged)


@pytest.mark.parametrize("durability", list(Durability))
async def test_durability(path: Path, durability: Durability) -> None:
    """Against a power cut every group is fsynced; against the death of the process that is not needed."""
    store = SqliteStore.open(path, durability=durability)
    _, writing_connection = store._connections
    assert writing_connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    (level,) = writing_connection.execute("PRAGMA synchronous").fetchone()
    assert level == {Durability.PROCESS: 1, Durability.POWER: 2}[durability]
    await store.usage.write(usage(1))
    await store.close()


def test_place_that_is_no_folder(tmp_path: Path) -> None:
    """An error of ours says which path could not be used."""
    (tmp_path / "taken").write_text("x", encoding="ascii")
    with pytest.raises(StoreError, match="taken"):
        SqliteStore.open(tmp_path / "taken" / "headgate.sqlite3")


async def test_two_databases_in_one_folder(path: Path) -> None:
    """Opening one leaves the contents of the other alone."""
    one = SqliteStore.open(path)
    await one.files.create(new_file(1), chunks(b"content"), most_bytes=100)
    await one.close()
    SqliteStore.open(path.with_name("other.sqlite3")).close_now()
    assert (contents_of(path) / "file_1").read_bytes() == b"content"
