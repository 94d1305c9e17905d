"""One dimension of a deployment's limit, as a bucket that drains all the time. Knows no deployment and no header.

Groq's limiter is a leaky bucket (groq-api.md 2.3): the capacity is the whole limit, the level falls by limit / window
every second, and a call that needs more than is free waits for (level + need - limit) * window / limit.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from headgate.domain.limits import WINDOW_S, Amounts, Dimension
from headgate.domain.time import NEVER, Instant, Seconds

SLACK: Final = 1e-6
"""What a sum of floats may be above an integer limit and still count as equal."""

LEAST_DRAIN: Final = 0.1
"""The share of the refill that is always ours, however much others seem to spend."""

MOST_ASSUMED: Final = 0.25
"""The share of a limit that may be assumed spent by others without a word from outside: so a wrong guess ends soon."""

Need: TypeAlias = tuple[int, int, int, int, int]
"""What one call takes, by selector: requests, tokens, input tokens, output tokens, seconds of audio."""

REQUESTS: Final = 0
TOKENS: Final = 1
INPUT_TOKENS: Final = 2
OUTPUT_TOKENS: Final = 3
AUDIO_S: Final = 4

SELECTOR: Final[dict[Dimension, int]] = {
    Dimension.RPM: REQUESTS,
    Dimension.RPD: REQUESTS,
    Dimension.TPM: TOKENS,
    Dimension.TPD: TOKENS,
    Dimension.ITPM: INPUT_TOKENS,
    Dimension.OTPM: OUTPUT_TOKENS,
    Dimension.ASH: AUDIO_S,
    Dimension.ASD: AUDIO_S,
}


def need_of(amounts: Amounts) -> Need:
    """The amounts of a call, indexed by selector: a tuple look-up is cheaper than hashing an enum."""
    taken = amounts.input_tokens
    made = amounts.output_tokens
    return (amounts.requests, taken + made, taken, made, amounts.audio_s)


@dataclass(slots=True)
class Bucket:
    """The level of one dimension at the instant `at`.

    `rate` is what drains per second when nobody else spends; `drain` (<= rate) is what decisions count on.
    `lifted` is the part of the level that is only assumed: what others may have spent since the last word from outside.
    `assumed` is all that was ever assumed since then, also what has drained already.
    `given_back` sums what was taken out again other than by draining.
    """

    dimension: Dimension
    limit: int
    window_s: Seconds
    selector: int
    rate: float
    drain: float
    level: float = 0.0
    at: Instant = 0.0
    lifted: float = 0.0
    assumed: float = 0.0
    given_back: float = 0.0

    @classmethod
    def of(cls, dimension: Dimension, limit: int, *, level: float = 0.0, at: Instant = 0.0) -> "Bucket":
        """A bucket of this limit in the dimension's own window."""
        window_s = WINDOW_S[dimension]
        rate = limit / window_s
        return cls(dimension, limit, window_s, SELECTOR[dimension], rate, rate, level, at)

    @property
    def bare(self) -> float:
        """The level without what is only assumed."""
        return self.level - self.lifted

    def level_at(self, now: Instant) -> float:
        """The level at `now`, without changing anything. A clock that went back drains nothing."""
        elapsed_s = now - self.at
        level = self.level
        if elapsed_s <= 0.0 or level <= 0.0:
            return level
        drained = elapsed_s * self.rate
        if self.drain != self.rate:
            drained -= self._assumed_in(elapsed_s)
        return level - drained if level > drained else 0.0

    def drain_to(self, now: Instant) -> None:
        """Bring the level to `now`. A clock that went back drains nothing, one that jumped ahead no more than is there.

        What is here and in its neighbours is done once per bucket for every reservation, so they compare where they
        could call `max`, which takes as long as four calls of our own.
        """
        elapsed_s = now - self.at
        if elapsed_s <= 0.0:
            return
        self.at = now
        level = self.level
        if level <= 0.0:
            return
        lifted, rate = self.lifted, self.rate
        drained = elapsed_s * rate
        if self.drain != rate:
            assumed = self._assumed_in(elapsed_s)
            drained -= assumed
            self.assumed += assumed
            self.lifted = lifted = lifted + assumed
        self.level = left = level - drained if level > drained else 0.0
        if lifted > left:
            self.lifted = left

    def _assumed_in(self, elapsed_s: Seconds) -> float:
        """What others are assumed to spend in a time, out of what would drain."""
        assumed, most = (self.rate - self.drain) * elapsed_s, self.limit * MOST_ASSUMED - self.assumed
        if assumed < most:
            return assumed
        return most if most > 0.0 else 0.0

    @property
    def slow_s(self) -> Seconds:
        """How long the slower drain will hold: until as much is assumed as may be."""
        if self.drain == self.rate:
            return 0.0
        return max(0.0, self.limit * MOST_ASSUMED - self.assumed) / (self.rate - self.drain)

    def wait_s(self, need: int, now: Instant) -> Seconds:
        """How long until `need` fits: 0.0 when it does, NEVER when it is more than the whole limit."""
        excess = self.level_at(now) + need - self.limit
        if excess <= SLACK or not need:
            return 0.0
        if need > self.limit:
            return NEVER
        return drained_in_s(excess, self.rate, self.drain, self.slow_s)

    def add(self, difference: float, now: Instant) -> None:
        """Correct the level by a difference, not below empty."""
        self.drain_to(now)
        if difference < 0.0:
            self.given_back -= difference
        level = self.level + difference
        if level < 0.0:
            level = 0.0
        self.level = level
        if self.lifted > level:
            self.lifted = level

    def resize(self, limit: int) -> None:
        """Take another limit; what is in the bucket stays in it."""
        held_back = self.rate - self.drain
        self.limit = limit
        self.rate = limit / self.window_s
        self.hold_back(held_back)

    def replace_lift(self, known: float) -> None:
        """Put what is known in the place of what was assumed."""
        if known < 0.0:
            self.given_back -= known
        level = self.level - self.lifted + known
        self.level = level if level > 0.0 else 0.0
        self.lifted = self.assumed = 0.0

    def lift(self, assumed: float) -> None:
        """Assume that others spend this too before the next word from outside."""
        self.level += assumed
        self.lifted += assumed
        self.assumed += assumed

    def hold_back(self, outside: float) -> None:
        """Count on a refill that others lessen by `outside` a second; a tenth of it always remains ours."""
        rate = self.rate
        if outside <= 0.0:
            self.drain = rate
            return
        most = rate * (1.0 - LEAST_DRAIN)
        self.drain = rate - (outside if outside < most else most)


def drained_in_s(excess: float, rate: float, drain: float, slow_s: Seconds) -> Seconds:
    """How long `excess` takes to drain: slowly for `slow_s` at most, then at the full rate."""
    if drain == rate:
        return excess / rate
    slowly = drain * slow_s
    return excess / drain if excess <= slowly else slow_s + (excess - slowly) / rate
