"""One process owns a database: a lock file beside it, held by the kernel, with the process id of its owner.

The kernel lets go of the lock when the process dies, however it dies, so a stale one needs no cure. What stays in the
file then is the id of the dead: that is how the next owner knows that the last close was unclean.
"""

import os
import sys
from pathlib import Path
from typing import Final

from headgate.store.problems import StoreError, StoreFault

PRIVATE_FILE: Final = 0o600
PID_BYTES: Final = 32

if sys.platform == "win32":
    import msvcrt

    LOCK_AT_BYTE: Final = 1024
    """Behind the process id: what is locked cannot be read by others."""

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, LOCK_AT_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Ownership:
    """The lock on one database, from `take` to `give_up`. `left_by` is the process that did not close it, or ""."""

    def __init__(self, path: Path, descriptor: int, left_by: str) -> None:
        self.path = path
        self.left_by = left_by
        self._descriptor = descriptor

    @classmethod
    def take(cls, database: Path) -> "Ownership":
        """Own a database. Raises StoreError (OWNED) where another process, or another store of this one, does."""
        path = database.with_name(database.name + "-owner")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        written = ""
        try:
            written = os.read(descriptor, PID_BYTES).decode("ascii", "replace").strip()
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise StoreError(
                StoreFault.OWNED,
                f"{database} is in use by process {written or 'unknown'}: one process owns the file. "
                "Stop that one, or give this one a file of its own.",
            ) from error
        owner = cls(path, descriptor, written)
        owner._write(f"{os.getpid()}\n")
        return owner

    def give_up(self, *, is_clean: bool) -> None:
        """Let go. Without `is_clean` the next owner is told that something was left unfinished."""
        if self._descriptor < 0:
            return
        if is_clean:
            self._write("")
        os.close(self._descriptor)
        self._descriptor = -1

    def _write(self, text: str) -> None:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, text.encode("ascii"))
