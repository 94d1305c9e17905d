"""Runs lines without a store: asks for each until it is answered or refused, and gives results as they come.

For a person who runs a file once. What is kept of it is up to whoever takes the results.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Final

import msgspec

from headgate.batch.asking import Ask, LineAnswer, Verdict, pause_s, verdict
from headgate.domain.time import Instant
from headgate.protocol.batches import Line
from headgate.runtime.clock import Clock

TENANT: Final = "local"
OUT_OF_TIME: Final = b'{"error":{"message":"There was no time left for this line.","code":"batch_expired"}}'


class Direct(msgspec.Struct, frozen=True):
    """How one line ended."""

    line: Line
    answer: LineAnswer
    is_done: bool


async def run_lines(
    lines: Iterable[Line], ask: Ask, clock: Clock, *, concurrency: int, until: Instant
) -> AsyncGenerator[Direct]:
    """The results in the order in which they come. Stopping to read ends what is under way."""
    results, source = _Results(concurrency), iter(lines)
    workers = [asyncio.create_task(_work(source, ask, clock, until, results)) for _ in range(concurrency)]
    running = len(workers)
    try:
        while running:
            result = await results.get()
            if result is None:
                running -= 1
            else:
                yield result
        for worker in workers:
            await worker
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)


class _Results:
    """What workers have for the reader: at most `most` results, and that a worker is at its end, which is said without
    waiting: a reader who has left takes nothing any more."""

    def __init__(self, most: int) -> None:
        self._waiting: asyncio.Queue[Direct | None] = asyncio.Queue()  # bounded by what follows
        self._room = asyncio.Semaphore(most)

    async def put(self, result: Direct) -> None:
        await self._room.acquire()
        self._waiting.put_nowait(result)

    def end(self) -> None:
        self._waiting.put_nowait(None)

    async def get(self) -> Direct | None:
        """The next result; None where a worker is at its end."""
        result = await self._waiting.get()
        if result is not None:
            self._room.release()
        return result


async def _work(source: Iterator[Line], ask: Ask, clock: Clock, until: Instant, results: _Results) -> None:
    """Line after line, as long as there are any. The end is told, come what may."""
    try:
        for line in source:
            await results.put(await _result(line, ask, clock, until))
    finally:
        results.end()


async def _result(line: Line, ask: Ask, clock: Clock, until: Instant) -> Direct:
    tries = 0
    while True:
        try:
            async with asyncio.timeout(until - clock.now()):
                answer = await ask(TENANT, line.url, line.body)
                tries += 1
                found = verdict(answer, tries)
                if found is not Verdict.LATER:
                    return Direct(line, answer, found is Verdict.DONE)
                await asyncio.sleep(pause_s(answer, tries))
        except TimeoutError:
            return Direct(line, LineAnswer(504, "", OUT_OF_TIME), is_done=False)
