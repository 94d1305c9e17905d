"""The invariants of money, quota and cooldowns: 1 to 5, 8 to 10, 13 and 37 of `faults.md` 5.1."""

from collections import deque
from typing import Final

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.settling import NOT_BILLED, UNHEALTHY
from headgate.domain.fact import CallEnded, Fact, RequestFinished
from headgate.domain.failure import FailureKind as F
from headgate.domain.limits import Amounts, Deployment, Dimension
from headgate.domain.time import NEVER, Instant
from headgate.simulator.invariants import Invariant, Scene
from headgate.simulator.script import Script
from headgate.simulator.virtual_driver import Run

SLACK: Final = 1e-3
DAY_S: Final = 86_400.0


class NoOverAdmission(Invariant):
    """1. In every dimension, settled + reserved <= limit at the ledger's decision point."""

    number = 1

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.open: dict[str, tuple[str, Amounts]] = {}
        self.held: dict[str, list[int]] = {}

    def watches(self) -> tuple[type, ...]:
        return (a.Reserve, a.Settle, a.Release)

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:
        if not isinstance(action, a.Reserve):
            assert isinstance(action, a.Settle | a.Release)
            name, amounts = self.open.pop(action.reservation, ("", Amounts(requests=0)))
            self._add(name, amounts, -1)
            return
        if not isinstance(answer, e.Granted):
            return
        deployment, amounts = action.deployment, action.amounts
        self.open[action.reservation] = (deployment.id, amounts)
        held = self._add(deployment.id, amounts, 1)
        for row in self.gate.ledger.view(deployment, now).rows:
            need = amounts.of(row.dimension)
            self.require(
                not need or row.free >= -SLACK,
                lambda row=row: f"{deployment.id} {row.dimension} is {-row.free:.3f} above its limit of {row.limit}",
                now,
                action.reservation,
            )
            self.require(
                not self.scene.is_honest or row.dimension is not Dimension.TPM or held[0] <= row.limit * 2 + SLACK,
                lambda row=row: f"{held[0]} tokens are open at {deployment.id}, which holds {row.limit}",
                now,
                action.reservation,
            )

    def _add(self, name: str, amounts: Amounts, sign: int) -> list[int]:
        held = self.held.setdefault(name, [0])
        held[0] += sign * (amounts.input_tokens + amounts.output_tokens)
        return held


class EndsOnce(Invariant):
    """2. Each reservation ends exactly once: settled or released; never two ends, never none."""

    number = 2

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.open: set[str] = set()
        self.ended: set[str] = set()

    def watches(self) -> tuple[type, ...]:
        return (a.Reserve, a.Settle, a.Release)

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:
        if isinstance(action, a.Reserve):
            if isinstance(answer, e.Granted):
                name = action.reservation
                self.require(name not in self.open and name not in self.ended, f"{name} was held twice", now)
                self.open.add(name)
            return
        assert isinstance(action, a.Settle | a.Release)
        name = action.reservation
        self.require(name in self.open, f"{name} ended but was not open", now)
        self.open.discard(name)
        self.ended.add(name)

    def audit(self, now: Instant) -> None:
        self.gate.ledger.check(now)

    def at_rest(self, now: Instant) -> None:
        self.require(not self.open, lambda: f"never ended: {sorted(self.open)[:3]}", now)


class Conservation(Invariant):
    """3. At rest open reservations are 0 and the sum of usage rows is that of the counters and of the invoices."""

    number = 3

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.rows = 0
        self.counted = 0
        self.cost: dict[str, int] = {}

    def watches(self) -> tuple[type, ...]:
        return (a.Settle,)

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:  # noqa: ARG002
        assert isinstance(action, a.Settle)
        if action.metered is not None:
            self.counted += action.metered.input_tokens + action.metered.output_tokens

    def told(self, fact: Fact) -> None:
        if isinstance(fact, CallEnded) and fact.usage is not None:
            metered = fact.usage.metered
            self.rows += metered.input_tokens + metered.output_tokens
            cost = self.gate.model(fact.deployment.model).cost_nanousd(fact.usage)
            self.cost[fact.request_id] = self.cost.get(fact.request_id, 0) + cost
        elif isinstance(fact, RequestFinished):
            billed = self.cost.pop(fact.request_id, 0)
            text = f"{billed} nano-dollars of calls, {fact.cost_nanousd} on the invoice"
            self.require(fact.cost_nanousd == billed, text, fact.at, fact.request_id)

    def at_rest(self, now: Instant) -> None:
        self.require(self.rows == self.counted, f"{self.rows} tokens in rows, {self.counted} in counters", now)
        self.require(not self.cost, lambda: f"usage that no invoice has: {list(self.cost)[:3]}", now)
        ledger = self.gate.ledger
        for name in list(self.gate.circuits):
            count = ledger.open_count(Deployment(name, *name.split(":", 2)))
            self.require(count == 0, f"{count} reservations are open at {name}", now)


class NeverBookedAsZero(Invariant):
    """4. An attempt that reached upstream is never booked as zero unless upstream proved zero."""

    number = 4

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.admitted: dict[str, int] = {}

    def heard(self, run: Run, script: Script, now: Instant) -> None:  # noqa: ARG002
        if script.id in self.scene.groq.limiter.calls:
            assert run.journey.open is not None
            self.admitted[run.journey.open.reservation] = script.status

    def watches(self) -> tuple[type, ...]:
        return (a.Settle, a.Release)

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:  # noqa: ARG002
        assert isinstance(action, a.Settle | a.Release)
        status = self.admitted.pop(action.reservation, None)
        zero = isinstance(action, a.Release) or (
            action.metered is not None and not action.metered.input_tokens + action.metered.output_tokens
        )
        proved = status is None or status in NOT_BILLED
        self.require(proved or not zero, f"{action.reservation} was admitted upstream and booked as zero", now)


class Overruns(Invariant):
    """5. Booked <= reserved, or the excess is recorded as overrun and charged."""

    number = 5

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.open: dict[str, tuple[Deployment, Amounts]] = {}
        self.excess: dict[str, int] = {}
        self.count = 0
        self.settled = 0

    def watches(self) -> tuple[type, ...]:
        return (a.Reserve, a.Settle, a.Release)

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:  # noqa: ARG002
        if isinstance(action, a.Reserve):
            if isinstance(answer, e.Granted):
                self.open[action.reservation] = (action.deployment, action.amounts)
            return
        assert isinstance(action, a.Settle | a.Release)
        found = self.open.pop(action.reservation, None)
        if found is None or not isinstance(action, a.Settle) or action.metered is None:
            return
        self.settled += 1
        deployment, held = found
        over = action.metered.of(Dimension.TPM) - held.of(Dimension.TPM)
        if over > 0:
            self.count += 1
            name = self.gate.ledger.canonical(deployment).id
            self.excess[name] = self.excess.get(name, 0) + over

    def at_rest(self, now: Instant) -> None:
        excess: dict[str, int] = {}
        for name, over in self.excess.items():
            canonical = self.gate.ledger.canonical(Deployment(name, *name.split(":", 2))).id
            excess[canonical] = excess.get(canonical, 0) + over
        for name, over in excess.items():
            _, recorded = self.gate.ledger.overruns(Deployment(name, *name.split(":", 2)))
            self.require(recorded == over, f"{over} tokens overrun at {name}, {recorded} recorded", now)


class UpstreamTruth(Invariant):
    """8. The hidden quota of an organisation is never exceeded by our sends when headers are honest.

    An estimate that was too low explains a refusal, for as long as its excess is in the provider's bucket.
    """

    number = 8

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.underestimated: dict[tuple[str, str], Instant] = {}
        self.held: dict[str, tuple[Amounts, int]] = {}

    def watches(self) -> tuple[type, ...]:
        return (a.Reserve,) if self.scene.is_honest else ()

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:  # noqa: ARG002
        assert isinstance(action, a.Reserve)
        if isinstance(answer, e.Granted):
            self.held[action.reservation] = (action.amounts, 0)

    def heard(self, run: Run, script: Script, now: Instant) -> None:
        if not self.scene.is_honest:
            return
        call = run.journey.open
        assert call is not None
        groq = self.scene.groq
        secret = self.scene.secrets.get(call.key) or run.own_secret or ""
        place = (groq.organisation_of(secret, now) or "", call.plan.deployment.model)
        admitted = groq.limiter.calls.get(script.id)
        held = self.held.pop(call.reservation, None)
        if admitted is not None:
            if held is not None and admitted.held.total > held[0].of(Dimension.TPM):
                self.underestimated[place] = now
            return
        if script.status not in {413, 429} or run.request.own_key is not None:
            return
        explained = now - self.underestimated.get(place, -NEVER) < DAY_S or _too_low(script, held)
        self.require(explained, lambda: f"refused by {place}: {script.body.decode()}", now, run.request.id)


def _too_low(script: Script, held: tuple[Amounts, int] | None) -> bool:
    """Whether the refused call itself had been estimated too low, by the refusal's own number."""
    text = script.body.decode()
    if held is None or "Requested " not in text:
        return False
    requested = int(text.split("Requested ", 1)[1].split(",")[0].split(".")[0])
    return requested > held[0].of(Dimension.TPM)


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
        if action.key.startswith("own:"):
            own = run.request.own_key
            self.require(own is not None and action.key == f"own:{own}", "somebody else's own key is used", now, request_id)
        else:
            self.require(run.request.own_key is None, "a pool key serves a caller with a key of their own", now, request_id)
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
    """10. No send earlier than `retry-after`, up to the cap of design 6 (a day when header and body agree, else 300 s)."""

    number = 10
    KINDS: Final = frozenset({F.REQUESTS_PER_MINUTE, F.TOKENS_PER_MINUTE, F.DAILY_LIMIT})

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.until: dict[str, Instant] = {}

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
        name = self.gate.ledger.canonical(call.plan.deployment).id
        self.until[name] = max(now + wait_s, self.until.get(name, 0.0))

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        if not self.until:
            return
        name = self.gate.ledger.canonical(action.deployment).id
        until = self.until.get(name, -NEVER)
        self.require(now >= until - SLACK, f"{name} said to come back at {until:.3f}", now, run.request.id)


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
    LONGEST_S: Final = 145.0
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
        elif isinstance(event, e.Failed) and event.failure.kind in UNHEALTHY:
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


ALL: Final = (
    NoOverAdmission,
    EndsOnce,
    Conservation,
    NeverBookedAsZero,
    Overruns,
    UpstreamTruth,
    NothingCalledWhileOut,
    NotBeforeRetryAfter,
    RepeatsInBudget,
    Breakers,
)
