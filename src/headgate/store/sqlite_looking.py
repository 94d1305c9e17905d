"""Says what opening a database would meet, and makes, changes and migrates nothing."""

import errno
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from headgate.store.migrate import Migration, schema_version, shipped_migrations, too_new
from headgate.store.problems import StoreError, StoreFault, store_error
from headgate.store.sqlite_opening import explained


class Looked(msgspec.Struct, frozen=True):
    """What is there. `version` is the schema's: None where there is no file yet, 0 where it is empty; `newest` is the
    one that opening would bring it to."""

    version: int | None
    newest: int


def look_at(path: Path, migrations: Sequence[Migration] | None = None) -> Looked:
    """What opening would find. Raises StoreError as opening would, and CORRUPT for a file that it would set aside."""
    newest = len(shipped_migrations("sqlite") if migrations is None else migrations)
    try:
        is_there = _is_usable(path)
    except OSError as error:
        raise store_error(error) from error
    if not is_there:
        return Looked(None, newest)
    try:
        version = _version(path)
        too_new(version, newest)
    except StoreError as error:
        raise explained(path, error) from error
    except sqlite3.Error as error:
        problem = store_error(error)
        if problem.fault is not StoreFault.CORRUPT:
            raise explained(path, problem) from error
        text = f"{path} is no whole SQLite database: {error}. A start would move it aside and begin an empty one."
        raise StoreError(StoreFault.CORRUPT, text) from error
    return Looked(version, newest)


def _is_usable(path: Path) -> bool:
    """Whether the file is there. Raises OSError where it cannot be written, or not be made."""
    folder = path.parent
    if path.is_dir():
        raise _problem(errno.EISDIR, path)
    if path.exists():
        _may_write(path, os.R_OK | os.W_OK)
        _may_write(folder, os.W_OK | os.X_OK)  # its log lies beside it
        return True
    missing = path
    while not folder.exists():
        missing, folder = folder, folder.parent
    if not folder.is_dir():
        raise _problem(errno.ENOTDIR, path.parent)
    _may_write(folder, os.W_OK | os.X_OK, missing)
    return False


def _may_write(place: Path, how: int, what: Path | None = None) -> None:
    by_effective_user = os.access in os.supports_effective_ids
    if os.access(place, how, effective_ids=by_effective_user):
        return
    is_read_only = hasattr(os, "statvfs") and bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    raise _problem(errno.EROFS if is_read_only else errno.EACCES, what or place)


def _problem(number: int, place: Path) -> OSError:
    return OSError(number, os.strerror(number), str(place))


def _version(path: Path) -> int:
    """The schema's version. A database with a log beside it is in use, or was left in a hurry, and is read with it; any
    other is read as a file that nobody changes, since SQLite would make a log for it."""
    has_log = all(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-shm"))
    uri = f"file:{quote(str(path))}?mode=ro{'' if has_log else '&immutable=1'}"
    connection = sqlite3.connect(uri, uri=True)
    try:
        return schema_version(connection)
    finally:
        connection.close()
