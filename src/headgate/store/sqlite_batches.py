"""Batches in SQLite: created, changed by the table of statuses, listed; their lines by way of `sqlite_lines`."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from headgate.store import sqlite_lines
from headgate.store.batch_rows import (
    NEXT,
    BatchChange,
    BatchPage,
    BatchProblem,
    BatchRow,
    BatchStatus,
    BatchUsage,
    ClaimedLine,
    LineCounts,
    LineResult,
    NewBatch,
    NewLine,
)
from headgate.store.problems import AlreadyExists, IllegalTransition
from headgate.store.sqlite_reader import Reader, page_rows, place_of
from headgate.store.sqlite_statement import Parameter
from headgate.store.sqlite_writer import Writer

LINES_PER_COMMIT: Final = 1_000
"""Lines that one work inserts: others wait for no longer than that takes, a few milliseconds."""

_COLUMNS: Final = BatchRow.__struct_fields__
_SELECT: Final = " ".join(("SELECT", ", ".join(_COLUMNS), "FROM batches"))
_INSERT: Final = """
INSERT INTO batches (id, tenant, endpoint, input_file_id, completion_window, created_at, expires_at, metadata,
                     status, problems, usage, total, completed, failed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'validating', '[]', '{}', 0, 0, 0) ON CONFLICT (id) DO NOTHING
"""
_UNFINISHED: Final = " WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling') ORDER BY seq"
_ENDED: Final = """
SELECT seq FROM batches WHERE created_at < ? AND status IN ('completed', 'failed', 'expired', 'cancelled')
ORDER BY seq LIMIT 1
"""
_DATED: Final[dict[BatchStatus, str]] = {
    status: f"{status.value}_at" for status in BatchStatus if status is not BatchStatus.VALIDATING
}
"""The column that dates a status."""

_TEXTS: Final = ("output_file_id", "error_file_id", "model", "handed_to", "handed_id")
_JSON: Final = ("problems", "usage")
_CHANGING: Final = ("status", *_DATED.values(), *_TEXTS, *_JSON)
_UPDATE: Final = " ".join(
    ("UPDATE batches SET", ", ".join(f"{name} = coalesce(?, {name})" for name in _CHANGING), "WHERE id = ?")
)


class SqliteBatches:
    """`BatchStore` (contract.py)."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def create(self, new: NewBatch) -> BatchRow:
        return await self._writer.run(partial(_create, new))

    async def find(self, tenant: str, batch_id: str) -> BatchRow | None:
        return await self._reader.run(partial(_find, tenant, batch_id))

    async def page(self, tenant: str, *, limit: int = 100, after: str | None = None) -> BatchPage:
        rows_at_most = page_rows(limit)

        def work(connection: sqlite3.Connection) -> BatchPage:
            before = place_of(connection, "SELECT seq FROM batches WHERE id = ? AND tenant = ?", tenant, after)
            found = connection.execute(
                _SELECT + " WHERE tenant = ? AND seq < ? ORDER BY seq DESC LIMIT ?", (tenant, before, rows_at_most + 1)
            )
            rows = tuple(map(_row, found))
            return BatchPage(rows[:rows_at_most], len(rows) > rows_at_most)

        return await self._reader.run(work)

    async def unfinished(self) -> tuple[BatchRow, ...]:
        return await self._reader.run(lambda connection: tuple(map(_row, connection.execute(_SELECT + _UNFINISHED))))

    async def change(self, tenant: str, batch_id: str, change: BatchChange) -> BatchRow | None:
        return await self._writer.run(partial(_change, tenant, batch_id, change))

    async def add_lines(self, batch_id: str, lines: Sequence[NewLine]) -> int:
        added = 0
        for start in range(0, len(lines), LINES_PER_COMMIT):
            some = lines[start : start + LINES_PER_COMMIT]
            added += await self._writer.run(partial(sqlite_lines.add_lines, batch_id=batch_id, lines=some))
        return added

    async def claim(self, batch_id: str, most: int) -> tuple[ClaimedLine, ...]:
        return await self._writer.run(partial(sqlite_lines.claim, batch_id=batch_id, most=most))

    async def release(self, batch_id: str, lines: Sequence[int]) -> int:
        return await self._writer.run(partial(sqlite_lines.release, batch_id=batch_id, lines=lines))

    async def record(self, batch_id: str, results: Sequence[LineResult]) -> tuple[bool, ...]:
        return await self._writer.run(partial(sqlite_lines.record, batch_id=batch_id, results=results))

    async def results(
        self, batch_id: str, *, is_done: bool | None = None, after_line: int = -1, limit: int = 200
    ) -> tuple[LineResult, ...]:
        return await self._reader.run(
            partial(
                sqlite_lines.results, batch_id=batch_id, is_done=is_done, after_line=after_line, most=page_rows(limit)
            )
        )

    async def count(self, batch_id: str) -> LineCounts:
        return await self._reader.run(partial(sqlite_lines.count, batch_id=batch_id))

    async def forget_ended_before(self, at: int) -> int:
        removed = 0
        while await self._writer.run(partial(_forget_one, at)):
            removed += 1
        return removed


def _create(new: NewBatch, connection: sqlite3.Connection) -> BatchRow:
    values = (
        new.id,
        new.tenant,
        new.endpoint,
        new.input_file_id,
        new.completion_window,
        new.created_at,
        new.expires_at,
        None if new.metadata is None else _json(new.metadata),
    )
    if connection.execute(_INSERT, values).rowcount == 0:
        raise AlreadyExists(f"there is a batch {new.id}")
    created = _find(new.tenant, new.id, connection)
    assert created is not None, "a batch is there once it is inserted"
    return created


def _find(tenant: str, batch_id: str, connection: sqlite3.Connection) -> BatchRow | None:
    found = connection.execute(_SELECT + " WHERE id = ? AND tenant = ?", (batch_id, tenant)).fetchone()
    return None if found is None else _row(found)


def _change(tenant: str, batch_id: str, change: BatchChange, connection: sqlite3.Connection) -> BatchRow | None:
    before = _find(tenant, batch_id, connection)
    if before is None:
        return None
    new: dict[str, Parameter] = {name: getattr(change, name) for name in _TEXTS}
    new |= {name: None if (value := getattr(change, name)) is None else _json(value) for name in _JSON}
    if change.status is not None and change.status is not before.status:
        if change.status not in NEXT.get(before.status, frozenset()):
            raise IllegalTransition(f"batch {batch_id} is {before.status}, it cannot become {change.status}")
        new |= {"status": change.status.value, _DATED[change.status]: change.at}
    connection.execute(_UPDATE, (*(new.get(name) for name in _CHANGING), batch_id))
    return _find(tenant, batch_id, connection)


def _forget_one(at: int, connection: sqlite3.Connection) -> bool:
    found = connection.execute(_ENDED, (at,)).fetchone()
    if found is None:
        return False
    connection.execute("DELETE FROM batch_results WHERE batch = ?", found)
    connection.execute("DELETE FROM batch_lines WHERE batch = ?", found)
    connection.execute("DELETE FROM batches WHERE seq = ?", found)
    return True


def _row(found: tuple[Any, ...]) -> BatchRow:
    values = dict(zip(_COLUMNS, found, strict=True))
    values["status"] = BatchStatus(values["status"])
    values["problems"] = msgspec.json.decode(values["problems"], type=tuple[BatchProblem, ...])
    values["usage"] = msgspec.json.decode(values["usage"], type=BatchUsage)
    if values["metadata"] is not None:
        values["metadata"] = msgspec.json.decode(values["metadata"], type=dict[str, str])
    return BatchRow(**values)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
