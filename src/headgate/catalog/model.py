"""One model of the catalogue as a value: what it can do, how much it takes, what it costs, whether it still runs."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headgate.domain.answer import Usage
from headgate.domain.limits import Dimension
from headgate.domain.request import Need


class Lifecycle(StrEnum):
    """Whether a model can be asked. Enterprise ones run for holders of a contract only."""

    CURRENT = "current"
    PREVIEW = "preview"
    ENTERPRISE = "enterprise"
    RETIRED = "retired"


class Kind(StrEnum):
    """What a model is for. Models of different kinds never stand in for each other."""

    CHAT = "chat"
    TRANSCRIPTION = "transcription"
    SPEECH = "speech"
    GUARD = "guard"
    EMBEDDING = "embedding"


Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1)]

NOT_RUNNING: Final = frozenset({Lifecycle.ENTERPRISE, Lifecycle.RETIRED})
MILLION: Final = 1_000_000
HOUR_S: Final = 3_600


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One id of one provider; the field names are the keys of models.toml and of `[models."id"]` in headgate.toml.

    `wire_id` is what the provider calls the model; "" where that is the id. `translates` says whether a transcription
    model also translates into English.
    Windows of 0 are not known, which only models that no longer run may have. Prices are integer nano-dollars; None
    where the source states none. `limits` goes from plan to dimension to limit; a dimension that is not there is not
    limited as far as anybody knows. `created` is in Unix seconds. `substitute` says whether the model may serve a
    request that named another one. `can` holds what the model is able to do, JSON_SCHEMA meaning at least best effort.
    """

    id: Name
    provider: Name = "groq"
    wire_id: str = ""
    owned_by: str = ""
    created: Natural = 0
    kind: Kind = Kind.CHAT
    lifecycle: Lifecycle = Lifecycle.CURRENT
    retired_on: date | None = None
    successor: Name | None = None
    aliases: tuple[Name, ...] = ()
    tiers: tuple[Name, ...] = ()
    substitute: bool = True
    can: Need = Need.NONE
    parallel_tools: bool = False
    strict_schema: bool = False
    prompt_caching: bool = False
    builtin_tools: tuple[Name, ...] = ()
    reasoning_efforts: tuple[Name, ...] = ()
    reasoning_default: Name | None = None
    max_images: Natural = 0
    translates: bool = False
    context_window_tokens: Natural = 0
    max_output_tokens: Natural = 0
    tokens_per_s: Positive | None = None
    input_nanousd_per_mtok: Natural | None = None
    cached_input_nanousd_per_mtok: Natural | None = None
    output_nanousd_per_mtok: Natural | None = None
    audio_nanousd_per_hour: Natural | None = None
    min_billed_audio_s: Natural = 0
    speech_nanousd_per_mchar: Natural | None = None
    limits: dict[Name, dict[Dimension, Positive]] = {}

    def sent_as(self) -> str:
        """The model's name in requests to its provider."""
        return self.wire_id or self.id

    @property
    def is_running(self) -> bool:
        """Whether any key of the provider may ask this model."""
        return self.lifecycle not in NOT_RUNNING

    @property
    def chats(self) -> bool:
        """Whether it is asked by chats."""
        return self.kind is Kind.CHAT or self.kind is Kind.GUARD

    def meets(self, needs: Need) -> bool:
        """Whether the model can do everything that is needed."""
        return needs in (self.can | Need.TRANSLATION if self.translates else self.can)

    def cost_nanousd(self, usage: Usage) -> int:
        """What one usage row costs, rounded once, half to even; parts without a known price cost nothing."""
        full = self.input_nanousd_per_mtok or 0
        cached = self.cached_input_nanousd_per_mtok
        cached_tokens, prompt_tokens = usage.cached_tokens, usage.prompt_tokens
        if cached_tokens > prompt_tokens:
            cached_tokens = prompt_tokens
        total = (
            (prompt_tokens - cached_tokens) * full
            + cached_tokens * (full if cached is None else cached)
            + usage.completion_tokens * (self.output_nanousd_per_mtok or 0)
            + usage.characters * (self.speech_nanousd_per_mchar or 0)
        )
        if not usage.audio_s:
            return _rounded(total, MILLION)
        heard_s = max(usage.audio_s, self.min_billed_audio_s)
        return _rounded(total * HOUR_S + heard_s * (self.audio_nanousd_per_hour or 0) * MILLION, MILLION * HOUR_S)


def _rounded(total: int, unit: int) -> int:
    whole, rest = divmod(total, unit)
    twice = 2 * rest
    return whole + (twice > unit or (twice == unit and whole % 2 == 1))


class Resolution(msgspec.Struct, frozen=True):
    """What a model name means for one request.

    `model` is the running model that the name stands for; None for a tier and for a retired model without successor.
    `candidates` are the ids that may serve, best first, all of one provider; `elsewhere` are those of the providers
    that stand in for it, best first; `retired` is the id asked for when it no longer runs; `tier` is the tier asked for
    (`auto` for `headgate/auto`).
    """

    asked: str
    model: Model | None
    candidates: tuple[str, ...]
    elsewhere: tuple[str, ...] = ()
    retired: str | None = None
    tier: str | None = None
