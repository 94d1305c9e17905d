"""Opens a database file: private, checked where the last close was unclean, set aside where it is damaged, migrated."""

import errno
import os
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from headgate.store.content import PRIVATE_FOLDER
from headgate.store.migrate import Migration, migrate
from headgate.store.ownership import PRIVATE_FILE
from headgate.store.problems import StoreError, StoreFault, store_error
from headgate.store.sqlite_jobs import release_running
from headgate.store.sqlite_lines import release_all

OLDEST_SQLITE: Final = (3, 37, 0)
"""STRICT tables; RETURNING came in 3.35 (sqlite.org/changes.html)."""

BUSY_MS: Final = 5_000
"""How long somebody else's lock is waited for: a backup, or a person with a shell."""

JOURNAL_BYTES: Final = 64 * 1024 * 1024
"""The write-ahead log is cut back to this after a checkpoint; checkpoints come every 1,000 pages."""

STATEMENTS: Final = 256
"""Prepared ones that a connection remembers: those of `sqlite_statement.py` in each size, and all others."""

DATABASE_FILES: Final = ("", "-wal", "-shm")


class Durability(StrEnum):
    """What an awaited write survives."""

    PROCESS = "process"
    """The death of the process. A power cut or a crash of the system may take back the last commits, never tear one."""

    POWER = "power"
    """A power cut too: each group is fsynced. Costs what the disk needs for that, often milliseconds."""


class Opened(msgspec.Struct, frozen=True):
    """What was found at opening. `set_aside` is where a damaged database went; nothing of it was deleted.

    `left_by` is the process that did not close it, or "". `released_lines` and `released_jobs` ran when it died and are
    pending again.
    """

    version_before: int
    version: int
    left_by: str = ""
    was_checked: bool = False
    set_aside: Path | None = None
    damage: str = ""
    released_lines: int = 0
    released_jobs: int = 0
    removed_orphans: int = 0


def open_database(
    path: Path, contents: Path, migrations: Sequence[Migration], durability: Durability, left_by: str
) -> tuple[sqlite3.Connection, Opened]:
    """The connection for writing. Raises StoreError; a damaged file is no error, it is set aside."""
    is_unclean = bool(left_by) or path.with_name(path.name + "-wal").exists()
    try:
        connection, opened = _open(path, migrations, durability, is_checked=is_unclean)
    except StoreError as error:
        if error.fault is not StoreFault.CORRUPT:
            raise
        aside = _set_aside(path, contents)
        connection, opened = _open(path, migrations, durability, is_checked=False)
        opened = msgspec.structs.replace(opened, set_aside=aside, damage=str(error), was_checked=is_unclean)
    return connection, msgspec.structs.replace(opened, left_by=left_by)


def file_ids(connection: sqlite3.Connection) -> set[str]:
    """The files that have a row."""
    return {file_id for (file_id,) in connection.execute("SELECT id FROM files")}


def make_private(path: Path) -> None:
    """See to it that the file is there and only its owner may read it, and that a folder made for it is private."""
    try:
        path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    except FileExistsError:  # what it means, and not that something is there
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)) from None
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
    if path.stat().st_mode & 0o077:
        path.chmod(PRIVATE_FILE)


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that threads may pass on."""
    connection = sqlite3.connect(
        path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _open(
    path: Path, migrations: Sequence[Migration], durability: Durability, *, is_checked: bool
) -> tuple[sqlite3.Connection, Opened]:
    try:
        make_private(path)
        connection = connect(path)
    except (OSError, sqlite3.Error) as error:
        raise store_error(error) from error
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durability is Durability.POWER else 'NORMAL'}")
        if is_checked:
            _check(connection)
        before, version = migrate(connection, migrations)
        released, jobs = release_all(connection), release_running(connection)
        file_ids(connection)  # what opening will read, so that damage there is found here
    except StoreError as error:
        connection.close()
        raise explained(path, error) from error
    except sqlite3.Error as error:
        connection.close()
        raise explained(path, store_error(error)) from error
    return connection, Opened(before, version, was_checked=is_checked, released_lines=released, released_jobs=jobs)


def _check(connection: sqlite3.Connection) -> None:
    found = [text for (text,) in connection.execute("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise StoreError(StoreFault.CORRUPT, "; ".join(found))


def explained(path: Path, error: StoreError) -> StoreError:
    """An error of opening in words that say which file and what to do."""
    match error.fault:
        case StoreFault.NEWER:
            cure = "Start the release that wrote it, or a later one; or give this one a file of its own."
        case StoreFault.FOREIGN:
            cure = "Give Headgate a file of its own."
        case StoreFault.UNFIT:
            cure = "A migration failed and was undone: the file is as it was. Go back to the release that wrote it."
        case _:
            cure = "See to the disk and to who may write there."
    return StoreError(error.fault, f"{path} cannot be opened: {error}. {cure}")


def _set_aside(path: Path, contents: Path) -> Path:
    """Rename a damaged database and the contents that it knew; where it went."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    for suffix in DATABASE_FILES:
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.rename(path.with_name(f"{path.name}.damaged-{stamp}{suffix}"))
    if contents.exists():
        contents.rename(contents.with_name(f"{contents.name}.damaged-{stamp}"))
    return path.with_name(f"{path.name}.damaged-{stamp}")
