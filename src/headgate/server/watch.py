"""Owns what is done about a client who leaves, or does not read: the task that answers it is cancelled."""

import asyncio
import sys
from contextlib import suppress
from typing import Any, Final

if sys.platform != "win32":
    import fcntl
    import termios

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


def untaken_bytes(transport: asyncio.Transport) -> int:
    """What was written and the client has not taken, also of what lies in the kernel where that can be told: it takes
    megabytes before it takes less, so by its buffer alone who reads slowly would not be told from who does not."""
    in_kernel = bytearray(4)
    if sys.platform != "win32":
        with suppress(OSError, ValueError):  # macOS knows it of terminals only; a socket that is closed has none
            fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, in_kernel)
    return transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)
