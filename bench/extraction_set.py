"""The hand-made set of messages, its parts, and how an extraction is scored on it.

The files in `tests/data/extraction` hold one message a line: the text, the entities that it holds (kind, raw text,
value, span, whether disguised), and the kinds for which it is a trap: it holds something that looks like one by form
and is none. All names and numbers are invented; phone numbers exist in their numbering plans, cards have their check
digit. The second file was composed when the rules were done.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from headgate.local import Entity, Kind, extract

FOLDER: Final = Path(__file__).parents[1] / "tests" / "data" / "extraction"


class Part(StrEnum):
    """The parts of the set, told apart by file and by the hash of the text."""

    TUNED = "tuned"
    """Two thirds of the first file: the rules were made with them."""
    THIRD = "third"
    """The third of the first file that was kept aside until the rules were first thought done."""
    FRESH = "fresh"
    """The second file: composed after that, and not used for any rule."""


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entity that a message holds."""

    kind: Kind
    raw: str
    value: str
    start: int
    end: int
    obfuscated: bool


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message of the set."""

    text: str
    entities: tuple[Expected, ...]
    traps: tuple[Kind, ...]

    @property
    def is_in_the_third(self) -> bool:
        """A third by the hash of the text."""
        return int.from_bytes(hashlib.sha256(self.text.encode()).digest()[:8]) % 3 == 0


class Score(msgspec.Struct, frozen=True):
    """Of one kind: found rightly, found wrongly, missed, and how many of the right ones have exactly the span."""

    right: int
    wrong: int
    missed: int
    exact: int = 0

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0


def messages(part: Part) -> list[Message]:
    """The messages of a part."""
    name = "fresh.jsonl" if part is Part.FRESH else "messages.jsonl"
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()
    found = [msgspec.json.decode(line, type=Message) for line in lines]
    return found if part is Part.FRESH else [one for one in found if one.is_in_the_third is (part is Part.THIRD)]


def every_message() -> list[Message]:
    """The whole set."""
    return [message for part in Part for message in messages(part)]


def matches(expected: Expected, found: Entity) -> bool:
    """The same kind, the same value, in the same place."""
    is_same = (expected.kind, expected.value) == (found.kind, found.value)
    return is_same and found.start < expected.end and expected.start < found.end


def compare(message: Message) -> tuple[list[tuple[Expected, Entity]], list[Entity], list[Expected]]:
    """What was found rightly, wrongly, and what was missed, for a message."""
    wrong, right, missed = list(extract(message.text).entities), [], []
    for expected in message.entities:
        found = next((entity for entity in wrong if matches(expected, entity)), None)
        if found:
            wrong.remove(found)
            right.append((expected, found))
        else:
            missed.append(expected)
    return right, wrong, missed


def scores(of: Iterable[Message]) -> dict[Kind, Score]:
    """The score of each kind over these messages."""
    right: Counter[Kind] = Counter()
    wrong: Counter[Kind] = Counter()
    missed: Counter[Kind] = Counter()
    exact: Counter[Kind] = Counter()
    for message in of:
        pairs, too_much, too_little = compare(message)
        right.update(expected.kind for expected, _ in pairs)
        exact.update(
            expected.kind for expected, found in pairs if (expected.start, expected.end) == (found.start, found.end)
        )
        wrong.update(entity.kind for entity in too_much)
        missed.update(expected.kind for expected in too_little)
    return {kind: Score(right[kind], wrong[kind], missed[kind], exact[kind]) for kind in Kind}
