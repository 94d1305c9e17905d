"""Writes what a batch leaves behind: the file of what was answered, and the file of what was not.

A file's name follows from its batch, and a stored file is whole: whoever finds it there after a restart keeps it.
"""

from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Final

import msgspec

from headgate.protocol.batches import usage_of
from headgate.store.batch_rows import BatchRow, BatchUsage
from headgate.store.contract import Store
from headgate.store.problems import AlreadyExists
from headgate.store.rows import NewFile

OUTPUT_PURPOSE: Final = "batch_output"
OUTPUT: Final = "output"
ERROR: Final = "error"
MOST_OUTPUT_BYTES: Final = 1 << 40
PAGE_LINES: Final = 100
NAME_BYTES: Final = 12


class Outputs(msgspec.Struct, frozen=True):
    """What was written: the ids of the files, None for one without lines, and what the answers used in all."""

    output_file_id: str | None
    error_file_id: str | None
    usage: BatchUsage


def line_id(batch_id: str, line: int) -> str:
    """The id of a result, the same however often its line was asked for."""
    return f"batch_req_{_name(batch_id, str(line))}"


async def write_outputs(store: Store, batch: BatchRow, at: int, keep_s: int | None) -> Outputs:
    """Write both files from the results, page by page. Raises StoreError."""
    tally = _Tally()
    output = await _write(store, batch, tally, at, keep_s, is_done=True)
    error = await _write(store, batch, tally, at, keep_s, is_done=False)
    return Outputs(output, error, tally.usage())


async def _write(
    store: Store, batch: BatchRow, tally: "_Tally", at: int, keep_s: int | None, *, is_done: bool
) -> str | None:
    if not await store.batches.results(batch.id, is_done=is_done, limit=1):
        return None
    kind = OUTPUT if is_done else ERROR
    file_id = f"file_{_name(batch.id, kind)}"
    expires_at = None if keep_s is None else at + keep_s
    new = NewFile(file_id, batch.tenant, OUTPUT_PURPOSE, f"{batch.id}_{kind}.jsonl", at, expires_at)
    try:
        await store.files.create(new, _lines(store, batch, tally, is_done=is_done), most_bytes=MOST_OUTPUT_BYTES)
    except AlreadyExists:
        async for _ in _lines(store, batch, tally, is_done=is_done):  # only what was used is still to be added up
            pass
    return file_id


async def _lines(store: Store, batch: BatchRow, tally: "_Tally", *, is_done: bool) -> AsyncIterator[bytes]:
    after = -1
    while page := await store.batches.results(batch.id, is_done=is_done, after_line=after, limit=PAGE_LINES):
        for result in page:
            tally.add(result.body)
        yield b"".join([result.body + b"\n" for result in page])
        after = page[-1].line


class _Tally:
    """Adds up what answers say they used."""

    def __init__(self) -> None:
        self._sums = [0, 0, 0, 0]

    def add(self, result: bytes) -> None:
        used = usage_of(result)
        if used is not None:
            more = (used.input_tokens, used.output_tokens, used.cached_tokens, used.reasoning_tokens)
            self._sums = [have + tokens for have, tokens in zip(self._sums, more, strict=True)]

    def usage(self) -> BatchUsage:
        return BatchUsage(*self._sums)


def _name(batch_id: str, part: str) -> str:
    return blake2b(f"{batch_id} {part}".encode(), digest_size=NAME_BYTES).hexdigest()
