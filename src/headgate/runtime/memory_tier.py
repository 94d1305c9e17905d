"""Owns the tier in this process: bounded in bytes, and who was not asked for the longest goes first.

Beside entries it keeps, under the digest of a request's raw bytes, answers that are ready to be sent (`Ready`): both
count against the one bound. Nothing here waits.
"""

from collections.abc import Mapping
from typing import Final, Protocol, cast

import cachebox

from headgate.cache.tier import TierName
from headgate.domain.time import Instant, Seconds
from headgate.runtime.clock import Clock

ROW_BYTES: Final = 400
"""What an entry takes beside its own bytes: key, tuple, the cache's own row."""


class Sized(Protocol):
    """Something that knows how much memory it takes."""

    @property
    def size_bytes(self) -> int: ...


Kept = tuple[bytes, Instant]
"""An entry and until when it is kept."""


def _weight(key: str | bytes, value: "Kept | Sized") -> int:
    size = len(value[0]) if type(value) is tuple else value.size_bytes  # type: ignore[union-attr]
    return ROW_BYTES + len(key) + size


class MemoryTier:
    """`Tier` (cache/tier.py), and the same at once: `find`, `keep`, `forget`."""

    name = TierName.MEMORY

    def __init__(self, most_bytes: int, clock: Clock) -> None:
        self._now = clock.now
        self._most_bytes = most_bytes
        self._cache: cachebox.LRUCache[str | bytes, Kept | Sized] = cachebox.LRUCache(most_bytes, getsizeof=_weight)
        self._marks: dict[str, float] = {}
        self.find_ready = self._cache.get
        """What is ready under a digest; None, or past its time, for nothing. The cache's own method: one call less."""

    def find(self, key: str) -> bytes | None:
        """The entry, or None. About a third of a microsecond."""
        kept = cast("Kept | None", self._cache.get(key))
        if kept is None:
            return None
        if kept[1] <= self._now():
            self._cache.pop(key, None)
            return None
        return kept[0]

    def keep(self, key: str, entry: bytes, ttl_s: Seconds) -> bool:
        """Keep an entry; False for one that is larger than everything there may be."""
        return self._insert(key, (entry, self._now() + ttl_s))

    def keep_ready(self, digest: bytes, ready: Sized) -> bool:
        """Keep an answer that is ready to be sent."""
        return self._insert(digest, ready)

    def forget(self, key: str) -> bool:
        """Forget an entry; whether there was one."""
        return self._cache.pop(key, None) is not None

    def clear(self) -> None:
        """Forget everything."""
        self._cache.clear()

    @property
    def entries(self) -> int:
        """Entries and ready answers."""
        return len(self._cache)

    @property
    def size_bytes(self) -> int:
        """What they take, by weight."""
        return int(self._cache.current_size())

    def _insert(self, key: str | bytes, value: "Kept | Sized") -> bool:
        if _weight(key, value) > self._most_bytes:
            return False
        self._cache.insert(key, value)
        return True

    # As any tier -----------------------------------------------------------------------------------------------------

    async def get(self, key: str) -> bytes | None:
        return self.find(key)

    async def put(self, key: str, entry: bytes, ttl_s: Seconds) -> None:
        self.keep(key, entry, ttl_s)

    async def delete(self, key: str) -> bool:
        return self.forget(key)

    async def mark_void(self, mark: str, before_wall_s: float) -> None:
        self._marks[mark] = max(before_wall_s, self._marks.get(mark, before_wall_s))

    async def marks(self) -> Mapping[str, float]:
        return dict(self._marks)

    async def close(self) -> None:
        self._cache.clear()
