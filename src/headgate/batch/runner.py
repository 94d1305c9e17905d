"""Owns the batches that have not ended: one job each, from whatever status an earlier process left them in.

A client's cancelling comes in here too, because the job must know at once what the store knows. Old files are
forgotten here as well, since nobody else is always there.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from headgate.batch.asking import Ask
from headgate.batch.checking import Limits
from headgate.batch.handing import Handing
from headgate.batch.job import Job
from headgate.batch.lines import Parts
from headgate.batch.storing import insist
from headgate.runtime.clock import Clock
from headgate.runtime.settings_model import BatchSettings
from headgate.store.batch_rows import BatchChange, BatchRow, BatchStatus
from headgate.store.contract import Store
from headgate.store.problems import StoreError

UPKEEP_S: Final = 600.0
CHECKS: Final = 2
"""Input files that are read at a time."""
DAY_S: Final = 86_400
_log: Final = logging.getLogger(__name__)


class BatchRunner:
    """All jobs of one process. `handing` makes what gives a batch to a provider's own API, where that is wanted."""

    def __init__(
        self,
        store: Store,
        ask: Ask,
        clock: Clock,
        settings: BatchSettings,
        *,
        max_line_bytes: int,
        handing: Callable[[], Handing] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = Limits(settings.max_lines, max_line_bytes)
        self._keep_s = settings.keep_days * DAY_S
        self._handing = handing
        self._parts = Parts(
            store,
            ask,
            clock,
            asyncio.Semaphore(settings.concurrency),
            asyncio.Semaphore(CHECKS),
            settings.cancel_grace_s,
        )
        self._jobs: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._upkeep: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Go on with what was begun. Raises StoreError."""
        for row in await self._store.batches.unfinished():
            self.begin(row)
        self._upkeep = asyncio.create_task(self._keep_up(), name="upkeep of files")

    async def stop(self) -> None:
        """End at once; what runs is asked for again at the next start."""
        tasks = [task for _, task in self._jobs.values()]
        if self._upkeep is not None:
            tasks.append(self._upkeep)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def running(self) -> int:
        """How many batches are under way."""
        return len(self._jobs)

    def begin(self, row: BatchRow) -> None:
        """Take a batch on."""
        assert row.id not in self._jobs, "a batch is begun once"
        handing = None if self._handing is None else self._handing()
        job = Job(self._parts, row, self._limits, self._keep_s, handing)
        task = asyncio.create_task(job.go(), name=row.id)
        self._jobs[row.id] = job, task
        task.add_done_callback(self._ended)

    async def cancel(self, tenant: str, batch_id: str) -> BatchRow | None:
        """Cancel a batch: its new row, None where there is none. Raises IllegalTransition for one that has ended."""
        change = BatchChange(int(self._clock.wall()), BatchStatus.CANCELLING)
        row = await self._store.batches.change(tenant, batch_id, change)
        if row is not None and batch_id in self._jobs:
            self._jobs[batch_id][0].cancel()
        return row

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._jobs[task.get_name()]
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("%s stands still until the next start", task.get_name(), exc_info=problem)

    async def _keep_up(self) -> None:
        while True:
            try:
                await insist(lambda: self._store.files.forget_expired(self._clock.wall()))
            except StoreError as problem:
                _log.error("old files are not forgotten any more: %s", problem)
                return
            await asyncio.sleep(UPKEEP_S)
