"""Forgets what is too old to be kept, a little after the start and then every hour, in a task of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from headgate.domain.limits import DAY_S
from headgate.domain.time import Seconds
from headgate.store.contract import Store
from headgate.store.kept import OLDEST_S
from headgate.store.problems import StoreError

FIRST_S: Final[Seconds] = 60.0
EVERY_S: Final[Seconds] = 3_600.0


class Upkeep:
    """Runs from `start` to `stop`. A storage that fails is asked again an hour later; its health says what is wrong."""

    def __init__(self, store: Store, *, wall: Callable[[], float], usage_days: int) -> None:
        self._store = store
        self._wall = wall
        self._usage_s = usage_days * DAY_S
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="headgate-upkeep")

    def stop(self) -> None:
        """Begin nothing any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def forget(self) -> None:
        """Forget once. Raises StoreError."""
        wall = self._wall()
        await self._store.usage.forget_before(wall - self._usage_s)
        await self._store.state.forget_meters_before(wall - OLDEST_S)

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            with suppress(StoreError):
                await self.forget()
            await asyncio.sleep(EVERY_S)
