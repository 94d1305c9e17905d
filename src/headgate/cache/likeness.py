"""Owns what is told of two messages: how like they are, what keeps them apart, and the bounds of comparing. Light, so
that whoever only tells of it loads none of what compares."""

from enum import StrEnum
from typing import Final

import msgspec

MAX_VECTORS_PER_TENANT: Final = 10_000
"""Beyond it the vector that was of use the longest ago goes. 10,000 of 256 dimensions are 10 MB."""
MOST_VECTORS_PER_TENANT: Final = 50_000
"""More are too many to be compared one by one."""
MAX_TEXT_CHARS: Final = 2_000
"""Longer messages are neither looked up nor kept: in them a word that turns the meaning is lost in the crowd."""


class Difference(StrEnum):
    """Why two texts are not asked for one another."""

    NUMBER = "number"
    NEGATION = "negation"
    NAME = "name"
    EXACT = "exact text"
    QUESTION = "question"
    OPERATION = "operation"
    PERSON = "person"
    DIRECTION = "direction"
    ORDER = "order"
    WORD = "word"


class Likeness(msgspec.Struct, frozen=True, gc=False):
    """What is told of a search: how near the nearest came, what kept it apart if it did not answer, and the key of its
    answer if it did."""

    similarity: float | None = None
    kept_apart: Difference | None = None
    key: str | None = None
