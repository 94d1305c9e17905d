"""One commit window for all that is written behind requests: usage rows and quota go to the store together.

Each by itself would be a group of its own, and a group costs the loop several hand-overs of the interpreter's lock.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from headgate.domain.time import Seconds

WINDOW_S: Final[Seconds] = 0.025
"""How long changes wait for company. With the commit under way this is what the death of the process can lose."""


class Window:
    """Calls everybody who joined, some time after one of them had something. Without anything there is no timer."""

    def __init__(self) -> None:
        self._writers: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None

    def join(self, write: Callable[[], None]) -> None:
        """Have `write` called at the end of each window; it must not fail, and may find nothing to write."""
        self._writers.append(write)

    def open(self) -> None:
        """Something is to be written: begin a window in the running loop, unless one is open."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WINDOW_S, self._end)

    def close(self) -> None:
        """Let everybody write what there is, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._end()

    def _end(self) -> None:
        self._timer = None
        for write in self._writers:
            write()
