"""What a provider meters: dimensions, the amounts of one call, and the limits that its headers show."""

from enum import StrEnum
from typing import Final

import msgspec

from headgate.domain.time import Seconds


class Dimension(StrEnum):
    """One limit of a deployment, by the name that Groq's error bodies use (ASPH and ASPD are ASH and ASD here)."""

    RPM = "RPM"
    RPD = "RPD"
    TPM = "TPM"
    TPD = "TPD"
    ITPM = "ITPM"
    OTPM = "OTPM"
    ASH = "ASH"
    ASD = "ASD"


MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0

WINDOW_S: Final[dict[Dimension, Seconds]] = {
    Dimension.RPM: MINUTE_S,
    Dimension.RPD: DAY_S,
    Dimension.TPM: MINUTE_S,
    Dimension.TPD: DAY_S,
    Dimension.ITPM: MINUTE_S,
    Dimension.OTPM: MINUTE_S,
    Dimension.ASH: HOUR_S,
    Dimension.ASD: DAY_S,
}

DAILY: Final = frozenset({Dimension.RPD, Dimension.TPD, Dimension.ASD})


class Amounts(msgspec.Struct, frozen=True, gc=False):
    """What one call takes from a deployment: whole requests, tokens and seconds of audio."""

    input_tokens: int = 0
    output_tokens: int = 0
    audio_s: int = 0
    requests: int = 1

    def of(self, dimension: Dimension) -> int:
        """What this takes in one dimension."""
        match dimension:
            case Dimension.RPM | Dimension.RPD:
                return self.requests
            case Dimension.TPM | Dimension.TPD:
                return self.input_tokens + self.output_tokens
            case Dimension.ITPM:
                return self.input_tokens
            case Dimension.OTPM:
                return self.output_tokens
            case Dimension.ASH | Dimension.ASD:
                return self.audio_s


NOTHING: Final = Amounts(requests=0)


class Deployment(msgspec.Struct, frozen=True, gc=False):
    """A model at an organisation: the thing that has quota. Its identity is `id`, `provider:organisation:model`."""

    id: str
    provider: str
    organisation: str
    model: str

    @classmethod
    def of(cls, provider: str, organisation: str, model: str) -> "Deployment":
        return cls(f"{provider}:{organisation}:{model}", provider, organisation, model)


class SeenBucket(msgspec.Struct, frozen=True, gc=False):
    """One bucket as a reply showed it. `reset_s` is only there where nothing remains, as in `SeenLimits`."""

    dimension: Dimension
    limit: int | None = None
    remaining: int | None = None
    reset_s: Seconds | None = None


class SeenLimits(msgspec.Struct, frozen=True, gc=False):
    """What the limit headers of one reply said; None where a header was absent or unreadable.

    Resets are only read where nothing remains.

    `requests` is always the day and `tokens` always the minute, as at Groq (groq-api.md 2.2, read 2026-11-20); `others`
    are the dimensions that only other providers show.
    """

    limit_requests: int | None = None
    remaining_requests: int | None = None
    reset_requests_s: Seconds | None = None
    limit_tokens: int | None = None
    remaining_tokens: int | None = None
    reset_tokens_s: Seconds | None = None
    limit_audio_s: int | None = None
    remaining_audio_s: int | None = None
    retry_after_s: Seconds | None = None
    others: tuple[SeenBucket, ...] = ()
