"""Asks for the lines of one batch until each has its result: a small window of them at a time, in order, until the
batch is told to stop or its time is up.

    pending --claim--> asked --done, failed--> recorded
                        |  ^
                        v  |  want of quota, a broken answer
                       later

What waits for its next try stays claimed, and there is a bound to it: then no further line is claimed. After a restart
the store gives every claimed line back, so that it is asked for again, and takes one result for it.
"""

import asyncio
import contextlib
from collections import deque
from heapq import heappop, heappush
from typing import Final

import msgspec

from headgate.batch.asking import Ask, LineAnswer, Verdict, pause_s, verdict
from headgate.batch.outputs import line_id
from headgate.batch.storing import insist
from headgate.domain.time import Instant
from headgate.protocol.batches import Line, LineProblem, answered_line, read_line, unanswered_line
from headgate.runtime.clock import Clock
from headgate.store.batch_rows import BatchRow, ClaimedLine, LineResult
from headgate.store.contract import Store

CLAIMED_AT_ONCE: Final = 64
MOST_LATER: Final = 256
"""Lines of one batch that wait for their next try."""
LONGEST_WAIT_S: Final = 30.0
"""How long it may take until a clock that was moved is noticed."""
NO_INPUT: Final = ("input_file_gone", "The input file of the batch was deleted before this line was asked for.")
EXPIRED: Final = ("batch_expired", "This request could not be executed before the completion window expired.")


class Parts(msgspec.Struct, frozen=True):
    """What every batch is run with. `places` are those of all batches together, `checks` those for input files."""

    store: Store
    ask: Ask
    clock: Clock
    places: asyncio.Semaphore
    checks: asyncio.Semaphore
    cancel_grace_s: float


class _Try(msgspec.Struct, frozen=True, order=True):
    """A line that is to be asked for (again) at an instant; tried so often before."""

    at: Instant
    line: int
    claimed: ClaimedLine
    tries: int


class Lines:
    """The lines of one batch under way."""

    def __init__(self, parts: Parts, batch: BatchRow) -> None:
        self._parts = parts
        self._batch = batch
        self._claimed: deque[ClaimedLine] = deque()
        self._later: list[_Try] = []
        self._running: dict[asyncio.Task[None], int] = {}
        self._changed = asyncio.Event()
        self._placing: asyncio.Task[bool] | None = None
        self._problem: BaseException | None = None
        self._is_told_to_stop = False

    def stop(self) -> None:
        """Begin no more lines. Those that run may end within the grace."""
        self._is_told_to_stop = True
        self._changed.set()
        if self._placing is not None:
            self._placing.cancel()

    async def go(self) -> bool:
        """Run until every line has its result, the batch is stopped or its time is up; whether all of them have.

        Raises StoreError where only a restart can help.
        """
        try:
            is_done = await self._begin_all()
            grace_ends_at = self._parts.clock.now() + self._parts.cancel_grace_s
            while self._running and self._parts.clock.now() < grace_ends_at:
                await self._wait(grace_ends_at)
        finally:
            broken_off = tuple(self._running.values())
            await self._break_off()
        if self._problem is not None:
            raise self._problem
        left = [*broken_off, *(line.line for line in self._claimed), *(each.line for each in self._later)]
        if left:
            batches, batch_id = self._parts.store.batches, self._batch.id
            await insist(lambda: batches.release(batch_id, left))
        return is_done

    @property
    def is_over_time(self) -> bool:
        """Whether the window of the batch has passed."""
        expires_at = self._batch.expires_at
        return expires_at is not None and self._parts.clock.wall() >= expires_at

    @property
    def _is_stopped(self) -> bool:
        return self._is_told_to_stop or self._problem is not None or self.is_over_time

    async def _begin_all(self) -> bool:
        """Begin line after line; True once all have ended."""
        while not self._is_stopped:
            this = await self._next()
            if this is not None and await self._place():
                task = asyncio.create_task(self._run(this), name=f"{self._batch.id} line {this.line}")
                self._running[task] = this.line
                task.add_done_callback(self._ended)
            elif this is not None:
                self._put_back(this)
            elif self._running or self._later:
                await self._wait(self._next_at())
            else:
                return True
        return False

    async def _place(self) -> bool:
        """Take a place. All batches stand in one line for them, so that each gets its turn; False when it took long, or
        the batch was stopped meanwhile."""
        self._placing = placing = asyncio.create_task(self._parts.places.acquire())
        try:
            async with asyncio.timeout(LONGEST_WAIT_S):
                await placing
        except TimeoutError:
            pass  # the place may have come in the same moment
        except asyncio.CancelledError:
            if not placing.cancelled() or not self._is_told_to_stop or _is_cancelled():
                raise
        finally:
            self._placing = None
        if placing.cancelled():
            return False
        if self._is_stopped:
            self._parts.places.release()
            return False
        return True

    async def _next(self) -> _Try | None:
        """What can be asked for now: whatever is due again, else the next of the file."""
        if self._later and self._later[0].at <= self._parts.clock.now():
            return heappop(self._later)
        if len(self._later) >= MOST_LATER:
            return None
        if not self._claimed:
            batches, batch_id = self._parts.store.batches, self._batch.id
            self._claimed.extend(await insist(lambda: batches.claim(batch_id, CLAIMED_AT_ONCE)))
        if not self._claimed:
            return None
        line = self._claimed.popleft()
        return _Try(0.0, line.line, line, 0)

    def _put_back(self, this: _Try) -> None:
        if this.tries:
            heappush(self._later, this)
        else:
            self._claimed.appendleft(this.claimed)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        self._parts.places.release()
        self._changed.set()
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._problem = problem

    def _next_at(self) -> Instant:
        latest = self._parts.clock.now() + LONGEST_WAIT_S
        return min(latest, self._later[0].at) if self._later else latest

    async def _wait(self, until: Instant) -> None:
        """Wait until something changes."""
        left_s = until - self._parts.clock.now()
        if left_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._changed.wait()
        self._changed.clear()

    async def _break_off(self) -> None:
        """Cancel what still runs, and see it end: it holds quota until then."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    # One line ---------------------------------------------------------------------------------------------------------

    async def _run(self, this: _Try) -> None:
        """Ask for a line once. A cancelled one leaves no result."""
        line = await self._read(this.claimed)
        if not isinstance(line, Line):
            await self._record(this, None, NO_INPUT if line is None else (line.code, line.message))
            return
        answer = await self._parts.ask(self._batch.tenant, line.url, line.body)
        tries = this.tries + 1
        if verdict(answer, tries) is Verdict.LATER:
            at = self._parts.clock.now() + pause_s(answer, tries)
            heappush(self._later, _Try(at, this.line, this.claimed, tries))
        else:
            await self._record(this, answer, NO_INPUT)

    async def _read(self, claimed: ClaimedLine) -> Line | LineProblem | None:
        batch = self._batch
        files = self._parts.store.files
        text = await insist(
            lambda: files.read_part(batch.tenant, batch.input_file_id, claimed.start_byte, claimed.length_bytes)
        )
        return None if text is None else read_line(text, batch.endpoint)

    async def _record(self, this: _Try, answer: LineAnswer | None, problem: tuple[str, str]) -> None:
        name, custom_id = line_id(self._batch.id, this.line), this.claimed.custom_id
        if answer is None:
            result = LineResult(this.line, is_done=False, body=unanswered_line(name, custom_id, *problem))
        else:
            body = answered_line(name, custom_id, answer.status, answer.request_id, answer.body, answer.label)
            result = LineResult(this.line, is_done=200 <= answer.status < 300, body=body)
        batches, batch_id = self._parts.store.batches, self._batch.id
        await insist(lambda: batches.record(batch_id, (result,)))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def expire_rest(store: Store, batch: BatchRow) -> None:
    """Give every pending line of a batch in progress the result that its time is up."""
    while claimed := await insist(lambda: store.batches.claim(batch.id, CLAIMED_AT_ONCE)):
        await _expire(store, batch, claimed)


async def _expire(store: Store, batch: BatchRow, lines: tuple[ClaimedLine, ...]) -> None:
    results = tuple(
        LineResult(
            each.line, is_done=False, body=unanswered_line(line_id(batch.id, each.line), each.custom_id, *EXPIRED)
        )
        for each in lines
    )
    await insist(lambda: store.batches.record(batch.id, results))
