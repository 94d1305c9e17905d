"""A flight: one call upstream that several equal requests wait for. Owns who is aboard, and what was said so far.

The flight runs in a task of its own, so that whoever began it may leave: only when nobody is aboard any more is it
given up. What it streams is held for those who come later, up to a bound; beyond it nobody else may come aboard, and
it goes on only as fast as the slowest of those who are.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Final

from headgate.domain.request import Request
from headgate.runtime.driver import Run
from headgate.runtime.errand import Errand
from headgate.runtime.outcome import Answered

Landing = Callable[[Answered, bytes | None], bytes | None]
"""Takes the outcome and, of a stream, all that it said (None if that was too much); gives the completion that others
may have, None where there is none."""

_GONE: Final = "nobody is aboard"


class Reader:
    """How far one who reads the stream has come."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = 0


class Flight:
    """One of them. `begun`: its outcome, or its first token, is there; `over`: there is nothing more to come."""

    def __init__(self, key: str, run: Run, errand: Errand, most_bytes: int, land: Landing, generation: int) -> None:
        """`generation` is of the marks when it began: whoever asks after a change must not be given what was before."""
        request = run.journey.request
        self.key = key
        self.streams, self.include_usage = request.stream, errand.include_usage
        self._priority = request.priority
        self._generation = generation
        self.begun, self.over = asyncio.Event(), asyncio.Event()
        self.answered: Answered | None = None
        self.completion: bytes | None = None
        self._run = run
        self._deadline_at = request.deadline_at
        self._most_bytes = most_bytes
        self._land = land
        self._aboard = 0
        self._chunks: list[bytes] = []
        self._first = self._bytes = 0
        self._overflown = False
        self._problem: BaseException | None = None
        self._readers: list[Reader] = []
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._fly())
        self._task.add_done_callback(_seen)

    def takes(self, request: Request, generation: int) -> bool:
        """Whether a request may come aboard: not where it would wait behind one that matters less than itself."""
        is_open = self._aboard > 0 and not self._overflown and self._problem is None and not self.over.is_set()
        return is_open and self._priority <= request.priority and self._generation == generation

    @property
    def is_given_up(self) -> bool:
        """Whether everybody has left."""
        return self._aboard == 0

    # Aboard ----------------------------------------------------------------------------------------------------------

    def board(self, request: Request) -> None:
        """One more waits for it, and perhaps for longer than all others. Whoever boards must `leave`."""
        self._aboard += 1
        if request.deadline_at > self._deadline_at:
            self._deadline_at = request.deadline_at
            self._run.extend(request.deadline_at, request.patience_until)

    def leave(self) -> None:
        """One less; without anybody it ends, and what it holds is settled."""
        self._aboard -= 1
        if not self._aboard and not self.over.is_set():
            self._task.cancel(_GONE)

    async def outcome(self) -> Answered:
        """The outcome, or the begun stream, as the driver gave it. Raises what it raised."""
        await self.begun.wait()
        if self._problem is not None:
            raise self._problem
        assert self.answered is not None
        return self.answered

    def reader(self) -> Reader:
        """For one who boards and means to read: nothing is let go of before they have read it, whenever they begin.
        Whoever has one must `forget` it."""
        reader = Reader()
        self._readers.append(reader)
        return reader

    def forget(self, reader: Reader) -> None:
        """This one reads no more. Twice does nothing more."""
        if reader in self._readers:
            self._readers.remove(reader)
            self._room.set()

    async def read(self, reader: Reader) -> AsyncGenerator[bytes, None]:
        """Everything that is streamed, from its start."""
        try:
            while True:
                if reader.at < self._first + len(self._chunks):
                    chunk = self._chunks[reader.at - self._first]
                    reader.at += 1
                    if self._overflown:
                        self._let_go()
                    yield chunk
                elif self.over.is_set():
                    break
                else:
                    await self._news.wait()
            if self._problem is not None:
                raise self._problem
        finally:
            self.forget(reader)

    # Flying ----------------------------------------------------------------------------------------------------------

    async def _fly(self) -> None:
        answered = None
        try:
            self.answered = answered = await self._run.go()
            self.begun.set()
            said = None
            if answered.stream is not None:
                async for chunk in answered.stream:
                    await self._hold(chunk)
                said = None if self._overflown else b"".join(self._chunks)
            self.completion = self._land(answered, said)
        finally:
            self._problem = sys.exception()
            if answered is not None and answered.stream is not None:
                await answered.stream.aclose()
            self.begun.set()
            self.over.set()
            self._news.set()

    async def _hold(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._bytes += len(chunk)
        self._news.set()
        self._news.clear()
        self._overflown = self._overflown or self._bytes > self._most_bytes
        while self._overflown and self._bytes > self._most_bytes:
            self._let_go()
            if self._bytes <= self._most_bytes:
                break
            self._room.clear()
            await self._room.wait()

    def _let_go(self) -> None:
        """Forget what everybody has read; all of it when nobody reads."""
        last = min((reader.at for reader in self._readers), default=self._first + len(self._chunks))
        gone, self._chunks = self._chunks[: last - self._first], self._chunks[last - self._first :]
        self._first = last
        if gone:
            self._bytes -= sum(map(len, gone))
            self._room.set()


def _seen(task: asyncio.Task[None]) -> None:
    """Whoever is aboard is told what went wrong; if nobody is, nobody needs to know."""
    if not task.cancelled():
        task.exception()
