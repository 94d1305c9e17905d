"""Turns a message into what the risk is weighed by: signals, pairs of them, shapes and words, each with its place."""

import re
from functools import cache
from typing import Final

import msgspec

from headgate.local.risk_pairs import COMBINATIONS
from headgate.local.risk_patterns import find_patterns
from headgate.local.risk_signals import LITTLE, SIGNALS
from headgate.local.words import WORD, bare, fold

MAX_CHARS: Final = 20_000
"""Of a text that are looked at; a message is far shorter."""
SHAPES: Final = ("capitals", "digits", "length")
"""Shares of letters that are capitals and of characters that are digits, and the length as part of `LONG_CHARS`."""
LONG_CHARS: Final = 160
SHOUTS_FROM: Final = 0.6
FEWEST_LETTERS: Final = 20
_CAPITALS: Final = re.compile(r"[A-Z]+")
_DIGITS: Final = re.compile(r"\d+")
MOST_WORD_CHARS: Final = 24

Span = tuple[int, int]


class Features(msgspec.Struct, frozen=True):
    """What a text has: the first place of every signal and of every word."""

    signals: dict[str, Span]
    words: dict[str, Span]
    shapes: tuple[float, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The combinations of which both parts are there."""
        signals = self.signals
        return [pair for pair in COMBINATIONS if pair[0] in signals and pair[1] in signals]


def features(text: str) -> Features:
    """The features of a text, from its first `MAX_CHARS` code points."""
    text = text[:MAX_CHARS]
    folded = fold(text)
    signals: dict[str, Span] = {}
    for name, start, end in find_patterns(text, folded):
        signals.setdefault(name, (start, end))
    words: dict[str, Span] = {}
    telling: list[tuple[str, int, int]] = []
    is_plain, letters = folded.isascii(), 0
    for match in WORD.finditer(folded):
        word = match[0] if is_plain else bare(match[0])
        start, end = match.span()
        if word.isdigit():
            words.setdefault(f"#{len(word)}", (start, end))
        else:
            letters += end - start
            words.setdefault(word[:MOST_WORD_CHARS], (start, end))
        if word not in LITTLE:
            telling.append((word, start, end))
    _find_phrases(telling, signals)
    shapes = _shapes(text, letters)
    if shapes[0] > SHOUTS_FROM:
        signals.setdefault("shouting", (0, 0))
    return Features(signals, words, shapes)


def _find_phrases(telling: list[tuple[str, int, int]], signals: dict[str, Span]) -> None:
    index = _index()
    for at, (word, start, end) in enumerate(telling):
        for rest, name in index.get(word, ()):
            if name in signals:
                continue
            if not rest:
                signals[name] = (start, end)
            elif tuple(each[0] for each in telling[at + 1 : at + 1 + len(rest)]) == rest:
                signals[name] = (start, telling[at + len(rest)][2])


@cache
def _index() -> dict[str, tuple[tuple[tuple[str, ...], str], ...]]:
    """By the first word of a phrase: its other words and its signal."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for name, signal in SIGNALS.items():
        for phrase in signal.phrases:
            words = [word for word in map(bare, WORD.findall(fold(phrase))) if word not in LITTLE]
            assert words, f"{phrase!r} of {name} has only little words"
            found.setdefault(words[0], []).append((tuple(words[1:]), name))
    return {word: tuple(dict.fromkeys(entries)) for word, entries in found.items()}


def _shapes(text: str, letters: int) -> tuple[float, ...]:
    """`letters` are the characters of words; numbers are their own words, named by their length, since none comes
    twice."""
    if not text:
        return (0.0, 0.0, 0.0)
    capitals = sum(map(len, _CAPITALS.findall(text)))
    digits = sum(map(len, _DIGITS.findall(text)))
    share = min(1.0, capitals / letters) if letters >= FEWEST_LETTERS else 0.0
    return (share, digits / len(text), min(1.0, len(text) / LONG_CHARS))
