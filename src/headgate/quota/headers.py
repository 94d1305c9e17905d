"""How limit headers and error bodies change a meter. Knows of reservations only their sums, and decides no call."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from headgate.domain.failure import Failure
from headgate.domain.limits import Deployment, Dimension, SeenBucket, SeenLimits
from headgate.domain.time import Instant
from headgate.quota.answers import Change, ChangeKind
from headgate.quota.bucket import Bucket, Need
from headgate.quota.cooldown import AGREED_CAP_S, Cooldown, CooldownSource, later
from headgate.quota.correction import ESTIMATE_SLACK, Note, Reading, Watch
from headgate.quota.meter import NO_BUCKET, Meter

PlanFor: TypeAlias = Callable[[Deployment, int, int], Mapping[Dimension, int] | None]
Booked: TypeAlias = Callable[[Meter], Need]

SHOWN: Final = (Dimension.RPD, Dimension.TPM)
"""The dimensions that headers show."""

DAY_SPENT: Final = "header: no requests left today"
_RPM: Final = Dimension.RPM
_LEVEL: Final = ChangeKind.LEVEL

BODY_WAIT: Final = "error body: longer than our own count says"


def adopt_limits(meter: Meter, seen: SeenLimits, plan_for: PlanFor, booked: Booked, now: Instant) -> list[Change]:
    """Take the limits that headers show. The pair of both selects a plan with the limits that no header shows.

    Where no plan matches, those are unlimited until a body states them. What a body stated before holds on, but only
    until the pair changes: another plan has other limits.
    """
    requests = _believable(seen.limit_requests, seen.remaining_requests)
    tokens = _believable(seen.limit_tokens, seen.remaining_tokens)
    if requests is None or tokens is None:
        limits = meter.limits()
        if requests is not None:
            limits[Dimension.RPD] = requests
        if tokens is not None:
            limits[Dimension.TPM] = tokens
    else:
        if (requests, tokens) == (meter.seen_requests, meter.seen_tokens):
            return []
        held = meter.limits()
        plan = plan_for(meter.deployment, requests, tokens)
        limits = dict(plan) if plan is not None else {}
        limits[Dimension.RPD], limits[Dimension.TPM] = requests, tokens
        if meter.seen_requests is None and meter.seen_tokens is None:
            for dimension in meter.stated:
                if dimension not in SHOWN:
                    limits[dimension] = min(held[dimension], limits.get(dimension, held[dimension]))
        else:
            meter.stated = []
        meter.seen_requests, meter.seen_tokens = requests, tokens
    changes = meter.set_limits(limits, booked(meter), now)
    if changes:
        meter.hold_back()
    return changes


def absorb_levels(
    meter: Meter, seen: SeenLimits, sent: Note, at_start: bool, now: Instant, changes: list[Change]
) -> None:
    """Correct the visible buckets by what headers say is left. A remaining below 0 or above its limit is ignored."""
    quiet = not sent.others and meter.open <= (1 if at_start else 0)
    left = seen.remaining_tokens
    if left is not None and meter.minute != NO_BUCKET:
        bucket = meter.buckets[meter.minute]
        limit = bucket.limit if seen.limit_tokens is None else seen.limit_tokens
        if 0 <= left <= limit and limit:
            watch = meter.tokens
            noted = sent.tokens + watch.corrected - sent.tokens_corrected
            bucket.drain_to(now)
            if not watch.agrees(bucket, limit - left, noted, now):
                slack = sent.input_in_flight * ESTIMATE_SLACK
                reading = Reading(
                    limit - left, noted, sent.need_tokens, sent.output_tokens, slack, sent.at, at_start, quiet
                )
                _correct(meter, watch, bucket, None, reading, now, changes)
    left = seen.remaining_requests
    if left is not None and meter.day != NO_BUCKET:
        bucket = meter.buckets[meter.day]
        limit = bucket.limit if seen.limit_requests is None else seen.limit_requests
        if 0 <= left <= limit and limit:
            _absorb_requests(meter, bucket, limit - left, sent, quiet, at_start, now, changes)
            if left == 0 and bucket.limit > 0:
                _cool_until_one_is_back(meter, bucket, seen, now, changes)
    if seen.remaining_audio_s is not None:
        audio = SeenBucket(Dimension.ASH, seen.limit_audio_s, seen.remaining_audio_s)
        _absorb_plainly(meter, audio, quiet, now, changes)


def _absorb_requests(
    meter: Meter,
    bucket: Bucket,
    shown: int,
    sent: Note,
    quiet: bool,
    at_start: bool,
    now: Instant,
    changes: list[Change],
) -> None:
    """Requests of others that the day's header shows were made in the minute's bucket too, which no header shows."""
    watch, minute = meter.requests, meter.bucket(_RPM)
    noted = sent.requests + watch.corrected - sent.requests_corrected
    bucket.drain_to(now)
    if not watch.agrees(bucket, shown, noted, now):
        reading = Reading(shown, noted, 0, 0, 0.0, sent.at, at_start, quiet)
        _correct(meter, watch, bucket, minute, reading, now, changes)
    elif minute is not None and minute.lifted:
        minute.drain_to(now)
        minute.replace_lift(0.0)


def _correct(
    meter: Meter,
    watch: Watch,
    bucket: Bucket,
    hidden: Bucket | None,
    reading: Reading,
    now: Instant,
    changes: list[Change],
) -> None:
    """Correct a bucket that is drained to `now`; what others spent of it they spent of the `hidden` one too."""
    before = bucket.level
    spent = watch.absorb(bucket, reading, now)
    if hidden is not None and (spent or hidden.lifted):
        hidden.drain_to(now)
        most = hidden.limit - hidden.bare
        hidden.replace_lift((spent if spent < most else most) if most > 0.0 else 0.0)
        hidden.lift(watch.margin(hidden.limit))
    _assume(meter, bucket, watch, before, changes)


def _assume(meter: Meter, bucket: Bucket, watch: Watch, before: float, changes: list[Change]) -> None:
    """After a correction: a margin for what others spend next, and a slower drain."""
    if bucket.level == before and not watch.rate and bucket.drain == bucket.rate:
        return
    if bucket.lifted == 0.0:
        bucket.lift(watch.margin(bucket.limit))
    if bucket.level != before:
        changes.append(Change(_LEVEL, bucket.dimension, before, bucket.level))
    meter.hold_back()


def _cool_until_one_is_back(
    meter: Meter, bucket: Bucket, seen: SeenLimits, now: Instant, changes: list[Change]
) -> None:
    """No request is left: cool until one has come back.

    The announced reset is when the whole bucket is free again (groq-api.md 2.2); one request of it is back after that
    time divided by the limit.
    """
    full_s = seen.reset_requests_s
    one_s = bucket.window_s / bucket.limit
    wait_s = min(full_s, one_s) if full_s is not None and 0.0 < full_s < AGREED_CAP_S else one_s
    _cool(meter, Cooldown(now + wait_s, now, CooldownSource.ANNOUNCED, DAY_SPENT), now, changes)


def absorb_others(
    meter: Meter, seen: tuple[SeenBucket, ...], sent: Note, at_start: bool, booked: Booked, now: Instant
) -> list[Change]:
    """Take limits and levels of dimensions that only other providers' headers show; they have no plan to come from."""
    changes: list[Change] = []
    quiet = not sent.others and meter.open <= (1 if at_start else 0)
    for shown in seen:
        limit, left = _believable(shown.limit, shown.remaining), shown.remaining
        if limit is not None and meter.bucket(shown.dimension) is None:
            changes += meter.set_limits({**meter.limits(), shown.dimension: limit}, booked(meter), now)
            bucket = meter.bucket(shown.dimension)
            if bucket is not None and left is not None:  # the first sight is exact: there was no count of our own
                bucket.level = max(bucket.level, float(limit - left))
        _absorb_plainly(meter, shown, quiet, now, changes)
    return changes


def _absorb_plainly(meter: Meter, shown: SeenBucket, quiet: bool, now: Instant, changes: list[Change]) -> None:
    """A level that is higher than ours counts at once, a lower one when nothing was in flight; nobody's spending is
    learned from it."""
    limit, left, bucket = _positive(shown.limit), shown.remaining, meter.bucket(shown.dimension)
    if bucket is None or left is None:
        return
    if limit is not None and limit != bucket.limit:
        changes.append(Change(ChangeKind.LIMIT, bucket.dimension, bucket.limit, limit))
        bucket.resize(limit)
    if not 0 <= left <= bucket.limit:
        return
    bucket.drain_to(now)
    before, level = bucket.level, float(bucket.limit - left)
    if level > before + 1.0 or (quiet and level < before - 1.0):
        bucket.replace_lift(0.0)
        bucket.level = level
        changes.append(Change(_LEVEL, bucket.dimension, before, level))


def absorb_body(meter: Meter, failure: Failure, sent: Note | None, booked: Booked, now: Instant) -> list[Change]:
    """Take limit and level of one dimension from an error body at once. A limit only ever tightens here."""
    changes: list[Change] = []
    dimension, limit = failure.dimension, _positive(failure.limit)
    if dimension is None:
        return changes
    bucket = meter.bucket(dimension)
    if limit is not None and (bucket is None or limit < bucket.limit):
        changes += meter.set_limits({**meter.limits(), dimension: limit}, booked(meter), now)
        if dimension not in meter.stated:
            meter.stated.append(dimension)
        if dimension in SHOWN:
            meter.seen_requests = meter.seen_tokens = None  # the next header has the last word
        meter.hold_back()
        bucket = meter.bucket(dimension)
    used = failure.used
    if bucket is None or used is None or used < 0 or failure.status == 413:
        return changes
    bucket.drain_to(now)
    _set_level(meter, bucket, float(used), sent, now, changes)
    requested = failure.requested or 0
    announced_s = (used + requested - bucket.limit) * bucket.window_s / bucket.limit
    if requested <= bucket.limit and announced_s > bucket.wait_s(requested, now):
        _cool(meter, Cooldown(now + announced_s, now, CooldownSource.ANNOUNCED, BODY_WAIT), now, changes)
    return changes


def _set_level(
    meter: Meter, bucket: Bucket, used: float, sent: Note | None, now: Instant, changes: list[Change]
) -> None:
    """`used` is exact at the refusal and holds what was sent before it, so what was sent since is kept on top of it."""
    before = bucket.level
    if bucket.dimension is Dimension.TPM:
        watch = meter.tokens
        noted = None if sent is None else sent.tokens - sent.need_tokens + watch.corrected - sent.tokens_corrected
    elif bucket.dimension is Dimension.RPD:
        watch = meter.requests
        noted = None if sent is None else sent.requests - 1 + watch.corrected - sent.requests_corrected
    else:
        bucket.replace_lift(0.0)
        bucket.level = max(bucket.level, used) if meter.open else used
        if bucket.level != before:
            changes.append(Change(ChangeKind.LEVEL, bucket.dimension, before, bucket.level))
        return
    surprise = used - (bucket.bare if noted is None else noted)
    if noted is None and meter.open:
        surprise = max(0.0, surprise)
    watch.apply(bucket, surprise, now)
    _assume(meter, bucket, watch, before, changes)


def join(into: Meter, meter: Meter, now: Instant) -> None:
    """Two meters turn out to count the same buckets: keep the higher levels and the limits that were seen."""
    seen = into if into.seen_tokens is not None or meter.seen_tokens is None else meter
    other = meter if seen is into else into
    limits = seen.limits()
    if seen.seen_tokens is None:
        limits = {d: min(limits.get(d, n), n) for d, n in {**limits, **other.limits()}.items()}
    levels: dict[Dimension, float] = {}
    for bucket in (*into.buckets, *meter.buckets):
        bucket.drain_to(now)
        levels[bucket.dimension] = max(levels.get(bucket.dimension, 0.0), bucket.level)
    into.set_limits(limits, (0, 0, 0, 0, 0), now)
    for bucket in into.buckets:
        bucket.level, bucket.at, bucket.lifted, bucket.assumed = levels.get(bucket.dimension, 0.0), now, 0.0, 0.0
    into.seen_requests, into.seen_tokens = seen.seen_requests, seen.seen_tokens
    into.stated = [d for d in dict.fromkeys((*into.stated, *meter.stated)) if d in limits]
    into.open += meter.open
    into.open_input += meter.open_input
    into.granted += meter.granted
    into.settled += meter.settled
    into.released += meter.released
    into.overruns += meter.overruns
    into.overrun_tokens += meter.overrun_tokens
    if meter.cooldown is not None:
        into.cooldown = later(into.cooldown, meter.cooldown, now)
    for kept, gone in ((into.tokens, meter.tokens), (into.requests, meter.requests)):
        if gone.rate > kept.rate:
            kept.rate, kept.spending, kept.observed = gone.rate, gone.spending, gone.observed
            kept.dispersion, kept.scatter, kept.gap_s = gone.dispersion, gone.scatter, gone.gap_s
        kept.synced_at, kept.low_count = now, 0
    into.hold_back()


def _cool(meter: Meter, new: Cooldown, now: Instant, changes: list[Change]) -> None:
    before = meter.cooldown.until if meter.cooldown is not None and meter.cooldown.until > now else None
    new.until = min(new.until, now + AGREED_CAP_S)
    meter.cooldown = later(meter.cooldown, new, now)
    if meter.cooldown.until != before:
        changes.append(Change(ChangeKind.COOLED, None, before, meter.cooldown.until))


def _believable(limit: int | None, left: int | None) -> int | None:
    """The limit, unless it is not above 0 or what is left of it makes no sense."""
    return _positive(limit) if left is None or (limit is not None and 0 <= left <= limit) else None


def _positive(limit: int | None) -> int | None:
    return limit if limit is not None and limit > 0 else None
