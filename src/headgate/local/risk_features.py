"""Turns a message into what the risk is weighed by: signals, pairs of them, shapes and words, each with its place."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import msgspec

from headgate.local.risk_pairs import COMBINATIONS
from headgate.local.risk_patterns import find_patterns
from headgate.local.risk_signals import LITTLE, SIGNALS
from headgate.local.words import WORD, bare, fold, word_pattern

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
MARK: Final = "^"
"""What the names of features begin with that lie among the words and are none: no word has it."""
STEPS_CHARS: Final = (40, 80, 120, 140)
STEPS_DIGITS: Final = (3, 6, 10, 15)
STEPS_SHOUTED: Final = (1, 2, 3, 4)
SHOUTED_CHARS: Final = 3
"""Capitals in a row that are a shouted word, and no abbreviation of two letters."""

Span = tuple[int, int]


class Features(msgspec.Struct, frozen=True):
    """What a text has. `places` are spans of signals that patterns found, `phrases` the telling words that others rest
    on, from and to; `spans` turns both into places when somebody asks why. `ordered` are the words as they come,
    `words` which there are, numbers by their length, since none comes twice, and marks of how much there is."""

    text: str
    places: dict[str, Span]
    phrases: dict[str, Span]
    ordered: list[str]
    words: set[str]
    shapes: tuple[float, ...]

    @property
    def signals(self) -> list[str]:
        """Every signal once."""
        return [*self.places, *(name for name in self.phrases if name not in self.places)]

    def pairs(self) -> list[tuple[str, str]]:
        """The combinations of which both parts are there."""
        there = self.places.keys() | self.phrases.keys()
        return [pair for pair in COMBINATIONS if pair[0] in there and pair[1] in there]

    def spans(self, words: list[str]) -> tuple[dict[str, Span], list[Span]]:
        """The first place of every signal, and of each of these words."""
        folded = fold(self.text)
        spans = [match.span() for match in word_pattern(folded).finditer(folded)]
        telling = [span for span, word in zip(spans, self.ordered, strict=True) if word not in LITTLE]
        signals = {name: (telling[at][0], telling[to][1]) for name, (at, to) in self.phrases.items()} | self.places
        return signals, [spans[self._index(word)] for word in words]

    def _index(self, named: str) -> int:
        if named in self.ordered:
            return self.ordered.index(named)
        return next(at for at, word in enumerate(self.ordered) if _named(word) == named)


def features(text: str) -> Features:
    """The features of a text, from its first `MAX_CHARS` code points."""
    text = text[:MAX_CHARS]
    folded = fold(text)
    places: dict[str, Span] = {}
    for name, start, end in find_patterns(text, folded):
        if name not in places:
            places[name] = (start, end)
    words = word_pattern(folded).findall(folded)
    if not folded.isascii():
        words = [bare(word) for word in words]
    phrases = _find_phrases([word for word in words if word not in LITTLE])
    capitals, digits = _CAPITALS.findall(text), sum(map(len, _DIGITS.findall(text)))
    shapes = _shapes(text, sum(map(len, words)), sum(map(len, capitals)), digits)
    if shapes[0] > SHOUTS_FROM:
        places.setdefault("shouting", (0, 0))
    named = {word if word.isalpha() and len(word) <= MOST_WORD_CHARS else _named(word) for word in words}
    named.update(_steps(len(text), digits, sum(len(each) >= SHOUTED_CHARS for each in capitals)))
    if words:
        named.add(f"{MARK}first:{_named(words[0])}")
    return Features(text, places, phrases, words, named, shapes)


def _steps(chars: int, digits: int, shouted: int) -> Iterator[str]:
    """What is known by how many: characters, digits, words in capitals. Each step reached is a mark of its own."""
    for name, count, steps in (
        ("chars", chars, STEPS_CHARS),
        ("digits", digits, STEPS_DIGITS),
        ("shouted", shouted, STEPS_SHOUTED),
    ):
        for step in steps:
            if count < step:
                break
            yield f"{MARK}{name}{step}"


def _named(word: str) -> str:
    return f"#{len(word)}" if word.isdigit() else word[:MOST_WORD_CHARS]


def _find_phrases(telling: list[str]) -> dict[str, Span]:
    """The first and the last telling word of the first phrase of each signal."""
    found: dict[str, Span] = {}
    index = _index()
    for at, word in enumerate(telling):
        if (entries := index.get(word)) is not None:
            for rest, name in entries:
                last = at + len(rest)
                if name not in found and telling[at + 1 : last + 1] == rest:
                    found[name] = (at, last)
    return found


@cache
def _index() -> dict[str, list[tuple[list[str], str]]]:
    """By the first word of a phrase: its other words and its signal."""
    found: dict[str, list[tuple[list[str], str]]] = {}
    for name, signal in SIGNALS.items():
        for phrase in signal.phrases:
            words = [word for word in map(bare, WORD.findall(fold(phrase))) if word not in LITTLE]
            assert words, f"{phrase!r} of {name} has only little words"
            entry = (words[1:], name)
            if entry not in found.setdefault(words[0], []):
                found[words[0]].append(entry)
    return found


def _shapes(text: str, letters: int, capitals: int, digits: int) -> tuple[float, ...]:
    """`letters` are the characters of words and numbers."""
    if not text:
        return (0.0, 0.0, 0.0)
    letters -= digits
    share = min(1.0, capitals / letters) if letters >= FEWEST_LETTERS else 0.0
    return (share, digits / len(text), min(1.0, len(text) / LONG_CHARS))
