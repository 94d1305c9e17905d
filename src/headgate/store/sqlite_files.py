"""Files in SQLite: the row is committed after the content is on the disk, and removed before it."""

import sqlite3
from collections.abc import AsyncIterator
from typing import Final

from headgate.store.content import Contents
from headgate.store.problems import AlreadyExists
from headgate.store.rows import FilePage, FileRow, NewFile
from headgate.store.sqlite_reader import Reader, page_rows, place_of
from headgate.store.sqlite_writer import Writer

UPLOADED: Final = "uploaded"
_COLUMNS: Final = FileRow.__struct_fields__
_SELECT: Final = " ".join(("SELECT", ", ".join(_COLUMNS), "FROM files"))
_INSERT: Final = " ".join(
    ("INSERT INTO files (", ", ".join(_COLUMNS), ") VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING")
)


class SqliteFiles:
    """`FileStore` (contract.py)."""

    def __init__(self, writer: Writer, reader: Reader, contents: Contents) -> None:
        self._writer = writer
        self._reader = reader
        self._contents = contents

    async def create(self, meta: NewFile, chunks: AsyncIterator[bytes], *, most_bytes: int) -> FileRow:
        if await self._reader.run(lambda connection: _is_known(connection, meta.id)):
            raise AlreadyExists(f"there is a file {meta.id}")
        size_bytes = await self._contents.write(meta.id, chunks, most_bytes=most_bytes)
        row = FileRow(
            meta.id,
            meta.tenant,
            meta.purpose,
            meta.filename,
            size_bytes,
            meta.created_at,
            meta.expires_at,
            UPLOADED,
        )
        values = tuple(getattr(row, name) for name in _COLUMNS)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_INSERT, values)

        try:
            await self._writer.run(work)
        except Exception:
            await self._contents.remove(meta.id)
            raise
        return row

    async def find(self, tenant: str, file_id: str) -> FileRow | None:
        def work(connection: sqlite3.Connection) -> FileRow | None:
            found = connection.execute(_SELECT + " WHERE id = ? AND tenant = ?", (file_id, tenant))
            return next((FileRow(*row) for row in found), None)

        return await self._reader.run(work)

    async def page(
        self, tenant: str, *, purpose: str | None = None, limit: int = 100, after: str | None = None
    ) -> FilePage:
        rows_at_most = page_rows(limit)

        def work(connection: sqlite3.Connection) -> FilePage:
            before = place_of(connection, "SELECT seq FROM files WHERE id = ? AND tenant = ?", tenant, after)
            found = connection.execute(
                _SELECT + " WHERE tenant = ? AND seq < ? AND purpose = coalesce(?, purpose) ORDER BY seq DESC LIMIT ?",
                (tenant, before, purpose, rows_at_most + 1),
            )
            rows = tuple(FileRow(*row) for row in found)
            return FilePage(rows[:rows_at_most], len(rows) > rows_at_most)

        return await self._reader.run(work)

    async def read(self, tenant: str, file_id: str) -> AsyncIterator[bytes] | None:
        if await self.find(tenant, file_id) is None:
            return None
        return await self._contents.read(file_id)

    async def read_part(self, tenant: str, file_id: str, start_byte: int, length_bytes: int) -> bytes | None:
        if await self.find(tenant, file_id) is None:
            return None
        return await self._contents.read_part(file_id, start_byte, length_bytes)

    async def delete(self, tenant: str, file_id: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            return connection.execute("DELETE FROM files WHERE id = ? AND tenant = ?", (file_id, tenant)).rowcount > 0

        was_there = await self._writer.run(work)
        if was_there:
            await self._contents.remove(file_id)
        return was_there

    async def forget_expired(self, at: float) -> int:
        def work(connection: sqlite3.Connection) -> list[str]:
            return [row[0] for row in connection.execute("DELETE FROM files WHERE expires_at <= ? RETURNING id", (at,))]

        expired = await self._writer.run(work)
        for file_id in expired:
            await self._contents.remove(file_id)
        return len(expired)


def _is_known(connection: sqlite3.Connection, file_id: str) -> bool:
    return connection.execute("SELECT 1 FROM files WHERE id = ?", (file_id,)).fetchone() is not None
