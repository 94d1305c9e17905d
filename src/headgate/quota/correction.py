"""What replies teach about one visible bucket: surprises, and how much others spend from it.

Every call notes the level at its sending. A reply's header shows a level too, but not which moment it was measured at
and whether it holds the whole ask, so a reply is compared with every reading that is still believable:

    sent   the level at sending, this call's whole ask included        (measured at admission)
    now    the level now                                               (measured when the header was written)
    bare   one of the two without this call's output tokens            (a provider that does not charge the ask)

The header is a surprise only outside the span of the believable readings; a reading that seldom fits stops being
believed. An upward surprise applies at once. A downward one applies when nothing else was in flight at sending and at
receipt, or when three replies in a row agree, by the smallest of the three; in traffic it must lie below every reading,
because the level now holds calls that the header could not know of yet.

Between two replies the ledger assumes that others go on spending as they did: the bucket drains more slowly, and after
each reply a margin of their usual deviation is added. This assumed spending (`Bucket.lifted`) is in the level but in no
noted level; the next header replaces it by what was really spent.

Knows one bucket at a time; the ledger says which.
"""

from dataclasses import dataclass, field
from math import log, sqrt
from typing import Final

import msgspec

from headgate.domain.time import Instant, Seconds
from headgate.quota.bucket import REQUESTS, Bucket

TOLERANCE_SHARE: Final = 0.01
"""A surprise below this share of a token limit is rounding."""

LEAST_TOLERANCE_TOKENS: Final = 2.0
TOLERANCE_REQUESTS: Final = 1.0
TOLERANCE_REQUESTS_SHARE: Final = 0.001
"""A surprise of one request is rounding, and so is a thousandth of a large limit: that many are simply on their way."""

ESTIMATE_SLACK: Final = 0.25
"""The share of the prompt tokens in flight that may be over-estimate: settlement gives it back, no header need."""

HALF_LIFE_S: Final[Seconds] = 30.0
"""How fast the rate of outside spending is learned and forgotten, in seconds of replies."""

MARGIN_DEVIATIONS: Final = 2.5
MARGIN_CAP_SHARE: Final = 0.15
"""The margin for what others may spend before the next reply: in standard deviations, and at most of the limit.

Beside a stranger who takes 30 % of a free bucket in requests like ours, 1.5 deviations gave 4.5 refusals per 100
answers and 98.5 % use, 2.5 gave 2 and 97.8 %, 3 gave 1.6 and 97.5 % (ten minutes, ten seeds).
"""

LEAST_OBSERVED: Final = 0.2
"""A rate is never judged by less than this share of the memory: about 10 s."""

AGREEING_REPLIES: Final = 3
APART_S: Final[Seconds] = 0.05
"""Replies that come closer together than this are one witness: they saw the same burst of calls."""

NEGLIGIBLE_SHARE: Final = 0.03
GAP_MEMORY: Final = 0.8
HIT_MEMORY: Final = 0.8
NEW_HIT: Final = 1.0 - HIT_MEMORY
BELIEVED_SHARE: Final = 0.5
LEAST_HITS: Final = 0.2


class Note(msgspec.Struct, frozen=True, gc=False):
    """What the ledger thought when a call was sent: levels with this call's whole reservation, without assumptions.

    `others` counts the reservations that were open beside it, `input_in_flight` the input tokens of all with its own;
    the `corrected` pair dates the two levels.
    """

    at: Instant
    tokens: float
    requests: float
    tokens_corrected: float
    requests_corrected: float
    need_tokens: int
    output_tokens: int
    input_in_flight: int
    others: int

    def without_its_call(self) -> "Note":
        """The same for a call that the provider refused: its headers never held what was reserved for it."""
        tokens = max(0.0, self.tokens - self.need_tokens)
        return msgspec.structs.replace(self, tokens=tokens, need_tokens=0, output_tokens=0)


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What one header shows of a bucket, and what it is compared with.

    `sent` is the noted level brought up to date with the corrections since, `held` the tokens that this call reserved,
    `output` those of its ask among them, `slack` what may be over-estimate. `at_start`: of a stream; `quiet`: nothing
    else was in flight.
    """

    shown: int
    sent: float
    held: int
    output: int
    slack: float
    sent_at: Instant
    at_start: bool
    quiet: bool


@dataclass(slots=True)
class Readings:
    """How often each reading of one kind of header has fitted lately (smoothed share of replies)."""

    hits: list[float]

    def span(
        self, candidates: tuple[float, ...], least: tuple[float, ...], shown: float, above: float, below: float
    ) -> tuple[float, float]:
        """Score the candidates against what a header showed; the least and the greatest still believable.

        However well one has fitted lately: with `least` in the bucket by itself, it cannot be what showed less.
        """
        hits, best = self.hits, 0.0
        for i, candidate in enumerate(candidates):
            hit = HIT_MEMORY * hits[i]
            if -below <= shown - candidate <= above:
                hit += NEW_HIT
            hits[i] = hit
            if hit > best:
                best = hit
        bar = best * BELIEVED_SHARE if best >= LEAST_HITS else 0.0
        believed = [i for i, hit in enumerate(hits) if hit >= bar and shown >= least[i] - below]
        believed = believed or [i for i, bound in enumerate(least) if shown >= bound - below]
        found = [candidates[i] for i in believed] or candidates
        return min(found), max(found)


@dataclass(slots=True)
class Watch:
    """What is known of one visible bucket from outside: corrections so far, and the spending of others.

    `rate` is units per second that others spend; `dispersion` the variance of that spending per second; both are
    smoothed sums (`spending`, `scatter`) over the smoothed share of time that was `observed` at all. `gap_s` is the
    usual time in which their spending stays unseen: between two replies, and while a reply is on its way.
    `lowered` sums all downward corrections ever made.
    """

    corrected: float = 0.0
    lowered: float = 0.0
    synced_at: Instant | None = None
    rate: float = 0.0
    dispersion: float = 0.0
    spending: float = 0.0
    scatter: float = 0.0
    observed: float = 0.0
    gap_s: Seconds = 0.0
    low_count: int = 0
    low_at: Instant = 0.0
    low_least: float = 0.0
    replies: Readings = field(default_factory=lambda: Readings([1.0, 1.0, 1.0]))
    starts: Readings = field(default_factory=lambda: Readings([1.0, 1.0, 1.0, 1.0]))

    def margin(self, limit: int) -> float:
        """What others may spend above their mean before the next reply."""
        if not self.rate:
            return 0.0
        margin, most = MARGIN_DEVIATIONS * sqrt(self.dispersion * self.gap_s), limit * MARGIN_CAP_SHARE
        return margin if margin < most else most

    def agrees(self, bucket: Bucket, shown: float, sent: float, now: Instant) -> bool:
        """Whether a header shows what was expected of a bucket (drained to `now`) beside which nobody else spends."""
        if self.rate > 0.0 or bucket.lifted > 0.0 or bucket.drain != bucket.rate:
            return False
        tolerance, of_level = tolerance_of(bucket), shown - bucket.level
        if not (-tolerance <= shown - sent <= tolerance and -tolerance <= of_level <= tolerance):
            return False
        self.low_count = 0
        self.synced_at = now
        return True

    def absorb(self, bucket: Bucket, reading: Reading, now: Instant) -> float:
        """Correct a bucket (drained to `now`) by a header that does not agree with it.

        Gives what others spent since the last time.
        """
        tolerance = tolerance_of(bucket)
        shown, sent = reading.shown, reading.sent
        bare = bucket.level - bucket.lifted
        believed = self.rate > 0.0 or bucket.lifted > 0.0
        output, slack, quiet = reading.output, reading.slack, reading.quiet
        held, prompt = reading.held, reading.held - output
        if reading.at_start:
            candidates: tuple[float, ...] = (sent, bare, sent - output, bare - output)
            least_shown: tuple[float, ...] = (held, held, prompt, prompt)
            low, high = self.starts.span(candidates, least_shown, shown, tolerance, tolerance + slack)
        else:
            candidates = (sent, bare, sent - output)
            low, high = self.replies.span(candidates, (held, 0, prompt), shown, tolerance, tolerance + slack)
        floor = (low if quiet else min(candidates)) - slack
        age_s = now - reading.sent_at if now > reading.sent_at else 0.0
        if shown < floor - tolerance:
            self._confirm(bucket, 0.0, self._lower(shown - floor, quiet, now), age_s, now)
            return 0.0
        self.low_count = 0
        least, most = shown - high, shown - low
        if not believed and least <= tolerance:
            self.synced_at = now
            return 0.0
        spent = least if least > bucket.lifted else bucket.lifted
        if spent > most:
            spent = most if most > 0.0 else 0.0
        self._confirm(bucket, spent, 0.0, age_s, now)
        return spent

    def apply(self, bucket: Bucket, surprise: float, now: Instant) -> None:
        """Correct at once and whatever is in flight: an error body knows the level exactly.

        `surprise` is the difference to the level without assumptions.
        """
        self.low_count = 0
        self._confirm(bucket, max(0.0, surprise), min(0.0, surprise), 0.0, now)

    def _lower(self, surprise: float, quiet: bool, now: Instant) -> float:
        self.low_least = max(surprise, self.low_least) if self.low_count else surprise
        if not self.low_count or abs(now - self.low_at) >= APART_S:
            self.low_count += 1
            self.low_at = now
        if not quiet and self.low_count < AGREEING_REPLIES:
            return 0.0
        self.low_count = 0
        return surprise if quiet else self.low_least

    def _confirm(self, bucket: Bucket, spent: float, down: float, age_s: Seconds, now: Instant) -> None:
        """Replace the assumed spending by what was spent, learn from it, and assume anew."""
        self.corrected += spent + down
        self.lowered -= down
        bucket.replace_lift(spent + down)
        since, self.synced_at = self.synced_at, now
        if since is not None:
            elapsed_s = now - since if now > since else 0.0
            if elapsed_s > bucket.window_s:
                elapsed_s = bucket.window_s
            unseen_s = elapsed_s + age_s
            self.gap_s = GAP_MEMORY * self.gap_s + (1.0 - GAP_MEMORY) * unseen_s if self.gap_s else unseen_s
            self._learn(spent, elapsed_s, bucket.rate)

    def _learn(self, spent: float, elapsed_s: Seconds, refill: float) -> None:
        kept: float = 2.0 ** (-elapsed_s / HALF_LIFE_S)
        weight = (1.0 - kept) / elapsed_s if elapsed_s > 1e-3 else log(2.0) / HALF_LIFE_S
        deviation = spent - self.rate * elapsed_s
        self.spending = self.spending * kept + spent * weight
        self.scatter = self.scatter * kept + deviation * deviation * weight
        self.observed = self.observed * kept + 1.0 - kept
        observed = self.observed if self.observed > LEAST_OBSERVED else LEAST_OBSERVED
        self.rate = self.spending / observed
        self.dispersion = self.scatter / observed
        if self.rate < refill * NEGLIGIBLE_SHARE:
            self.rate = self.dispersion = self.spending = self.scatter = 0.0


def tolerance_of(bucket: Bucket) -> float:
    """How far header and ledger may differ without meaning anything."""
    if bucket.selector == REQUESTS:
        least, tolerance = TOLERANCE_REQUESTS, bucket.limit * TOLERANCE_REQUESTS_SHARE
    else:
        least, tolerance = LEAST_TOLERANCE_TOKENS, bucket.limit * TOLERANCE_SHARE
    return tolerance if tolerance > least else least
