"""Looking at a database before it is opened: what would be found is told, and nothing is touched."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.store.test_store_opening import first_version

from headgate.store.migrate import Migration, shipped_migrations
from headgate.store.problems import StoreError, StoreFault
from headgate.store.sqlite import SqliteStore
from headgate.store.sqlite_looking import Looked, look_at

NEWEST = len(shipped_migrations("sqlite"))
NOBODY = 65_534


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, which may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("name", ["headgate.sqlite3", "what? 100% #1.sqlite3"])
def test_older_database(tmp_path: Path, name: str) -> None:
    """Its version and the one it would be brought to; it is not migrated, and no log is made beside it."""
    path = tmp_path / "store" / name
    first_version(path)
    before = contents(path.parent)
    assert look_at(path) == Looked(1, NEWEST)
    assert contents(path.parent) == before


def test_no_database_yet(tmp_path: Path) -> None:
    """Neither it nor its folders are made; an empty file is a database without a schema."""
    assert look_at(tmp_path / "a" / "b" / "s.sqlite3") == Looked(None, NEWEST)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").write_bytes(b"")
    assert look_at(tmp_path / "empty") == Looked(0, NEWEST)


def test_version_that_only_the_log_has(tmp_path: Path) -> None:
    """After a kill the newest commits lie in the log beside the file: a later release's schema is seen there too."""
    path = tmp_path / "s.sqlite3"
    script = (
        "import os, sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('PRAGMA journal_mode = WAL')\n"
        "connection.execute('CREATE TABLE schema_version (version INTEGER, at INTEGER)')\n"
        "connection.execute('INSERT INTO schema_version VALUES (99, 0)')\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    before = contents(tmp_path)
    with pytest.raises(StoreError, match="version 99") as caught:
        look_at(path)
    assert caught.value.fault is StoreFault.NEWER
    after = contents(tmp_path)
    assert {name: after[name] for name in ("s.sqlite3", "s.sqlite3-wal")} == {
        name: before[name] for name in ("s.sqlite3", "s.sqlite3-wal")
    }
    assert after.keys() == before.keys()


def test_places_where_nobody_may_write(tmp_path: Path) -> None:
    """A folder that cannot be written in, a file that cannot be written, and a folder that cannot be made."""
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    shut = tmp_path / "shut"
    first_version(shut / "s.sqlite3")
    shut.chmod(0o555)
    (shut / "s.sqlite3").chmod(0o444)
    with nobody():
        for path in (shut / "s.sqlite3", shut / "new.sqlite3", shut / "a" / "b" / "new.sqlite3"):
            with pytest.raises(StoreError, match="Permission denied") as caught:
                look_at(path)
            assert caught.value.fault is StoreFault.IO
    shut.chmod(0o755)


def test_same_words_as_opening(tmp_path: Path) -> None:
    """What would refuse a start is told as the start tells it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "foreign")) as connection:
        connection.execute("CREATE TABLE customers (a)")
    newer = (*shipped_migrations("sqlite"), Migration(NEWEST + 1, "CREATE TABLE x (a);"))
    SqliteStore.open(tmp_path / "newer", migrations=newer).close_now()
    for name in ("folder", "file/under", "file/under/it", "foreign", "newer"):
        with pytest.raises(StoreError) as looked:
            look_at(tmp_path / name)
        with pytest.raises(StoreError) as opened:
            SqliteStore.open(tmp_path / name)
        assert str(looked.value) == str(opened.value)
        assert looked.value.fault is opened.value.fault


def test_file_that_is_no_database(tmp_path: Path) -> None:
    """It is damaged, or somebody else's: what a start would make of it is said."""
    (tmp_path / "notes").write_text("no database " * 100, encoding="utf-8")
    with pytest.raises(StoreError, match="would move it aside") as caught:
        look_at(tmp_path / "notes")
    assert caught.value.fault is StoreFault.CORRUPT
    assert contents(tmp_path) == {"notes": b"no database " * 100}
