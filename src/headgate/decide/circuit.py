"""The health of one deployment: closed, open, half-open with one probe.

Opens when at least half of ten or more calls of the last thirty seconds failed, or five in a row did; then for 5 s,
doubling to 40 s, with 20 % of jitter. After that one call goes through; its end decides. Quota and client errors are
no health: they are never told to a circuit.
"""

import random
from dataclasses import dataclass, field
from typing import Final

from headgate.domain.time import Instant, Seconds

WINDOW_S: Final[Seconds] = 30.0
MIN_CALLS: Final = 10
FAILED_SHARE: Final = 0.5
IN_A_ROW: Final = 5
FIRST_OPEN_S: Final[Seconds] = 5.0
LONGEST_OPEN_S: Final[Seconds] = 40.0
"""With its jitter well under a minute: that soon after the end of an outage everything must serve again."""

JITTER: Final = 0.2
PROBE_PATIENCE_S: Final[Seconds] = 90.0


@dataclass(slots=True)
class Circuit:
    """State of one circuit. The window is two halves: the older one is dropped whole when the newer is full."""

    open_until: Instant = 0.0
    open_s: Seconds = 0.0
    probing: str = ""
    probing_since: Instant = 0.0
    failed_in_a_row: int = 0
    half_started_at: Instant = 0.0
    ok_new: int = 0
    failed_new: int = 0
    ok_old: int = 0
    failed_old: int = 0

    @property
    def is_closed(self) -> bool:
        return self.open_s == 0.0

    def may_call(self, now: Instant) -> bool:
        """Whether a call may start: closed, or half-open with nobody probing."""
        if self.open_s == 0.0:
            return True
        return now >= self.open_until and (not self.probing or now - self.probing_since > PROBE_PATIENCE_S)

    def started(self, call_id: str, now: Instant) -> None:
        """A call starts; when half-open it is the probe."""
        if self.open_s > 0.0:
            self.probing, self.probing_since = call_id, now

    def ended(self, call_id: str, ok: bool | None, now: Instant, dice: random.Random) -> bool:
        """A call ended well, badly, or (None) without saying anything of health. True when this opened the circuit."""
        was_probe = self.probing == call_id
        if was_probe:
            self.probing = ""
        if ok is None:
            return False
        if now - self.half_started_at >= WINDOW_S / 2:
            self._turn(now)
        if ok:
            self.ok_new += 1
            self.failed_in_a_row = 0
            if was_probe:
                self._close()
            return False
        self.failed_new += 1
        self.failed_in_a_row += 1
        if self.open_s > 0.0 and not was_probe:
            return False  # a straggler from before it opened
        return self._open(now, dice) if was_probe or self._is_bad() else False

    def _is_bad(self) -> bool:
        failed = self.failed_new + self.failed_old
        calls = failed + self.ok_new + self.ok_old
        return self.failed_in_a_row >= IN_A_ROW or (calls >= MIN_CALLS and failed >= FAILED_SHARE * calls)

    def _open(self, now: Instant, dice: random.Random) -> bool:
        self.open_s = min(LONGEST_OPEN_S, self.open_s * 2 or FIRST_OPEN_S)
        self.open_until = now + self.open_s * (1 + JITTER * (2 * dice.random() - 1))
        return True

    def _close(self) -> None:
        self.open_s = 0.0
        self.open_until = 0.0
        self.failed_in_a_row = self.ok_new = self.failed_new = self.ok_old = self.failed_old = 0

    def _turn(self, now: Instant) -> None:
        fresh = now - self.half_started_at < WINDOW_S
        self.ok_old, self.failed_old = (self.ok_new, self.failed_new) if fresh else (0, 0)
        self.ok_new = self.failed_new = 0
        self.half_started_at = now


SLOTS_PER_S: Final = 2
WINDOW_SLOTS: Final = 20


@dataclass(slots=True)
class RepeatBudget:
    """How much of a deployment's traffic may be repeats: at most 20 % of its calls, or 3, in the last 10 s.

    Counted in half-second slots. Repeats are summed over one slot more than calls are, so the answer errs on the
    strict side by at most that slot.
    """

    share: float = 0.2
    floor: int = 3
    slots: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)

    def note(self, is_repeat: bool, now: Instant) -> None:
        """A call to the deployment starts."""
        slot, slots = int(now * SLOTS_PER_S), self.slots
        if not slots or slot > slots[-1]:
            slots.append(slot)
            self.calls.append(0)
            self.repeats.append(0)
            self._forget(slot)
        self.calls[-1] += 1
        if is_repeat:
            self.repeats[-1] += 1

    def allows(self, now: Instant) -> bool:
        """Whether one more repeat stays within the budget."""
        oldest = int(now * SLOTS_PER_S) - WINDOW_SLOTS
        calls = sum(n for slot, n in zip(self.slots, self.calls, strict=True) if slot > oldest)
        repeats = sum(n for slot, n in zip(self.slots, self.repeats, strict=True) if slot >= oldest)
        return repeats + 1 <= max(self.floor, int(self.share * calls))

    def _forget(self, slot: int) -> None:
        while self.slots[0] < slot - WINDOW_SLOTS:
            del self.slots[0], self.calls[0], self.repeats[0]
