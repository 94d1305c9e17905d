"""Queues the reports of schedules when they are due: each due time once, those that were missed as one."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Final

from headgate.batch.due import Rhythm, rhythm_of
from headgate.batch.job_runner import JobRunner, new_job_id
from headgate.batch.storing import insist
from headgate.protocol.jobs import ReportWork, kind_of, write_work
from headgate.runtime.clock import Clock
from headgate.runtime.settings_background import ReportData, ScheduleTable
from headgate.store.job_rows import NewJob
from headgate.store.problems import StoreError

MOST_TOLD_S: Final = 31 * 86_400.0
"""How far back a report looks after a long time in which nothing ran."""
LONGEST_WAIT_S: Final = 60.0
"""How long it may take until a clock that was moved is noticed."""
_log: Final = logging.getLogger(__name__)


class Scheduler:
    """All schedules of one process."""

    def __init__(self, runner: JobRunner, schedules: Mapping[str, ScheduleTable], clock: Clock) -> None:
        self._runner = runner
        self._schedules = schedules
        self._rhythms: dict[str, Rhythm] = {name: rhythm_of(schedule) for name, schedule in schedules.items()}
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin in the running loop."""
        if self._schedules:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="headgate-schedules")

    async def stop(self) -> None:
        """Begin nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def tick(self) -> float:
        """Queue what is due now; when there is something to do next. Raises StoreError."""
        now = self._clock.wall()
        for name, schedule in self._schedules.items():
            rhythm = self._rhythms[name]
            due = rhythm.last_due(now)
            if await insist(partial(self._queue, name, schedule, rhythm, due, now)):
                self._runner.count_in(schedule.tenant)
                self._runner.wake()
        return min(rhythm.next_due(now) for rhythm in self._rhythms.values())

    async def _queue(self, name: str, schedule: ScheduleTable, rhythm: Rhythm, due: float, now: float) -> bool:
        """Queue one report, about all that came since the last one; False where there is none to come."""
        before = await self._runner.jobs.last_due(name)
        if before is not None and before >= due:
            return False
        since = due - rhythm.period_s if before is None else max(before, due - MOST_TOLD_S)
        return await self._runner.jobs.add_due(name, due, _report(name, schedule, since, due, now))

    async def _run(self) -> None:
        try:
            while True:
                next_at = await self.tick()
                await asyncio.sleep(min(LONGEST_WAIT_S, max(0.0, next_at - self._clock.wall())))
        except StoreError as problem:
            _log.error("schedules stand still until the next start: %s", problem)


def _report(name: str, schedule: ScheduleTable, since: float, until: float, now: float) -> NewJob:
    work = ReportWork(
        since,
        until,
        name,
        usage=schedule.over is not ReportData.JOBS,
        jobs=schedule.over is not ReportData.USAGE,
        max_results=schedule.max_results,
        prompt=schedule.prompt,
        model=schedule.model,
    )
    return NewJob(new_job_id(), schedule.tenant, kind_of(work), now, write_work(work), webhook=schedule.webhook or "")
