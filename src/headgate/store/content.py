"""The contents of files, on disk beside the database. A content has its name only once it is whole and on the disk.

Knows no rows: which contents are wanted is told to `remove_orphans`.
"""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from headgate.store.ownership import PRIVATE_FILE
from headgate.store.problems import FileTooLarge, StoreError, StoreFault, store_error

PRIVATE_FOLDER: Final = 0o700
CHUNK_BYTES: Final = 256 * 1024
"""What is read, or gathered before it is written, in one go."""

THREADS: Final = 2
"""Contents that are moved at a time: a large upload leaves one for the others."""

UNFINISHED: Final = ".part"
BINARY: Final[int] = getattr(os, "O_BINARY", 0)
ID_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")

T = TypeVar("T")


class Contents:
    """The folder of contents and the threads that move them. Raises StoreError (IO) where the file system refuses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._threads = ThreadPoolExecutor(THREADS, "headgate-store-files")
        self._is_closed = False

    def remove_orphans(self, wanted: Collection[str]) -> int:
        """Remove the contents that no row names, and those that were never finished; how many. Blocks."""
        orphans = [path for path in self.folder.iterdir() if path.name not in wanted]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    async def write(self, file_id: str, chunks: AsyncIterator[bytes], *, most_bytes: int) -> int:
        """Take a content in; its length. Raises FileTooLarge; whatever happens, no part of it stays behind."""
        path = self._path(file_id)
        part = await self._do(lambda: _Part(path))
        try:
            size_bytes = await self._fill(part, chunks, most_bytes)
            await self._do(part.finish)
        except BaseException:
            with suppress(StoreError):
                await asyncio.shield(self._do(part.abandon))
            raise
        return size_bytes

    async def read(self, file_id: str) -> AsyncIterator[bytes]:
        """A content in chunks; it is opened for the first of them."""
        path = self._path(file_id)
        await self._do(path.stat)
        return self._chunks(path)

    async def read_part(self, file_id: str, start_byte: int, length_bytes: int) -> bytes:
        """A part of a content."""
        path = self._path(file_id)

        def part() -> bytes:
            with path.open("rb") as file:
                file.seek(start_byte)
                return file.read(length_bytes)

        return await self._do(part)

    async def remove(self, file_id: str) -> None:
        """Remove a content that may be gone already."""
        path = self._path(file_id)
        await self._do(lambda: path.unlink(missing_ok=True))

    def refuse(self) -> None:
        """Begin nothing any more."""
        self._is_closed = True

    def stop(self) -> None:
        """End the threads after what they have begun. Blocks."""
        self._is_closed = True
        self._threads.shutdown()

    async def _fill(self, part: "_Part", chunks: AsyncIterator[bytes], most_bytes: int) -> int:
        gathered, size_bytes = bytearray(), 0
        async for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > most_bytes:
                raise FileTooLarge(f"the content is longer than {most_bytes} bytes")
            gathered += chunk
            if len(gathered) >= CHUNK_BYTES:
                full, gathered = gathered, bytearray()
                await self._do(partial(part.write, full))
        await self._do(partial(part.write, gathered))
        return size_bytes

    async def _chunks(self, path: Path) -> AsyncIterator[bytes]:
        file = await self._do(lambda: path.open("rb"))
        try:
            while chunk := await self._do(lambda: file.read(CHUNK_BYTES)):
                yield chunk
        finally:
            file.close()

    async def _do(self, work: Callable[[], T]) -> T:
        if self._is_closed:
            raise StoreError(StoreFault.CLOSED, "the store is closed")

        def mapped() -> T:
            try:
                return work()
            except OSError as error:
                raise store_error(error) from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, mapped)

    def _path(self, file_id: str) -> Path:
        assert file_id, "a file has an id"
        assert ID_ALPHABET.issuperset(file_id), f"{file_id!r} names no file"
        return self.folder / file_id


class _Part:
    """A content on its way, used by one thread at a time: whoever is cancelled leaves a write behind that goes on."""

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise FileExistsError(errno.EEXIST, "there is a content of that name", str(path))
        self._path = path
        self._unfinished = path.with_name(path.name + UNFINISHED)
        self._lock = threading.Lock()
        self._descriptor = os.open(self._unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY, PRIVATE_FILE)

    def write(self, data: bytes | bytearray) -> None:
        with self._lock:
            left = memoryview(data)
            while left:
                left = left[os.write(self._descriptor, left) :]

    def finish(self) -> None:
        with self._lock:
            os.fsync(self._descriptor)
            self._close()
            self._unfinished.replace(self._path)
            sync_folder(self._path.parent)

    def abandon(self) -> None:
        """Remove it, also where it was finished although nobody waited for it any more."""
        with self._lock:
            self._close()
            self._unfinished.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
