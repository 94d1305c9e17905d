"""The invariants of money and quota: 1 to 5 and 8 of `faults.md` 5.1."""

import re
from typing import Final

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.settling import NOT_BILLED
from headgate.domain.fact import CallEnded, Fact, RequestFinished
from headgate.domain.limits import WINDOW_S, Amounts, Deployment, Dimension
from headgate.domain.time import NEVER, Instant
from headgate.quota.correction import TOLERANCE_REQUESTS, TOLERANCE_SHARE
from headgate.simulator.invariants import Invariant, Scene
from headgate.simulator.script import Script
from headgate.simulator.virtual_run import Run

NUMBERS: Final = re.compile(rb"Limit (\d+)(?:, Used (\d+))?, Requested (\d+)")
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
            if amounts.of(row.dimension) and row.free < -SLACK:
                text = f"{deployment.id} {row.dimension} is {-row.free:.3f} above its limit of {row.limit}"
                self.require(None, text, now, action.reservation)
            if self.scene.is_honest and row.dimension is Dimension.TPM:
                text = f"{held[0]} tokens are open at {deployment.id}, which holds {row.limit}"
                self.require(held[0] <= row.limit * 2, text, now, action.reservation)

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
            metered = fact.usage.metered()
            self.rows += metered.input_tokens + metered.output_tokens
            cost = self.gate.models[fact.deployment.model].cost_nanousd(fact.usage)
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
    """5. Booked <= reserved, or the excess is recorded as overrun and charged.

    Estimates are upper bounds: overruns stay below 2 % of the settled calls of a world (and 3).
    """

    number = 5
    MOST_SHARE: Final = 0.02
    MOST: Final = 3

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
        text = f"{self.count} of {self.settled} settled calls used more than was reserved"
        self.require(self.count <= self.MOST + self.MOST_SHARE * self.settled, text, now)
        excess: dict[str, int] = {}
        for name, over in self.excess.items():
            canonical = self.gate.ledger.canonical(Deployment(name, *name.split(":", 2))).id
            excess[canonical] = excess.get(canonical, 0) + over
        for name, over in excess.items():
            _, recorded = self.gate.ledger.overruns(Deployment(name, *name.split(":", 2)))
            self.require(recorded == over, f"{over} tokens overrun at {name}, {recorded} recorded", now)


class UpstreamTruth(Invariant):
    """8. The hidden quota of an organisation is never exceeded by our sends when headers are honest.

    It binds where the provider charges prompt + maximum, as design 7 assumes. An estimate that was too low explains a
    refusal, for as long as its excess is in the provider's bucket; so does an excess within the ledger's tolerance.
    And everywhere: what a header or an error body shows beyond our own count is taken over at once.
    """

    number = 8

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.underestimated: dict[tuple[str, str], Instant] = {}
        self.held: dict[str, Amounts] = {}
        self.merged_at: Instant = -NEVER

    def watches(self) -> tuple[type, ...]:
        learning = (a.Absorb, a.AbsorbFailure, a.Identify)
        return (a.Reserve, *learning) if self.scene.is_honest else learning

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:
        if isinstance(action, a.Reserve):
            if isinstance(answer, e.Granted):
                self.held[action.reservation] = action.amounts
        elif isinstance(action, a.Absorb):
            self._header(action, now)
        elif isinstance(action, a.Identify):
            self.merged_at = now  # notes from before it know of one part only
        elif isinstance(action, a.AbsorbFailure):
            failure, note = action.failure, action.note
            told = failure.dimension is not None and failure.used is not None
            if told and failure.status == 429 and not note.others and note.at > self.merged_at:
                assert failure.dimension is not None
                assert failure.used is not None
                self._known(action.deployment, failure.dimension, failure.used, now - note.at, now)

    def _header(self, action: a.Absorb, now: Instant) -> None:
        """A quiet reply's level is ours from then on, less this call's own reservation that it may still hold."""
        seen, note = action.seen, action.note
        limit, left = seen.limit_tokens, seen.remaining_tokens
        if limit is None or left is None or not 0 <= left <= limit or note.others or note.at <= self.merged_at:
            return
        if self.gate.ledger.open_count(action.deployment) <= action.at_stream_start:
            self._known(action.deployment, Dimension.TPM, limit - left - note.need_tokens, now - note.at, now)

    def _known(self, deployment: Deployment, dimension: Dimension, used: int, age_s: float, now: Instant) -> None:
        for row in self.gate.ledger.view(deployment, now).rows:
            if row.dimension is dimension:
                level, least = row.limit - row.free, used - age_s * row.limit / WINDOW_S[dimension]
                text = f"{deployment.id} {dimension}: {used} are used, the ledger knows of {level:.0f}"
                self.require(level >= least - 2 - TOLERANCE_SHARE * row.limit, text, now)

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
            if held is not None and admitted.held.total > held.of(Dimension.TPM):
                self.underestimated[place] = now
            return
        if script.status not in {413, 429} or run.request.own_key is not None:
            return
        explained = now - self.underestimated.get(place, -NEVER) < DAY_S or _is_small(script, held)
        self.require(explained, lambda: f"refused by {place}: {script.body.decode()}", now, run.request.id)


def _is_small(script: Script, held: Amounts | None) -> bool:
    """Whether the refused call itself had been estimated too low, or went beyond the limit by less than the ledger
    takes for rounding, both by the refusal's own numbers."""
    found = NUMBERS.search(script.body)
    if held is None or found is None:
        return False
    limit, used, requested = int(found[1]), int(found[2] or 0), int(found[3])
    requests = b"(RP" in script.body
    if not requests and requested > held.of(Dimension.TPM):
        return True
    return used + requested - limit <= (TOLERANCE_REQUESTS if requests else TOLERANCE_SHARE * limit)


ALL: Final = (NoOverAdmission, EndsOnce, Conservation, NeverBookedAsZero, Overruns, UpstreamTruth)
