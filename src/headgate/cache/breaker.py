"""Owns when a tier that fails is left alone, and when it is tried again. Knows no tier, no clock.

It opens at five failures, or a quarter of a second spent waiting for failures, whichever is first; each success pays a
fiftieth of a failure back, so a tier may fail one time in fifty for ever. Open, it rests for a second; then one probe
decides. A rest that follows on another, before a calm of half a minute, is twice as long, up to half a minute: a tier
that comes and goes each second is soon asked twice a minute.
"""

from typing import Final

import msgspec

from headgate.domain.time import Instant, Seconds

MOST_FAILURES: Final = 5
MOST_WAITED_S: Final[Seconds] = 0.25
FIRST_REST_S: Final[Seconds] = 1.0
LONGEST_REST_S: Final[Seconds] = 30.0
CALM_S: Final[Seconds] = 30.0
"""How long it must have been closed before the next rest is short again."""
PAID_BACK: Final = 0.02
"""Failures that one success makes up for."""
ONE_CAUSE_S: Final[Seconds] = 0.005
"""Look-ups that gave up waiting this close together count as one: a single stall, ours perhaps, held them all."""
_NEARLY: Final = 1e-9
"""What sums of fiftieths may lack of a whole."""


class Breaker(msgspec.Struct):
    """Closed, resting, or probing. `openings` counts rests that began from closed."""

    failures: float = 0.0
    waited_s: Seconds = 0.0
    rest_s: Seconds = 0.0
    rests_until: Instant = 0.0
    closed_at: Instant = 0.0
    failed_at: Instant = float("-inf")
    is_open: bool = False
    is_probing: bool = False
    openings: int = 0

    @property
    def is_closed(self) -> bool:
        return not self.is_open

    def wants_probe(self, now: Instant) -> bool:
        """Whether the rest is over and nobody probes yet."""
        return self.is_open and not self.is_probing and now >= self.rests_until

    def probe(self) -> None:
        """Somebody probes now, and will tell `probed`."""
        self.is_probing = True

    def probed(self, now: Instant, *, ok: bool) -> None:
        """The probe's end: closed again, or a longer rest."""
        self.is_probing = False
        if ok:
            self.is_open, self.closed_at = False, now
            self.failures = self.waited_s = 0.0
        else:
            self._rest(now)

    def succeeded(self) -> None:
        """The tier did what it was asked."""
        owed = self.failures
        if owed > 0.0:
            left = owed - PAID_BACK
            self.waited_s = self.waited_s * left / owed if left > 0.0 else 0.0
            self.failures = left if left > 0.0 else 0.0

    def failed(self, waited_s: Seconds, now: Instant) -> bool:
        """The tier did not, after `waited_s`. True when this opened the breaker; one that is open hears no more."""
        if self.is_open or (waited_s > ONE_CAUSE_S and now - self.failed_at < ONE_CAUSE_S):
            return False
        self.failed_at = now
        self.failures += 1.0
        self.waited_s += waited_s
        if self.failures < MOST_FAILURES - _NEARLY and self.waited_s < MOST_WAITED_S - _NEARLY:
            return False
        self.open(now)
        return True

    def open(self, now: Instant) -> None:
        """Leave the tier alone from now on."""
        assert self.is_closed
        if self.rest_s and now - self.closed_at >= CALM_S:
            self.rest_s = 0.0
        self.is_open = True
        self.openings += 1
        self._rest(now)

    def _rest(self, now: Instant) -> None:
        self.rest_s = min(2 * self.rest_s, LONGEST_REST_S) if self.rest_s else FIRST_REST_S
        self.rests_until = now + self.rest_s
