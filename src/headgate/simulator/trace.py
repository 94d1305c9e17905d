"""What a world writes down: a hash over every step, to compare two runs by, and the last steps for a report."""

from collections import deque
from hashlib import sha256
from typing import Final

import msgspec

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.domain.time import Instant

LAST_STEPS: Final = 30
"""Steps that a report of a violation shows."""

Step = tuple[str, e.Event, Instant, tuple[a.Action, ...]]


class Trace:
    """A recorder: folds every step into one sha256, counts them, and keeps the last few (all with `keep_all`)."""

    __slots__ = ("_encode", "_hash", "events", "last")

    def __init__(self, *, keep_all: bool = False) -> None:
        self._hash = sha256()
        self._encode = msgspec.msgpack.Encoder().encode
        self.events = 0
        self.last: deque[Step] = deque(maxlen=None if keep_all else LAST_STEPS)

    def record(self, journey_id: str, event: e.Event, now: Instant, actions: tuple[a.Action, ...]) -> None:
        """One step of one journey, in step order."""
        step = (journey_id, event, now, actions)
        self._hash.update(self._encode(step))
        self.events += 1
        self.last.append(step)

    def digest(self) -> str:
        """The hash over all steps so far."""
        return self._hash.hexdigest()

    def lines(self, journey_id: str | None = None) -> list[str]:
        """The kept steps as text, of one journey or of all."""
        return [
            f"{now:10.4f} {name} {_shown(event)} -> {', '.join(map(_shown, actions)) or '-'}"
            for name, event, now, actions in self.last
            if journey_id is None or name == journey_id
        ]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 400 else text[:400] + "..."
