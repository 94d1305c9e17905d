"""Owns the order in which tiers are asked for a key, and what follows from what each of them has. It asks nobody.

    walk = Walk(...)
    while (tier := walk.next_tier) is not None:
        walk.take(what that tier has)

Then `walk.hit` is the entry, found in `walk.tier`, and `walk.promote` says which nearer tiers want it; or `walk.stale`
is the freshest one whose time is over, for when nothing better can be had. `walk.drop` are tiers that hold something
under this key that is of no use to anybody.
"""

from collections.abc import Container, Sequence

import msgspec

from headgate.cache.entry import Entry, Flaw, decode_entry
from headgate.cache.key import Space
from headgate.cache.marks import Marks
from headgate.cache.tier import TierName
from headgate.domain.time import Seconds


class TierRow(msgspec.Struct, frozen=True):
    """A tier as the walk knows it: its name, and how long it keeps what it is given."""

    name: TierName
    ttl_s: Seconds


def keep_s(row: TierRow, entry: Entry, wall_s: float, stale_s: Seconds) -> Seconds:
    """How long a tier is to keep an entry: to the end of its time and `stale_s` longer; a tier whose own time is
    shorter leaves the rest to farther ones. 0: not at all."""
    left_s = entry.ttl_s - entry.age_s(wall_s)
    if left_s > row.ttl_s:
        return row.ttl_s
    return max(0.0, left_s + stale_s)


class Walk:
    """One look-up. `rows` are the tiers that take part, nearest first; `models` those that may have served."""

    __slots__ = (
        "_asked",
        "_key",
        "_marks",
        "_models",
        "_rows",
        "_space",
        "_stale_s",
        "_wall_s",
        "drop",
        "flaws",
        "hit",
        "stale",
        "stale_tier",
        "tier",
    )

    def __init__(
        self,
        rows: Sequence[TierRow],
        key: str,
        space: Space,
        models: Container[str],
        marks: Marks,
        wall_s: float,
        stale_s: Seconds,
    ) -> None:
        self._rows = rows
        self._key, self._space, self._models = key, space, models
        self._marks, self._wall_s, self._stale_s = marks, wall_s, stale_s
        self._asked = 0
        self.hit: Entry | None = None
        self.tier: TierName | None = None
        self.stale: Entry | None = None
        self.stale_tier: TierName | None = None
        self.flaws: list[Flaw] = []
        self.drop: list[TierName] = []

    @property
    def next_tier(self) -> TierName | None:
        """The tier to ask now; None when the walk is over."""
        return None if self.hit is not None or self._asked >= len(self._rows) else self._rows[self._asked].name

    @property
    def asked(self) -> Sequence[TierRow]:
        """The tiers that were asked so far."""
        return self._rows[: self._asked]

    @property
    def promote(self) -> Sequence[TierRow]:
        """The tiers that were asked in vain before the hit."""
        return () if self.hit is None else self._rows[: self._asked - 1]

    def take(self, data: bytes | None) -> None:
        """What the next tier has; None also for one that did not answer."""
        row = self._rows[self._asked]
        self._asked += 1
        if data is None:
            return
        entry = decode_entry(data, self._key, self._space, self._models)
        if isinstance(entry, Flaw):
            self.flaws.append(entry)
            if entry is not Flaw.NEWER:  # those who wrote that one can still read it
                self.drop.append(row.name)
        elif not self._marks.is_void(entry.marks, entry.since):
            self._judge(entry, row)

    def _judge(self, entry: Entry, row: TierRow) -> None:
        age_s = entry.age_s(self._wall_s)
        if age_s < entry.ttl_s:
            self.hit, self.tier = entry, row.name
        elif age_s < entry.ttl_s + self._stale_s and (self.stale is None or entry.written_at > self.stale.written_at):
            self.stale, self.stale_tier = entry, row.name
