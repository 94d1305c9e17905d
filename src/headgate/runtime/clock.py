"""What time it is: the only place in the house that asks."""

import time
from typing import Protocol

from headgate.domain.time import Instant


class Clock(Protocol):
    """Tells the two times there are; everything pure is handed the first one."""

    def now(self) -> Instant:
        """Seconds since an arbitrary origin, never going back."""
        ...

    def wall(self) -> float:
        """Seconds since 1970 UTC, which an operator may move; for labels and storage, never for intervals."""
        ...


class MonotonicClock:
    """The real clock. Its methods are the C functions themselves, since the hot path asks several times a request."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
