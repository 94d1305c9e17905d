"""Where uploaded sounds lie while they are asked about: small ones in memory, larger ones in a file without a name.

Such a file is gone as soon as it is closed, and when the process dies. Whoever takes a spool closes it; all of them
together hold no more than they are allowed to.
"""

import asyncio
import io
import tempfile
from collections.abc import AsyncGenerator
from typing import BinaryIO, Final, cast

IN_MEMORY_BYTES: Final = 1024 * 1024
PIECE_BYTES: Final = 256 * 1024
"""What is written or read in one go, in a thread."""


class SpoolFullError(Exception):
    """There is no room for more: by our own limit or on the disk."""


class Spools:
    """All spools of one process."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0

    def new(self) -> "Spool":
        return Spool(self)


class Spool:
    """The bytes of one sound. They are added, then `finish` is awaited, then they are read any number of times."""

    __slots__ = ("_buffer", "_file", "_room", "size_bytes")

    def __init__(self, room: Spools) -> None:
        self._room = room
        self._buffer = bytearray()
        self._file: BinaryIO | None = None
        self.size_bytes = 0

    async def add(self, data: bytes) -> None:
        """Keep some bytes. Raises SpoolFullError."""
        if self._room.held_bytes + len(data) > self._room.most_bytes:
            raise SpoolFullError
        self._room.held_bytes += len(data)
        self.size_bytes += len(data)
        self._buffer += data
        if len(self._buffer) >= (IN_MEMORY_BYTES if self._file is None else PIECE_BYTES):
            await self._to_file()

    async def finish(self) -> None:
        """Nothing more comes. Raises SpoolFullError."""
        if self._file is not None:
            await self._to_file()

    @property
    def is_on_disk(self) -> bool:
        return self._file is not None

    def sound(self) -> BinaryIO:
        """The bytes as a file, for one reader at a time; to be read in a thread."""
        return io.BytesIO(self._buffer) if self._file is None else self._file

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The bytes from their beginning."""
        if self._file is None:
            for at in range(0, self.size_bytes, PIECE_BYTES):
                yield bytes(self._buffer[at : at + PIECE_BYTES])
            return
        for at in range(0, self.size_bytes, PIECE_BYTES):
            yield await asyncio.to_thread(_read, self._file, at)

    def close(self) -> None:
        """Forget the bytes; doing so again does nothing."""
        self._room.held_bytes -= self.size_bytes
        self.size_bytes = 0
        self._buffer.clear()
        if self._file is not None:
            self._file.close()  # waits for a thread that is still at it

    async def _to_file(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        try:
            if self._file is None:
                self._file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - closed by `close`
            await asyncio.to_thread(_write, self._file, data)
        except OSError:
            raise SpoolFullError from None


def _write(file: BinaryIO, data: bytearray) -> None:
    file.write(data)
    file.flush()


def _read(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.read(PIECE_BYTES)
