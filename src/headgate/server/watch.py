"""Notices that a client has hung up, and cancels the task that answers it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

TICK_S: Final = 0.01
"""How coarsely the one timer looks."""

ROWS: Final = 5
"""Ticks of grace: answers that are ready sooner never pay for being watched; who leaves is noticed by then."""

READING_GRACE_S: Final = 2.0
"""How long after the deadline a client may go on taking what was streamed to it in time."""


class Watches:
    """All watches of one loop that are not due yet: one timer looks after them, since most end before they are due.

    They lie in rows, one for each tick of the time of grace: who is due needs no time of its own.
    """

    __slots__ = ("_loop", "_newest", "_rows", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rows: deque[list[Watch]] = deque([] for _ in range(ROWS))
        self._newest = self._rows[-1]
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> "Watch":
        """A watch of the current task's connection, that begins after the time of grace."""
        watch = Watch(self._loop, asyncio.current_task(self._loop), receive)
        self._newest.append(watch)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_S, self._look)
        return watch

    def _look(self) -> None:
        rows = self._rows
        for watch in rows.popleft():
            watch.start()
        self._newest = []
        rows.append(self._newest)
        self._timer = self._loop.call_later(TICK_S, self._look) if any(rows) else None


class Watch(msgspec.Struct, eq=False):
    """Watches the connection of the task that answers. `gone` tells whether the client has left, or might as well: it
    does not read."""

    _loop: asyncio.AbstractEventLoop
    _answering: asyncio.Task[Any] | None
    _receive: Callable[[], Awaitable[MutableMapping[str, Any]]] | None
    gone: bool = False
    _watching: asyncio.Task[None] | None = None
    _limit: asyncio.TimerHandle | None = None

    def limit(self, time_left_s: float) -> None:
        """Whoever has not read the stream a little after its deadline holds a place and quota for nothing."""
        self._limit = self._loop.call_later(max(0.0, time_left_s) + READING_GRACE_S, self._give_up)

    def stop(self) -> None:
        """The answer is ready, or over. The request is let go of at once: this may be held until it would be due."""
        self._answering = self._receive = None
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def start(self) -> None:
        """Begin, unless it is over."""
        if self._answering is not None:
            self._watching = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while self._receive is not None and (await self._receive())["type"] != "http.disconnect":
            pass
        self._give_up()

    def _give_up(self) -> None:
        if self._answering is not None:
            self.gone = True
            self._answering.cancel()
