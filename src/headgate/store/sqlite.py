"""The store in SQLite: one file and a folder of contents beside it, owned by one process. Puts the parts together."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from headgate.store.content import Contents
from headgate.store.migrate import Migration, shipped_migrations
from headgate.store.ownership import Ownership
from headgate.store.problems import StoreError, StoreFault, store_error
from headgate.store.rows import StoreHealth
from headgate.store.sqlite_batches import SqliteBatches
from headgate.store.sqlite_files import SqliteFiles
from headgate.store.sqlite_jobs import SqliteJobs
from headgate.store.sqlite_opening import (
    OLDEST_SQLITE,
    Durability,
    Opened,
    connect,
    file_ids,
    make_private,
    open_database,
)
from headgate.store.sqlite_reader import Reader
from headgate.store.sqlite_state import SqliteState
from headgate.store.sqlite_usage import USAGE_ROWS, SqliteUsage
from headgate.store.sqlite_writer import MOST_QUEUED_ROWS, Writer


def contents_of(database: Path) -> Path:
    """The folder beside a database, of its own: what no row of it names is removed there."""
    return database.with_name(f"{database.name}-files")


class SqliteStore:
    """`Store` (contract.py) on one machine. `opened` says what was found; whoever opened it tells the operator."""

    def __init__(
        self,
        ownership: Ownership,
        connection: sqlite3.Connection,
        reading: sqlite3.Connection,
        contents: Contents,
        opened: Opened,
        *,
        path: Path,
        most_queued_rows: int,
    ) -> None:
        self.path = path
        self._ownership = ownership
        self._connections = (reading, connection)
        self._contents = contents
        self._writer = Writer(connection, USAGE_ROWS, most_queued_rows=most_queued_rows)
        self._reader = Reader(reading)
        self._is_closed = False
        self.opened = opened
        self.usage = SqliteUsage(self._writer, self._reader)
        self.files = SqliteFiles(self._writer, self._reader, contents)
        self.batches = SqliteBatches(self._writer, self._reader)
        self.jobs = SqliteJobs(self._writer, self._reader)
        self.state = SqliteState(self._writer, self._reader)
        self._writer.start()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        durability: Durability = Durability.PROCESS,
        most_queued_rows: int = MOST_QUEUED_ROWS,
        migrations: Sequence[Migration] | None = None,
    ) -> "SqliteStore":
        """Open the file, or make it. Blocks: after an unclean close for as long as a check of the whole file takes.

        Raises StoreError: OWNED, NEWER, FOREIGN, and whatever the storage does.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StoreError(StoreFault.IO, f"SQLite {sqlite3.sqlite_version} is too old: 3.37 is needed")
        steps = shipped_migrations("sqlite") if migrations is None else migrations
        try:
            make_private(path)
            ownership = Ownership.take(path)
        except OSError as error:
            raise store_error(error) from error
        try:
            return cls._open(path, ownership, steps, durability, most_queued_rows)
        except BaseException:
            ownership.give_up(is_clean=not ownership.left_by)
            raise

    @classmethod
    def _open(
        cls,
        path: Path,
        ownership: Ownership,
        migrations: Sequence[Migration],
        durability: Durability,
        most_queued_rows: int,
    ) -> "SqliteStore":
        folder = contents_of(path)
        connection, opened = open_database(path, folder, migrations, durability, ownership.left_by)
        try:
            contents = Contents(folder)
            orphans = contents.remove_orphans(file_ids(connection))
            opened = msgspec.structs.replace(opened, removed_orphans=orphans)
            reading = connect(path)
            reading.execute("PRAGMA query_only = ON")
        except (OSError, sqlite3.Error) as error:
            connection.close()
            raise store_error(error) from error
        return cls(ownership, connection, reading, contents, opened, path=path, most_queued_rows=most_queued_rows)

    def health(self) -> StoreHealth:
        return self._writer.health()

    async def flush(self) -> None:
        await self._writer.write(None)

    async def close(self) -> None:
        self._contents.refuse()
        self._reader.refuse()
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        """As `close`, for whoever has no loop. Blocks. A second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._contents.stop()
        self._writer.stop()
        self._reader.stop()
        is_clean = self.health().fault is None
        for connection in self._connections:
            try:
                connection.close()
            except sqlite3.Error:
                is_clean = False
        self._ownership.give_up(is_clean=is_clean)
