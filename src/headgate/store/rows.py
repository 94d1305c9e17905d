"""What is stored of usage, files and quota, as frozen values. Knows no dialect and no thread.

Times are seconds since 1970 UTC from the caller's wall clock: for labels and retention, never for intervals.
"""

from enum import StrEnum

import msgspec


class UsageRow(msgspec.Struct, frozen=True, gc=False):
    """What one request used. `request_id` is unique: a second row of the same id is ignored. `saved_tokens` are those
    that its answer from the cache would have cost.

    Texts that do not apply are "". `outcome` is "answered", "refused" or "cancelled"; `cost_nanousd` is rounded once.
    """

    at: float
    request_id: str
    tenant: str
    outcome: str
    user: str = ""
    session: str = ""
    agent: str = ""
    task: str = ""
    route: str = ""
    endpoint: str = ""
    provider: str = ""
    organisation: str = ""
    model_asked: str = ""
    model_served: str = ""
    source: str = ""
    reason: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    audio_s: float = 0.0
    characters: int = 0
    cost_nanousd: int = 0
    duration_s: float = 0.0
    calls: int = 0
    attempts: int = 0
    saved_tokens: int = 0


UsageFields = tuple[
    float, str, str, str, str, str, str, str, str, str, str, str, str, str, str, str,
    int, int, int, int, float, int, int, float, int, int, int,
]  # fmt: skip
"""The fields of a UsageRow in their order: a tenth of what it costs to make one and take it apart again."""


class UsageFilter(msgspec.Struct, frozen=True):
    """Which usage is meant: `since` <= at < `until`, and equal to everything that is not None."""

    tenant: str | None = None
    since: float | None = None
    until: float | None = None
    user: str | None = None
    session: str | None = None
    agent: str | None = None
    task: str | None = None
    route: str | None = None
    provider: str | None = None
    organisation: str | None = None
    model_served: str | None = None
    outcome: str | None = None


class GroupBy(StrEnum):
    """What usage may be added up by. A day is the number of whole days since 1970, UTC."""

    DAY = "day"
    TENANT = "tenant"
    USER = "user"
    AGENT = "agent"
    TASK = "task"
    ROUTE = "route"
    PROVIDER = "provider"
    ORGANISATION = "organisation"
    MODEL_SERVED = "model_served"
    SOURCE = "source"
    OUTCOME = "outcome"


class UsageSum(msgspec.Struct, frozen=True):
    """Usage added up. `group` has one text per `GroupBy` that was asked for, in that order."""

    group: tuple[str, ...]
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    audio_s: float
    characters: int
    cost_nanousd: int
    attempts: int
    calls: int
    saved_tokens: int


class UsagePage(msgspec.Struct, frozen=True):
    """Usage, newest first. `before` asks for the page after this one; None on the last."""

    rows: tuple[UsageRow, ...]
    before: int | None


class NewFile(msgspec.Struct, frozen=True):
    """What is known of a file before its content came."""

    id: str
    tenant: str
    purpose: str
    filename: str
    created_at: int
    expires_at: int | None = None


class FileRow(msgspec.Struct, frozen=True):
    """A file whose content is on disk as a whole. `size_bytes` is its length."""

    id: str
    tenant: str
    purpose: str
    filename: str
    size_bytes: int
    created_at: int
    expires_at: int | None
    status: str


class FilePage(msgspec.Struct, frozen=True):
    """Files, newest first."""

    rows: tuple[FileRow, ...]
    has_more: bool


class MeterRow(msgspec.Struct, frozen=True):
    """The last known quota of one deployment. `state` is the caller's own encoding, of its own `version`."""

    deployment_id: str
    state: bytes
    at: float
    version: int = 1


class StateRow(msgspec.Struct, frozen=True):
    """The last snapshot of a name (pool, circuits, what was learned). `state` and `version` are the caller's own."""

    name: str
    state: bytes
    at: float
    version: int = 1


class StoreHealth(msgspec.Struct, frozen=True):
    """How the store is. `fault` is None while the last commit went well; the counts are since it was opened.

    `dropped_rows` came when the queue was full or were left at a faulty close, `unfit_rows` were no rows at all.
    """

    fault: str | None
    detail: str
    queued_rows: int
    written_rows: int
    dropped_rows: int
    unfit_rows: int
    commits: int
    failed_commits: int
