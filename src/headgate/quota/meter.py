"""Everything that is known of one deployment's quota: its buckets, its cooldown, and what replies have taught.

A meter is plain state: it encodes to JSON and comes back equal. The ledger owns the reservations and calls the meter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from headgate.domain.limits import Deployment, Dimension
from headgate.domain.time import NEVER, Instant, Seconds
from headgate.quota.answers import Change, ChangeKind, Row, View
from headgate.quota.bucket import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REQUESTS,
    SELECTOR,
    SLACK,
    TOKENS,
    Bucket,
    Need,
    drained_in_s,
)
from headgate.quota.cooldown import Cooldown
from headgate.quota.correction import Watch

WAIT_ROUNDING_S: Final[Seconds] = 1e-6
"""Added to every wait, so that rounding never ends it a hair too early and then asks for a wait of nothing."""

UNLIMITED_TOKENS: Final = 1 << 53
"""The room where no token dimension has a limit."""

NO_BUCKET: Final = -1


@dataclass(slots=True)
class Meter:
    """The quota of one deployment. `minute` and `day` are the places of TPM and RPD, which headers show, or NO_BUCKET.

    `seen_requests` and `seen_tokens` are the limits of the last header; `stated` are dimensions known from bodies.
    """

    deployment: Deployment
    buckets: list[Bucket]
    minute: int = NO_BUCKET
    day: int = NO_BUCKET
    open: int = 0
    open_input: int = 0
    granted: int = 0
    settled: int = 0
    released: int = 0
    overruns: int = 0
    overrun_tokens: int = 0
    cooldown: Cooldown | None = None
    seen_requests: int | None = None
    seen_tokens: int | None = None
    stated: list[Dimension] = field(default_factory=list)
    tokens: Watch = field(default_factory=Watch)
    requests: Watch = field(default_factory=Watch)

    def bucket(self, dimension: Dimension) -> Bucket | None:
        """The bucket of one dimension, or None where it has no limit."""
        for bucket in self.buckets:
            if bucket.dimension is dimension:
                return bucket
        return None

    def set_limits(self, limits: Mapping[Dimension, int], booked: Need, now: Instant) -> list[Change]:
        """Have exactly these limits. Known buckets keep their level; new ones start with what is `booked` already."""
        changes: list[Change] = []
        kept: list[Bucket] = []
        for dimension in Dimension:
            old, limit = self.bucket(dimension), limits.get(dimension)
            before = None if old is None else old.limit
            if before != limit:
                changes.append(Change(ChangeKind.LIMIT, dimension, before, limit))
            if limit is None:
                continue
            if old is None:
                old = Bucket.of(dimension, limit, level=float(booked[SELECTOR[dimension]]), at=now)
            elif before != limit:
                old.resize(limit)
            kept.append(old)
        self.buckets = kept
        places = {bucket.dimension: i for i, bucket in enumerate(kept)}
        self.minute = places.get(Dimension.TPM, NO_BUCKET)
        self.day = places.get(Dimension.RPD, NO_BUCKET)
        return changes

    def limits(self) -> dict[Dimension, int]:
        """The limits that hold now."""
        return {bucket.dimension: bucket.limit for bucket in self.buckets}

    def view(self, now: Instant) -> View:
        """How every bucket stands at `now`; changes nothing."""
        cooldown = self.cooldown
        ready_in_s = 0.0
        if cooldown is not None and cooldown.until > now:
            ready_in_s = min(cooldown.until - now, cooldown.until - cooldown.since)
        rows = tuple(
            [
                Row(b.dimension, b.selector, b.limit - b.level_at(now), b.rate, b.drain, b.slow_s, b.limit)
                for b in self.buckets
            ]
        )
        return View(self.deployment.id, ready_in_s, rows)

    def surely_fits(self, need: Need, now: Instant) -> bool:
        """Whether this would fit even if nothing had drained since the buckets were looked at: then it fits. Where
        plenty is left, which is as a rule, that is known in a fourth of the time that `room` takes."""
        cooldown = self.cooldown
        if cooldown is not None and cooldown.until > now:
            return False
        for bucket in self.buckets:  # noqa: SIM110 - a generator costs as much as the rest
            if bucket.level + need[bucket.selector] > bucket.limit:
                return False
        return True

    def room(self, input_tokens: int, now: Instant | None) -> int:
        """The largest output that fits beside this input, on empty buckets for None; -1 when not even the request does.

        Asked where it is not plain that all fits, so it looks at the buckets themselves and makes no view.
        """
        cooldown = self.cooldown
        if now is not None and cooldown is not None and cooldown.until > now:
            return -1
        room = UNLIMITED_TOKENS
        for bucket in self.buckets:
            selector, free = bucket.selector, float(bucket.limit)
            if now is not None:
                free += SLACK - bucket.level_at(now)
            if selector == REQUESTS:
                if free < 1:
                    return -1
            elif selector == TOKENS:
                if free < input_tokens:
                    return -1
                left = int(free - input_tokens)
                if left < room:
                    room = left
            elif selector == OUTPUT_TOKENS:
                if free < 0.0:
                    return -1
                left = int(free)
                if left < room:
                    room = left
            elif free < (input_tokens if selector == INPUT_TOKENS else 0):
                return -1
        return room

    def hold_back(self) -> None:
        """Let the buckets of a minute and the day's requests drain by what is known of others' spending.

        The day's tokens are left alone: no header ever corrects what would be assumed of them.
        """
        tokens, requests, minute = self.tokens.rate, self.requests.rate, self.minute
        for place, bucket in enumerate(self.buckets):
            if bucket.selector == REQUESTS:
                bucket.hold_back(requests)
            elif place == minute:
                bucket.hold_back(tokens)

    def shift(self, back_s: Seconds) -> None:
        """Follow a clock that went back: nothing has drained meanwhile, no wait becomes longer."""
        for bucket in self.buckets:
            bucket.at -= back_s
        if self.cooldown is not None:
            self.cooldown.shift(back_s)
        for watch in (self.tokens, self.requests):
            if watch.synced_at is not None:
                watch.synced_at -= back_s

    def close_books(self) -> None:
        """Whoever held the open reservations is dead: what they hold counts as spent."""
        self.settled += self.open
        self.open = self.open_input = 0


def room_beside(view: View, input_tokens: int, kept: float) -> int:
    """The largest output that fits beside this input with the share `kept` of each limit left free; -1 for none."""
    if view.ready_in_s > 0.0:
        return -1
    room = UNLIMITED_TOKENS
    for row in view.rows:
        free = row.free - kept * row.limit + SLACK
        if row.selector in (TOKENS, OUTPUT_TOKENS):
            room = min(room, int(free - (input_tokens if row.selector == TOKENS else 0)) if free >= 0.0 else -1)
        elif free < (1 if row.selector == REQUESTS else input_tokens if row.selector == INPUT_TOKENS else 0):
            return -1
    return max(room, -1)


def wait_beside(view: View, need: Need, kept: float) -> Seconds:
    """How long until this deployment could take `need` and have the share `kept` of each limit free beside it, or
    nothing else in the bucket where both together are more than the limit."""
    rows = []
    for row in view.rows:
        beside = max(0.0, min(kept * row.limit, row.limit - need[row.selector]))
        rows.append(msgspec.structs.replace(row, free=row.free - beside))
    return wait_in(msgspec.structs.replace(view, rows=tuple(rows)), need)


def wait_in(view: View, need: Need) -> Seconds:
    """How long until this deployment could take `need`: 0.0 for now, NEVER for more than a whole limit."""
    wait_s = view.ready_in_s
    for row in view.rows:
        needed = need[row.selector]
        excess = needed - row.free
        if excess > SLACK and needed:
            if needed > row.limit:
                return NEVER
            until_free_s = drained_in_s(excess, row.rate, row.drain, row.slow_s)
            wait_s = max(wait_s, until_free_s + WAIT_ROUNDING_S)
    return wait_s
