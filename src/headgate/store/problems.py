"""Why a store did not do what it was asked: faults of the storage, and refusals of what the caller wanted."""

import errno
from enum import StrEnum
from typing import Final


class StoreFault(StrEnum):
    """What is wrong with the storage, as an operator would say it."""

    FULL = "full"
    READ_ONLY = "read_only"
    IO = "io"
    SYNC_FAILED = "sync_failed"
    CORRUPT = "corrupt"
    BUSY = "busy"
    OWNED = "owned"
    NEWER = "newer"
    FOREIGN = "foreign"
    UNFIT = "unfit"
    CLOSED = "closed"


STORAGE_FAULTS: Final = frozenset(
    {
        StoreFault.FULL,
        StoreFault.READ_ONLY,
        StoreFault.IO,
        StoreFault.SYNC_FAILED,
        StoreFault.CORRUPT,
        StoreFault.BUSY,
    }
)
"""Faults of the place, which meet every write alike. UNFIT is a fault of one row and leaves the others alone."""

FINAL_FAULTS: Final = frozenset({StoreFault.SYNC_FAILED, StoreFault.CORRUPT})
"""Nothing is written after these until a restart. A failed fsync may have dropped pages that a second one reports as
written; a corrupted file must be looked at before anything is added."""


class StoreError(Exception):
    """The store could not do it. What was asked for did not happen; `fault` says why."""

    def __init__(self, fault: StoreFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class StoreRefusal(Exception):
    """The store is well, but what was asked for cannot be. Nothing was changed."""


class AlreadyExists(StoreRefusal):
    """There is a row of that id."""


class FileTooLarge(StoreRefusal):
    """The content is longer than the caller allowed; nothing of it was kept."""


class IllegalTransition(StoreRefusal):
    """A batch cannot go from the status that it has to the one that was asked for."""


class UnknownCursor(StoreRefusal):
    """A list was asked for from a row on that is not there (any more)."""


_BY_NAME: Final = (
    ("SQLITE_FULL", StoreFault.FULL),
    ("SQLITE_READONLY", StoreFault.READ_ONLY),
    ("SQLITE_IOERR_FSYNC", StoreFault.SYNC_FAILED),
    ("SQLITE_IOERR_DIR_FSYNC", StoreFault.SYNC_FAILED),
    ("SQLITE_IOERR", StoreFault.IO),
    ("SQLITE_CANTOPEN", StoreFault.IO),
    ("SQLITE_PERM", StoreFault.IO),
    ("SQLITE_AUTH", StoreFault.IO),
    ("SQLITE_NOMEM", StoreFault.IO),
    ("SQLITE_CORRUPT", StoreFault.CORRUPT),
    ("SQLITE_NOTADB", StoreFault.CORRUPT),
    ("SQLITE_BUSY", StoreFault.BUSY),
    ("SQLITE_LOCKED", StoreFault.BUSY),
    ("SQLITE_PROTOCOL", StoreFault.BUSY),
)
"""By the beginning of SQLite's extended error name (sqlite.org/rescode.html, read 2026-11), the first that fits."""


_BY_ERRNO: Final = {
    errno.ENOSPC: StoreFault.FULL,
    errno.EDQUOT: StoreFault.FULL,
    errno.EFBIG: StoreFault.FULL,
    errno.EROFS: StoreFault.READ_ONLY,
}


def fault_of(error: Exception) -> StoreFault:
    """What an exception of sqlite3 means. Whatever is not the storage's fault is the row's."""
    name: str = getattr(error, "sqlite_errorname", "")
    return next((fault for start, fault in _BY_NAME if name.startswith(start)), StoreFault.UNFIT)


def store_error(error: Exception) -> StoreError:
    """An exception of sqlite3 or of the file system as ours."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError):
        fault = _BY_ERRNO.get(error.errno or 0, StoreFault.IO)
        return StoreError(fault, f"the store's files could not be used: {error}")
    return StoreError(fault_of(error), f"the store could not be used: {error}")
