"""One turn of a journey: feed an event, let the gate answer what it can at once, return what the driver must do.

Both drivers go through here, so the live process and the simulation cannot drift apart. A recorder, when there is one,
sees every event with its `now` and every action, inline answers included, in step order.
"""

from collections.abc import Callable
from typing import Final, Protocol

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.actions import Note
from headgate.decide.gate import FOR_THE_GATE, Gate
from headgate.decide.journey import Journey
from headgate.decide.machine import step
from headgate.domain.fact import Fact
from headgate.domain.time import Instant

EXTERNAL: Final[frozenset[type]] = frozenset(
    {
        a.Call,
        a.Enqueue,
        a.Sleep,
        a.Verify,
        a.Mend,
        a.AnswerLocally,
        a.LookUp,
        a.Screen,
        a.Cancel,
        a.Finish,
    }
)


class Recorder(Protocol):
    """Somebody who writes down every step of every journey, in order."""

    def record(self, journey_id: str, event: e.Event, now: Instant, actions: tuple[a.Action, ...]) -> None: ...


Observer = Callable[[Fact], None]
"""Somebody who is told facts."""


def advance(
    gate: Gate,
    journey: Journey,
    event: e.Event,
    now: Instant,
    observe: Observer,
    recorder: Recorder | None = None,
) -> list[a.Action]:
    """Step until nothing is left to answer inline. Returns the external actions, in order."""
    external: list[a.Action] = []
    pending: e.Event | None = event
    while pending is not None:
        actions = step(gate, journey, pending, now)
        if recorder is not None:
            recorder.record(journey.request.id, pending, now, actions)
        pending = None
        for action in actions:
            if type(action) is Note:
                observe(action.fact)
                continue
            kind = type(action)
            if kind in FOR_THE_GATE:
                answer = gate.apply(action, now)
                if answer is not None:
                    assert pending is None, "two actions of one step were answered"
                    pending = answer
            if kind in EXTERNAL:
                external.append(action)
    return external
