"""Notices that a client has hung up, and cancels the task that answers it."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

GRACE_S: Final = 0.05
"""Answers that are ready sooner never pay for being watched; a client that leaves is noticed by then."""


class Watch:
    """Watches the connection of the current task's request. `gone` tells whether the client has left."""

    __slots__ = ("_answering", "_handle", "_receive", "_watching", "gone")

    def __init__(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.gone = False
        self._answering: asyncio.Task[Any] = task
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None
        self._handle: asyncio.TimerHandle | None = task.get_loop().call_later(GRACE_S, self._start)

    def stop(self) -> None:
        """The answer is ready, or over."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _start(self) -> None:
        self._handle = None
        self._watching = self._answering.get_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._answering.cancel()
