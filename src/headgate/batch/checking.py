"""Reads the input file of a batch and says which lines it has, or everything that is wrong with it.

The file passes by in pieces and the lines are read in slices of a millisecond or two, so that nobody else waits for it.
Only names, places and lengths are kept.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from headgate.protocol.batches import LineProblem, duplicate, read_line
from headgate.runtime.clock import Clock
from headgate.store.batch_rows import BatchProblem, BatchRow, NewLine
from headgate.store.contract import FileStore

PIECE_BYTES: Final = 256 * 1024
SLICE_S: Final = 0.001
MOST_PROBLEMS: Final = 100
"""How many problems a batch tells."""
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Limits(msgspec.Struct, frozen=True):
    """How much an input file may hold."""

    max_lines: int
    max_line_bytes: int


class Checked(msgspec.Struct, frozen=True):
    """What was found. With problems there are no lines. `model` is the only one that is named, else None."""

    lines: tuple[NewLine, ...] = ()
    problems: tuple[BatchProblem, ...] = ()
    model: str | None = None


async def check_file(files: FileStore, batch: BatchRow, limits: Limits, clock: Clock) -> Checked:
    """Check the input file of a batch. Raises StoreError."""
    if await files.find(batch.tenant, batch.input_file_id) is None:
        gone = f"There is no file {batch.input_file_id} any more."
        return Checked(problems=(BatchProblem("file_not_found", gone, None, "input_file_id"),))
    reader = _Reader(batch.endpoint, limits)
    slice_ends_at = clock.now() + SLICE_S
    async for start_byte, text in texts_of(files, batch, limits.max_line_bytes):
        reader.take(start_byte, text)
        if reader.is_over:
            break
        if clock.now() >= slice_ends_at:
            await asyncio.sleep(0)
            slice_ends_at = clock.now() + SLICE_S
    return reader.checked()


class _Reader:
    """What is known so far."""

    def __init__(self, endpoint: str, limits: Limits) -> None:
        self._endpoint = endpoint
        self._limits = limits
        self._number = 0
        self._lines: list[NewLine] = []
        self._problems: list[BatchProblem] = []
        self._seen: dict[str, int] = {}
        self._models: set[str] = set()

    @property
    def is_over(self) -> bool:
        """Nothing that follows matters any more."""
        return len(self._problems) >= MOST_PROBLEMS or len(self._lines) > self._limits.max_lines

    def take(self, start_byte: int, text: bytes) -> None:
        """One line of the file, without its end; blank ones are passed over. Lines count from 1 for people."""
        self._number += 1
        if not text.strip():
            return
        if len(text) > self._limits.max_line_bytes:
            most = self._limits.max_line_bytes
            self._wrong(LineProblem("line_too_large", f"The line is longer than {most:,} bytes."))
            return
        found = read_line(text, self._endpoint)
        if isinstance(found, LineProblem):
            self._wrong(found)
            return
        first = self._seen.setdefault(found.custom_id, self._number)
        if first != self._number:
            self._wrong(duplicate(found.custom_id, first))
            return
        if len(self._models) < 2:
            self._models.add(found.model)
        self._lines.append(NewLine(self._number, found.custom_id, start_byte, len(text)))

    def _wrong(self, problem: LineProblem) -> None:
        self._problems.append(BatchProblem(problem.code, problem.message, self._number, problem.param))

    def checked(self) -> Checked:
        if len(self._lines) > self._limits.max_lines:
            text = f"The file has more than {self._limits.max_lines:,} lines (setting batch.max_lines)."
            return Checked(problems=(BatchProblem("too_many_lines", text, None, "input_file_id"),))
        if self._problems:
            return Checked(problems=tuple(self._problems))
        if not self._lines:
            return Checked(problems=(BatchProblem("empty_file", "The file has no requests.", None, "input_file_id"),))
        model = next(iter(self._models)) if len(self._models) == 1 else None
        return Checked(tuple(self._lines), (), model)


async def texts_of(files: FileStore, batch: BatchRow, most_bytes: int = 1 << 30) -> AsyncIterator[tuple[int, bytes]]:
    """The lines of the input file, each with the place of its first byte. Of a line that is too long only so much is
    given as shows it."""
    start_byte, at_byte, kept = 0, 0, bytearray()
    while piece := await files.read_part(batch.tenant, batch.input_file_id, at_byte, PIECE_BYTES):
        begun = 0
        if at_byte == 0 and piece.startswith(BYTE_ORDER_MARK):
            begun = start_byte = len(BYTE_ORDER_MARK)
        while (end := piece.find(b"\n", begun)) >= 0:
            yield start_byte, bytes(kept) + piece[begun:end] if kept else piece[begun:end]
            kept.clear()
            begun = end + 1
            start_byte = at_byte + begun
        if len(kept) <= most_bytes:
            kept += piece[begun:]
        at_byte += len(piece)
    if kept:
        yield start_byte, bytes(kept)
