"""The one thread that writes. It takes what the event loop has queued and commits it as one transaction.

    loop:    append(row)   run(work)   keep(key, row)        returns at once, or awaits its group
                 |             |            |
    queue:   [rows in order] [works] {newest per key}        bounded, under one lock
                 +------ one group --------+
    thread:  BEGIN; works; rows; newest; COMMIT -> futures   one commit for all that came meanwhile

Whoever awaits is not made to wait for company: the thread commits at once, and what comes while it does is the next
group. Rows that nobody awaits wait up to a commit window for company, unless they come as many, having waited before.

A loop that is never idle starves the thread: it gives the interpreter's lock up often but takes it again within
microseconds, sooner than the thread can wake, and the thread asks for its turn only after 5 ms without any such signal.
So the loop looks after it: where nothing was committed for a window, it sleeps for the length of a commit.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from headgate.store.problems import (
    FINAL_FAULTS,
    STORAGE_FAULTS,
    StoreError,
    StoreFault,
    StoreRefusal,
    fault_of,
    store_error,
)
from headgate.store.rows import StoreHealth
from headgate.store.sqlite_statement import MOST_AT_ONCE, ManyRows, Parameters

WINDOW_S: Final = 0.005
"""How long rows wait for company: with the commit under way, what the death of the process can lose of them."""

LEND_S: Final = 0.0002
"""How long the loop stands still for a thread that does not get on: about what a commit of fifty rows takes."""

RETRY_S: Final = 1.0
"""Between two attempts to write what a faulty storage did not take, as long as nobody awaits anything."""

MOST_QUEUED_ROWS: Final = 100_000
"""Rows that nobody awaits, at most: some 100 MB, or minutes of a full disk. Later ones are dropped and counted: what
was taken stays whole, and the gap has one beginning and one end."""

MOST_ROWS_PER_COMMIT: Final = 1_024
"""After so many no others are taken into a group; rows that came as many stay together, up to as many again."""

UNFIT: Final = (sqlite3.Error, OverflowError, ValueError, TypeError)
"""What sqlite3 raises: of the storage, or of a value that it cannot hold (too large a number, half a character)."""

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
"""Writes, inside the group's transaction. Refuses (StoreRefusal) before it changes anything; may be done twice, since a
group that fails is rolled back and tried again piece by piece."""


class _Promise:
    """What somebody awaits: resolved on their loop after the commit."""

    __slots__ = ("error", "future", "loop", "value")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.value: object = None
        self.error: Exception | None = None

    def resolve(self) -> None:
        """On the loop. Whoever was cancelled meanwhile hears nothing; what they gave is written all the same."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)


class _Rows(msgspec.Struct, gc=False):
    """Rows that came together; one, or none, where somebody awaits them."""

    rows: Sequence[Parameters]
    promise: _Promise | None = None


_Job = tuple[Work[Any], _Promise]


class _Group(msgspec.Struct, gc=False):
    rows: list[_Rows]
    jobs: list[_Job]
    newest: dict[tuple[ManyRows, str], Parameters]


class Writer:
    """Owns the writing connection from `start` to `stop`. `rows` says where appended rows go."""

    def __init__(
        self, connection: sqlite3.Connection, rows: ManyRows, *, most_queued_rows: int = MOST_QUEUED_ROWS
    ) -> None:
        self._connection = connection
        self._insert = rows
        self._most_queued = most_queued_rows
        self._changed = threading.Condition(threading.Lock())
        self._rows: deque[_Rows] = deque()
        self._queued = 0
        self._jobs: list[_Job] = []
        self._newest: dict[tuple[ManyRows, str], Parameters] = {}
        self._awaited_rows = 0
        self._is_due = False
        self._is_idle = False
        self._is_closing = False
        self._is_committing = False
        self._looked_after_by: asyncio.AbstractEventLoop | None = None
        self._retry_at = 0.0
        self._error: StoreError | None = None
        self._written = self._dropped = self._unfit = self._commits = self._failed = self._groups = 0
        self._thread = threading.Thread(target=self._run, name="headgate-store", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    # ------------------------------------------------------------------------------------------------ on the event loop

    def append(self, row: Parameters) -> None:
        """Queue a row, to wait for company; drop and count it where the queue is full."""
        with self._changed:
            if self._queue((row,)):
                self._tell()

    def append_all(self, rows: Sequence[Parameters]) -> None:
        """Queue rows that have waited for company; drop and count those for which the queue has no room."""
        with self._changed:
            if self._queue(rows):
                self._is_due = True
                self._tell()

    def keep(self, where: ManyRows, key: str, row: Parameters) -> None:
        """Queue the newest row of a key, in place of one that was not written yet."""
        with self._changed:
            if self._is_closing:
                self._dropped += 1
                return
            self._newest[where, key] = row
            self._tell()

    async def write(self, row: Parameters | None) -> None:
        """Write a row, or with None only what was queued before it; return after the commit."""
        promise = _Promise()
        with self._changed:
            self._admit()
            self._rows.append(_Rows(() if row is None else (row,), promise))
            self._queued += row is not None
            self._awaited_rows += 1
            self._tell()
        await promise.future

    async def run(self, work: Work[T]) -> T:
        """Do a work in the next group; its value after the commit."""
        promise = _Promise()
        with self._changed:
            self._admit()
            self._jobs.append((work, promise))
            self._tell()
        value: T = await promise.future
        return value

    def health(self) -> StoreHealth:
        """How writing goes."""
        with self._changed:
            error = self._error
            return StoreHealth(
                None if error is None else error.fault.value,
                "" if error is None else str(error),
                self._queued,
                self._written,
                self._dropped,
                self._unfit,
                self._commits,
                self._failed,
            )

    def stop(self) -> None:
        """Write what is queued and end the thread. Blocks; call it from a thread that may."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _admit(self) -> None:
        if self._is_closing:
            raise StoreError(StoreFault.CLOSED, "the store is closed")

    def _queue(self, rows: Sequence[Parameters]) -> bool:
        """Take what there is room for; whether that is any."""
        room = 0 if self._is_closing else max(0, self._most_queued - self._queued)
        taken = rows if len(rows) <= room else rows[:room]
        self._dropped += len(rows) - len(taken)
        self._queued += len(taken)
        for start in range(0, len(taken), MOST_ROWS_PER_COMMIT):
            self._rows.append(_Rows(taken[start : start + MOST_ROWS_PER_COMMIT]))
        return bool(taken)

    def _look_after(self, loop: asyncio.AbstractEventLoop, groups: int) -> None:
        """On the loop, once a window while anything is queued: let the thread in where it stands where it stood."""
        if self._looked_after_by is not loop:
            return
        if self._rows or self._jobs or self._newest or self._is_committing:
            if self._groups == groups and self._error is None:
                time.sleep(LEND_S)
            loop.call_later(WINDOW_S, self._look_after, loop, self._groups)
        else:
            self._looked_after_by = None

    def _tell(self) -> None:
        """Wake the thread if it has to do something now; rows that wait for company wait for its own alarm."""
        loop = asyncio.get_running_loop()
        if self._looked_after_by is not loop:
            self._looked_after_by = loop
            loop.call_later(WINDOW_S, self._look_after, loop, self._groups)
        if self._is_idle or self._is_due or self._jobs or self._awaited_rows:
            self._is_idle = False
            self._changed.notify()

    # --------------------------------------------------------------------------------------------------- on the thread

    def _run(self) -> None:
        try:
            while (group := self._next_group()) is not None:
                self._commit(group)
                self._is_committing = False
                self._groups += 1
        finally:
            self._end()

    def _next_group(self) -> _Group | None:
        """Wait until there is something to commit; None at the end."""
        with self._changed:
            while not (self._is_closing or self._jobs or self._awaited_rows):
                if not self._rows and not self._newest:
                    self._is_idle = True
                    self._changed.wait()
                elif self._error is None:
                    if not self._is_due:
                        self._changed.wait(WINDOW_S)
                    break
                elif (wait_s := self._retry_at - time.monotonic()) > 0:
                    self._changed.wait(wait_s)
                else:
                    break
            if self._is_closing and not (self._rows or self._jobs or self._newest):
                return None
            group = _Group(self._next_rows(), self._jobs, self._newest)
            self._jobs, self._newest = [], {}
            self._is_due = self._is_due and bool(self._rows)
            self._is_committing = True
            return group

    def _next_rows(self) -> list[_Rows]:
        """The first rows of the queue, until they are enough for a group."""
        taken: list[_Rows] = []
        room = MOST_ROWS_PER_COMMIT
        while self._rows and room > 0:
            some = self._rows.popleft()
            taken.append(some)
            self._queued -= len(some.rows)
            self._awaited_rows -= some.promise is not None
            room -= max(1, len(some.rows))
        return taken

    def _commit(self, group: _Group) -> None:
        """Commit a group; where one piece of it is unfit, each piece alone."""
        if self._error is not None and self._error.fault in FINAL_FAULTS:
            self._give_back(group, self._error)
            return
        try:
            self._transact(group)
        except UNFIT as error:
            self._roll_back()
            if fault_of(error) in STORAGE_FAULTS:
                self._give_back(group, store_error(error))
            elif len(pieces := _pieces(group)) == 1:
                self._refuse(group, store_error(error))
            else:
                for piece in pieces:
                    self._commit(piece)
        except BaseException as defect:
            self._fail(group, StoreError(StoreFault.CLOSED, f"the store's thread ended: {defect!r}"))
            raise

    def _transact(self, group: _Group) -> None:
        connection = self._connection
        rows = group.rows[0].rows if len(group.rows) == 1 else [row for some in group.rows for row in some.rows]
        if group.jobs or group.newest or len(rows) > MOST_AT_ONCE:
            connection.execute("BEGIN IMMEDIATE")
            self._write(group, rows)
            connection.execute("COMMIT")
        else:  # one statement is a transaction by itself
            self._insert.execute(connection, rows)
        with self._changed:
            self._commits += 1
            self._written += len(rows)
            self._error = None
        _resolve(group)

    def _write(self, group: _Group, rows: Sequence[Parameters]) -> None:
        for work, promise in group.jobs:
            try:
                promise.value, promise.error = work(self._connection), None
            except StoreRefusal as refusal:
                promise.error = refusal
        self._insert.execute(self._connection, rows)
        for where in {where for where, _ in group.newest}:
            where.execute(self._connection, [row for (place, _), row in group.newest.items() if place is where])

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # it ends the transaction even where it fails
                self._connection.execute("ROLLBACK")

    def _give_back(self, group: _Group, error: StoreError) -> None:
        """The storage is at fault: whoever awaits a row hears of it, also from behind this group; the rest waits."""
        with self._changed:
            self._failed += 1
            self._error = error
            self._retry_at = time.monotonic() + RETRY_S
            kept = [some for some in group.rows if some.promise is None]
            group.rows = [some for some in group.rows if some.promise is not None]
            if self._awaited_rows:
                group.rows += [some for some in self._rows if some.promise is not None]
                self._rows = deque(some for some in self._rows if some.promise is None)
                self._awaited_rows = 0
            self._rows.extendleft(reversed(kept))
            self._queued = sum(len(some.rows) for some in self._rows)
            self._newest = group.newest | self._newest
            if self._is_closing:
                self._dropped += self._queued + len(self._newest)
                self._queued = 0
                self._rows.clear()
                self._newest.clear()
        self._fail(group, error)

    def _refuse(self, group: _Group, error: StoreError) -> None:
        with self._changed:
            self._unfit += 1
        self._fail(group, error)

    def _fail(self, group: _Group, error: StoreError) -> None:
        for promise in _promises(group):
            promise.error = StoreError(error.fault, str(error))
        _resolve(group)

    def _end(self) -> None:
        """Nobody is left waiting, whatever ended the thread."""
        with self._changed:
            self._is_closing = True
            left = _Group(list(self._rows), self._jobs, self._newest)
            self._rows.clear()
            self._jobs, self._newest, self._awaited_rows, self._queued = [], {}, 0, 0
        self._fail(left, StoreError(StoreFault.CLOSED, "the store is closed"))


def _pieces(group: _Group) -> list[_Group]:
    return [
        *(_Group([], [job], {}) for job in group.jobs),
        *(
            _Group([_Rows(() if row is None else (row,), some.promise)], [], {})
            for some in group.rows
            for row in some.rows or (None,)
        ),
        *(_Group([], [], {key: row}) for key, row in group.newest.items()),
    ]


def _promises(group: _Group) -> list[_Promise]:
    return [promise for _, promise in group.jobs] + [some.promise for some in group.rows if some.promise is not None]


def _resolve(group: _Group) -> None:
    """Tell everybody of a group, each loop once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Promise]] = {}
    for promise in _promises(group):
        by_loop.setdefault(promise.loop, []).append(promise)
    for loop, promises in by_loop.items():
        try:
            loop.call_soon_threadsafe(_tell, promises)
        except RuntimeError:  # their loop is closed: nobody waits any more
            continue


def _tell(promises: list[_Promise]) -> None:
    for promise in promises:
        promise.resolve()
