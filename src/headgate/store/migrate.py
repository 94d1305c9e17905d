"""Brings a database to this release's schema: numbered .sql files per dialect, and for SQLite the runner.

All that is missing is done in one transaction that holds the write lock: two processes that open at once do it once,
and one that dies in the middle leaves the version that was there.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final

import msgspec

from headgate.store.problems import StoreError, StoreFault

FILE_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema. `version` counts from 1 without gaps."""

    version: int
    sql: str


def shipped_migrations(dialect: str) -> tuple[Migration, ...]:
    """The migrations of a dialect that come with this release, in order."""
    folder = files("headgate.store").joinpath("migrations", dialect)
    found = [
        Migration(int(name[1]), path.read_text(encoding="utf-8"))
        for path in folder.iterdir()
        if (name := FILE_NAME.fullmatch(path.name)) is not None
    ]
    return tuple(sorted(found, key=lambda migration: migration.version))


def schema_version(connection: sqlite3.Connection) -> int:
    """The version of a database; 0 for an empty one. Raises StoreError (FOREIGN) where it is somebody else's."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "schema_version" in tables:
        (version,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
        return int(version or 0)
    if tables:
        raise StoreError(StoreFault.FOREIGN, f"it is not a database of Headgate: it has the table {min(tables)}")
    return 0


def too_new(version: int, newest: int) -> None:
    """Raise StoreError (NEWER) for the version of a later release."""
    if version > newest:
        raise StoreError(StoreFault.NEWER, f"its schema has version {version}, this release knows {newest}")


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> tuple[int, int]:
    """Do what is missing; the version before and after. The connection is in autocommit mode.

    Raises StoreError (NEWER) for a database of a later release, and what SQLite raises where a step fails.
    """
    newest = len(migrations)
    assert [migration.version for migration in migrations] == list(range(1, newest + 1)), "migrations have gaps"
    before = _known_version(connection, newest)
    if before == newest:
        return before, newest
    connection.execute("BEGIN IMMEDIATE")
    try:
        before = _known_version(connection, newest)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT"
        )
        for migration in migrations[before:]:
            for statement in statements(migration.sql):
                connection.execute(statement)
            connection.execute(
                "INSERT INTO schema_version VALUES (?, CAST(strftime('%s', 'now') AS INTEGER))", (migration.version,)
            )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return before, newest


def _known_version(connection: sqlite3.Connection, newest: int) -> int:
    version = schema_version(connection)
    too_new(version, newest)
    return version


def statements(sql: str) -> Iterator[str]:
    """The single statements of a script; `executescript` would commit before the first."""
    begun = ""
    for line in sql.splitlines(keepends=True):
        begun += line
        if sqlite3.complete_statement(begun):
            yield begun
            begun = ""
    assert not _without_comments(begun).strip(), f"a migration ends in the middle of: {begun.strip()}"


def _without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*", "", sql)
