"""Runs jobs: a few at a time, last in every line, each until it has its one result, whatever process began it.

    add --> store: queued --claim--> running --> done, failed
                     ^                  |
                     +-- want of quota, a broken answer, a stop, a crash

A job may run more than once and takes one result: only the attempt that was claimed last may give it. Results and what
is to be told of them are stored together, so that a kill between the two cannot be.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from headgate.batch.asking import Verdict
from headgate.batch.job_work import JobWork, Outcome, failed
from headgate.batch.storing import insist
from headgate.domain.fact import Fact, JobEnded
from headgate.runtime.clock import Clock
from headgate.runtime.settings_background import BackgroundSettings
from headgate.store.contract import JobStore
from headgate.store.job_rows import ENDED, ClaimedJob, JobEnd, JobRow, JobStatus, NewDelivery, NewJob
from headgate.store.problems import StoreError

MOST_CRASHES: Final = 5
"""How often the process may die with a job under way before the job is held to be the reason."""
LONGEST_WAIT_S: Final = 60.0
"""How long it may take until a clock that was moved is noticed."""
UPKEEP_S: Final = 3_600.0
ID_BYTES: Final = 12
DAY_S: Final = 86_400.0
_log: Final = logging.getLogger(__name__)

Told: TypeAlias = Callable[[ClaimedJob, JobStatus, bytes | None], tuple[NewDelivery, ...]]
"""Who is told of a job that ended so, with this result."""


def new_job_id() -> str:
    """An id that nobody can guess."""
    return f"job_{secrets.token_hex(ID_BYTES)}"


class JobRunner:
    """All jobs of one process. `told` says who hears of an end, `on_end` is called when there is something to tell."""

    def __init__(
        self,
        jobs: JobStore,
        work: JobWork,
        clock: Clock,
        settings: BackgroundSettings,
        *,
        told: Told,
        on_end: Callable[[], None],
        observe: Callable[[Fact], None],
    ) -> None:
        self.settings = settings
        self.jobs = jobs
        self._work = work
        self._clock = clock
        self._told = told
        self._on_end = on_end
        self._observe = observe
        self._open: dict[str, int] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._waiters: dict[str, asyncio.Event] = {}
        self._saving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Go on with what was begun. Raises StoreError."""
        self._open = dict(await self.jobs.open_by_tenant())
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._run(), name="headgate-jobs"),
            loop.create_task(self._keep_up(), name="headgate-jobs-upkeep"),
        ]
        for task in self._tasks:
            task.add_done_callback(_stopped)

    async def stop(self) -> None:
        """Begin nothing more, let what runs end within the drain, and give the rest back for the next start."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []
        if self._saving:
            await asyncio.wait(self._saving, timeout=self.settings.drain_s)
        if self._running:
            await asyncio.wait(self._running.values(), timeout=self.settings.drain_s)
        left = tuple(self._running.values())
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    @property
    def running(self) -> int:
        """How many jobs are under way here."""
        return len(self._running)

    @property
    def open(self) -> int:
        """How many jobs have not ended."""
        return sum(self._open.values())

    def admit(self, tenant: str, count: int) -> bool:
        """Hold places for a tenant's new jobs; False where it has too many open ones."""
        now_open = self._open.get(tenant, 0) + count
        if now_open > self.settings.max_open_per_tenant:
            return False
        self._open[tenant] = now_open
        return True

    def give_up(self, tenant: str, count: int) -> None:
        """Let go of places that no job came for."""
        left = self._open.get(tenant, 0) - count
        if left > 0:
            self._open[tenant] = left
        else:
            self._open.pop(tenant, None)

    def count_in(self, tenant: str) -> None:
        """A job came that needs no place: a schedule's."""
        self._open[tenant] = self._open.get(tenant, 0) + 1

    async def add(self, jobs: Sequence[NewJob]) -> None:
        """Keep jobs for which there are places; they are durable when this returns. Raises StoreError."""
        await self.jobs.add(jobs)
        self.wake()

    def save(self, jobs: Sequence[NewJob]) -> "asyncio.Task[None]":
        """The same in a task of its own that insists while the storage is at fault: nobody's leaving ends it."""

        async def insisting() -> None:
            with suppress(StoreError):
                await insist(lambda: self.add(jobs))

        task = asyncio.get_running_loop().create_task(insisting())
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)
        return task

    def wake(self) -> None:
        """There may be something to do."""
        self._changed.set()

    async def ended(self, tenant: str, job_id: str) -> JobRow | None:
        """The row of a job once it has ended; None where there is none. Raises StoreError."""
        while True:
            waiter = self._waiters.setdefault(job_id, asyncio.Event())
            row = await self.jobs.find(tenant, job_id)
            if row is None or row.status in ENDED:
                self._tell_waiters(job_id)
                return row
            await waiter.wait()

    async def cancel(self, tenant: str, job_id: str) -> JobRow | None:
        """Cancel a job: its row, None where there is none. Raises IllegalTransition for one that has ended."""
        at = self._clock.wall()
        row = await self.jobs.cancel(tenant, job_id, at)
        if row is not None and row.ended_at == at:
            self.give_up(tenant, 1)
            self._note(row.id, tenant, row.kind, JobStatus.CANCELLED, row.attempts, row.created_at)
            if (task := self._running.get(job_id)) is not None:
                task.cancel()
        return row

    # The loop ---------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            while True:
                self._changed.clear()
                await self._begin_some()
                await self._wait()
        except StoreError as problem:
            _log.error("jobs stand still until the next start: %s", problem)

    async def _begin_some(self) -> None:
        while (free := self.settings.concurrency - len(self._running)) > 0:
            claimed = await insist(lambda free=free: self._claim(free))  # type: ignore[misc]
            for job in claimed:
                task = asyncio.create_task(self._do(job), name=job.id)
                self._running[job.id] = task
                task.add_done_callback(self._ended)
            if len(claimed) < free:
                return

    async def _claim(self, most: int) -> Sequence[ClaimedJob]:
        """Take jobs. What the store hands to a runner that has been stopped meanwhile is given back: it would be taken
        for what a crash left behind."""
        claiming = asyncio.ensure_future(self.jobs.claim(self._clock.wall(), most))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with suppress(StoreError):
                for job in await claiming:
                    await self._postpone(job, 0.0, job.tries)
            raise

    async def _wait(self) -> None:
        """Until something changes, or the next job that waits for its time is due."""
        wait_s = LONGEST_WAIT_S
        if len(self._running) < self.settings.concurrency:
            next_at = await insist(self.jobs.next_at)
            if next_at is not None:
                wait_s = min(wait_s, max(0.0, next_at - self._clock.wall()))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task.get_name(), None)
        self._changed.set()
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("%s stands still until the next start", task.get_name(), exc_info=problem)

    # One job ----------------------------------------------------------------------------------------------------------

    async def _do(self, job: ClaimedJob) -> None:
        """Do a job once, and keep what came of it. One that is broken off is queued again, unless it was cancelled."""
        if (unfit := self._unfit(job)) is not None:
            await self._finish(job, unfit)
            return
        try:
            outcome = await self._work.do(job.tenant, job.payload, job.tries)
        except asyncio.CancelledError:
            await asyncio.shield(self._postpone(job, 0.0, job.tries))
            raise
        if outcome.verdict is Verdict.LATER:
            await self._postpone(job, outcome.pause_s, outcome.tries)
        else:
            await self._finish(job, outcome)

    def _unfit(self, job: ClaimedJob) -> Outcome | None:
        """Why a job is not begun (any more)."""
        if job.crashes >= MOST_CRASHES:
            return failed("crashed", f"The gateway died {job.crashes} times with this job under way.")
        hours = self.settings.expires_hours
        if self._clock.wall() - job.created_at > hours * 3_600.0:
            return failed("expired", f"There was no result within {hours:g} hours (setting background.expires_hours).")
        return None

    async def _postpone(self, job: ClaimedJob, pause_s: float, tries: int) -> None:
        run_at = self._clock.wall() + pause_s
        with suppress(StoreError):  # then it runs again after the next start
            await self.jobs.postpone(job.id, job.attempt, run_at=run_at, tries=tries)

    async def _finish(self, job: ClaimedJob, outcome: Outcome) -> None:
        if len(outcome.result) > self.settings.max_result_bytes:
            most = self.settings.max_result_bytes
            text = f"The result has {len(outcome.result):,} bytes, over {most:,} (setting background.max_result_bytes)."
            outcome = failed("result_too_large", text)
        status = JobStatus.DONE if outcome.verdict is Verdict.DONE else JobStatus.FAILED
        told = self._told(job, status, outcome.result)
        end = JobEnd(self._clock.wall(), status, outcome.result, outcome.problem, told)
        if await insist(lambda: self.jobs.finish(job.id, job.attempt, end)):
            self.give_up(job.tenant, 1)
            self._note(job.id, job.tenant, job.kind, status, job.attempt, job.created_at)
            if told:
                self._on_end()

    def _note(self, job_id: str, tenant: str, kind: str, status: JobStatus, attempts: int, created_at: float) -> None:
        took_s = max(0.0, self._clock.wall() - created_at)
        self._tell_waiters(job_id)
        self._observe(JobEnded(self._clock.now(), job_id, tenant, kind, status.value, attempts, took_s))

    def _tell_waiters(self, job_id: str) -> None:
        """Whoever waits looks again."""
        if (waiter := self._waiters.pop(job_id, None)) is not None:
            waiter.set()

    async def _keep_up(self) -> None:
        """Forget what is too old to be kept."""
        while True:
            before = self._clock.wall() - self.settings.keep_days * DAY_S
            with suppress(StoreError):
                await self.jobs.forget_ended_before(before)
            await asyncio.sleep(UPKEEP_S)


def _stopped(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        _log.error("%s has stopped until the next start", task.get_name(), exc_info=problem)
