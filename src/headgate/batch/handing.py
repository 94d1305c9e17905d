"""Hands a batch to a provider's own batch API, follows it there, and brings its results back under our ids.

Whatever has no result when the provider is done with it, or that it would not take, is left to ourselves. All of it can
be done again after a restart: the batch there is found by what it was told of ours, and a line takes one result.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Protocol

import msgspec

from headgate.batch.checking import texts_of
from headgate.batch.outputs import line_id
from headgate.batch.storing import insist
from headgate.protocol.batches import Line, read_line, renamed_result
from headgate.runtime.clock import Clock
from headgate.store.batch_rows import BatchChange, BatchRow, BatchStatus, LineResult
from headgate.store.contract import Store

FIRST_POLL_S: Final = 0.5
LONGEST_POLL_S: Final = 60.0
OURS: Final = "headgate_batch"
"""The name in the metadata of a batch there that holds the id of ours."""
RESULTS_AT_ONCE: Final = 100
RUNNING: Final = frozenset({"validating", "in_progress", "finalizing", "cancelling"})
_log: Final = logging.getLogger(__name__)


class Refused(Exception):
    """The provider did not do it. `is_final`: and never will."""

    def __init__(self, text: str, *, is_final: bool) -> None:
        super().__init__(text)
        self.is_final = is_final


class Theirs(msgspec.Struct, frozen=True):
    """A batch at the provider, as far as we look at it."""

    id: str
    status: str
    input_file_id: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    metadata: Any = None


class Remote(Protocol):
    """A provider's files and batches. Everything raises `Refused`."""

    @property
    def name(self) -> str:
        """Whose quota and bill it is."""

    async def upload(self, store: Store, batch: BatchRow) -> str:
        """Give it the input file; the file's id there."""

    async def create(self, file_id: str, batch: BatchRow) -> Theirs:
        """Make a batch of an uploaded file."""

    async def recent(self) -> tuple[Theirs, ...]:
        """The newest batches."""

    async def find(self, batch_id: str) -> Theirs:
        """How a batch is."""

    async def cancel(self, batch_id: str) -> None:
        """End a batch early."""

    def lines(self, file_id: str) -> AsyncIterator[bytes]:
        """The lines of a file."""

    async def delete(self, file_id: str) -> None:
        """Remove a file."""


class Handing:
    """One batch at a provider. `serves` tells whether it has a model of its own of that name, at this path; `begins`
    whether batches are handed over now: those that were are followed in any case, since they are paid for."""

    def __init__(
        self, remote: Remote, store: Store, clock: Clock, serves: Callable[[str, str], bool], *, begins: bool
    ) -> None:
        self._remote = remote
        self._store = store
        self._clock = clock
        self._serves = serves
        self._begins = begins
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """A client has cancelled the batch."""
        self._stopped.set()

    async def go(self, batch: BatchRow) -> None:
        """Have it run there if that can be, and record what came of it. Lines may be left."""
        if batch.status is BatchStatus.CANCELLING:
            self._stopped.set()
        try:
            handed_id = batch.handed_id or await self._hand(batch)
            if handed_id is not None:
                theirs = await self._follow(batch, handed_id)
                await self._fetch(batch, theirs)
        except Refused as problem:
            _log.warning("%s is run by Headgate itself: %s", batch.id, problem)

    async def _hand(self, batch: BatchRow) -> str | None:
        if not self._begins or not await self._is_served(batch):
            return None
        theirs = next((each for each in await self._remote.recent() if _is_ours(each, batch)), None)
        if theirs is None:
            file_id = await self._remote.upload(self._store, batch)
            try:
                theirs = await self._remote.create(file_id, batch)
            except Refused:
                await self._forget(file_id)
                raise
        handed, batches = theirs, self._store.batches
        change = BatchChange(int(self._clock.wall()), handed_to=self._remote.name, handed_id=handed.id)
        await insist(lambda: batches.change(batch.tenant, batch.id, change))
        return handed.id

    async def _is_served(self, batch: BatchRow) -> bool:
        """Whether the provider can run every line."""
        async for _, line in self._lines(batch):
            if not self._serves(line.model, line.url):
                return False
        return True

    async def _follow(self, batch: BatchRow, handed_id: str) -> Theirs:
        """Look after it until it has ended there, or its time is up here. Raises Refused when it is not there."""
        pause_s, is_told = FIRST_POLL_S, False
        while True:
            if self._stopped.is_set() and not is_told:
                is_told = await self._cancel(handed_id)
            try:
                theirs = await self._remote.find(handed_id)
            except Refused as problem:
                if problem.is_final:
                    raise
            else:
                if theirs.status not in RUNNING:
                    return theirs
            if self._is_over_time(batch):
                self._stopped.set()
            await self._pause(pause_s, is_told=is_told)
            pause_s = min(pause_s * 1.5, LONGEST_POLL_S)

    async def _cancel(self, handed_id: str) -> bool:
        """Pass it on; False where it must be said again. One that has ended meanwhile cannot be cancelled."""
        try:
            await self._remote.cancel(handed_id)
        except Refused as problem:
            return problem.is_final
        return True

    async def _pause(self, pause_s: float, *, is_told: bool) -> None:
        if is_told:
            await asyncio.sleep(pause_s)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stopped.wait()

    def _is_over_time(self, batch: BatchRow) -> bool:
        return batch.expires_at is not None and self._clock.wall() >= batch.expires_at

    async def _fetch(self, batch: BatchRow, theirs: Theirs) -> None:
        """Record every result that answers a line; what only says that the provider ran out of time is no answer."""
        numbers = {line.custom_id: number async for number, line in self._lines(batch)}
        for file_id in (theirs.output_file_id, theirs.error_file_id):
            if file_id is None:
                continue
            found: list[LineResult] = []
            async for text in self._remote.lines(file_id):
                result = _result(batch, numbers, text)
                if result is not None:
                    found.append(result)
                if len(found) >= RESULTS_AT_ONCE:
                    await self._record(batch, found)
                    found = []
            await self._record(batch, found)
        for file_id in (theirs.output_file_id, theirs.error_file_id, theirs.input_file_id):
            if file_id:
                await self._forget(file_id)

    async def _record(self, batch: BatchRow, found: list[LineResult]) -> None:
        if found:
            await insist(lambda: self._store.batches.record(batch.id, found))

    async def _forget(self, file_id: str) -> None:
        """A file that stays there costs nothing and is gone after a month."""
        try:
            await self._remote.delete(file_id)
        except Refused as problem:
            _log.info("the file %s stays with %s: %s", file_id, self._remote.name, problem)

    async def _lines(self, batch: BatchRow) -> AsyncIterator[tuple[int, Line]]:
        """The lines of the input with their numbers, as they were checked."""
        number = 0
        async for _, text in texts_of(self._store.files, batch):
            number += 1
            line = read_line(text, batch.endpoint) if text.strip() else None
            if isinstance(line, Line):
                yield number, line


def _is_ours(theirs: Theirs, batch: BatchRow) -> bool:
    return isinstance(theirs.metadata, dict) and theirs.metadata.get(OURS) == batch.id


def _result(batch: BatchRow, numbers: dict[str, int], text: bytes) -> LineResult | None:
    found = renamed_result(text, lambda custom_id: line_id(batch.id, numbers.get(custom_id, 0)))
    if found is None or found.status is None or found.custom_id not in numbers:
        return None
    return LineResult(numbers[found.custom_id], is_done=200 <= found.status < 300, body=found.body)
