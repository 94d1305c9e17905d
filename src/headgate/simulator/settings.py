"""What a pretend Groq is told before it begins: its organisations, keys, habits and faults, as one frozen value.

Nothing here is read from the environment; `settings_from` turns decoded TOML into it and refuses what it does not know.
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

from headgate.domain.limits import Dimension
from headgate.domain.time import NEVER, Instant, Seconds
from headgate.simulator.faults import Fault
from headgate.simulator.limiter import Stranger
from headgate.simulator.offer import Offer


class Admission(StrEnum):
    """What the limiter reserves before a call (groq-api 2.4: reports disagree, so it is a switch).

    An unset maximum counts as `unset_output_tokens` (2,048 in live messages) in TPM, TPD and OTPM alike,
    never more than the model can write. PROMPT_ONLY reserves no output at all in TPM and TPD, and in OTPM
    what PROMPT_PLUS_CAPPED would: that dimension was seen to look at the ask in every report.
    """

    PROMPT_PLUS_MAX = "prompt+max"
    PROMPT_ONLY = "prompt_only"
    PROMPT_PLUS_CAPPED = "prompt+min(max,2048)"


class SpendBlock(msgspec.Struct, frozen=True):
    """A time during which an organisation's spend limit is reached. Both codes were reported (groq-api 2.8)."""

    from_at: Instant = 0.0
    until: Instant = NEVER
    code: str = "blocked_api_access"


class Organisation(msgspec.Struct, frozen=True):
    """What the provider meters: a plan of the catalogue, limits that differ from it, and whether it is blocked.

    `limits` are by model id, or `*` for every model; a limit of -1 removes that bucket.
    """

    plan: str = "free"
    limits: dict[str, dict[Dimension, int]] = {}
    spend_block: SpendBlock | None = None
    revoked_at: Instant = NEVER


class Lengths(msgspec.Struct, frozen=True):
    """How long answers want to be, in tokens: lognormal. Reasoning comes on top, by effort; 0 turns it off."""

    median_tokens: float = 180.0
    sigma: float = 0.7
    longest_tokens: int = 4096
    reasoning_low_tokens: float = 15.0
    reasoning_medium_tokens: float = 60.0
    reasoning_high_tokens: float = 250.0
    reasoning_sigma: float = 0.5


class Pace(msgspec.Struct, frozen=True):
    """How fast things go: the way to Groq and back, the queue, the prompt; output goes at the catalogue's speed."""

    network_s: Seconds = 0.01
    queue_median_s: Seconds = 0.03
    queue_sigma: float = 0.6
    prompt_tokens_per_s: float = 20_000.0
    output_speed_factor: float = 1.0
    fallback_tokens_per_s: float = 400.0


class SimulatorSettings(msgspec.Struct, frozen=True):
    """One pretend Groq. The defaults are the demo: any bearer is a key, each its own organisation on the free plan.

    `keys` map an API key to its organisation; with `any_key_organisation` a key that is not among them reaches an
    organisation named after its hash, otherwise it is answered 401. `revoked_keys` say from when a key is dead.
    `profile` names the provider whose paths, errors and headers it has over HTTP (`headgate.simulator.profiles`).
    `offer` holds the endpoints besides chat.
    `unix_origin_s` is the wall-clock time at instant 0, for `created` stamps only; None: 2026-11-20, over HTTP now.
    """

    seed: int = 0
    profile: Literal["groq", "openai", "mistral", "gemini", "openrouter", "compatible"] = "groq"
    keys: dict[str, str] = {}
    organisations: dict[str, Organisation] = {}
    revoked_keys: dict[str, Instant] = {}
    any_key_organisation: bool = True
    default_plan: str = "free"
    service_tier: str = "on_demand"
    admission: Admission = Admission.PROMPT_PLUS_MAX
    unset_output_tokens: int = 2048
    rejections_cost_requests: bool = False
    output_too_large_status: Literal[413, 429] = 413
    retired_as: Literal["model_decommissioned", "model_not_found"] = "model_decommissioned"
    require_json_word: bool = True
    cache_hit_probability: float = 0.5
    cache_idle_s: Seconds = 7200.0
    cache_least_tokens: int = 256
    lengths: Lengths = Lengths()
    pace: Pace = Pace()
    tokens_per_chunk: int = 1
    top_level_usage_in_streams: bool = True
    offer: Offer = Offer()
    unix_origin_s: float | None = None
    faults: tuple[Fault, ...] = ()
    strangers: tuple[Stranger, ...] = ()

    def organisation(self, name: str) -> Organisation:
        """The settings of an organisation; a default one on the default plan where none are written."""
        return self.organisations.get(name) or Organisation(plan=self.default_plan)


def settings_from(raw: Mapping[str, Any]) -> SimulatorSettings:
    """Settings from decoded TOML. Raises `msgspec.ValidationError` naming the place; unknown names are refused too."""
    unknown = set(raw) - set(SimulatorSettings.__struct_fields__)
    if unknown:
        raise msgspec.ValidationError(f"unknown simulator settings: {', '.join(sorted(unknown))}")
    return msgspec.convert(dict(raw), SimulatorSettings)


def read_settings(path: Path) -> SimulatorSettings:
    """Settings from a TOML file. Raises OSError, `tomllib.TOMLDecodeError` or `msgspec.ValidationError`."""
    with path.open("rb") as file:
        return settings_from(tomllib.load(file))
