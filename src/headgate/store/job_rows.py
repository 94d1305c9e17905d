"""What is stored of work in the background, as frozen values. Knows no dialect, and of a job's work only its bytes.

Times are seconds since 1970 UTC.
"""

from enum import StrEnum
from typing import Final

import msgspec


class JobStatus(StrEnum):
    """Where a job is.

    queued --claim--> running --finish--> done | failed
       ^                 |
       +--postpone, release, restart
    queued, running --cancel--> cancelled
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED})


class NewJob(msgspec.Struct, frozen=True):
    """A job to be kept. `payload` says what is to be done, `request_id` for which request ("" for none), `webhook` who
    is told of its end ("" for nobody)."""

    id: str
    tenant: str
    kind: str
    created_at: float
    payload: bytes
    request_id: str = ""
    webhook: str = ""


class JobRow(msgspec.Struct, frozen=True):
    """A job. `attempts` counts how often it was begun, `tries` how often the other side broke down over it, `crashes`
    how often the process died with it. `problem` is why it failed, as a code. In lists `result` is left out."""

    id: str
    tenant: str
    kind: str
    status: JobStatus
    request_id: str
    webhook: str
    created_at: float
    run_at: float
    started_at: float | None
    ended_at: float | None
    attempts: int
    tries: int
    crashes: int
    problem: str
    result: bytes | None = None


class JobPage(msgspec.Struct, frozen=True):
    """Jobs, newest first."""

    rows: tuple[JobRow, ...]
    has_more: bool


class ClaimedJob(msgspec.Struct, frozen=True):
    """A job to be run now. Only `attempt`, which counts this claim, may say how it ended."""

    id: str
    tenant: str
    kind: str
    request_id: str
    webhook: str
    created_at: float
    attempt: int
    tries: int
    crashes: int
    payload: bytes


class NewDelivery(msgspec.Struct, frozen=True):
    """Something to be told about an ended job: `id` is the webhook-id, `target` the name of whom, `event` what."""

    id: str
    target: str
    event: str


class JobEnd(msgspec.Struct, frozen=True):
    """How a job ended: stored together with what is to be told of it, or not at all."""

    at: float
    status: JobStatus
    result: bytes | None = None
    problem: str = ""
    deliveries: tuple[NewDelivery, ...] = ()


class DeliveryState(StrEnum):
    """Where a delivery is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class DeliveryRow(msgspec.Struct, frozen=True):
    """A delivery. `last_status` is the HTTP status of the last try, 0 where no answer came or none was made."""

    id: str
    target: str
    event: str
    state: DeliveryState
    created_at: float
    next_at: float
    tries: int
    last_status: int
    ended_at: float | None


class DueDelivery(msgspec.Struct, frozen=True):
    """A delivery to be made now, and the whole job that it tells of."""

    delivery: DeliveryRow
    job: JobRow


class JobCounts(msgspec.Struct, frozen=True):
    """How many jobs and deliveries are where."""

    queued: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    deliveries_pending: int = 0
    deliveries_delivered: int = 0
    deliveries_failed: int = 0
