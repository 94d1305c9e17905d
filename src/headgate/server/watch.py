"""Notices that a client has hung up, and cancels the task that answers it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

GRACE_S: Final = 0.05
"""Answers that are ready sooner never pay for being watched; a client that leaves is noticed by then."""


TICK_S: Final = 0.01
"""How coarsely the one timer looks."""

READING_GRACE_S: Final = 2.0
"""How long after the deadline a client may go on taking what was streamed to it in time."""


class Watches:
    """All watches of one loop that are not due yet: one timer looks after them, since most end before they are due."""

    __slots__ = ("_loop", "_new", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._new: deque[tuple[float, Watch]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> "Watch":
        """A watch of the current task's connection, that begins after the time of grace."""
        watch = Watch(receive, self._loop)
        self._new.append((self._loop.time() + GRACE_S, watch))
        if self._timer is None:
            self._timer = self._loop.call_later(GRACE_S, self._look)
        return watch

    def _look(self) -> None:
        now, new = self._loop.time(), self._new
        while new and new[0][0] <= now + TICK_S:
            watch = new.popleft()[1]
            if not watch.over:
                watch.start()
        self._timer = self._loop.call_later(max(TICK_S, new[0][0] - now), self._look) if new else None


class Watch:
    """Watches the connection of the current task's request. `gone` tells whether the client has left, or might as well:
    it does not read."""

    __slots__ = ("_answering", "_limit", "_loop", "_receive", "_watching", "gone", "over")

    def __init__(
        self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]], loop: asyncio.AbstractEventLoop
    ) -> None:
        task = asyncio.current_task(loop)
        assert task is not None
        self.gone = False
        self._loop = loop
        self._answering: asyncio.Task[Any] | None = task
        self._receive: Callable[[], Awaitable[MutableMapping[str, Any]]] | None = receive
        self._watching: asyncio.Task[None] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self.over = False

    def limit(self, time_left_s: float) -> None:
        """Whoever has not read the stream a little after its deadline holds a place and quota for nothing."""
        self._limit = self._loop.call_later(max(0.0, time_left_s) + READING_GRACE_S, self._give_up)

    def stop(self) -> None:
        """The answer is ready, or over. The request is let go of at once: this may be held until it would be due."""
        self.over = True
        self._answering = self._receive = None
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def start(self) -> None:
        """Begin."""
        self._watching = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while self._receive is not None and (await self._receive())["type"] != "http.disconnect":
            pass
        self._give_up()

    def _give_up(self) -> None:
        if self._answering is not None:
            self.gone = True
            self._answering.cancel()
