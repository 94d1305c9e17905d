"""Immutable records of what happened: the only source of metrics, stories, alerts and learning."""

from enum import StrEnum

import msgspec

from headgate.domain.answer import Source, Tried, Usage
from headgate.domain.failure import FailureKind
from headgate.domain.limits import Deployment
from headgate.domain.time import Instant, Seconds


class CallEnded(msgspec.Struct, frozen=True, tag=True, gc=False, omit_defaults=True):
    """One upstream exchange is over. `failure` is None for an answer."""

    at: Instant
    request_id: str
    call: int
    deployment: Deployment
    key: str
    duration_s: Seconds
    failure: FailureKind | None = None
    usage: Usage | None = None
    remedy: str | None = None


class RequestFinished(msgspec.Struct, frozen=True, tag=True, gc=False, omit_defaults=True):
    """A request reached its one outcome. `model_served` is "" when it was refused.

    `cache` says how the cache answered, as `hit-memory`, `shared` or `stale`; "" where it did not. `saved_tokens` are
    those that nobody had to pay for again. `parts` are the requests that it was asked for, each of which tells its
    share of the usage; 0 for a request of its own.
    """

    at: Instant
    request_id: str
    tenant: str
    model_asked: str
    model_served: str
    source: Source | None
    provider: str
    reason: str
    attempts: int
    calls: int
    waited_s: Seconds
    duration_s: Seconds
    fitted: str | None = None
    cost_nanousd: int = 0
    usage: Usage | None = None
    tried: tuple[Tried, ...] = ()
    refusal: str | None = None
    agent: str | None = None
    task: str | None = None
    route: str | None = None
    session: str | None = None
    organisation: str = ""
    parts: int = 0
    cache: str = ""
    saved_tokens: int = 0


class AnswerDiscarded(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What models wrote held under a quarter of what was asked for; nobody was shown it. For review, without text."""

    at: Instant
    request_id: str
    tenant: str
    deployments: tuple[Deployment, ...]


class JobEnded(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A job in the background has its one outcome: done, failed or cancelled. `attempts` says how often it was begun,
    `duration_s` how long ago it was asked for."""

    at: Instant
    job_id: str
    tenant: str
    kind: str
    status: str
    attempts: int
    duration_s: Seconds


class DeliveryTried(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A target was told of a job: it arrived, or with which HTTP status it did not (0: no answer)."""

    at: Instant
    job_id: str
    target: str
    arrived: bool
    status: int


class PromptScreened(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A prompt held something of the operator's blocklist: what, by category, and whether it was refused for it."""

    at: Instant
    request_id: str
    tenant: str
    categories: tuple[str, ...]
    is_blocked: bool


class AlertKind(StrEnum):
    """What an operator must hear of."""

    KEY_REMOVED = "key_removed"
    DAILY_LIMIT = "daily_limit"
    SPEND_LIMIT = "spend_limit"
    MODEL_RETIRED = "model_retired"
    PROVIDER_DENIED = "provider_denied"
    ORGANISATIONS_MERGED = "organisations_merged"
    CIRCUIT_OPENED = "circuit_opened"
    CACHE_HIT_RATE = "cache_hit_rate"


class Alert(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Something that an operator should know, in words that name no secret."""

    at: Instant
    kind: AlertKind
    subject: str
    text: str


Fact = CallEnded | RequestFinished | AnswerDiscarded | JobEnded | DeliveryTried | PromptScreened | Alert
