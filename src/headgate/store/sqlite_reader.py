"""The one thread that reads, on a connection of its own: a long sum never holds up a commit, nor a commit a read."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from headgate.store.problems import StoreError, StoreFault, UnknownCursor, store_error

MOST_ROWS: Final = 1_000
"""Of one page of any list."""

NEWEST: Final = 1 << 62
"""A place after all rows."""

T = TypeVar("T")


class Reader:
    """Owns the reading connection. A read sees everything that was committed before it began."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._threads = ThreadPoolExecutor(1, "headgate-store-read")
        self._is_closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The value of a read."""
        if self._is_closed:
            raise StoreError(StoreFault.CLOSED, "the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, work)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            raise store_error(error) from error

    def refuse(self) -> None:
        """Begin nothing any more."""
        self._is_closed = True

    def stop(self) -> None:
        """End the thread after the reads that it has begun. Blocks."""
        self._is_closed = True
        self._threads.shutdown()


def page_rows(limit: int) -> int:
    """How many rows a page has that was asked for with this limit."""
    return max(1, min(limit, MOST_ROWS))


def place_of(connection: sqlite3.Connection, text: str, tenant: str, row_id: str | None) -> int:
    """The place in the list of the row with this id of this tenant. Raises UnknownCursor."""
    if row_id is None:
        return NEWEST
    found: tuple[int] | None = connection.execute(text, (row_id, tenant)).fetchone()
    if found is None:
        raise UnknownCursor(f"the list has no {row_id}")
    return found[0]
