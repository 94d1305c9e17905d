"""Owns what is told of one tier: whether it takes part, and what it did. Counts decide nothing."""

from enum import StrEnum

import msgspec

from headgate.cache.tier import TierName


class TierState(StrEnum):
    """Whether a tier is asked."""

    READY = "ready"
    RESTING = "resting"


class TierHealth(msgspec.Struct, frozen=True):
    """One tier since the start. `unasked` are look-ups that a resting tier was spared; `poisoned` are entries that no
    gateway of this version wrote; `dropped` are entries that were not kept: no room in the queue, or the tier was down
    or full. `fault` is the last failure in a few words, "" after none."""

    name: TierName
    state: TierState
    hits: int = 0
    misses: int = 0
    poisoned: int = 0
    failures: int = 0
    timeouts: int = 0
    unasked: int = 0
    written: int = 0
    dropped: int = 0
    queued: int = 0
    queued_bytes: int = 0
    openings: int = 0
    fault: str = ""
