"""What a store promises, whatever its dialect: the only thing that callers know besides rows and problems.

Everything is called on an event loop and never blocks it. `append` and `keep` return at once and raise nothing: what
they take is written within one commit window (5 ms) and lost if the process dies before that. What was awaited is
committed: it survives the death of the process. Callers that act for a tenant say which: other tenants' rows are not
there. What has no tenant argument is for the runner of batches and for upkeep.

Raises `StoreError` when the storage fails (then it did not happen) and a `StoreRefusal` where the docstring names one.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from headgate.store.batch_rows import (
    BatchChange,
    BatchPage,
    BatchRow,
    ClaimedLine,
    LineCounts,
    LineResult,
    NewBatch,
    NewLine,
)
from headgate.store.job_rows import (
    ClaimedJob,
    DeliveryRow,
    DueDelivery,
    JobCounts,
    JobEnd,
    JobPage,
    JobRow,
    JobStatus,
    NewJob,
)
from headgate.store.rows import (
    FilePage,
    FileRow,
    GroupBy,
    MeterRow,
    NewFile,
    StateRow,
    StoreHealth,
    UsageFields,
    UsageFilter,
    UsagePage,
    UsageRow,
    UsageSum,
)


class UsageStore(Protocol):
    """One row per request."""

    def append(self, row: UsageRow) -> None:
        """Write it soon. When the queue is full the row is dropped and counted in the health."""
        ...

    def append_all(self, rows: Sequence[UsageFields]) -> None:
        """The same for many rows together, at once: they have waited for each other. Those for which the queue has no
        room are dropped."""
        ...

    async def write(self, row: UsageRow) -> None:
        """Write it now; return when it is committed, together with everything that was appended before."""
        ...

    async def find(self, tenant: str, request_id: str) -> UsageRow | None:
        """The row of one request."""
        ...

    async def page(self, where: UsageFilter, *, limit: int = 100, before: int | None = None) -> UsagePage:
        """Rows, newest first by their time; at most 1,000. `before` is the last page's."""
        ...

    async def add_up(self, where: UsageFilter, by: tuple[GroupBy, ...] = ()) -> tuple[UsageSum, ...]:
        """Sums per group, in the order of the groups. Without groups: one sum, of nothing too."""
        ...

    async def forget_before(self, at: float) -> int:
        """Remove the rows of before; how many there were."""
        ...


class FileStore(Protocol):
    """Files: a row and a content. A row is there only if its whole content is."""

    async def create(self, meta: NewFile, chunks: AsyncIterator[bytes], *, most_bytes: int) -> FileRow:
        """Take a content in and keep it. Raises FileTooLarge, AlreadyExists, and whatever `chunks` raises."""
        ...

    async def find(self, tenant: str, file_id: str) -> FileRow | None:
        """One file."""
        ...

    async def page(
        self, tenant: str, *, purpose: str | None = None, limit: int = 100, after: str | None = None
    ) -> FilePage:
        """Files, newest first; at most 1,000. `after` is the last id of the page before. Raises UnknownCursor."""
        ...

    async def read(self, tenant: str, file_id: str) -> AsyncIterator[bytes] | None:
        """The content in chunks, or None where there is no such file."""
        ...

    async def read_part(self, tenant: str, file_id: str, start_byte: int, length_bytes: int) -> bytes | None:
        """A part of the content; shorter where the content ends."""
        ...

    async def delete(self, tenant: str, file_id: str) -> bool:
        """Remove a file; False where there is none."""
        ...

    async def forget_expired(self, at: float) -> int:
        """Remove the files that expire at or before this time; how many there were."""
        ...


class BatchStore(Protocol):
    """Batches, and exactly one result for each of their lines."""

    async def create(self, new: NewBatch) -> BatchRow:
        """A batch in status validating. Raises AlreadyExists."""
        ...

    async def find(self, tenant: str, batch_id: str) -> BatchRow | None:
        """One batch."""
        ...

    async def page(self, tenant: str, *, limit: int = 100, after: str | None = None) -> BatchPage:
        """Batches, newest first; at most 1,000. `after` is the last id of the page before. Raises UnknownCursor."""
        ...

    async def unfinished(self) -> tuple[BatchRow, ...]:
        """The batches of all tenants that have not ended, oldest first: what a runner goes on with."""
        ...

    async def change(self, tenant: str, batch_id: str, change: BatchChange) -> BatchRow | None:
        """Change it, if the status may. Raises IllegalTransition; the status that it has already changes nothing."""
        ...

    async def add_lines(self, batch_id: str, lines: Sequence[NewLine]) -> int:
        """Give a validating batch its lines; those it has already are left alone. How many were new."""
        ...

    async def claim(self, batch_id: str, most: int) -> tuple[ClaimedLine, ...]:
        """The next pending lines in order, running from now on. None unless the batch is in progress."""
        ...

    async def release(self, batch_id: str, lines: Sequence[int]) -> int:
        """Give running lines back unfinished; how many were running."""
        ...

    async def record(self, batch_id: str, results: Sequence[LineResult]) -> tuple[bool, ...]:
        """Say how lines ended. False for each that had a result, is not there, or whose batch has ended."""
        ...

    async def results(
        self, batch_id: str, *, is_done: bool | None = None, after_line: int = -1, limit: int = 200
    ) -> tuple[LineResult, ...]:
        """Results in the order of the lines; `is_done` picks those of the output or of the error file."""
        ...

    async def count(self, batch_id: str) -> LineCounts:
        """How many lines are where."""
        ...

    async def forget_ended_before(self, at: int) -> int:
        """Remove batches, with lines and results, that ended and were created before; how many there were."""
        ...


class JobStore(Protocol):
    """Jobs in the background: each with exactly one result, and what is to be told of it."""

    async def add(self, jobs: Sequence[NewJob]) -> None:
        """Queue these, all or none. Raises AlreadyExists."""
        ...

    async def add_due(self, schedule: str, due: float, job: NewJob) -> bool:
        """Queue the job of a schedule's due time, unless that or a later one had its run; whether it was queued. The
        first time that a schedule is named nothing runs: what was due before is past."""
        ...

    async def last_due(self, schedule: str) -> float | None:
        """The last due time of a schedule that had its run, or was past when it was first named."""
        ...

    async def find(self, tenant: str, job_id: str) -> JobRow | None:
        """One job with its result."""
        ...

    async def page(
        self, tenant: str, *, status: JobStatus | None = None, limit: int = 100, after: str | None = None
    ) -> JobPage:
        """Jobs without results, newest first; at most 1,000. `after` is the last id before. Raises UnknownCursor."""
        ...

    async def of_request(self, tenant: str, request_id: str) -> tuple[str, ...]:
        """The ids of a request's jobs, in their order."""
        ...

    async def ended_between(self, tenant: str, since: float, until: float, *, limit: int = 100) -> tuple[JobRow, ...]:
        """Jobs with their results that ended in a time, newest first; at most 1,000."""
        ...

    async def claim(self, now: float, most: int) -> tuple[ClaimedJob, ...]:
        """Queued jobs that may run now, running from here on; the tenants take turns."""
        ...

    async def next_at(self) -> float | None:
        """From when on some queued job may run; None where none is queued."""
        ...

    async def finish(self, job_id: str, attempt: int, end: JobEnd) -> bool:
        """Say how a job ended, and what is to be told of it. False for all but the attempt that runs."""
        ...

    async def postpone(self, job_id: str, attempt: int, *, run_at: float, tries: int) -> bool:
        """Give a running job back, to be run from `run_at` on. False for all but the attempt that runs."""
        ...

    async def cancel(self, tenant: str, job_id: str, at: float) -> JobRow | None:
        """End a job without a result. Raises IllegalTransition for one that is done or failed."""
        ...

    async def open_by_tenant(self) -> Mapping[str, int]:
        """How many jobs of each tenant have not ended."""
        ...

    async def count(self, tenant: str | None = None) -> JobCounts:
        """How many jobs and deliveries are where; of all tenants for None."""
        ...

    async def deliveries(self, job_id: str) -> tuple[DeliveryRow, ...]:
        """What is told of a job."""
        ...

    async def due_deliveries(self, now: float, most: int, *, without: Sequence[str] = ()) -> tuple[DueDelivery, ...]:
        """What is to be told now, longest due first, but for targets `without`."""
        ...

    async def next_delivery_at(self) -> float | None:
        """When the next delivery is due; None where none is pending."""
        ...

    async def delivered(self, delivery_id: str, at: float, status: int) -> None:
        """A delivery arrived."""
        ...

    async def undelivered(self, delivery_id: str, at: float, status: int, next_at: float | None) -> None:
        """A delivery did not arrive: try it again at `next_at`, or give it up for None. `status` 0: no answer."""
        ...

    async def forget_ended_before(self, at: float) -> int:
        """Remove the jobs that ended before, with what was told of them; how many there were."""
        ...


class StateStore(Protocol):
    """The newest state per name. What is kept twice within a commit window is written once."""

    def keep_meters(self, rows: Sequence[MeterRow]) -> None:
        """Remember the quota of deployments, soon."""
        ...

    def keep(self, row: StateRow) -> None:
        """Remember a snapshot, soon."""
        ...

    async def meters(self) -> tuple[MeterRow, ...]:
        """What was last kept of every deployment."""
        ...

    async def find(self, name: str) -> StateRow | None:
        """What was last kept under a name."""
        ...

    async def forget_meters_before(self, at: float) -> int:
        """Remove what was last kept of deployments before; how many there were."""
        ...


class Store(Protocol):
    """All of it."""

    @property
    def usage(self) -> UsageStore:
        """What requests used."""
        ...

    @property
    def files(self) -> FileStore:
        """Files of tenants."""
        ...

    @property
    def batches(self) -> BatchStore:
        """Batches of tenants."""
        ...

    @property
    def jobs(self) -> JobStore:
        """Jobs of tenants."""
        ...

    @property
    def state(self) -> StateStore:
        """Quota and snapshots."""
        ...

    def health(self) -> StoreHealth:
        """How it is, at once."""
        ...

    async def flush(self) -> None:
        """Return when everything that was given before is committed."""
        ...

    async def close(self) -> None:
        """Flush and let go. Afterwards everything is refused."""
        ...
