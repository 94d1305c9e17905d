"""Owns what a line of a batch is asked with and what its answer means: done, failed, or to be asked again later.

Who asks is given by the composition: the runner knows no doors, no models and no quota.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import Final, TypeAlias

import msgspec

MOST_TRIES: Final = 4
"""How often a line is asked for that the other side breaks down over."""
FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 300.0
LONGEST_TOLD_S: Final = 3_600.0
"""The longest pause that an answer may ask for; the line is asked for again then, and told anew."""
_LATER: Final = frozenset({408, 425, 429, 498, 503, 504})
_NO_ROOM: Final = frozenset({429, 498})


class LineAnswer(msgspec.Struct, frozen=True):
    """What a line got. `retry_after_s` is what the answer said; `lacks_room`: it was refused for want of quota or time
    alone; `label` is told beside the body in the result."""

    status: int
    request_id: str
    body: bytes
    retry_after_s: float | None = None
    label: Mapping[str, object] | None = None
    lacks_room: bool = False


Ask: TypeAlias = Callable[[str, str, bytes], Awaitable[LineAnswer]]
"""Answers one line: `ask(tenant, url, body)`. Cancelling it ends the request and settles what it held."""


class Verdict(Enum):
    """What an answer means for its line."""

    DONE = auto()
    FAILED = auto()
    LATER = auto()


def verdict(answer: LineAnswer, tries: int) -> Verdict:
    """What comes of a line that was asked `tries` times. Want of quota is no fault of the line: it waits for as long as
    its batch may take. What is broken is tried a few times, what was refused never again."""
    if 200 <= answer.status < 300:
        return Verdict.DONE
    if answer.lacks_room or answer.status in _NO_ROOM:
        return Verdict.LATER
    if answer.status >= 500 or answer.status in _LATER:
        return Verdict.LATER if tries < MOST_TRIES else Verdict.FAILED
    return Verdict.FAILED


def pause_s(answer: LineAnswer, tries: int) -> float:
    """How long to wait before the line is asked for again."""
    if answer.retry_after_s is not None:
        return min(max(answer.retry_after_s, 0.0), LONGEST_TOLD_S)
    return float(min(FIRST_PAUSE_S * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE_S))
