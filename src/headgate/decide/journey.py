"""The state of one request on its way through the machine."""

from enum import IntEnum
from typing import Final

import msgspec

from headgate.decide.actions import Mend
from headgate.decide.events import CacheHit
from headgate.domain.answer import Reply, Tried, Usage
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.limits import Amounts, Deployment
from headgate.domain.manner import Manner
from headgate.domain.request import Request
from headgate.domain.time import Instant, Seconds
from headgate.quota.correction import Note as LevelNote

TRIMMED: Final = "trimmed"
"""The reason on answers to prompts that were trimmed before the first call."""


class Phase(IntEnum):
    """Where a journey stands. If you add one: add its line to the table in `machine.py`."""

    NEW = 0
    RESERVING = 1
    WAITING = 2
    SLEEPING = 3
    CALLING = 4
    STREAMING = 5
    FAILED = 6
    CHECKING = 7
    MENDING = 8
    LOCAL = 9
    RECALLING = 10
    LEAVING = 11
    DONE = 12


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What is about to be reserved: where, and how much. `fixed` is what a call takes that is not estimated."""

    deployment: Deployment
    prompt_tokens: int
    cap_tokens: int
    ask_tokens: int
    fits_now: bool = True
    fixed: Amounts | None = None

    def amounts(self) -> Amounts:
        return self.fixed or Amounts(self.prompt_tokens, self.cap_tokens)

    def fitted(self, asked_tokens: int | None) -> str | None:
        """The label of a maximum that we made smaller: what was asked for and what it became."""
        asked = asked_tokens or self.ask_tokens
        return f"{asked}->{self.cap_tokens}" if self.cap_tokens < asked else None


class OpenCall(msgspec.Struct, gc=False):
    """A call that is under way."""

    number: int
    plan: Plan
    key: str
    reservation: str
    note: LevelNote
    started_at: Instant
    endpoint: int
    began_at: Instant | None = None
    absorbed: bool = False


class Wrong(msgspec.Struct, frozen=True, gc=False):
    """A call that wrote something else than it was asked for. `generation` is what came back as an error, if it did."""

    call: int
    plan: Plan
    generation: str | None = None


class Journey(msgspec.Struct, gc=False):
    """One request and what has been done for it. Only the machine changes it.

    `task` is what the output length is learned by: the request's task, else its agent. `turn` is the gate's at arrival:
    where the request stands among others that take turns. `unable` is why the first candidates could not be asked, but
    others could. `rows` names the remedy row of a failure once for each time that it led to another call. `mended_call`
    and `extracted_call` are the last call when that was tried: it is tried once for each. `checked_s` is how long the
    call took whose answer is being checked. `asks_skill_first`: a local
    skill is being asked before any model; `local_failed`: at the end no local answer could be made either. `trim_to` is
    what the words may weigh (0.0: they are the client's own), `trimmed_from` what they were estimated at before.
    `extended`: the deadline was moved while it waits. `recalled`: the cache was asked for an old answer, and `stale` is
    what it had. Names are few here, so tuples do for sets.
    """

    request: Request
    phase: Phase = Phase.NEW
    prompt_weight: float = 0.0
    task: str = ""
    turn: int = 0
    attempts: int = 0
    calls: int = 0
    reservations: int = 0
    rows: tuple[FailureKind, ...] = ()
    excluded: tuple[str, ...] = ()
    called: tuple[str, ...] = ()
    plan: Plan | None = None
    open: OpenCall | None = None
    failure: Failure | None = None
    failed: Plan | None = None
    retry: Plan | None = None
    reply: Reply | None = None
    unable: Failure | None = None
    last_key: str = ""
    mended_call: int = 0
    extracted_call: int = 0
    mending: Mend | None = None
    wrong: tuple[Wrong, ...] = ()
    manner: Manner = Manner.USUAL
    checked_call: int = 0
    checked_s: Seconds = 0.0
    cut_call: int = 0
    cut_plan: Plan | None = None
    least_cap_tokens: int = 0
    asks_skill_first: bool = False
    local_failed: bool = False
    on_demand: bool = False
    screened: bool = False
    trim_to: float = 0.0
    trimmed_from: int = 0
    extended: bool = False
    recalled: bool = False
    stale: CacheHit | None = None
    backoffs: int = 0
    waited_s: Seconds = 0.0
    queued_at: Instant = 0.0
    fitted: str | None = None
    reason: str = ""
    served: Deployment | None = None
    usage: Usage | None = None
    cost_nanousd: int = 0
    tried: tuple[Tried, ...] = ()

    def next_reservation(self) -> str:
        """A name for one more reservation: never used twice, also when one ends without a call."""
        self.reservations += 1
        return f"{self.request.id}#{self.reservations}"

    def why(self) -> str:
        """Why the answer is not simply the first choice's: the last failure on the way to it, or what was known."""
        if self.failure is not None:
            return self.failure.kind
        return self.request.reason or (TRIMMED if self.trim_to else "")

    def fitted_by(self, plan: Plan) -> str | None:
        """The label of what we made smaller: the prompt, the maximum, or both."""
        cap = plan.fitted(self.request.ask_tokens)
        if not self.trim_to:
            return cap
        prompt = f"prompt {self.trimmed_from}->{plan.prompt_tokens}"
        return prompt if cap is None else f"{prompt}, {cap}"

    @property
    def is_over(self) -> bool:
        return self.phase >= Phase.LEAVING
