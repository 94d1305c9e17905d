"""What the machine wants done. Some are answered by the gate in the same tick, the rest by whoever drives.

Like events and facts they are trees of frozen values, which no ring can go through: the collector is spared them.
"""

from enum import StrEnum
from typing import final

import msgspec

from headgate.domain.answer import Refusal, Source, Usage
from headgate.domain.fact import Fact
from headgate.domain.failure import Failure
from headgate.domain.limits import Amounts, Deployment, SeenLimits
from headgate.domain.manner import Manner
from headgate.domain.time import Instant, Seconds
from headgate.quota.correction import Note as LevelNote
from headgate.quota.lanes import Ticket

# Answered by the gate (`Gate.apply`), at once, in memory ---------------------------------------------------------


class Reserve(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Hold these amounts at the deployment; the answer is `Granted` or `Refused`."""

    deployment: Deployment
    reservation: str
    amounts: Amounts


class Conclude(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A call was answered: settle its reservation, correct the ledger by the reply's headers, tell the circuit that all
    is well, and learn prompt ratio, output length and speed from the usage. In this order, settlement first.

    One action, because every answer comes this way: failures are told apart and take the single ones below. `metered`
    None books the whole reservation because nobody knows; `seen` is None where headers said nothing, or had been
    absorbed when the stream began; `usage` None teaches nothing, a `prompt_weight`
    of 0.0 nothing of prompts; `first_s` is the time to the first token or byte.
    """

    deployment: Deployment
    reservation: str
    metered: Amounts | None
    seen: SeenLimits | None
    note: LevelNote
    usage: Usage | None
    task: str
    prompt_weight: float
    cap_tokens: int
    was_cut: bool
    first_s: Seconds | None


class Settle(msgspec.Struct, frozen=True, tag=True, gc=False):
    """End a reservation with what was used; None books the whole of it because nobody knows."""

    reservation: str
    metered: Amounts | None


class Release(msgspec.Struct, frozen=True, tag=True, gc=False):
    """End a reservation of a call that provably generated nothing."""

    reservation: str
    keep_request: bool


class Absorb(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Correct the ledger by the limit headers of a reply."""

    deployment: Deployment
    seen: SeenLimits
    note: LevelNote
    at_stream_start: bool


class AbsorbFailure(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Correct the ledger by the numbers of a 429 or 413 body."""

    deployment: Deployment
    failure: Failure
    note: LevelNote


class Cool(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Use the deployment no more before `until`; `announced` by the provider, or else a guess."""

    deployment: Deployment
    until: Instant
    announced: bool
    reason: str


class Health(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Tell the deployment's circuit how a call went; `ok` None means that it says nothing of health."""

    deployment: Deployment
    call_id: str
    ok: bool | None


class Identify(msgspec.Struct, frozen=True, tag=True, gc=False):
    """An error body named the organisation behind a key: remember it, and merge with another of the same name."""

    provider: str
    organisation: str
    name: str


class RemoveKey(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The provider refused this key: use it no more."""

    key: str


class Out(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Take a whole organisation (`organisation` given), or a provider, out until the instant of its next probe."""

    provider: str
    organisation: str | None
    until: Instant
    reason: str


class Retire(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The provider says that the model is gone: everywhere (`organisation` None) or for one organisation."""

    provider: str
    model: str
    organisation: str | None
    until: Instant


class MoveEndpoint(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Another endpoint of the provider is to be used from now on; `seen` is the one that failed."""

    provider: str
    seen: int


class Consider(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Come back with `Considered` when the actions before this one are done."""


class Leave(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Give up the place in the waiting room."""

    journey_id: str


class Note(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Tell the observers a fact."""

    fact: Fact


# Done by the driver ----------------------------------------------------------------------------------------------


@final
class Call(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Make an upstream exchange and report `Began` and `Replied`, or `Failed`.

    `first_s` bounds the wait for the first token of a stream, or for the whole of a buffered reply;
    `deadline_at` bounds everything. `cap_tokens` goes upstream as `max_completion_tokens`. `manner` says how the
    request is to be worded, `trim_to` what the client's words may weigh at the most (0.0: they stay as they are).
    """

    number: int
    deployment: Deployment
    key: str
    endpoint: int
    reservation: str
    cap_tokens: int
    first_s: Seconds
    deadline_at: Instant
    service_tier: str | None = None
    is_repeat: bool = False
    manner: Manner = Manner.USUAL
    trim_to: float = 0.0


@final
class Enqueue(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Wait in the waiting room (the gate has put the ticket there); a `Woke` comes."""

    ticket: Ticket


class Sleep(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Wait for a backoff to pass; a `Woke` comes."""

    until: Instant


class Verify(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Check the answer of a call against what the client asked for; reply `Verified`."""

    call: int


class Mending(StrEnum):
    """What is made of answers that were wrong, and the reason that their label then gives."""

    TEXT = "mended"
    RESCUE = "rescued"
    EXTRACT = "partial"


class Mend(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Make an answer of what models wrote, without another call; reply `Mended`.

    TEXT and RESCUE: of what `call` answered, or of the `failed_generation` of its error. EXTRACT: the best of all wrong
    answers so far; `accepts_low` takes one that holds no more than a quarter to half of what was asked for.
    """

    call: int
    how: Mending = Mending.TEXT
    accepts_low: bool = False


class AnswerLocally(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Answer with a local skill, which may say why (`reason`); reply `AnsweredLocally`."""

    skill: str
    reason: str


class LookUp(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Look for an earlier answer in the cache, also one whose time is over; reply `CacheHit` or `CacheMissed`."""


class Screen(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Hold the prompt against the operator's blocklist; reply `Screened`."""


class Cancel(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Stop a call; its `Failed` (kind `cancelled`) still comes."""

    call: int


class Ending(StrEnum):
    """How a request ended for its client."""

    ANSWER = "answer"
    LOCAL = "local"
    RELAY = "relay"
    BREAK = "break"
    REFUSAL = "refusal"
    ABANDONED = "abandoned"


@final
class Finish(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The one outcome. ANSWER: of `call`, or (source `cache`) what was looked up. RELAY: the upstream error body of
    `failure`. BREAK: a begun stream ends in an error event. REFUSAL: `refusal`. ABANDONED: nobody is there."""

    ending: Ending
    source: Source | None
    reason: str
    call: int = 0
    failure: Failure | None = None
    refusal: Refusal | None = None


Action = (
    Reserve
    | Conclude
    | Settle
    | Release
    | Absorb
    | AbsorbFailure
    | Cool
    | Health
    | Identify
    | RemoveKey
    | Out
    | Retire
    | MoveEndpoint
    | Consider
    | Leave
    | Note
    | Call
    | Enqueue
    | Sleep
    | Verify
    | Mend
    | AnswerLocally
    | LookUp
    | Screen
    | Cancel
    | Finish
)
