"""Owns what every skill says of its answer: how sure it is, and what in the text it rests on.

A skill's result is a frozen Struct of its own with at least `confidence: float`, from 0 to 1, and
`evidence: tuple[Evidence, ...]`.
"""

import msgspec


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """A stretch of the text, as code points [start, end), and in a few words why it counts. A result that rests on the
    whole text, or on the absence of something, gives start = end = 0."""

    start: int
    end: int
    reason: str
