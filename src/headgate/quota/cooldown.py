"""Times before which a deployment is not used, and where each was learned. Knows no bucket."""

from enum import StrEnum
from math import ceil, isfinite
from typing import Final

import msgspec

from headgate.domain.time import Instant, Seconds

AGREED_CAP_S: Final[Seconds] = 86400.0
"""The longest cooldown: what header and body agree on is believed up to a day."""

LONE_CAP_S: Final[Seconds] = 300.0
"""The longest cooldown on the word of one source alone."""

AGREEMENT_S: Final[Seconds] = 1.0
"""Groq's retry-after is the body's wait, rounded up to a second (groq-api.md 2.2, read 2026-11-20)."""


class CooldownSource(StrEnum):
    """Where the end of a cooldown comes from: the provider said it, or we guess."""

    ANNOUNCED = "announced"
    GUESSED = "guessed"


class Cooldown(msgspec.Struct):
    """A time before which a deployment is not used."""

    until: Instant
    since: Instant
    source: CooldownSource
    reason: str

    def shift(self, back_s: Seconds) -> None:
        """Follow a clock that went back, so that the time still to wait stays what it was."""
        self.until -= back_s
        self.since -= back_s


def _plausible(wait_s: Seconds | None) -> Seconds | None:
    return wait_s if wait_s is not None and isfinite(wait_s) and wait_s >= 0.0 else None


def announced_until(now: Instant, header_s: Seconds | None, body_s: Seconds | None) -> Instant | None:
    """When the provider said to come back, or None when it said nothing usable.

    The later of both is kept, up to 24 h when they agree and up to 300 s when they differ or one stands alone.
    """
    header, body = _plausible(header_s), _plausible(body_s)
    if header is None and body is None:
        return None
    if header is None or body is None:
        alone = header if header is not None else body
        assert alone is not None
        return now + min(alone, LONE_CAP_S)
    agreed = abs(header - ceil(body)) <= AGREEMENT_S or abs(header - body) <= AGREEMENT_S
    return now + min(max(header, body), AGREED_CAP_S if agreed else LONE_CAP_S)


def later(held: Cooldown | None, new: Cooldown, now: Instant) -> Cooldown:
    """Which of two cooldowns holds: an announcement replaces a guess, else the one that ends later."""
    if held is None or held.until <= now:
        return new
    if held.source is not new.source:
        return new if new.source is CooldownSource.ANNOUNCED else held
    return new if new.until > held.until else held
