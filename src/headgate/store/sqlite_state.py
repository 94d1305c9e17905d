"""The newest state per deployment and per name in SQLite."""

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from headgate.store.rows import MeterRow, StateRow
from headgate.store.sqlite_reader import Reader
from headgate.store.sqlite_statement import ManyRows
from headgate.store.sqlite_writer import Writer

METERS: Final = ManyRows(
    "meters",
    MeterRow.__struct_fields__,
    "ON CONFLICT (deployment_id) DO UPDATE SET state = excluded.state, at = excluded.at, version = excluded.version",
)
STATES: Final = ManyRows(
    "states",
    StateRow.__struct_fields__,
    "ON CONFLICT (name) DO UPDATE SET state = excluded.state, at = excluded.at, version = excluded.version",
)


class SqliteState:
    """`StateStore` (contract.py)."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    def keep_meters(self, rows: Sequence[MeterRow]) -> None:
        for row in rows:
            self._writer.keep(METERS, row.deployment_id, msgspec.structs.astuple(row))

    def keep(self, row: StateRow) -> None:
        self._writer.keep(STATES, row.name, msgspec.structs.astuple(row))

    async def meters(self) -> tuple[MeterRow, ...]:
        def work(connection: sqlite3.Connection) -> tuple[MeterRow, ...]:
            found = connection.execute("SELECT deployment_id, state, at, version FROM meters ORDER BY deployment_id")
            return tuple(MeterRow(*row) for row in found)

        return await self._reader.run(work)

    async def find(self, name: str) -> StateRow | None:
        def work(connection: sqlite3.Connection) -> StateRow | None:
            found = connection.execute("SELECT name, state, at, version FROM states WHERE name = ?", (name,))
            return next((StateRow(*row) for row in found), None)

        return await self._reader.run(work)

    async def forget_meters_before(self, at: float) -> int:
        def work(connection: sqlite3.Connection) -> int:
            return connection.execute("DELETE FROM meters WHERE at < ?", (at,)).rowcount

        return await self._writer.run(work)
