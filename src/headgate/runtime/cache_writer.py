"""Puts entries into a tier that may wait for a network, behind the answers: nobody waits for it.

What comes faster than the tier takes it is dropped, oldest first, and counted.
"""

import asyncio
from collections import deque
from typing import Final

from headgate.cache.counts import Counts
from headgate.cache.tier import Tier, TierDown
from headgate.domain.time import Seconds

MOST_WAITING: Final = 1_000
MOST_WAITING_BYTES: Final = 16 * 1024 * 1024


class CacheWriter:
    """The puts of one tier, one after the other."""

    def __init__(self, tier: Tier, counts: Counts) -> None:
        self._tier = tier
        self._counts = counts
        self._waiting: deque[tuple[str, bytes, Seconds]] = deque()
        self._bytes = 0
        self._task: asyncio.Task[None] | None = None

    def put(self, key: str, entry: bytes, ttl_s: Seconds) -> None:
        """Have an entry put there soon. Called in the loop that serves."""
        self._waiting.append((key, entry, ttl_s))
        self._bytes += len(entry)
        while len(self._waiting) > MOST_WAITING or self._bytes > MOST_WAITING_BYTES:
            self._bytes -= len(self._waiting.popleft()[1])
            self._counts.puts_dropped += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._waiting:
                key, entry, ttl_s = self._waiting.popleft()
                self._bytes -= len(entry)
                try:
                    await self._tier.put(key, entry, ttl_s)
                except TierDown:
                    self._counts.down[self._tier.name] += 1
                    self._counts.puts_dropped += 1
        finally:
            self._task = None

    async def settled(self) -> None:
        """Once everything that waits now has been tried."""
        while (task := self._task) is not None:
            await asyncio.wait([task])

    async def stop(self, within_s: Seconds) -> None:
        """Let what waits be put, for so long; the rest is dropped."""
        if (task := self._task) is not None:
            await asyncio.wait([task], timeout=within_s)
            task.cancel()
            await asyncio.wait([task])
        self._waiting.clear()
        self._bytes = 0
