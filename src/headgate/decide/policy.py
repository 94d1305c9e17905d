"""The limits within which the machine decides. Bounds of single requests stand in the request itself."""

import msgspec

from headgate.domain.time import Seconds


class Policy(msgspec.Struct, frozen=True):
    """Every bound of the machine that is not a request's own. Times in seconds."""

    repeat_share: float = 0.2
    repeat_floor: int = 3
    backoff_s: tuple[Seconds, ...] = (1.0, 2.0, 4.0)
    guessed_cooldown_s: Seconds = 2.0
    daily_cooldown_s: Seconds = 86_400.0
    spend_probe_s: Seconds = 3_600.0
    retired_probe_s: Seconds = 3_600.0
    denied_probe_s: Seconds = 60.0
    least_call_s: Seconds = 0.25
    early_refusal_factor: float = 1.5
    least_shrunk_tokens: int = 16
    fits: bool = True
    """Whether a maximum may be made smaller so that the request can run."""
    background_keeps: float = 0.5
    """The share of every bucket that background work leaves to everybody else."""
    endpoints: dict[str, int] = {}
