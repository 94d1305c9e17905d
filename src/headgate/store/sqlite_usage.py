"""Usage rows in SQLite: appended in bulk, listed by page, added up by group."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headgate.store.rows import GroupBy, UsageFields, UsageFilter, UsagePage, UsageRow, UsageSum
from headgate.store.sqlite_reader import Reader, page_rows
from headgate.store.sqlite_statement import ManyRows, Parameter
from headgate.store.sqlite_writer import Writer

COLUMNS: Final = UsageRow.__struct_fields__
USAGE_ROWS: Final = ManyRows("usage", COLUMNS, "ON CONFLICT (request_id) DO NOTHING")

ROWS_PER_REMOVAL: Final = 2_000
"""How many rows one commit removes: others wait for no longer than that takes, a few milliseconds."""

_SELECT: Final = " ".join(("SELECT seq,", ", ".join(COLUMNS), "FROM usage"))
_SUMS: Final = (
    "count(*), " + ", ".join(f"coalesce(sum({name}), 0)" for name in UsageSum.__struct_fields__[2:]) + " FROM usage"
)
_BEFORE: Final = "(at, seq) < ((SELECT at FROM usage WHERE seq = ?), ?)"
_GROUPS: Final = {by: "CAST(CAST(at / 86400 AS INTEGER) AS TEXT)" if by is GroupBy.DAY else by.value for by in GroupBy}
_CONDITIONS: Final = {
    name: {"since": "at >= ?", "until": "at < ?"}.get(name, f"{name} = ?") for name in UsageFilter.__struct_fields__
}
"""All that is ever put together are these constants; what a caller gives is always a parameter."""


class SqliteUsage:
    """`UsageStore` (contract.py)."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    def append(self, row: UsageRow) -> None:
        self._writer.append(msgspec.structs.astuple(row))

    def append_all(self, rows: Sequence[UsageFields]) -> None:
        self._writer.append_all(rows)

    async def write(self, row: UsageRow) -> None:
        await self._writer.write(msgspec.structs.astuple(row))

    async def find(self, tenant: str, request_id: str) -> UsageRow | None:
        def work(connection: sqlite3.Connection) -> UsageRow | None:
            found = connection.execute(_SELECT + " WHERE request_id = ? AND tenant = ?", (request_id, tenant))
            return next((UsageRow(*row[1:]) for row in found), None)

        return await self._reader.run(work)

    async def page(self, where: UsageFilter, *, limit: int = 100, before: int | None = None) -> UsagePage:
        conditions, values = _where(where)
        if before is not None:
            conditions, values = [*conditions, _BEFORE], [*values, before, before]
        rows_at_most = page_rows(limit)
        text = " ".join((_SELECT, _joined(conditions), "ORDER BY at DESC, seq DESC LIMIT ?"))
        parameters = (*values, rows_at_most + 1)

        def work(connection: sqlite3.Connection) -> UsagePage:
            found: list[tuple[Any, ...]] = connection.execute(text, parameters).fetchall()
            rows = found[:rows_at_most]
            return UsagePage(
                tuple(UsageRow(*row[1:]) for row in rows), rows[-1][0] if len(found) > rows_at_most else None
            )

        return await self._reader.run(work)

    async def add_up(self, where: UsageFilter, by: tuple[GroupBy, ...] = ()) -> tuple[UsageSum, ...]:
        conditions, values = _where(where)
        groups = [_GROUPS[one] for one in by]
        text = " ".join(("SELECT", "".join(f"{group}, " for group in groups), _SUMS, _joined(conditions)))
        if groups:
            places = ", ".join(str(place + 1) for place in range(len(groups)))
            text = text + " GROUP BY " + places + " ORDER BY " + places

        def work(connection: sqlite3.Connection) -> tuple[UsageSum, ...]:
            found = connection.execute(text, values)
            return tuple(UsageSum(row[: len(by)], *row[len(by) :]) for row in found)

        return await self._reader.run(work)

    async def forget_before(self, at: float) -> int:
        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM usage WHERE seq IN (SELECT seq FROM usage WHERE at < ? LIMIT ?)", (at, ROWS_PER_REMOVAL)
            ).rowcount

        removed = 0
        while (now_removed := await self._writer.run(work)) > 0:
            removed += now_removed
        return removed


def _where(where: UsageFilter) -> tuple[list[str], list[Parameter]]:
    given = [(name, value) for name in _CONDITIONS if (value := getattr(where, name)) is not None]
    return [_CONDITIONS[name] for name, _ in given], [value for _, value in given]


def _joined(conditions: list[str]) -> str:
    return " ".join(("WHERE", " AND ".join(conditions))) if conditions else ""
