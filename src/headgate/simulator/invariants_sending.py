"""The invariants of who is called when: cooldowns, repeats, turns, circuits (9, 10, 13, 24, 37 of `faults.md` 5.1)."""

from collections import deque
from typing import Final

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.settling import is_unhealthy
from headgate.domain.failure import FailureKind as F
from headgate.domain.limits import Deployment
from headgate.domain.time import NEVER, Instant
from headgate.simulator.invariants import Invariant, Scene
from headgate.simulator.script import Script
from headgate.simulator.virtual_run import Run

SLACK: Final = 1e-3
DAY_S: Final = 86_400.0


class NothingCalledWhileOut(Invariant):
    """9. A cooling or quarantined key, organisation, model or deployment gets no call except the single probe."""

    number = 9

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.rejected: set[str] = set()
        self.denied: dict[str, Instant] = {}

    def call_ended(self, run: Run, event: e.Event, script: Script | None, now: Instant) -> None:
        if not isinstance(event, e.Failed) or script is None:
            return
        call, policy = run.journey.open, self.gate.policy
        assert call is not None
        deployment, failure = call.plan.deployment, event.failure
        organisation = f"{deployment.provider}:{deployment.organisation}"
        if script.status == 401 and failure.kind is F.INVALID_KEY:
            self.rejected.add(call.key)
        elif script.status == 403 and failure.code is None:
            self.denied[deployment.provider] = now + policy.denied_probe_s
        elif failure.code is not None and failure.code.startswith(("blocked_api_access", "spend_")):
            self.denied[organisation] = now + policy.spend_probe_s
        elif failure.code == "model_decommissioned":
            self.denied[f"{deployment.provider}:*:{deployment.model}"] = now + policy.retired_probe_s
        elif failure.code == "model_not_found":
            self.denied[deployment.id] = now + policy.retired_probe_s

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        deployment, request_id = action.deployment, run.request.id
        cooldown = self.gate.ledger.cooldown(deployment, now)
        self.require(cooldown is None, lambda: f"{deployment.id} cools: {cooldown}", now, request_id)
        own = run.request.own_key
        if own is not None:
            mine = action.key == f"own:{own}" and deployment.organisation == f"own-{own}"
            self.require(mine, f"a caller's own key, but {action.key} at {deployment.id}", now, request_id)
        else:
            self.require(not action.key.startswith("own:"), "somebody's own key is used for others", now, request_id)
            self.require(action.key not in self.rejected, f"key {action.key} was rejected before", now, request_id)
        for name in (
            deployment.provider,
            f"{deployment.provider}:{deployment.organisation}",
            f"{deployment.provider}:*:{deployment.model}",
            deployment.id,
        ):
            until = self.denied.get(name, -NEVER)
            self.require(now >= until, f"{name} is out until {until:.3f}", now, request_id)


class NotBeforeRetryAfter(Invariant):
    """10. No send earlier than `retry-after`, up to design 6's cap (a day when header and body agree, else 300 s)."""

    number = 10
    KINDS: Final = frozenset({F.REQUESTS_PER_MINUTE, F.TOKENS_PER_MINUTE, F.DAILY_LIMIT})

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.until: list[tuple[Deployment, Instant]] = []

    def call_ended(self, run: Run, event: e.Event, script: Script | None, now: Instant) -> None:
        if script is None or script.status != 429 or not isinstance(event, e.Failed):
            return
        failure, headers = event.failure, dict(script.headers)
        if failure.kind not in self.KINDS:
            return
        told = headers.get("retry-after", "")
        header_s = float(told) if told.isdigit() else None
        body_s = failure.wait_s
        if header_s is None and body_s is None:
            return
        agree = header_s is not None and body_s is not None and abs(header_s - body_s) <= 1.0 + SLACK
        wait_s = min(max(header_s or 0.0, body_s or 0.0), DAY_S if agree else 300.0)
        call = run.journey.open
        assert call is not None
        self.until.append((call.plan.deployment, now + wait_s))
        self.until = [(deployment, until) for deployment, until in self.until if until > now]

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        name = self._place(action.deployment)
        for deployment, until in self.until:
            if now < until - SLACK and self._place(deployment) == name:
                self.require(None, f"{deployment.id} said to come back at {until:.3f}", now, run.request.id)

    def _place(self, deployment: Deployment) -> tuple[str, str]:
        """The organisation as it is known by now, and the model."""
        return self.gate.pool.canonical(deployment.provider, deployment.organisation), deployment.model


class RepeatsInBudget(Invariant):
    """13. Repeats on one deployment: at most the larger of 3 and 20 % of its calls in any trailing 10 s."""

    number = 13
    WINDOW_S: Final = 10.0

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.calls: dict[str, deque[tuple[Instant, bool]]] = {}
        self.called: dict[str, set[str]] = {}

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        name = action.deployment.id
        before = self.called.setdefault(run.request.id, set())
        repeat = name in before
        before.add(name)
        calls = self.calls.setdefault(name, deque())
        calls.append((now, repeat))
        while calls[0][0] <= now - self.WINDOW_S:
            calls.popleft()
        self.require(repeat == action.is_repeat, f"a repeat at {name} is not called one", now, run.request.id)
        if repeat:
            repeats = sum(is_repeat for _, is_repeat in calls)
            text = f"{repeats} repeats among {len(calls)} calls at {name}"
            self.require(repeats <= max(3, 0.2 * len(calls)), text, now, run.request.id)

    def finished(self, run: Run, now: Instant) -> None:  # noqa: ARG002
        self.called.pop(run.request.id, None)


class Breakers(Invariant):
    """37. A half-open circuit admits one probe; failing deployments are left alone; a good probe closes the circuit;
    none stays open for longer than its longest time."""

    number = 37
    LONGEST_S: Final = 48.1
    LEAST_OPEN_S: Final = 3.9
    IN_A_ROW: Final = 5

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.bad: dict[str, int] = {}
        self.left_alone: dict[str, Instant] = {}
        self.probes: dict[str, str] = {}
        self.was_open: set[str] = set()

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        name, request_id = action.deployment.id, run.request.id
        until = self.left_alone.get(name, -NEVER)
        self.require(now >= until, f"{name} failed {self.IN_A_ROW} times in a row and is called again", now, request_id)
        circuit = self.gate.circuits.get(name)
        if circuit is None or circuit.is_closed:
            return
        self.require(now >= circuit.open_until, f"{name} is open until {circuit.open_until:.3f}", now, request_id)
        self.require(name not in self.probes, f"{name} is probed by {self.probes.get(name)}", now, request_id)
        self.probes[name] = action.reservation

    def call_ended(self, run: Run, event: e.Event, script: Script | None, now: Instant) -> None:  # noqa: ARG002
        call = run.journey.open
        assert call is not None
        name = call.plan.deployment.id
        circuit = self.gate.circuits.get(name)
        self.was_open.discard(name)
        if circuit is not None and not circuit.is_closed:
            self.was_open.add(name)
        if isinstance(event, e.Replied):
            self.bad[name] = 0
        elif isinstance(event, e.Failed) and is_unhealthy(event.failure):
            self.bad[name] = self.bad.get(name, 0) + 1

    def watches(self) -> tuple[type, ...]:
        return (a.Health,)

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:  # noqa: ARG002
        assert isinstance(action, a.Health)
        name = action.deployment.id
        circuit = self.gate.circuits.get(name)
        was_probe = self.probes.get(name) == action.call_id
        if was_probe:
            del self.probes[name]
        if self.bad.get(name, 0) >= self.IN_A_ROW and action.ok is False and name not in self.was_open:
            self.left_alone[name] = now + self.LEAST_OPEN_S
        if was_probe and action.ok:
            self.require(circuit is not None and circuit.is_closed, f"a good probe leaves {name} open", now)

    def audit(self, now: Instant) -> None:
        for name, circuit in self.gate.circuits.items():
            text = f"{name} is open until {circuit.open_until:.3f}"
            self.require(circuit.open_until <= now + self.LONGEST_S, text, now)


class NobodyPassedOver(Invariant):
    """24. Fair turns: a newcomer does not pass those who wait for the same deployment."""

    number = 24

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        journey = run.journey
        if journey.calls == 1 and not journey.queued_at:
            waiting = self.gate.room.waiting_for(action.deployment.id)
            self.require(not waiting, f"{waiting} who wait for {action.deployment.id} are passed", now, run.request.id)


ALL: Final = (NothingCalledWhileOut, NotBeforeRetryAfter, RepeatsInBudget, NobodyPassedOver, Breakers)
