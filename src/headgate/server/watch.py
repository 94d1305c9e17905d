"""Owns what is done about a client who leaves, or does not read: the task that answers it is cancelled."""

import asyncio
from typing import Any, Final

READING_GRACE_S: Final = 2.0
"""How long after the deadline a client may go on taking what was streamed to it in time."""


class Watch:
    """Held by the task that answers, and told by its connection. `gone` says whether the client has left, or might as
    well: it does not read."""

    __slots__ = ("_answering", "_limit", "gone")

    def __init__(self, answering: asyncio.Task[Any] | None) -> None:
        self._answering = answering
        self._limit: asyncio.TimerHandle | None = None
        self.gone = False

    def limit(self, time_left_s: float) -> None:
        """Whoever has not read the stream a little after its deadline holds a place and quota for nothing."""
        self._limit = asyncio.get_running_loop().call_later(max(0.0, time_left_s) + READING_GRACE_S, self.left)

    def left(self) -> None:
        """Nobody is there any more."""
        if self._answering is not None:
            self.gone = True
            self._answering.cancel()

    def stop(self) -> None:
        """The answer is ready, or over. The task is let go of at once: it holds this."""
        self._answering = None
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
