"""Owns the form of the risk skill's weights: what a table of them holds, and how it is written down and read."""

from typing import Final

import msgspec

DIGITS: Final = 3
"""Decimals of a weight that is written down."""


class Weights(msgspec.Struct, frozen=True):
    """Log odds: of nothing at all, of signals, pairs (`a+b`) and shapes by name, and of words."""

    bias: float
    named: dict[str, float]
    words: dict[str, float]


def written(weights: dict[str, float]) -> str:
    """`name=0.123` for each, by name, with blanks between them."""
    return " ".join(f"{name}={value:.{DIGITS}f}" for name, value in sorted(weights.items()))


def read(text: str) -> dict[str, float]:
    """What `written` wrote."""
    return {name: float(value) for name, _, value in (entry.rpartition("=") for entry in text.split())}
