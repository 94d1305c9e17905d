"""What must hold in every world, whatever goes wrong: the machinery of the checks, and all of them put together.

Each invariant is a class of its own, with the number and the sentence of `faults.md` 5.1. It sees what happens from
outside (the events and actions that pass, the provider's own books) and keeps what it needs to judge by itself.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.gate import Gate
from headgate.domain.fact import Fact
from headgate.domain.time import Instant
from headgate.simulator.groq import PretendGroq
from headgate.simulator.script import Script
from headgate.simulator.virtual_driver import VirtualDriver
from headgate.simulator.virtual_run import Run, Witness

AUDIT_EVERY: Final = 64
"""Events between two full audits."""


class Violation(Exception):
    """An invariant does not hold."""

    def __init__(self, number: int, text: str, *, request_id: str = "", at: Instant = 0.0) -> None:
        super().__init__(f"invariant {number}: {text} (request {request_id or '-'}, at {at:.4f} s)")
        self.number, self.text, self.request_id, self.at = number, text, request_id, at


class Scene:
    """What invariants look at: the gate, the provider's books, the driver, and what the world promises of itself.

    `is_honest`: the provider's quota is known and its own; nobody else spends it and no header lies.
    """

    def __init__(self, gate: Gate, groq: PretendGroq, *, is_honest: bool, secrets: Mapping[str, str]) -> None:
        self.gate = gate
        self.groq = groq
        self.is_honest = is_honest
        self.secrets = secrets
        self.runs: dict[str, Run] = {}
        self.driver: VirtualDriver | None = None
        self.must_answer: set[str] = set()

    def run_of(self, reservation: str) -> Run:
        """The request that a reservation is for."""
        return self.runs[reservation.rpartition("#")[0]]


class Invariant(Witness):
    """One invariant. It overrides what it needs; the rest is never called."""

    number: ClassVar[int] = 0

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.gate = scene.gate

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:
        """The gate has done what an action asked."""

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        """A call was decided, at a moment when the gate still is as it was for the decision."""

    def told(self, fact: Fact) -> None:
        """The machine told a fact."""

    def audit(self, now: Instant) -> None:
        """Now and then, and at the end: look at everything."""

    def at_rest(self, now: Instant) -> None:
        """Nothing will happen any more."""

    def require(self, holds: object, text: str | Callable[[], str], now: Instant, request_id: str = "") -> None:
        """Complain unless it holds."""
        if not holds:
            raise Violation(self.number, text if isinstance(text, str) else text(), request_id=request_id, at=now)

    def watches(self) -> tuple[type, ...]:
        """The types of actions that `acted` is for; all of them where it is overridden and this is not."""
        return ()


_HOOKS: Final = (
    "arrived", "calling", "heard", "call_ended", "finished", "settled_down", "told", "audit", "at_rest",
)  # fmt: skip


class Checks(Witness):
    """All invariants of a world behind one witness; each is called only for what it overrides."""

    def __init__(self, scene: Scene, invariants: list[Invariant]) -> None:
        self.scene = scene
        self.invariants = invariants
        self._of: dict[str, list[Callable[..., None]]] = {
            name: [
                getattr(each, name) for each in invariants if getattr(type(each), name) is not getattr(Invariant, name)
            ]
            for name in _HOOKS
        }
        self._acted: dict[type, list[Callable[..., None]]] = {}
        for each in invariants:
            for kind in each.watches():
                self._acted.setdefault(kind, []).append(each.acted)
        self._until_audit = AUDIT_EVERY

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:
        for hook in self._acted.get(type(action), ()):
            hook(action, answer, now)

    def arrived(self, run: Run, now: Instant) -> None:
        for hook in self._of["arrived"]:
            hook(run, now)

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        for hook in self._of["calling"]:
            hook(run, action, now)

    def heard(self, run: Run, script: Script, now: Instant) -> None:
        for hook in self._of["heard"]:
            hook(run, script, now)

    def call_ended(self, run: Run, event: e.Event, script: Script | None, now: Instant) -> None:
        for hook in self._of["call_ended"]:
            hook(run, event, script, now)

    def finished(self, run: Run, now: Instant) -> None:
        for hook in self._of["finished"]:
            hook(run, now)

    def told(self, fact: Fact) -> None:
        """A fact was told."""
        for hook in self._of["told"]:
            hook(fact)

    def settled_down(self, now: Instant) -> None:
        for hook in self._of["settled_down"]:
            hook(now)
        self._until_audit -= 1
        if self._until_audit <= 0:
            self._until_audit = AUDIT_EVERY
            self.audit(now)

    def audit(self, now: Instant) -> None:
        """Every full audit."""
        for hook in self._of["audit"]:
            hook(now)

    def at_rest(self, now: Instant) -> None:
        """The world is over."""
        self.audit(now)
        for hook in self._of["at_rest"]:
            hook(now)


class WatchedGate(Gate):
    """The gate itself, seen: after every change the checks are shown what was done."""

    checks: Checks | None = None

    def apply(self, action: a.Action, now: Instant) -> e.Event | None:
        """As the gate does it, then shown."""
        answer = super().apply(action, now)
        if self.checks is not None:
            if type(action) is a.Call:
                self.checks.calling(self.checks.scene.run_of(action.reservation), action, now)
            for part in _parts(action):
                self.checks.acted(part, answer, now)
        return answer


def _parts(action: a.Action) -> tuple[a.Action, ...]:
    """What an action asks for, in the single actions that invariants know: an answer's books are three of them."""
    if type(action) is not a.Conclude:
        return (action,)
    settled = a.Settle(action.reservation, action.metered)
    healthy = a.Health(action.deployment, action.reservation, ok=True)
    if action.seen is None:
        return settled, healthy
    return settled, a.Absorb(action.deployment, action.seen, action.note, at_stream_start=False), healthy


def every_invariant() -> tuple[type[Invariant], ...]:
    """All that are checked, by number."""
    from headgate.simulator import invariants_quota, invariants_requests, invariants_sending, invariants_trimming

    found = (*invariants_quota.ALL, *invariants_sending.ALL, *invariants_requests.ALL, *invariants_trimming.ALL)
    return tuple(sorted(found, key=lambda each: each.number))
