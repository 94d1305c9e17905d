"""What the ledger answers: frozen values that cross the border of this package."""

from enum import StrEnum

import msgspec

from headgate.domain.limits import Dimension
from headgate.domain.time import Instant, Seconds
from headgate.quota.correction import Note


class Held(msgspec.Struct, frozen=True, gc=False):
    """A granted reservation. Give `note` back with the reply's limit headers."""

    reservation_id: str
    deployment_id: str
    note: Note


class Short(msgspec.Struct, frozen=True, gc=False):
    """Nothing was reserved. `until` is the earliest instant at which the same amounts could be.

    `dimension` is None while the deployment cools; `fits_never` means more than a whole limit (`until` is NEVER).
    """

    until: Instant
    dimension: Dimension | None = None
    fits_never: bool = False


class ChangeKind(StrEnum):
    """What a header or an error body changed."""

    LIMIT = "limit"
    LEVEL = "level"
    COOLED = "cooled"


class Change(msgspec.Struct, frozen=True):
    """One thing the ledger learned: `before` and `after` are limits (None: no limit), levels, or ends of a cooldown."""

    kind: ChangeKind
    dimension: Dimension | None
    before: float | None
    after: float | None


class Row(msgspec.Struct, frozen=True, gc=False):
    """One bucket as it stands: what is free in it (below 0 after an overrun) and how much drains per second.

    For `slow_s` it drains by `drain`, because others are assumed to spend the rest, then by `rate`.
    """

    dimension: Dimension
    selector: int
    free: float
    rate: float
    drain: float
    slow_s: Seconds
    limit: int


class View(msgspec.Struct, frozen=True, gc=False):
    """A deployment at one instant, for those who compare many requests with it. `id` is the canonical one."""

    id: str
    ready_in_s: Seconds
    rows: tuple[Row, ...]
