"""The ledger: what may still be spent, per deployment, in every dimension. Reserve before a call, settle after it once.

It is told the time, asks nobody, and changes only in `reserve`, `settle`, `release`, `absorb_headers`,
`absorb_failure`, `cool` and `merge`, and before all that in `adopt`. All others only read, so a replay of these gives
the same ledger. All state stands in one `Books` struct that encodes to JSON and comes back equal; which deployments
changed since somebody took them is no state of quota and stands beside it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from headgate.domain.failure import Failure
from headgate.domain.limits import Amounts, Deployment, Dimension, SeenLimits
from headgate.domain.time import NEVER, Instant, Seconds
from headgate.quota import headers
from headgate.quota.answers import Change, Held, Short, View
from headgate.quota.bucket import INPUT_TOKENS, OUTPUT_TOKENS, REQUESTS, SLACK, TOKENS, Bucket, Need, need_of
from headgate.quota.cooldown import AGREED_CAP_S, Cooldown, CooldownSource, later
from headgate.quota.correction import Note
from headgate.quota.meter import WAIT_ROUNDING_S, Meter, wait_in

MAX_DEPLOYMENTS: Final = 20_000
"""How many deployments are remembered: beyond it the oldest that has nothing open and no cooldown is forgotten."""

LimitsOf: TypeAlias = Callable[[Deployment], Mapping[Dimension, int]]
PlanFor: TypeAlias = headers.PlanFor
"""(deployment, RPD limit, TPM limit) -> all limits of the plan that shows this pair, or None."""


class Reservation(msgspec.Struct, gc=False):
    """What one attempt holds until it is settled. The deployment id follows a merge.

    The `lowered` pair dates it among the downward corrections of the two watched buckets. `marks` are the buckets'
    levels right after it, each with all that was given back before: what `_still_there` counts from.
    """

    deployment_id: str
    need: Need
    held: Held
    tokens_lowered: float = 0.0
    requests_lowered: float = 0.0
    at: Instant = 0.0
    marks: list[float] = []


@dataclass(slots=True)
class Books:
    """All that a ledger knows. `joined` maps "provider:organisation" to the organisation it was merged into."""

    clock: Instant = 0.0
    meters: dict[str, Meter] = field(default_factory=dict)
    open: dict[str, Reservation] = field(default_factory=dict)
    joined: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def _no_plan(_deployment: Deployment, _requests: int, _tokens: int) -> None:
    return None


def _still_there(reservation: Reservation, place: int, bucket: Bucket, now: Instant) -> float:
    """What surely has not drained of something that was booked here and never at the provider, for giving it back.

    Such an excess drains while the provider's bucket stands empty: what is left of it is at most the lowest level
    since, and that is no lower than the level then, less the refill since and all that was given back since.
    """
    if place >= len(reservation.marks):
        return 0.0
    since_s = now - reservation.at
    left = reservation.marks[place] - bucket.given_back - (bucket.rate * since_s if since_s > 0.0 else 0.0)
    return left if left > 0.0 else 0.0


def _noted(meter: Meter, need: Need, now: Instant) -> Note:
    """Count one more reservation; how the meter stands with it."""
    buckets, minute, day, others = meter.buckets, meter.minute, meter.day, meter.open
    meter.granted += 1
    meter.open = others + 1
    meter.open_input = in_flight = meter.open_input + need[INPUT_TOKENS]
    tokens = requests = 0.0
    if minute >= 0:
        bucket = buckets[minute]
        tokens = bucket.level - bucket.lifted
    if day >= 0:
        bucket = buckets[day]
        requests = bucket.level - bucket.lifted
    of_tokens, of_requests = meter.tokens.corrected, meter.requests.corrected
    return Note(now, tokens, requests, of_tokens, of_requests, need[TOKENS], need[OUTPUT_TOKENS], in_flight, others)


class Ledger:
    """Quota of all deployments; they are added at their first mention, with the limits that `limits_of` gives."""

    __slots__ = ("_books", "_changed", "_limits_of", "_max_deployments", "_meters", "_plan_for", "on_change")

    def __init__(
        self, limits_of: LimitsOf, plan_for: PlanFor = _no_plan, *, max_deployments: int = MAX_DEPLOYMENTS
    ) -> None:
        self._limits_of = limits_of
        self._plan_for = plan_for
        self._max_deployments = max_deployments
        self._books = Books()
        self._meters: dict[str, Meter] = {}
        self._changed: dict[str, None] = {}
        self.on_change: Callable[[], None] | None = None
        """Called when a deployment changes and none had: once, until the changed ones are taken."""

    # Reservations

    def reserve(self, deployment: Deployment, reservation_id: str, amounts: Amounts, now: Instant) -> Held | Short:
        """Hold the amounts in all dimensions, or nothing. An id that is open already gets its first answer again."""
        books = self._books
        if now < books.clock:
            self._turn_back(now)
        books.clock = now
        known = books.open.get(reservation_id)
        if known is not None:
            return known.held
        meter = self._meters.get(deployment.id) or self._add(deployment)
        cooldown = meter.cooldown
        if cooldown is not None and cooldown.until > now:
            return Short(cooldown.until)
        need, buckets = need_of(amounts), meter.buckets
        for bucket in buckets:
            if bucket.at != now:
                bucket.drain_to(now)
            needed = need[bucket.selector]
            if needed and bucket.level + needed > bucket.limit + SLACK:
                return self._short(meter, need, now)
        marks = []
        for bucket in buckets:
            level = bucket.level + need[bucket.selector]
            bucket.level = level
            marks.append(level - bucket.lifted + bucket.given_back)
        id_, tokens, requests = meter.deployment.id, meter.tokens, meter.requests
        if id_ not in self._changed:
            self._mark(id_)
        held = Held(reservation_id, id_, _noted(meter, need, now))
        books.open[reservation_id] = Reservation(id_, need, held, tokens.lowered, requests.lowered, now, marks)
        return held

    def settle(self, reservation_id: str, metered: Amounts | None, now: Instant) -> int:
        """End a reservation with what the provider metered; None leaves the whole of it booked. Exactly once.

        Gives by how many tokens the call overran what was held; they are booked too.
        """
        meter, reservation = self._end(reservation_id, now)
        need = reservation.need
        meter.settled += 1
        if metered is None:
            return 0
        actual = need_of(metered)
        assert metered.input_tokens >= 0 <= metered.output_tokens, "usage below zero is unknown: settle it with None"
        self._book(meter, reservation, actual, now)
        overrun = actual[TOKENS] - need[TOKENS]
        if overrun <= 0:
            return 0
        meter.overruns += 1
        meter.overrun_tokens += overrun
        return overrun

    def release(self, reservation_id: str, now: Instant, *, keep_request: bool) -> None:
        """End a reservation of a call that used no token; `keep_request` if it may have counted as a request.

        The provider never had it in its buckets, so headers that came meanwhile may have corrected it away already:
        what was lowered since it was granted is not given back a second time.
        """
        meter, reservation = self._end(reservation_id, now)
        meter.released += 1
        for place, bucket in enumerate(meter.buckets):
            back: float = reservation.need[bucket.selector]
            if keep_request and bucket.selector == REQUESTS:
                continue
            if place == meter.minute:
                back -= min(back, meter.tokens.lowered - reservation.tokens_lowered)
            elif place == meter.day:
                back -= min(back, meter.requests.lowered - reservation.requests_lowered)
            back = min(back, _still_there(reservation, place, bucket, now))
            if back:
                bucket.add(-back, now)

    def _end(self, reservation_id: str, now: Instant) -> tuple[Meter, Reservation]:
        books = self._books
        if now < books.clock:
            self._turn_back(now)
        books.clock = now
        reservation = books.open.pop(reservation_id, None)
        assert reservation is not None, f"reservation {reservation_id} is not open"
        meter = self._meters[reservation.deployment_id]
        assert meter.open > 0, f"{reservation.deployment_id} has nothing open"
        if reservation.deployment_id not in self._changed:
            self._mark(reservation.deployment_id)
        meter.open -= 1
        meter.open_input -= reservation.need[2]
        return meter, reservation

    def _book(self, meter: Meter, reservation: Reservation, actual: Need, now: Instant) -> None:
        need = reservation.need
        over_estimate, requests = need[INPUT_TOKENS] - actual[INPUT_TOKENS], actual[REQUESTS] - need[REQUESTS]
        for place, bucket in enumerate(meter.buckets):
            selector = bucket.selector
            if selector == REQUESTS and not requests:
                continue
            difference: float = actual[selector] - need[selector]
            if over_estimate > 0 and (selector == TOKENS or selector == INPUT_TOKENS):  # noqa: PLR1714, SIM109 - no tuple
                left: float = over_estimate
                if place == meter.minute:  # what headers showed of the excess was taken away then
                    lowered = meter.tokens.lowered - reservation.tokens_lowered
                    left = left - lowered if lowered < left else 0
                still_there = _still_there(reservation, place, bucket, now)
                difference += over_estimate - (left if left < still_there else still_there)
            if difference:
                bucket.add(difference, now)

    def _short(self, meter: Meter, need: Need, now: Instant) -> Short:
        worst, longest_s = None, 0.0
        for bucket in meter.buckets:
            wait_s = bucket.wait_s(need[bucket.selector], now)
            if wait_s > longest_s:
                worst, longest_s = bucket.dimension, wait_s
        if longest_s == NEVER:
            return Short(NEVER, worst, fits_never=True)
        return Short(now + longest_s + WAIT_ROUNDING_S, worst)

    # Questions: they change nothing

    def view(self, deployment: Deployment, now: Instant) -> View:
        """How the deployment stands, for comparing several requests with it by `wait_in`."""
        return (self._meters.get(deployment.id) or self._add(deployment)).view(now)

    def wait_s(self, deployment: Deployment, amounts: Amounts, now: Instant) -> Seconds:
        """How long until the amounts could be reserved: 0.0 for now, NEVER for more than a whole limit."""
        return wait_in(self.view(deployment, now), need_of(amounts))

    def surely_fits(self, deployment: Deployment, input_tokens: int, output_tokens: int, now: Instant) -> bool:
        """Whether so much plainly fits now; False says that `room` must be asked."""
        need = (1, input_tokens + output_tokens, input_tokens, output_tokens, 0)
        return (self._meters.get(deployment.id) or self._add(deployment)).surely_fits(need, now)

    def room(self, deployment: Deployment, input_tokens: int, now: Instant) -> int:
        """The largest output in tokens that fits now beside this input; -1 if not even the request does."""
        return (self._meters.get(deployment.id) or self._add(deployment)).room(input_tokens, now)

    def ceiling(self, deployment: Deployment, input_tokens: int) -> int:
        """The largest output in tokens that could ever be reserved beside this input; -1 for none."""
        return (self._meters.get(deployment.id) or self._add(deployment)).room(input_tokens, None)

    def open_count(self, deployment: Deployment) -> int:
        """How many reservations are open there."""
        meter = self._meters.get(deployment.id)
        return 0 if meter is None else meter.open

    def overruns(self, deployment: Deployment) -> tuple[int, int]:
        """How many calls used more tokens than they had reserved there, and how many tokens in all."""
        meter = self._meters.get(deployment.id) or self._add(deployment)
        return meter.overruns, meter.overrun_tokens

    def outside_tokens_per_s(self, deployment: Deployment) -> float:
        """Tokens a second that others are believed to spend from the same organisation, without margin."""
        meter = self._meters.get(deployment.id)
        return 0.0 if meter is None else meter.tokens.rate

    def cooldown(self, deployment: Deployment, now: Instant) -> Cooldown | None:
        """The cooldown that holds now."""
        cooldown = (self._meters.get(deployment.id) or self._add(deployment)).cooldown
        return cooldown if cooldown is not None and cooldown.until > now else None

    def canonical(self, deployment: Deployment) -> Deployment:
        """The deployment whose buckets this one uses: itself, unless its organisation was merged into another."""
        into = self._books.joined.get(f"{deployment.provider}:{deployment.organisation}")
        return deployment if into is None else Deployment.of(deployment.provider, into, deployment.model)

    # What replies teach

    def absorb_headers(
        self, deployment: Deployment, seen: SeenLimits, sent: Note, *, at_stream_start: bool, now: Instant
    ) -> list[Change]:
        """Learn from the limit headers of a reply. For a buffered reply settle first; a stream's start comes before."""
        if now != self._books.clock:  # as it is behind a settlement, which marks the deployment too
            self._tick(now)
        meter = self._meters.get(deployment.id) or self._add(deployment)
        if meter.deployment.id not in self._changed:
            self._mark(meter.deployment.id)
        changes: list[Change] = []
        if seen.limit_tokens != meter.seen_tokens or seen.limit_requests != meter.seen_requests:
            changes += headers.adopt_limits(meter, seen, self._plan_for, self._booked, now)
        headers.absorb_levels(meter, seen, sent, at_stream_start, now, changes)
        if seen.others:
            changes += headers.absorb_others(meter, seen.others, sent, at_stream_start, self._booked, now)
        return changes

    def absorb_failure(
        self, deployment: Deployment, failure: Failure, now: Instant, sent: Note | None = None
    ) -> list[Change]:
        """Learn limit and level of one dimension from a 429 or 413 body; release the reservation first.

        With the note of the refused call the level is exact though others are in flight; without it, it never falls
        while they are.
        """
        self._tick(now)
        meter = self._meters.get(deployment.id) or self._add(deployment)
        self._mark(meter.deployment.id)
        return headers.absorb_body(meter, failure, sent, self._booked, now)

    # Cooldowns

    def cool(
        self, deployment: Deployment, until: Instant, source: CooldownSource, now: Instant, reason: str
    ) -> Cooldown:
        """Do not use the deployment before `until`, a day at most. An announcement outranks a guess."""
        self._tick(now)
        meter = self._meters.get(deployment.id) or self._add(deployment)
        new = Cooldown(min(until, now + AGREED_CAP_S), now, source, reason)
        meter.cooldown = later(meter.cooldown, new, now)
        self._mark(meter.deployment.id)
        return meter.cooldown

    # Shared organisations

    def merge(self, provider: str, organisation_from: str, organisation_into: str, now: Instant) -> None:
        """Two names turned out to be one organisation: one set of buckets from now on, at the higher level."""
        self._tick(now)
        books = self._books
        into = books.joined.get(f"{provider}:{organisation_into}", organisation_into)
        source = books.joined.get(f"{provider}:{organisation_from}", organisation_from)
        if into == source:
            return
        for name, target in books.joined.items():
            if target == source and name.startswith(f"{provider}:"):
                books.joined[name] = into
        books.joined[f"{provider}:{source}"] = into
        for meter in list(books.meters.values()):
            if (meter.deployment.provider, meter.deployment.organisation) != (provider, source):
                continue
            self._move(meter, Deployment.of(provider, into, meter.deployment.model), now)

    def _move(self, meter: Meter, target: Deployment, now: Instant) -> None:
        """Join one meter into that of `target`: levels at the higher, counters added, reservations carried over."""
        books, old_id = self._books, meter.deployment.id
        del books.meters[old_id]
        other = books.meters.get(target.id)
        if other is None:
            meter.deployment = target
            books.meters[target.id] = other = meter
        else:
            headers.join(other, meter, now)
        for alias, final in books.aliases.items():
            if final == old_id:
                books.aliases[alias] = target.id
                self._meters[alias] = other
        books.aliases[old_id] = target.id
        self._meters[old_id] = self._meters[target.id] = other
        self._mark(target.id)
        for reservation in books.open.values():
            if reservation.deployment_id == old_id:
                reservation.deployment_id = target.id

    # What survives

    def meters(self) -> tuple[Meter, ...]:
        """All that is known of every deployment, to be read only."""
        return tuple(self._books.meters.values())

    def joined(self) -> Mapping[str, str]:
        """Which organisations were merged into which: "provider:organisation" to the name it goes by."""
        return self._books.joined

    @property
    def has_changed(self) -> bool:
        """Whether a deployment changed since they were taken last."""
        return bool(self._changed)

    def take_changed(self, most: int) -> list[Meter]:
        """The meters that changed since they were taken last, those that wait longest first; to be read at once."""
        changed = self._changed
        taken = list(changed) if len(changed) <= most else list(changed)[:most]
        for id_ in taken:
            del changed[id_]
        if changed and self.on_change is not None:
            self.on_change()
        return [meter for id_ in taken if (meter := self._books.meters.get(id_)) is not None]

    def adopt(self, meters: Iterable[Meter], joined: Mapping[str, str], now: Instant) -> None:
        """Take meters of a former life, whose instants are of this one: nothing is open in them.

        One whose organisation has been merged since adds its levels to the other's, the higher of both.
        """
        books = self._books
        books.joined.update(joined)
        for meter in meters:
            target = self.canonical(meter.deployment)
            other = books.meters.get(target.id)
            if other is not None:
                headers.join(other, meter, now)
                continue
            meter.deployment = target
            books.meters[target.id] = self._meters[target.id] = meter

    def _mark(self, id_: str) -> None:
        changed = self._changed
        is_first = not changed
        changed[id_] = None
        if is_first and self.on_change is not None:
            self.on_change()

    # State

    def snapshot(self) -> bytes:
        """All state as JSON; `restore` gives a ledger that answers alike."""
        return msgspec.json.encode(self._books)

    def restore(self, snapshot: bytes) -> None:
        """Take the state of a snapshot instead of the own."""
        books = msgspec.json.decode(snapshot, type=Books)
        self._books = books
        self._meters = dict(books.meters)
        for alias, final in books.aliases.items():
            self._meters[alias] = books.meters[final]

    def check(self, now: Instant) -> None:
        """Audit everything: each reservation is open once, counters add up, levels are numbers and not below 0."""
        open_at: dict[str, int] = {}
        for reservation in self._books.open.values():
            open_at[reservation.deployment_id] = open_at.get(reservation.deployment_id, 0) + 1
        for id_, meter in self._books.meters.items():
            assert meter.deployment.id == id_, f"{id_} holds the meter of {meter.deployment.id}"
            assert meter.open == open_at.pop(id_, 0) >= 0, f"{id_} miscounts its open reservations"
            assert meter.granted == meter.settled + meter.released + meter.open, f"{id_} lost a reservation"
            for bucket in meter.buckets:
                assert 0.0 <= bucket.level < NEVER, f"{id_} {bucket.dimension} is at {bucket.level}"
                assert bucket.level_at(now) <= bucket.level, f"{id_} {bucket.dimension} rises by itself"
                assert 0.0 <= bucket.drain <= bucket.rate + SLACK, f"{id_} {bucket.dimension} drains {bucket.drain}"
        assert not open_at, f"reservations at unknown deployments: {open_at}"

    def _add(self, deployment: Deployment) -> Meter:
        books = self._books
        target = self.canonical(deployment)
        meter = books.meters.get(target.id)
        if meter is None:
            if len(books.meters) >= self._max_deployments:
                self._forget_oldest()
            meter = Meter(target, [])
            meter.set_limits(self._limits_of(target), (0, 0, 0, 0, 0), 0.0)
            books.meters[target.id] = self._meters[target.id] = meter
        if target.id != deployment.id:
            books.aliases[deployment.id] = target.id
            self._meters[deployment.id] = meter
        return meter

    def _forget_oldest(self) -> None:
        books = self._books
        idle = (
            id_
            for id_, meter in books.meters.items()
            if not meter.open and (meter.cooldown is None or meter.cooldown.until <= books.clock)
        )
        id_ = next(idle, None)
        if id_ is None:
            return
        del books.meters[id_], self._meters[id_]
        for alias in [alias for alias, final in books.aliases.items() if final == id_]:
            del books.aliases[alias], self._meters[alias]

    def _booked(self, meter: Meter) -> Need:
        """What the open reservations of a meter hold, by selector."""
        sums = [0, 0, 0, 0, 0]
        for reservation in self._books.open.values():
            if reservation.deployment_id == meter.deployment.id:
                for selector in range(REQUESTS, len(sums)):
                    sums[selector] += reservation.need[selector]
        return (sums[0], sums[1], sums[2], sums[OUTPUT_TOKENS], sums[4])

    def _tick(self, now: Instant) -> None:
        if now < self._books.clock:
            self._turn_back(now)
        self._books.clock = now

    def _turn_back(self, now: Instant) -> None:
        back_s = self._books.clock - now
        for meter in self._books.meters.values():
            meter.shift(back_s)
        for reservation in self._books.open.values():
            reservation.at -= back_s
