"""Owns what a tier is: a place that keeps entries by key for a time, and marks from which on older entries are void.

A tier knows nothing of requests, tenants or what an entry means: keys are opaque, entries are bytes.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from headgate.domain.time import Seconds


class TierName(StrEnum):
    """The tiers, nearest first."""

    MEMORY = "memory"
    REDIS = "redis"
    OBJECT = "object"


class TierDown(Exception):
    """The tier did not do it: unreachable, too slow, full, resting after failures. No reason to fail a request."""


class Tier(Protocol):
    """A tier that may wait for a network. Every method may raise `TierDown`, and nothing else.

    `mark_void` records that entries written before `before_wall_s` (seconds since 1970) and bearing `mark` (as
    `tenant:acme`, `tag:prices`, `model:openai/gpt-oss-20b`, `all`) are void: whoever reads an entry compares it with
    `marks`. So a whole class of entries is forgotten at once in every process that shares the tier; their bytes go when
    their time is over.
    """

    name: TierName

    async def get(self, key: str) -> bytes | None:
        """The entry, or None."""

    async def put(self, key: str, entry: bytes, ttl_s: Seconds) -> None:
        """Keep the entry for `ttl_s` at most; an older one of the same key is replaced."""

    async def delete(self, key: str) -> bool:
        """Forget one entry; whether there was one."""

    async def mark_void(self, mark: str, before_wall_s: float) -> None:
        """Void every entry that bears the mark and was written before; marks only ever move forward."""

    async def marks(self) -> Mapping[str, float]:
        """All marks that still matter."""

    async def close(self) -> None:
        """Let go of connections and files."""
