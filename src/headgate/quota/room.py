"""The waiting room: tickets wait here until the ledger can admit them, in fair order. It never sleeps: it says when.

Whoever drives it calls `next` until it gives None, reserving for every admission in between, and again at `wakes_at`
and after whatever frees quota: a settlement, a correction, the end of a cooldown.

A pass goes through the tickets by priority, then fair order. The first that can run now is admitted. One that cannot
claims the deployment where it could run soonest, and nobody behind it may use that one: the small fill what the large
do not need, and never delay them. When every deployment that anyone waits for is claimed, the pass is over.
"""

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, TypeAlias

import msgspec

from headgate.domain.limits import Deployment
from headgate.domain.request import Priority
from headgate.domain.time import NEVER, Instant
from headgate.quota.answers import View
from headgate.quota.bucket import need_of
from headgate.quota.forecast import Ahead, admission_in_s
from headgate.quota.lanes import MAX_IDLE_LANES, Group, Lanes, Option, Ticket, Waiting
from headgate.quota.ledger import Ledger
from headgate.quota.meter import wait_beside, wait_in

__all__ = ["Admission", "Expired", "Option", "Ticket", "Usable", "WaitingRoom"]

MAX_WAITING: Final = 10_000
"""How many tickets may wait; a new one beyond it is turned away."""

MAX_EXAMINED: Final = 256
"""How many tickets one pass looks at before it gives up: claims end it much earlier in all but odd cases."""

MAX_FORECAST_GROUPS: Final = 256
MAX_FORECAST_LANES: Final = 256

_BACKGROUND: Final = Priority.BACKGROUND  # looking up a member of an enum costs as much as a call

Usable: TypeAlias = Callable[[str], bool]
"""Whether a deployment, by id, may be used now as far as circuits and keys are concerned."""


class Admission(msgspec.Struct, frozen=True, gc=False):
    """This ticket can run now, on this deployment. Reserve before asking for the next."""

    ticket: Ticket
    deployment: Deployment


class Expired(msgspec.Struct, frozen=True, gc=False):
    """This ticket has waited its patience out."""

    ticket: Ticket


class Line(msgspec.Struct):
    """One priority's part of a snapshot: tickets in line order, and virtual times of keys."""

    waiting: list[Waiting]
    times: dict[str, float]
    idle: dict[str, float]
    served_at: float


class RoomState(msgspec.Struct):
    """All that a waiting room knows."""

    next_sequence: int
    lines: dict[int, Line]


def _every(_deployment_id: str) -> bool:
    return True


class WaitingRoom:
    """Tickets in line for quota; at most `max_waiting` of them."""

    __slots__ = ("_behind", "_counts", "_expiries", "_lanes", "_max_idle", "_max_waiting", "_next_sequence", "_waiting")

    def __init__(self, max_waiting: int = MAX_WAITING, *, max_idle_lanes: int = MAX_IDLE_LANES) -> None:
        self._max_waiting = max_waiting
        self._max_idle = max_idle_lanes
        self._clear()

    def enqueue(self, ticket: Ticket) -> bool:
        """Take a ticket in; False when the room is full."""
        assert ticket.expires_at < NEVER, "a ticket without an end would wait for ever"
        assert ticket.options, "a ticket that can run nowhere waits for nothing"
        if len(self._waiting) >= self._max_waiting:
            return False
        self._next_sequence += 1
        self._add(Waiting(ticket, self._next_sequence, tuple([need_of(o.amounts_minimum) for o in ticket.options])))
        return True

    def leave(self, journey: str) -> bool:
        """Take a ticket out because its journey ended otherwise; whether it was here."""
        waiting = self._waiting.get(journey)
        if waiting is None:
            return False
        self._remove(waiting)
        return True

    def put_back(self, ticket: Ticket) -> None:
        """Undo an admission whose reservation failed after all: the ticket is the first of its key again."""
        self._lanes[ticket.priority].charge(ticket.fairness_key, -ticket.cost)
        needs = tuple([need_of(o.amounts_minimum) for o in ticket.options])
        self._next_sequence += 1
        self._add(Waiting(ticket, -self._next_sequence, needs), front=True)

    def next(self, ledger: Ledger, now: Instant, usable: Usable = _every) -> Admission | Expired | None:
        """Take out the next ticket that is over or can run now; None when nothing moves before `wakes_at`."""
        first = self._first_expiry()
        if first is not None and first.ticket.expires_at <= now:
            self._remove(first)
            return Expired(first.ticket)
        admitted, _ = self._pass(ledger, now, usable)
        if admitted is None:
            return None
        waiting, option = admitted
        ticket = waiting.ticket
        self._lanes[ticket.priority].charge(ticket.fairness_key, ticket.cost)
        self._remove(waiting)
        return Admission(ticket, option.deployment)

    def wakes_at(self, ledger: Ledger, now: Instant, usable: Usable = _every) -> Instant:
        """The earliest instant at which `next` could give something, if nothing else happens; NEVER when empty."""
        first = self._first_expiry()
        if first is None:
            return NEVER
        if first.ticket.expires_at <= now:
            return now
        admitted, soonest = self._pass(ledger, now, usable)
        return now if admitted is not None else min(soonest, first.ticket.expires_at)

    def waiting(self) -> int:
        """How many tickets wait."""
        return len(self._waiting)

    def mean_cost_tokens(self) -> float:
        """What the waiting tickets before background work are expected to settle at, on average; 0 when none waits."""
        groups = [
            group
            for priority, lanes in self._lanes.items()
            if priority is not _BACKGROUND
            for group in lanes.groups.values()
        ]
        count = sum(group.count for group in groups)
        return sum(group.cost_tokens for group in groups) / count if count else 0.0

    @property
    def is_full(self) -> bool:
        """Whether the next ticket would be turned away."""
        return len(self._waiting) >= self._max_waiting

    def waiting_for(self, deployment_id: str, priority: Priority = Priority.STANDARD) -> int:
        """How many tickets wait that could use this deployment. Background ones count for their like only: everybody
        else is served as if they were not there."""
        count = self._counts.get(deployment_id, 0)
        return count + self._behind.get(deployment_id, 0) if priority is _BACKGROUND else count

    def must_queue(self, options: Sequence[Option], priority: Priority = Priority.STANDARD) -> bool:
        """Whether somebody waits who could use one of these, so that a new arrival may not go first."""
        counts = self._counts
        if counts and any(option.deployment.id in counts for option in options):
            return True
        return priority is _BACKGROUND and any(option.deployment.id in self._behind for option in options)

    def forecast(
        self,
        ledger: Ledger,
        options: Sequence[Option],
        mean_cost_tokens: float,
        priority: Priority,
        now: Instant,
        fairness_key: str | None = None,
    ) -> Instant:
        """When a ticket with these options would be admitted if it queued now; NEVER if it fits nowhere.

        With its fairness key only those count that would be served before it in fair turns.
        """
        ahead: list[Ahead] = []
        for rank in Priority:
            if rank > priority:
                break
            lanes = self._lanes[rank]
            share = 1.0
            if rank == priority and fairness_key is not None:
                share = _share_ahead(lanes, fairness_key, mean_cost_tokens)
            for group in list(lanes.groups.values())[:MAX_FORECAST_GROUPS]:
                ahead.append((group.signature, group.count * share, group.cost_tokens * share))
        views = [ledger.view(option.deployment, now) for option in options]
        return now + admission_in_s(views, [need_of(option.amounts_minimum) for option in options], ahead)

    def snapshot(self) -> bytes:
        """All state as JSON; `restore` gives a room that answers alike."""
        lines: dict[int, Line] = {}
        for priority, lanes in self._lanes.items():
            times, idle = lanes.times()
            queues = [queue for group in lanes.groups.values() for queue in group.queues.values()]
            lines[int(priority)] = Line(
                [waiting for queue in queues for waiting in queue.values()], times, idle, lanes.served_at
            )
        return msgspec.json.encode(RoomState(self._next_sequence, lines))

    def restore(self, snapshot: bytes) -> None:
        """Take the state of a snapshot instead of the own."""
        state = msgspec.json.decode(snapshot, type=RoomState)
        self._clear()
        self._next_sequence = state.next_sequence
        for rank, line in state.lines.items():
            for waiting in line.waiting:
                self._add(waiting)
            lanes = self._lanes[Priority(rank)]
            lanes.set_times(line.times, line.idle)
            lanes.served_at = line.served_at

    def _clear(self) -> None:
        self._lanes = {priority: Lanes(self._max_idle) for priority in Priority}
        self._waiting: dict[str, Waiting] = {}
        self._counts: dict[str, int] = {}
        self._behind: dict[str, int] = {}
        self._expiries: list[tuple[Instant, int, str]] = []
        self._next_sequence = 0

    def _add(self, waiting: Waiting, *, front: bool = False) -> None:
        ticket = waiting.ticket
        assert ticket.journey not in self._waiting, f"{ticket.journey} waits already"
        self._waiting[ticket.journey] = waiting
        self._lanes[ticket.priority].add(waiting, front=front)
        heappush(self._expiries, (ticket.expires_at, waiting.sequence, ticket.journey))
        counts = self._counts_of(ticket)
        for option in ticket.options:
            counts[option.deployment.id] = counts.get(option.deployment.id, 0) + 1

    def _remove(self, waiting: Waiting) -> None:
        ticket = waiting.ticket
        del self._waiting[ticket.journey]
        self._lanes[ticket.priority].remove(ticket)
        counts = self._counts_of(ticket)
        for option in ticket.options:
            left = counts[option.deployment.id] - 1
            if left:
                counts[option.deployment.id] = left
            else:
                del counts[option.deployment.id]
        if len(self._expiries) > 2 * len(self._waiting) + 64:
            self._expiries = [(w.ticket.expires_at, w.sequence, w.ticket.journey) for w in self._waiting.values()]
            heapify(self._expiries)

    def _counts_of(self, ticket: Ticket) -> dict[str, int]:
        return self._behind if ticket.priority is _BACKGROUND else self._counts

    def _first_expiry(self) -> Waiting | None:
        while self._expiries:
            _, sequence, journey = self._expiries[0]
            waiting = self._waiting.get(journey)
            if waiting is not None and waiting.sequence == sequence:
                return waiting
            heappop(self._expiries)
        return None

    def _pass(self, ledger: Ledger, now: Instant, usable: Usable) -> tuple[tuple[Waiting, Option] | None, Instant]:
        """Who is admitted now and where; else when the first claim comes due."""
        free = _Free(ledger, now, usable)
        examined = 0
        for lanes in self._lanes.values():
            groups = [(group, group.walk()) for group in lanes.groups.values() if free.any(group)]
            line = [(*next(walk), at) for at, (_, walk) in enumerate(groups)]
            heapify(line)
            while line:
                _, _, waiting, at = heappop(line)
                group, walk = groups[at]
                if not free.any(group):
                    continue
                claims = free.claims
                option = free.take(waiting)
                if option is not None:
                    return (waiting, option), now
                group.turn_taken = free.claims > claims
                examined += 1
                if examined >= MAX_EXAMINED:
                    return None, free.soonest
                following = next(walk, None)
                if following is not None:
                    heappush(line, (*following, at))
        return None, free.soonest


class _Free:
    """What is still free in one pass: deployments that are usable and unclaimed, each looked at once."""

    __slots__ = ("_ledger", "_now", "_usable", "_views", "claims", "soonest")

    def __init__(self, ledger: Ledger, now: Instant, usable: Usable) -> None:
        self._ledger = ledger
        self._now = now
        self._usable = usable
        self._views: dict[str, View | None] = {}
        self.soonest = NEVER
        self.claims = 0

    def any(self, group: Group) -> bool:
        """Whether a ticket of this group has anywhere to go; not looked at yet counts as yes."""
        views = self._views
        return any(views.get(id_, True) is not None for id_ in group.signature)

    def take(self, waiting: Waiting) -> Option | None:
        """The first option that can run now; else claims the one that could soonest, if the ticket lives to see it."""
        best: View | None = None
        kept = waiting.ticket.kept
        shortest_s = waiting.ticket.expires_at - self._now
        for option, need in zip(waiting.ticket.options, waiting.needs, strict=True):
            view = self._view(option.deployment)
            if view is None:
                continue
            wait_s = wait_beside(view, need, kept) if kept else wait_in(view, need)
            if wait_s <= 0.0:
                return option
            if wait_s < shortest_s:
                best, shortest_s = view, wait_s
        if best is not None:
            self.soonest = min(self.soonest, self._now + shortest_s)
            self._claim(best)
        return None

    def _view(self, deployment: Deployment) -> View | None:
        id_ = deployment.id
        if id_ in self._views:
            return self._views[id_]
        view = self._ledger.view(deployment, self._now) if self._usable(id_) else None
        if view is not None and view.id != id_:
            view = self._views.setdefault(view.id, view)
        self._views[id_] = view
        return view

    def _claim(self, claimed: View) -> None:
        self.claims += 1
        for id_, view in self._views.items():
            if view is claimed:
                self._views[id_] = None


def _share_ahead(lanes: Lanes, key: str, own_tokens: float) -> float:
    """The share of all waiting cost that is served before a new ticket of this key, if every key has its turn."""
    total = sum(lanes.costs.values())
    if not total:
        return 1.0
    own = lanes.costs.get(key, 0)
    until = own + max(1.0, own_tokens)
    if len(lanes.costs) > MAX_FORECAST_LANES:
        return min(1.0, len(lanes.costs) * until / total)
    return min(
        1.0, sum(min(float(cost), until) for other, cost in lanes.costs.items() if other != key) / total + own / total
    )
