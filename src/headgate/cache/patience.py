"""Owns how long one look-up of a tier is waited for: as long as it usually takes and then some, within the setting.

As TCP times its retransmissions (RFC 6298): the smoothed time and four times its mean deviation. A bucket that answers
in 10 ms is given up after 50, not after the 300 that one on another continent may take. Knows no clock.
"""

from typing import Final

import msgspec

from headgate.domain.time import Seconds

LEAST_S: Final[Seconds] = 0.05
"""A busy moment of this process must not look like a slow tier."""
DEVIATIONS: Final = 4.0
_OF_TIME: Final = 1 / 8
_OF_DEVIATION: Final = 1 / 4


class Patience(msgspec.Struct):
    """What is known of a tier's times; nothing before the first."""

    usual_s: Seconds = 0.0
    deviation_s: Seconds = 0.0

    def within_s(self, most_s: Seconds) -> Seconds:
        """How long to wait now; `most_s` is the setting's."""
        if self.usual_s == 0.0:
            return most_s
        return min(max(self.usual_s + DEVIATIONS * self.deviation_s, LEAST_S), most_s)

    def took(self, seconds: Seconds) -> None:
        """A look-up was answered after so long."""
        if self.usual_s == 0.0:
            self.begin(seconds)
            return
        self.deviation_s += _OF_DEVIATION * (abs(seconds - self.usual_s) - self.deviation_s)
        self.usual_s += _OF_TIME * (seconds - self.usual_s)

    def begin(self, seconds: Seconds) -> None:
        """Forget what was known: this is how long it takes now."""
        self.usual_s, self.deviation_s = seconds, seconds / 2
