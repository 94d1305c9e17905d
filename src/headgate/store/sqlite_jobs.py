"""Jobs in SQLite: kept, claimed in turns between tenants, each with exactly one result. One transaction a statement.

A result is taken only from the attempt that runs, and together with what is to be told of it: a job that was given back
meanwhile, cancelled or ended takes none.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from headgate.store import sqlite_deliveries as deliveries
from headgate.store.job_rows import (
    ENDED,
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
from headgate.store.problems import AlreadyExists, IllegalTransition
from headgate.store.sqlite_reader import Reader, page_rows, place_of
from headgate.store.sqlite_writer import Writer

FORGOTTEN_AT_ONCE: Final = 500
"""Jobs that one work removes: others wait for no longer than that takes."""

COLUMNS: Final = tuple(name for name in JobRow.__struct_fields__ if name != "result")
_PLAIN: Final = ", ".join(COLUMNS)
_INSERT: Final = """
INSERT INTO jobs (id, tenant, kind, status, request_id, webhook, created_at, run_at, attempts, tries, crashes, problem,
                  payload)
VALUES (?, ?, ?, 'queued', ?, ?, ?, ?, 0, 0, 0, '', ?) ON CONFLICT (id) DO NOTHING
"""
_HEADS: Final = "SELECT tenant, min(seq) FROM jobs WHERE status = 'queued' AND run_at <= ? GROUP BY tenant"
_NEXT: Final = "SELECT min(seq) FROM jobs WHERE tenant = ? AND status = 'queued' AND run_at <= ?"
_CLAIM: Final = """
UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = coalesce(started_at, ?) WHERE seq = ?
RETURNING id, tenant, kind, request_id, webhook, created_at, attempts, tries, crashes, payload
"""
_FINISH: Final = """
UPDATE jobs SET status = ?, ended_at = ?, result = ?, problem = ?
WHERE id = ? AND attempts = ? AND status = 'running' RETURNING seq
"""
_POSTPONE: Final = """
UPDATE jobs SET status = 'queued', run_at = ?, tries = ? WHERE id = ? AND attempts = ? AND status = 'running'
"""
_OPEN: Final = "SELECT tenant, count(*) FROM jobs WHERE status IN ('queued', 'running') GROUP BY tenant"
_OLD: Final = "SELECT seq FROM jobs WHERE ended_at < ? ORDER BY ended_at LIMIT ?"


class SqliteJobs:
    """`JobStore` (contract.py)."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, jobs: Sequence[NewJob]) -> None:
        await self._writer.run(partial(_add, jobs))

    async def add_due(self, schedule: str, due: float, job: NewJob) -> bool:
        return await self._writer.run(partial(_add_due, schedule, due, job))

    async def last_due(self, schedule: str) -> float | None:
        text = "SELECT max(due) FROM schedules WHERE name = ?"
        return await self._reader.run(lambda connection: _number(connection, text, schedule))

    async def find(self, tenant: str, job_id: str) -> JobRow | None:
        return await self._reader.run(partial(_find, tenant, job_id))

    async def page(
        self, tenant: str, *, status: JobStatus | None = None, limit: int = 100, after: str | None = None
    ) -> JobPage:
        rows_at_most = page_rows(limit)

        def work(connection: sqlite3.Connection) -> JobPage:
            before = place_of(connection, "SELECT seq FROM jobs WHERE id = ? AND tenant = ?", tenant, after)
            found = connection.execute(
                f"SELECT {_PLAIN} FROM jobs WHERE tenant = ? AND seq < ? AND status = coalesce(?, status) "  # noqa: S608 - our own columns
                "ORDER BY seq DESC LIMIT ?",
                (tenant, before, None if status is None else status.value, rows_at_most + 1),
            )
            rows = tuple(map(job_row, found))
            return JobPage(rows[:rows_at_most], len(rows) > rows_at_most)

        return await self._reader.run(work)

    async def of_request(self, tenant: str, request_id: str) -> tuple[str, ...]:
        text = "SELECT id FROM jobs WHERE request_id = ? AND tenant = ? ORDER BY seq"
        return await self._reader.run(
            lambda connection: tuple(name for (name,) in connection.execute(text, (request_id, tenant)))
        )

    async def ended_between(self, tenant: str, since: float, until: float, *, limit: int = 100) -> tuple[JobRow, ...]:
        text = (
            f"SELECT {_PLAIN}, result FROM jobs WHERE tenant = ? AND ended_at >= ? AND ended_at < ? "  # noqa: S608
            "ORDER BY ended_at DESC LIMIT ?"
        )
        wanted = (tenant, since, until, page_rows(limit))
        return await self._reader.run(lambda connection: tuple(map(job_row, connection.execute(text, wanted))))

    async def claim(self, now: float, most: int) -> tuple[ClaimedJob, ...]:
        return await self._writer.run(partial(_claim, now, most))

    async def next_at(self) -> float | None:
        text = "SELECT min(run_at) FROM jobs WHERE status = 'queued'"
        return await self._reader.run(lambda connection: _number(connection, text))

    async def finish(self, job_id: str, attempt: int, end: JobEnd) -> bool:
        return await self._writer.run(partial(_finish, job_id, attempt, end))

    async def postpone(self, job_id: str, attempt: int, *, run_at: float, tries: int) -> bool:
        values = (run_at, tries, job_id, attempt)
        return await self._writer.run(lambda connection: connection.execute(_POSTPONE, values).rowcount == 1)

    async def cancel(self, tenant: str, job_id: str, at: float) -> JobRow | None:
        return await self._writer.run(partial(_cancel, tenant, job_id, at))

    async def open_by_tenant(self) -> Mapping[str, int]:
        return await self._reader.run(lambda connection: dict(connection.execute(_OPEN).fetchall()))

    async def count(self, tenant: str | None = None) -> JobCounts:
        return await self._reader.run(partial(_count, tenant))

    async def deliveries(self, job_id: str) -> tuple[DeliveryRow, ...]:
        return await self._reader.run(partial(deliveries.of_job, job_id))

    async def due_deliveries(self, now: float, most: int, *, without: Sequence[str] = ()) -> tuple[DueDelivery, ...]:
        return await self._reader.run(partial(_due, now, most, without))

    async def next_delivery_at(self) -> float | None:
        text = "SELECT min(next_at) FROM deliveries WHERE state = 'pending'"
        return await self._reader.run(lambda connection: _number(connection, text))

    async def delivered(self, delivery_id: str, at: float, status: int) -> None:
        await self._writer.run(partial(deliveries.end, delivery_id, at, status, is_delivered=True))

    async def undelivered(self, delivery_id: str, at: float, status: int, next_at: float | None) -> None:
        if next_at is None:
            await self._writer.run(partial(deliveries.end, delivery_id, at, status, is_delivered=False))
        else:
            await self._writer.run(partial(deliveries.put_off, delivery_id, status, next_at))

    async def forget_ended_before(self, at: float) -> int:
        removed = 0
        while some := await self._writer.run(partial(_forget, at)):
            removed += some
        return removed


def release_running(connection: sqlite3.Connection) -> int:
    """At the start: nobody runs the jobs that a dead process ran. None in a database from before there were jobs."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'jobs'").fetchone() is None:
        return 0
    return connection.execute(
        "UPDATE jobs SET status = 'queued', crashes = crashes + 1 WHERE status = 'running'"
    ).rowcount


def job_row(found: tuple[Any, ...]) -> JobRow:
    """A row of the plain columns, with the result behind them where it was asked for."""
    names = (*COLUMNS, "result")[: len(found)]
    values = dict(zip(names, found, strict=True))
    values["status"] = JobStatus(values["status"])
    return JobRow(**values)


def _add(jobs: Sequence[NewJob], connection: sqlite3.Connection) -> None:
    ids = [job.id for job in jobs]
    marks = ", ".join("?" * len(ids))
    if connection.execute(f"SELECT 1 FROM jobs WHERE id IN ({marks})", ids).fetchone():  # noqa: S608 - only marks
        raise AlreadyExists("there is a job of that id")
    for job in jobs:
        _insert(job, connection)


def _insert(job: NewJob, connection: sqlite3.Connection) -> None:
    at = job.created_at
    connection.execute(_INSERT, (job.id, job.tenant, job.kind, job.request_id, job.webhook, at, at, job.payload))


def _add_due(schedule: str, due: float, job: NewJob, connection: sqlite3.Connection) -> bool:
    """A schedule that was never seen begins with its next due time: the past was before it was wanted."""
    found = connection.execute("SELECT due FROM schedules WHERE name = ?", (schedule,)).fetchone()
    if found is not None and found[0] >= due:
        return False
    connection.execute(
        "INSERT INTO schedules VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET due = excluded.due", (schedule, due)
    )
    if found is None:
        return False
    _insert(job, connection)
    return True


def _find(tenant: str, job_id: str, connection: sqlite3.Connection) -> JobRow | None:
    text = f"SELECT {_PLAIN}, result FROM jobs WHERE id = ? AND tenant = ?"  # noqa: S608 - our own columns
    found = connection.execute(text, (job_id, tenant)).fetchone()
    return None if found is None else job_row(found)


def _claim(now: float, most: int, connection: sqlite3.Connection) -> tuple[ClaimedJob, ...]:
    """The oldest job of the tenant of whom fewest run, again and again: one tenant's flood is nobody else's wait."""
    running = dict(connection.execute("SELECT tenant, count(*) FROM jobs WHERE status = 'running' GROUP BY tenant"))
    heads: dict[str, int] = dict(connection.execute(_HEADS, (now,)).fetchall())
    claimed: list[ClaimedJob] = []
    while heads and len(claimed) < most:
        tenant = min(heads, key=lambda name: (running.get(name, 0), heads[name]))
        claimed.append(ClaimedJob(*connection.execute(_CLAIM, (now, heads[tenant])).fetchone()))
        running[tenant] = running.get(tenant, 0) + 1
        (following,) = connection.execute(_NEXT, (tenant, now)).fetchone()
        if following is None:
            del heads[tenant]
        else:
            heads[tenant] = following
    return tuple(claimed)


def _finish(job_id: str, attempt: int, end: JobEnd, connection: sqlite3.Connection) -> bool:
    assert end.status in ENDED, "a job ends done, failed or cancelled"
    values = (end.status.value, end.at, end.result, end.problem, job_id, attempt)
    found = connection.execute(_FINISH, values).fetchone()
    if found is None:
        return False
    deliveries.add(connection, found[0], end.at, end.deliveries)
    return True


def _cancel(tenant: str, job_id: str, at: float, connection: sqlite3.Connection) -> JobRow | None:
    before = _find(tenant, job_id, connection)
    if before is None or before.status is JobStatus.CANCELLED:
        return before
    if before.status in ENDED:
        raise IllegalTransition(f"job {job_id} is {before.status}, it cannot be cancelled")
    connection.execute("UPDATE jobs SET status = 'cancelled', ended_at = ? WHERE id = ?", (at, job_id))
    return _find(tenant, job_id, connection)


def _count(tenant: str | None, connection: sqlite3.Connection) -> JobCounts:
    mine = (tenant,)
    jobs = connection.execute(
        "SELECT status, count(*) FROM jobs WHERE tenant = coalesce(?, tenant) GROUP BY status", mine
    )
    told = connection.execute(
        "SELECT 'deliveries_' || state, count(*) FROM deliveries JOIN jobs ON jobs.seq = deliveries.job "
        "WHERE tenant = coalesce(?, tenant) GROUP BY state",
        mine,
    )
    return JobCounts(**dict(jobs.fetchall()), **dict(told.fetchall()))


def _due(now: float, most: int, without: Sequence[str], connection: sqlite3.Connection) -> tuple[DueDelivery, ...]:
    text = f"SELECT {_PLAIN}, result FROM jobs WHERE seq = ?"  # noqa: S608 - our own columns
    return tuple(
        DueDelivery(row, job_row(connection.execute(text, (seq,)).fetchone()))
        for seq, row in deliveries.due(connection, now, most, without)
    )


def _forget(at: float, connection: sqlite3.Connection) -> int:
    found = connection.execute(_OLD, (at, FORGOTTEN_AT_ONCE)).fetchall()
    connection.executemany("DELETE FROM deliveries WHERE job = ?", found)
    connection.executemany("DELETE FROM jobs WHERE seq = ?", found)
    return len(found)


def _number(connection: sqlite3.Connection, text: str, *values: str) -> float | None:
    found: tuple[float | None] = connection.execute(text, values).fetchone()
    return found[0]
