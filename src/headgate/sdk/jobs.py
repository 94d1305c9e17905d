"""Owns handles of background jobs: durable ones, which the gate's store keeps, and those of a gate without a store.

A gate without a store does the same work in tasks of its own; what is not done when it closes, or dies, is lost, and
the handle says so before (`is_durable`).
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headgate.batch.asking import Verdict
from headgate.batch.job_runner import JobRunner
from headgate.batch.job_work import JobWork, Outcome
from headgate.sdk.problems import HeadgateError
from headgate.store.job_rows import JobStatus

LOST: Final = "lost"
NOT_MADE: Final = "not_made"


class JobFailed(HeadgateError):
    """A job ended without a result. `code` says why: the provider's code or one of ours, `cancelled`,
    `lost`, or `not_made` where the reply gave it nothing to do."""

    def __init__(self, message: str, code: str, job_id: str, request_id: str = "") -> None:
        super().__init__(message, request_id)
        self.code = code
        self.job_id = job_id


class JobResult(msgspec.Struct, frozen=True):
    """What came of a job. `value` is the extracted value, the answer's text, or the local skill's result as plain JSON;
    `raw` is everything, as `GET /v1/jobs/{id}` has it."""

    job_id: str
    kind: str
    value: Any
    raw: Mapping[str, Any]


class JobHandle:
    """One job. It goes on whether anybody waits for it or not."""

    id: str
    kind: str
    is_durable: bool

    async def result(self, timeout_s: float | None = None) -> JobResult:
        """Its result, once it is there. Raises TimeoutError (the job goes on) or JobFailed."""
        raise NotImplementedError

    async def cancel(self) -> None:
        """End it, unless it has ended."""
        raise NotImplementedError


class DurableJob(JobHandle):
    """A job in the store: it survives this process."""

    is_durable = True

    def __init__(self, runner: JobRunner, tenant: str, job_id: str, kind: str) -> None:
        self._runner = runner
        self._tenant = tenant
        self.id, self.kind = job_id, kind

    async def result(self, timeout_s: float | None = None) -> JobResult:
        async with asyncio.timeout(timeout_s):
            row = await self._runner.ended(self._tenant, self.id)
        if row is None:
            raise JobFailed(f"There is no job {self.id} any more.", LOST, self.id)
        if row.status is JobStatus.CANCELLED:
            raise JobFailed(f"The job {self.id} was cancelled.", "cancelled", self.id)
        return read_result(self.id, self.kind, row.result or b"null", row.problem)

    async def cancel(self) -> None:
        await self._runner.cancel(self._tenant, self.id)


class PassingJob(JobHandle):
    """A job of a gate without a store: it ends with the process, or with the gate."""

    is_durable = False

    def __init__(self, task: "asyncio.Task[Outcome]", job_id: str, kind: str) -> None:
        self._task = task
        self.id, self.kind = job_id, kind

    async def result(self, timeout_s: float | None = None) -> JobResult:
        done, _ = await asyncio.wait((self._task,), timeout=timeout_s)
        if not done:
            raise TimeoutError
        if self._task.cancelled():
            raise JobFailed(f"The job {self.id} was cancelled, or its gate closed.", LOST, self.id)
        outcome = self._task.result()
        return read_result(self.id, self.kind, outcome.result, outcome.problem)

    async def cancel(self) -> None:
        self._task.cancel()


class UnmadeJob(JobHandle):
    """A job about a reply that it cannot be done on. It was never begun: nobody but its handle knows of it."""

    is_durable = False

    def __init__(self, why: str, job_id: str, kind: str) -> None:
        self._why = why
        self.id, self.kind = job_id, kind

    async def result(self, timeout_s: float | None = None) -> JobResult:  # noqa: ARG002 - it is known at once
        raise JobFailed(f"The job {self.id} was not begun: {self._why}", NOT_MADE, self.id)

    async def cancel(self) -> None:
        """There is nothing to end."""


class PassingJobs:
    """The jobs of a gate without a store: a few at a time, until the gate closes."""

    def __init__(self, work: JobWork, tenant: str, concurrency: int) -> None:
        self._work = work
        self._tenant = tenant
        self._places = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[Outcome]] = set()

    @property
    def open(self) -> int:
        return len(self._tasks)

    def begin(self, job_id: str, kind: str, payload: bytes) -> PassingJob:
        """Do it, again and again while it has to wait."""
        task = asyncio.get_running_loop().create_task(self._do(payload), name=job_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return PassingJob(task, job_id, kind)

    async def _do(self, payload: bytes) -> Outcome:
        tries = 0
        while True:
            async with self._places:
                outcome = await self._work.do(self._tenant, payload, tries)
            if outcome.verdict is not Verdict.LATER:
                return outcome
            tries = outcome.tries
            await asyncio.sleep(outcome.pause_s)

    async def close(self) -> None:
        """End what runs."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def read_result(job_id: str, kind: str, result: bytes, problem: str) -> JobResult:
    """A stored result as a value. Raises JobFailed for one that says why there is none."""
    raw = msgspec.json.decode(result)
    if problem:
        error = raw.get("error", {}) if isinstance(raw, dict) else {}
        message = error.get("message") if isinstance(error, dict) else None
        raise JobFailed(f"The job {job_id} failed ({problem}): {message or 'nothing more is known'}", problem, job_id)
    fields: Mapping[str, Any] = raw if isinstance(raw, dict) else {"value": raw}
    value = fields.get("value") if kind == "extract" else fields.get("text") if kind == "chat" else raw
    return JobResult(job_id, kind, value, fields)
