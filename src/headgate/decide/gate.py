"""The shared state that decisions read, and the one place where actions change it.

`apply` is what both drivers, the live one and the simulated one, do with an action that needs no I/O. Everything here
can be written down (`snapshot`) and restored, so that a recorded log can be replayed.
"""

import random
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from headgate.catalog import Catalog, Model
from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.circuit import Circuit, RepeatBudget
from headgate.decide.learned import Learned
from headgate.decide.policy import Policy
from headgate.decide.pool import Pool
from headgate.decide.remedies import ROWS, Remedy, Rows
from headgate.domain.limits import Deployment
from headgate.domain.time import Instant
from headgate.quota.answers import Held
from headgate.quota.cooldown import CooldownSource
from headgate.quota.ledger import Ledger
from headgate.quota.room import Admission, WaitingRoom


class _Models(dict[str, Model]):
    """Models that are candidates; the catalogue is asked once for each."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self._catalog = catalog

    def __missing__(self, name: str) -> Model:
        row = self._catalog.model(name)
        assert row is not None, f"candidate {name} is not in the catalogue"
        self[name] = row
        return row


class Gate:
    """Ledger, waiting room, circuits, keys, learned values and dice of one process."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        policy: Policy,
        pool: Pool,
        ledger: Ledger,
        room: WaitingRoom,
        learned: Learned,
        dice: random.Random,
        rows: Rows = ROWS,
    ) -> None:
        self.catalog = catalog
        self.models: Mapping[str, Model] = _Models(catalog)
        self.policy = policy
        self.pool = pool
        self.ledger = ledger
        self.room = room
        self.learned = learned
        self.dice = dice
        self.rows = rows
        self.circuits: dict[str, Circuit] = {}
        self.repeats: dict[str, RepeatBudget] = {}
        self.turn = 0
        self.remedies_taken: dict[Remedy, int] = {}

    # Questions -----------------------------------------------------------------------------------------------------

    def is_usable(self, deployment: Deployment, now: Instant) -> bool:
        """Whether health lets a call start there: in use, and its circuit closed or due for a probe."""
        if self.pool.trouble and not self.pool.is_up(deployment, now):
            return False
        circuit = self.circuits.get(deployment.id)
        return circuit is None or circuit.open_s == 0.0 or circuit.may_call(now)

    def repeat_allowed(self, deployment_id: str, now: Instant) -> bool:
        """Whether the deployment's retry budget has room for one more repeat."""
        budget = self.repeats.get(deployment_id)
        return budget is None or budget.allows(now)

    def brown_out(self, now: Instant) -> bool:
        """The declared panic mode: there are deployments with circuits, and none of them is closed."""
        return bool(self.circuits) and not any(circuit.may_call(now) for circuit in self.circuits.values())

    def next_wake(self, now: Instant) -> tuple[str, e.Woke] | None:
        """The next journey whose wait is over: admitted, or out of time. Ask again until there is none."""
        due = self.room.next(self.ledger, now, self._usable(now))
        if due is None:
            return None
        if not isinstance(due, Admission):
            return due.ticket.journey, e.Woke()
        place = due.deployment
        amounts = next(o.amounts_minimum for o in due.ticket.options if o.deployment.id == place.id)
        return due.ticket.journey, e.Woke(place, amounts)

    def wakes_at(self, now: Instant) -> Instant:
        """When to ask `next_wake` again if nothing else happens."""
        return self.room.wakes_at(self.ledger, now, self._usable(now))

    def _usable(self, now: Instant) -> Callable[[str], bool]:
        return lambda name: self.is_usable(Deployment(name, *name.split(":", 2)), now)

    def remedy_taken(self, remedy: Remedy) -> None:
        """Count a remedy, for the metrics. Counts decide nothing."""
        self.remedies_taken[remedy] = self.remedies_taken.get(remedy, 0) + 1

    # Changes -------------------------------------------------------------------------------------------------------

    def apply(self, action: a.Action, now: Instant) -> e.Event | None:
        """Do what an action `FOR_THE_GATE` asks. The answer, where there is one, is the journey's next event."""
        return _APPLY[type(action)](self, action, now)

    def _reserve(self, action: a.Reserve, now: Instant) -> e.Event:
        answer = self.ledger.reserve(action.deployment, action.reservation, action.amounts, now)
        if isinstance(answer, Held):
            return e.Granted(action.reservation, answer.note)
        return e.Refused(answer.until, answer.dimension)

    def _conclude(self, action: a.Conclude, now: Instant) -> None:
        deployment, reservation, usage = action.deployment, action.reservation, action.usage
        self.ledger.settle(reservation, action.metered, now)
        if action.seen is not None:
            self.ledger.absorb_headers(deployment, action.seen, action.note, at_stream_start=False, now=now)
        self._circuit(deployment).ended(reservation, True, now, self.dice)
        if usage is not None:
            self.learned.absorb(
                deployment.model,
                action.task,
                action.prompt_weight,
                usage,
                action.cap_tokens,
                action.was_cut,
                action.first_s,
            )

    def _settle(self, action: a.Settle, now: Instant) -> None:
        self.ledger.settle(action.reservation, action.metered, now)

    def _release(self, action: a.Release, now: Instant) -> None:
        self.ledger.release(action.reservation, now, keep_request=action.keep_request)

    def _absorb(self, action: a.Absorb, now: Instant) -> None:
        self.ledger.absorb_headers(
            action.deployment, action.seen, action.note, at_stream_start=action.at_stream_start, now=now
        )

    def _absorb_failure(self, action: a.AbsorbFailure, now: Instant) -> None:
        self.ledger.absorb_failure(action.deployment, action.failure, now, action.note)

    def _cool(self, action: a.Cool, now: Instant) -> None:
        source = CooldownSource.ANNOUNCED if action.announced else CooldownSource.GUESSED
        self.ledger.cool(action.deployment, action.until, source, now, action.reason)

    def _health(self, action: a.Health, now: Instant) -> None:
        circuit = self._circuit(action.deployment)
        if circuit.ended(action.call_id, action.ok, now, self.dice):
            self.ledger.cool(action.deployment, circuit.open_until, CooldownSource.GUESSED, now, "circuit")

    def _circuit(self, deployment: Deployment) -> Circuit:
        circuit = self.circuits.get(deployment.id)
        if circuit is None:
            circuit = self.circuits[deployment.id] = Circuit()
        return circuit

    def _identify(self, action: a.Identify, now: Instant) -> None:
        into = self.pool.identify(action.provider, action.organisation, action.name)
        if into is not None:
            self.ledger.merge(action.provider, action.organisation, into, now)

    def _remove_key(self, action: a.RemoveKey, now: Instant) -> None:  # noqa: ARG002 - every change is given the time
        self.pool.remove_key(action.key)

    def _out(self, action: a.Out, now: Instant) -> None:  # noqa: ARG002
        self.pool.take_out(action.provider, action.organisation, action.until)

    def _retire(self, action: a.Retire, now: Instant) -> None:  # noqa: ARG002
        self.pool.retire(action.provider, action.model, action.organisation, action.until)

    def _move_endpoint(self, action: a.MoveEndpoint, now: Instant) -> None:  # noqa: ARG002
        self.pool.move_endpoint(action.provider, action.seen, self.policy.endpoints.get(action.provider, 1))

    def _call(self, action: a.Call, now: Instant) -> None:
        name = action.deployment.id
        self.turn += 1
        if circuit := self.circuits.get(name):
            circuit.started(action.reservation, now)
        budget = self.repeats.get(name)
        if budget is None:
            budget = self.repeats[name] = RepeatBudget(self.policy.repeat_share, self.policy.repeat_floor)
        budget.note(action.is_repeat, now)

    def _enqueue(self, action: a.Enqueue, now: Instant) -> None:  # noqa: ARG002
        queued = self.room.enqueue(action.ticket)
        assert queued, "the machine asked for a place in a full waiting room"

    def _leave(self, action: a.Leave, now: Instant) -> None:  # noqa: ARG002
        self.room.leave(action.journey_id)

    def _consider(self, action: a.Consider, now: Instant) -> e.Event:  # noqa: ARG002
        return _CONSIDERED

    # Writing down --------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All state as JSON: given to `restore` of a gate made from the same settings, decisions go on the same."""
        return msgspec.json.encode(
            _State(
                ledger=msgspec.Raw(self.ledger.snapshot()),
                room=msgspec.Raw(self.room.snapshot()),
                pool=self.pool,
                learned=self.learned,
                circuits=self.circuits,
                repeats=self.repeats,
                turn=self.turn,
                dice=self.dice.getstate(),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Go back to what a snapshot says."""
        state = msgspec.json.decode(snapshot, type=_State)
        self.ledger.restore(bytes(state.ledger))
        self.room.restore(bytes(state.room))
        self.pool = state.pool
        self.pool.attach(self.catalog)
        self.learned = state.learned
        self.circuits = state.circuits
        self.repeats = state.repeats
        self.turn = state.turn
        self.dice.setstate(state.dice)


class _State(msgspec.Struct):
    ledger: msgspec.Raw
    room: msgspec.Raw
    pool: Pool
    learned: Learned
    circuits: dict[str, Circuit]
    repeats: dict[str, RepeatBudget]
    turn: int
    dice: tuple[int, tuple[int, ...], float | None]
    version: int = 1


_CONSIDERED: Final = e.Considered()

_APPLY: Final[dict[type, Callable[..., e.Event | None]]] = {
    a.Reserve: Gate._reserve,
    a.Conclude: Gate._conclude,
    a.Settle: Gate._settle,
    a.Release: Gate._release,
    a.Absorb: Gate._absorb,
    a.AbsorbFailure: Gate._absorb_failure,
    a.Cool: Gate._cool,
    a.Health: Gate._health,
    a.Identify: Gate._identify,
    a.RemoveKey: Gate._remove_key,
    a.Out: Gate._out,
    a.Retire: Gate._retire,
    a.MoveEndpoint: Gate._move_endpoint,
    a.Call: Gate._call,
    a.Enqueue: Gate._enqueue,
    a.Leave: Gate._leave,
    a.Consider: Gate._consider,
}

FOR_THE_GATE: Final = frozenset(_APPLY)
"""The actions that change the gate or are answered by it; the others are the driver's and the observers' alone."""
