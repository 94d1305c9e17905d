"""What is stored of batches and their lines, and which status may follow which. Knows no dialect and no thread."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final

import msgspec


class BatchStatus(StrEnum):
    """The status of a batch, as OpenAI's and Groq's SDKs spell it (types/batch.py of both, read 2026-11)."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


_S = BatchStatus

NEXT: Final[Mapping[BatchStatus, frozenset[BatchStatus]]] = {
    _S.VALIDATING: frozenset({_S.IN_PROGRESS, _S.FAILED, _S.CANCELLING, _S.EXPIRED}),
    _S.IN_PROGRESS: frozenset({_S.FINALIZING, _S.CANCELLING, _S.EXPIRED, _S.FAILED}),
    _S.FINALIZING: frozenset({_S.COMPLETED, _S.CANCELLING, _S.EXPIRED, _S.FAILED}),
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.COMPLETED, _S.EXPIRED, _S.FAILED}),
}
"""What may follow. A status that is missing here is an end. A cancelled batch may turn out to have been completed."""

ENDS: Final = frozenset(_S) - frozenset(NEXT)


class BatchProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of a batch's `errors`."""

    code: str | None = None
    message: str | None = None
    line: int | None = None
    param: str | None = None


class BatchUsage(msgspec.Struct, frozen=True):
    """The tokens of a whole batch."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class NewBatch(msgspec.Struct, frozen=True):
    """A batch as it is created, in status validating. Times are whole seconds since 1970 UTC."""

    id: str
    tenant: str
    endpoint: str
    input_file_id: str
    completion_window: str
    created_at: int
    expires_at: int | None = None
    metadata: Mapping[str, str] | None = None


class BatchRow(msgspec.Struct, frozen=True):
    """A batch. `total`, `completed` and `failed` count its lines, kept by the store itself.

    `handed_to` and `handed_id` name the provider's organisation and batch, where it was handed to a provider's own API.
    """

    id: str
    tenant: str
    endpoint: str
    input_file_id: str
    completion_window: str
    status: BatchStatus
    created_at: int
    expires_at: int | None
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    output_file_id: str | None
    error_file_id: str | None
    problems: tuple[BatchProblem, ...]
    metadata: Mapping[str, str] | None
    model: str | None
    usage: BatchUsage
    total: int
    completed: int
    failed: int
    handed_to: str | None
    handed_id: str | None


class BatchChange(msgspec.Struct, frozen=True):
    """What changes of a batch. None leaves as it is; `at` (whole seconds) dates a new status."""

    at: int
    status: BatchStatus | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    problems: tuple[BatchProblem, ...] | None = None
    model: str | None = None
    usage: BatchUsage | None = None
    handed_to: str | None = None
    handed_id: str | None = None


class BatchPage(msgspec.Struct, frozen=True):
    """Batches, newest first."""

    rows: tuple[BatchRow, ...]
    has_more: bool


class LineState(IntEnum):
    """Where one line of a batch is. Running ones are pending again after a restart."""

    PENDING = 0
    RUNNING = 1
    DONE = 2
    FAILED = 3


class NewLine(msgspec.Struct, frozen=True, gc=False):
    """One line of the input file: its number, its client's id, and the bytes of the input file that it is."""

    line: int
    custom_id: str
    start_byte: int = 0
    length_bytes: int = 0


class ClaimedLine(msgspec.Struct, frozen=True, gc=False):
    """A line to be run now. `claims` counts this one: over 1, somebody did not finish it."""

    line: int
    custom_id: str
    start_byte: int
    length_bytes: int
    claims: int


class LineResult(msgspec.Struct, frozen=True, gc=False):
    """How a line ended: `body` is the line of the output file, or of the error file where it failed."""

    line: int
    is_done: bool
    body: bytes


class LineCounts(msgspec.Struct, frozen=True):
    """How many lines of a batch are where."""

    pending: int
    running: int
    done: int
    failed: int
