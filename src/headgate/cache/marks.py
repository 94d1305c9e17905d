"""Owns what has been declared void: by mark, the wall time before which entries that bear it do not count any more.
What counts is when an entry was asked for, since what it answers may change while it is made.

Whole classes of entries are forgotten by one line here, in every tier and, where tiers are shared, in every process:
nobody looks for them. Marks only ever move forward.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

ALL: Final = "all"
"""The mark that every entry bears."""
MOST_MARKS: Final = 10_000
"""More are too many to remember: then everything older is void, which is more than was asked for and never less."""


class Kind(StrEnum):
    """What can be forgotten at once."""

    KEY = "key"
    TAG = "tag"
    MODEL = "model"
    TENANT = "tenant"
    ALL = "all"


def mark_of(kind: Kind, value: str) -> str:
    """The mark by which a class of entries is made void; a single key has none."""
    assert kind is not Kind.KEY
    return ALL if kind is Kind.ALL else f"{kind.value}:{value}"


def marks_of(tenant: str, model: str, tags: Iterable[str]) -> tuple[str, ...]:
    """The marks that an entry bears."""
    return (mark_of(Kind.TENANT, tenant), mark_of(Kind.MODEL, model), *(mark_of(Kind.TAG, tag) for tag in tags))


class Marks(msgspec.Struct):
    """All marks that matter. `generation` changes with each: who remembers something made before looks again."""

    before: dict[str, float] = {}
    generation: int = 0

    def void(self, mark: str, before_wall_s: float) -> bool:
        """Take note of one; whether it is news."""
        if before_wall_s <= self.before.get(mark, float("-inf")):
            return False
        if mark not in self.before and len(self.before) >= MOST_MARKS:
            before_wall_s = max(before_wall_s, *self.before.values())
            self.before.clear()
            mark = ALL
        self.before[mark] = before_wall_s
        self.generation += 1
        return True

    def absorb(self, others: Mapping[str, float], least_wall_s: float = float("-inf")) -> bool:
        """Take note of what others have declared void from `least_wall_s` on; whether any of it is news. Older marks
        were forgotten here, and would be news each time."""
        generation = self.generation
        for mark, before_wall_s in others.items():
            if before_wall_s >= least_wall_s:
                self.void(mark, before_wall_s)
        return self.generation != generation

    def is_void(self, marks: Iterable[str], since: float) -> bool:
        """Whether an entry with these marks, asked for then, is void."""
        before = self.before
        if not before:
            return False
        if since < before.get(ALL, since):
            return True
        return any(since < before.get(mark, since) for mark in marks)

    def prune(self, least_wall_s: float) -> None:
        """Forget older marks: no entry that is still kept was asked for before them."""
        old = [mark for mark, before_wall_s in self.before.items() if before_wall_s < least_wall_s]
        for mark in old:
            del self.before[mark]
