"""Who is next: fair order between fairness keys, first come first served within one. Knows no bucket and no clock.

Every key has a lane with a virtual time: the cost it has been served so far, divided by its weight. The lane with the
least is next. Tickets that could use the same deployments in the same order form a group; a group keeps the first
ticket of every lane in it sorted, so a whole group that has nowhere to go is passed over at once.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final, TypeAlias

import msgspec

from headgate.domain.limits import Amounts, Deployment
from headgate.domain.request import Priority
from headgate.domain.time import Instant
from headgate.quota.bucket import Need

MAX_IDLE_LANES: Final = 10_000
"""How many keys without a waiting ticket are remembered with what they were served."""

MAX_DEBT_TICKETS: Final = 8.0
"""How far ahead of the others a returning key can stand, in tickets of its own cost: it then waits for no more."""

Signature: TypeAlias = tuple[str, ...]
"""The deployment ids of a ticket's options, in its order of preference."""

Head: TypeAlias = tuple[float, int, str]
"""Virtual time of the lane, sequence number of its first ticket in the group, fairness key."""


class Option(msgspec.Struct, frozen=True):
    """One deployment that could serve a ticket, and the least that must be reserved there."""

    deployment: Deployment
    amounts_minimum: Amounts


class Ticket(msgspec.Struct, frozen=True):
    """A journey that waits for a slot. `options` are in the order of preference; `expires_at` is finite.

    `mean_cost_tokens` is the learned mean of what such a request settles at: the unit of fairness.
    `kept` is the share of every bucket that must be free beside it.
    """

    journey: str
    fairness_key: str
    priority: Priority
    queued_at: Instant
    expires_at: Instant
    options: tuple[Option, ...]
    mean_cost_tokens: float
    weight: float = 1.0
    kept: float = 0.0

    @property
    def signature(self) -> Signature:
        return tuple([option.deployment.id for option in self.options])

    @property
    def cost_tokens(self) -> int:
        """The mean cost as a whole number, so that sums of it are exact."""
        return max(1, round(self.mean_cost_tokens))

    @property
    def cost(self) -> float:
        """What serving this ticket adds to its lane's virtual time."""
        return self.cost_tokens / self.weight


class Waiting(msgspec.Struct):
    """A ticket in line: `sequence` is its place, `needs` what each option takes."""

    ticket: Ticket
    sequence: int
    needs: tuple[Need, ...]


class Group:
    """The waiting tickets of one priority and one signature."""

    __slots__ = ("cost_tokens", "count", "heads", "queues", "signature", "turn_taken")

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.queues: dict[str, OrderedDict[str, Waiting]] = {}
        self.heads: list[Head] = []
        self.count = 0
        self.cost_tokens = 0
        self.turn_taken = True

    def walk(self) -> Iterator[tuple[float, int, Waiting]]:
        """The tickets in fair order, lazily: after a lane's first ticket its second stands one cost later.

        Set `turn_taken` to False before going on where the ticket got nothing: the next of its lane has its turn.
        """
        behind: list[tuple[float, int, str, Iterator[Waiting]]] = []
        waiting_next: dict[str, Waiting] = {}
        at, heads = 0, self.heads
        while at < len(heads) or behind:
            if behind and (at >= len(heads) or behind[0][:2] < heads[at][:2]):
                tag, sequence, key, rest = heappop(behind)
                waiting = waiting_next[key]
            else:
                tag, sequence, key = heads[at]
                at += 1
                rest = iter(self.queues[key].values())
                waiting = next(rest)
            self.turn_taken = True
            yield tag, sequence, waiting
            following = next(rest, None)
            if following is not None:
                waiting_next[key] = following
                cost = waiting.ticket.cost if self.turn_taken else 0.0
                heappush(behind, (tag + cost, following.sequence, key, rest))


class Lanes:
    """All waiting tickets of one priority, by group and fairness key."""

    __slots__ = ("_idle", "_max_idle", "_of", "_times", "costs", "groups", "served_at")

    def __init__(self, max_idle: int = MAX_IDLE_LANES) -> None:
        self.groups: dict[Signature, Group] = {}
        self.costs: dict[str, int] = {}
        self.served_at = 0.0
        self._times: dict[str, float] = {}
        self._of: dict[str, set[Signature]] = {}
        self._idle: OrderedDict[str, float] = OrderedDict()
        self._max_idle = max_idle

    def add(self, waiting: Waiting, *, front: bool = False) -> None:
        """Put a ticket at the end of its key's line, or at the front of it."""
        ticket = waiting.ticket
        key, signature = ticket.fairness_key, ticket.signature
        group = self.groups.get(signature)
        if group is None:
            group = self.groups[signature] = Group(signature)
        if key not in self._times:
            self._times[key] = self._joining_time(group, ticket)
            self._of[key] = set()
            self.costs[key] = 0
        queue = group.queues.get(key)
        if queue is None:
            queue = group.queues[key] = OrderedDict()
            self._of[key].add(signature)
        else:
            self._drop_head(group, key)
        queue[ticket.journey] = waiting
        if front:
            queue.move_to_end(ticket.journey, last=False)
        self._put_head(group, key)
        group.count += 1
        group.cost_tokens += ticket.cost_tokens
        self.costs[key] += ticket.cost_tokens

    def remove(self, ticket: Ticket) -> None:
        """Take a ticket out, wherever it stands."""
        key = ticket.fairness_key
        group = self.groups[ticket.signature]
        queue = group.queues[key]
        self._drop_head(group, key)
        del queue[ticket.journey]
        group.count -= 1
        group.cost_tokens -= ticket.cost_tokens
        self.costs[key] -= ticket.cost_tokens
        if queue:
            self._put_head(group, key)
            return
        del group.queues[key]
        self._of[key].discard(group.signature)
        if not group.queues:
            del self.groups[group.signature]
        if not self._of[key]:
            self._retire(key)

    def charge(self, key: str, cost: float) -> None:
        """Add to what a key was served: below 0 to take it back."""
        if cost > 0.0:
            self.served_at = max(self.served_at, self._times.get(key, 0.0))
        if key not in self._times:
            if key in self._idle:
                self._idle[key] += cost
            return
        self._set_time(key, self._times[key] + cost)

    def times(self) -> tuple[dict[str, float], dict[str, float]]:
        """The virtual times of the keys that wait, by key, and of those that are remembered, the oldest first."""
        return dict(sorted(self._times.items())), dict(self._idle)

    def set_times(self, active: dict[str, float], idle: dict[str, float]) -> None:
        """Take over virtual times after all tickets of a snapshot were added."""
        for key, time in active.items():
            self._set_time(key, time)
        self._idle = OrderedDict(idle)

    def _set_time(self, key: str, time: float) -> None:
        groups = [self.groups[signature] for signature in self._of[key]]
        for group in groups:
            self._drop_head(group, key)
        self._times[key] = time
        for group in groups:
            self._put_head(group, key)

    def _joining_time(self, group: Group, ticket: Ticket) -> float:
        """A key that starts to wait stands beside the least served of those it competes with, so nobody saves up.

        With nobody to compete with it stands where the last one was served.
        What it was served lately still counts, up to a few tickets: leaving the line for a moment gains nothing.
        """
        remembered = self._idle.pop(ticket.fairness_key, 0.0)
        if group.heads:
            start = group.heads[0][0]
        else:
            ids = set(group.signature)
            rivals = [g.heads[0][0] for g in self.groups.values() if g.heads and not ids.isdisjoint(g.signature)]
            start = min(rivals) if rivals else self.served_at
        return min(max(start, remembered), start + MAX_DEBT_TICKETS * ticket.cost)

    def _retire(self, key: str) -> None:
        del self._of[key], self.costs[key]
        self._idle[key] = self._times.pop(key)
        if len(self._idle) > self._max_idle:
            self._idle.popitem(last=False)

    def _put_head(self, group: Group, key: str) -> None:
        first = next(iter(group.queues[key].values()))
        insort(group.heads, (self._times[key], first.sequence, key))

    def _drop_head(self, group: Group, key: str) -> None:
        first = next(iter(group.queues[key].values()))
        head = (self._times[key], first.sequence, key)
        at = bisect_left(group.heads, head)
        assert group.heads[at] == head, f"lane {key} lost its place"
        del group.heads[at]
