"""Replaying the recorded log of a process: the same events through the real gate must give the same actions.

A log is a snapshot of the gate and then every step of every journey in order: the event with its `now`, inline answers
included, and the actions it led to. Nothing of a request's text is in it.
"""

import msgspec

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import advance
from headgate.decide.gate import Gate
from headgate.decide.journey import Journey, Phase
from headgate.domain.fact import Fact
from headgate.domain.time import Instant


class Step(msgspec.Struct, frozen=True, array_like=True):
    """One step of one journey."""

    journey: str
    now: Instant
    event: e.Event
    actions: tuple[a.Action, ...]


class Diverged(Exception):
    """The replay came to something else than the log. `at` counts steps from 0."""

    def __init__(self, at: int, why: str) -> None:
        super().__init__(f"step {at}: {why}")
        self.at = at


class Replay:
    """Feeds steps to a gate that was restored from the log's snapshot, and compares every answer."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.steps = 0
        self._journeys: dict[str, Journey] = {}
        self._pending: list[Step] = []

    def run(self, steps: list[Step]) -> int:
        """Replay a whole log; the number of steps compared. Raises Diverged."""
        self._pending = steps
        while self.steps < len(steps):
            self._external(steps[self.steps])
        return self.steps

    def _external(self, step: Step) -> None:
        journey = self._journey(step)
        if isinstance(step.event, e.Woke) and journey.phase is Phase.WAITING:
            due = self.gate.next_wake(step.now)
            self._same("woken", due, (step.journey, step.event))
        advance(self.gate, journey, step.event, step.now, _ignore, self)
        if journey.phase is Phase.DONE:
            self._journeys.pop(step.journey, None)
        if self.gate.room.waiting() and not self._wakes_next(step.now):
            self._same("woken", self.gate.next_wake(step.now), None)

    def _wakes_next(self, now: Instant) -> bool:
        """Whether the log goes on with somebody who was woken in the same tick."""
        if self.steps >= len(self._pending):
            return False
        following = self._pending[self.steps]
        journey = self._journeys.get(following.journey)
        return (
            isinstance(following.event, e.Woke)
            and following.now == now
            and journey is not None
            and journey.phase is Phase.WAITING
        )

    def _journey(self, step: Step) -> Journey:
        journey = self._journeys.get(step.journey)
        if journey is None:
            if not isinstance(step.event, e.Arrived):
                raise Diverged(self.steps, f"{step.journey} was never heard of before {type(step.event).__name__}")
            journey = self._journeys[step.journey] = Journey(step.event.request)
        return journey

    def record(self, journey_id: str, event: e.Event, now: Instant, actions: tuple[a.Action, ...]) -> None:
        """Compare one step that `advance` took with the log's."""
        if self.steps >= len(self._pending):
            raise Diverged(self.steps, "the log ends here")
        logged = self._pending[self.steps]
        self._same("journey", journey_id, logged.journey)
        self._same("now", now, logged.now)
        self._same("event", event, logged.event)
        self._same("actions", actions, logged.actions)
        self.steps += 1

    def _same(self, what: str, replayed: object, logged: object) -> None:
        if replayed != logged:
            raise Diverged(self.steps, f"{what}: replayed {replayed!r}, logged {logged!r}")


def _ignore(fact: Fact) -> None:
    """The log has them already."""
