"""What a client asks once, as the decisions need it: facts about the request, never its text."""

from enum import Flag, IntEnum, StrEnum, auto

import msgspec

from headgate.domain.limits import Amounts
from headgate.domain.time import Instant, Seconds


class Priority(IntEnum):
    """Who is served first; the lower number. Background work is last, and a share of every bucket is kept from it."""

    INTERACTIVE = 0
    STANDARD = 1
    BATCH = 2
    BACKGROUND = 3


class Strategy(StrEnum):
    """How a request's deployments are ordered before quota has its say."""

    PRIORITY = "priority"
    WEIGHTED = "weighted"
    ROUND_ROBIN = "round-robin"
    LEAST_LATENCY = "least-latency"
    LEAST_COST = "least-cost"
    MOST_HEADROOM = "most-headroom"


class Need(Flag):
    """What a model must be able to do to be a candidate."""

    NONE = 0
    TOOLS = auto()
    JSON_OBJECT = auto()
    JSON_SCHEMA = auto()
    VISION = auto()
    AUDIO = auto()
    REASONING = auto()
    BUILTIN_TOOLS = auto()
    TRANSLATION = auto()


class Check(StrEnum):
    """What an answer must be before it is given out."""

    NONE = "none"
    JSON = "json"
    SCHEMA = "schema"


class PromptSize(msgspec.Struct, frozen=True, gc=False):
    """What the token estimate is made of: characters by class, and the parts that carry template tokens.

    Tokens are these times learned ratios (`headgate.decide.estimate`); `images` count per image.
    """

    latin: int = 0
    digits: int = 0
    indic: int = 0
    han: int = 0
    other: int = 0
    messages: int = 0
    tools: int = 0
    images: int = 0

    @property
    def characters(self) -> int:
        return self.latin + self.digits + self.indic + self.han + self.other


class SkillUse(msgspec.Struct, frozen=True, gc=False):
    """The local skill that a route or task names: how sure it must be, whether it is asked before any model, and its
    options as JSON."""

    name: str
    min_confidence: float = 0.5
    first: bool = False
    options: bytes = b"{}"


class Request(msgspec.Struct, frozen=True, gc=False):
    """The facts of one request. The text stays with the door that took it.

    `candidates` are the model ids that may serve, in order, after aliases, tiers, successors and the route; `elsewhere`
    are those of other providers, for when no place among the candidates comes in time. `mixes`: the route names the
    candidates as one list, so that its strategy may put any before any other; else it orders the places of each.
    `together`: it may be asked in one call with others like it, where `of_user` says so only of that user; `parts` are
    the requests that such a call stands for, whose usage is told by theirs.
    `fixed` is what a call takes where that is known beforehand (audio, embeddings, speech): nothing is estimated then.
    `rephrases`: the last words of the user may be put in a frame after a refusal for safety; `safeguard`: there is a
    blocklist that can judge them.
    `trims_to` is the least weight that the words can be trimmed to; 0.0: they must not be.
    `recallable`: an earlier answer, however old, may be looked for in the cache when no other can be had.
    `model_asked` is what the client wrote; `reason` says why another model serves from the start ("retired").
    `ask_tokens` is None when the client left the maximum unset. `skill` answers where a local answer is made.
    """

    id: str
    model_asked: str
    candidates: tuple[str, ...]
    arrived_at: Instant
    deadline_at: Instant
    patience_until: Instant
    prompt: PromptSize
    ask_tokens: int | None = None
    stream: bool = False
    needs: Need = Need.NONE
    check: Check = Check.NONE
    tenant: str = "local"
    session: str | None = None
    agent: str | None = None
    task: str | None = None
    route: str | None = None
    priority: Priority = Priority.STANDARD
    first_token_target_s: Seconds = 10.0
    max_attempts: int = 2
    max_calls: int = 6
    local: bool = True
    local_possible: bool = True
    own_key: str | None = None
    service_tier: str | None = None
    reason: str = ""
    elsewhere: tuple[str, ...] = ()
    strategy: Strategy = Strategy.PRIORITY
    weights: tuple[tuple[str, int], ...] = ()
    mixes: bool = False
    fixed: Amounts | None = None
    skill: SkillUse | None = None
    trims_to: float = 0.0
    together: bool = False
    parts: int = 0
    recallable: bool = False
    rephrases: bool = False
    safeguard: bool = False
    of_user: str | None = None

    @property
    def fairness_key(self) -> str:
        """Whose turn this request takes: its tenant's; within the one tenant of an open door, its session's."""
        return self.tenant if self.tenant != "local" else f"local/{self.session or ''}"
