"""What can happen to a journey. A driver feeds these to the machine, one at a time."""

import msgspec

from headgate.domain.answer import Reply
from headgate.domain.failure import Failure
from headgate.domain.limits import NOTHING, Amounts, Deployment, Dimension, SeenLimits
from headgate.domain.request import Request
from headgate.domain.time import Instant, Seconds
from headgate.quota.correction import Note as LevelNote


class Arrived(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A client asks. The first event of every journey."""

    request: Request


class Granted(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The ledger holds what `Reserve` asked for. `note` is the ledger's level at this moment, for later correction."""

    reservation: str
    note: LevelNote


class Refused(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The ledger cannot hold it before `until` (NEVER: not at all) because of `dimension` (None: a cooldown)."""

    until: Instant
    dimension: Dimension | None = None


class Began(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A stream showed its first content, reasoning or tool delta: from here on the client is committed to it."""

    call: int
    limits: SeenLimits | None = None


class Replied(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A call ended with a complete answer."""

    call: int
    reply: Reply
    limits: SeenLimits | None = None


class Failed(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A call ended without one. Its connection is gone or clean; nothing more will come of it."""

    call: int
    failure: Failure
    limits: SeenLimits | None = None


class Verified(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The answer was checked; `problem` is "" when it is what was asked for."""

    problem: str = ""


class Mended(msgspec.Struct, frozen=True, tag=True, gc=False):
    """An answer was made of what models wrote, or could not be. `call` is the one it is of; 0: the one asked about."""

    ok: bool
    call: int = 0


class AnsweredLocally(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A local skill answered, or had no answer that it could stand for."""

    ok: bool


class CacheHit(msgspec.Struct, frozen=True, tag=True, gc=False):
    """An earlier answer to a like request was found: who gave it, how old it is, the tokens that asking would cost."""

    provider: str
    model: str
    age_s: Seconds
    tokens: int


class CacheMissed(msgspec.Struct, frozen=True, tag=True, gc=False):
    """None was."""


class Screened(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The prompt was held against the blocklist; `categories` are what it holds of it."""

    categories: tuple[str, ...] = ()


class Woke(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A wait is over: admitted at `deployment`, where `amounts` fit now; or (None) time ran out or a backoff ended."""

    deployment: Deployment | None = None
    amounts: Amounts = NOTHING


class Extended(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Somebody with more time waits for the same answer: it may take until then."""

    deadline_at: Instant
    patience_until: Instant


class Considered(msgspec.Struct, frozen=True, tag=True, gc=False):
    """What a failure says about the world is now in the gate: time to choose a remedy."""


class ClientGone(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Nobody waits for the answer any more."""


Event = (
    Arrived
    | Granted
    | Refused
    | Began
    | Replied
    | Failed
    | Considered
    | Verified
    | Mended
    | AnsweredLocally
    | CacheHit
    | CacheMissed
    | Screened
    | Woke
    | Extended
    | ClientGone
)
