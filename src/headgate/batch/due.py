"""When schedules are due: pure, with the time as an argument. Times are seconds since 1970 UTC."""

import math
from typing import Final

import msgspec

from headgate.domain.limits import DAY_S
from headgate.runtime.settings_background import ScheduleTable

UNIT_S: Final = {"m": 60.0, "h": 3_600.0, "d": 86_400.0}


class Rhythm(msgspec.Struct, frozen=True):
    """Due at every `offset_s` + n * `period_s`."""

    period_s: float
    offset_s: float = 0.0

    def last_due(self, at: float) -> float:
        """The last due time up to `at`, itself included."""
        return math.floor((at - self.offset_s) / self.period_s) * self.period_s + self.offset_s

    def next_due(self, at: float) -> float:
        """The first due time after `at`."""
        return self.last_due(at) + self.period_s


def rhythm_of(schedule: ScheduleTable) -> Rhythm:
    """What a schedule's words mean; one of them is given."""
    if schedule.daily is not None:
        hours, _, minutes = schedule.daily.partition(":")
        return Rhythm(float(DAY_S), int(hours) * 3_600.0 + int(minutes) * 60.0)
    assert schedule.every is not None, "a schedule has one of its times"
    return Rhythm(int(schedule.every[:-1]) * UNIT_S[schedule.every[-1]])
