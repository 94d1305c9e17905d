"""Finds what a collection of texts says twice: blocks that are the same, and on request nearly the same. Pure.

A block is a paragraph of some length. Where two blocks differ in a number or a negation they are not nearly the same.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from headgate.local.shortening import Weigh

LEAST_CHARS: Final = 200
"""Shorter blocks are left alone: what says that they are gone would hardly be shorter."""
LIKENESS: Final = 95.0
"""From which likeness on (0 to 100, by edit distance) blocks are nearly the same."""
MOST_CHARS: Final = 20_000
"""Longer blocks are only compared for being the same."""
WORDS_TOGETHER: Final = 4
SKETCHED: Final = 8
"""How many of the lowest hashes of a block are kept to find blocks that are like it."""
MOST_COMPARED: Final = 8
"""How many blocks one is compared with."""

_PARAGRAPHS: Final = re.compile(r"\n[ \t]*\n\s*")
_WORDS: Final = re.compile(r"\w+")
_TELLING: Final = re.compile(
    r"\d+|\b(?:not?|never|none|without|cannot|\w+n't|nicht|kein\w*|ohne|nie|nahi|nahin|mat)\b", re.IGNORECASE
)


class Repeat(msgspec.Struct, frozen=True):
    """A block of one text that an earlier one has: which text, which earlier, about how many tokens, and whether the
    two are only nearly the same."""

    text: int
    of: int
    tokens: int
    nearly: bool = False


def note(tokens: int, name: str, *, nearly: bool = False) -> str:
    """What stands in the place of a repeated block."""
    return f"[... {tokens:,} tokens left out: {'nearly ' if nearly else ''}the same as in {name} ...]"


def without_repeats(
    texts: Sequence[str], names: Sequence[str], weigh: Weigh, *, nearly: bool = False
) -> tuple[list[str], list[Repeat]]:
    """The texts with a note instead of every block that a text before it, or the same one, has already."""
    seen = _Seen()
    out, repeats = [], []
    for at, text in enumerate(texts):
        pieces, changed = [], False
        for block, gap in _blocks(text):
            found = seen.look(block, at, nearly=nearly) if len(block.strip()) >= LEAST_CHARS else None
            tokens = 0 if found is None else round(weigh(block))
            told = "" if found is None else note(tokens, names[found[0]], nearly=found[1])
            if found is None or weigh(told) >= tokens:
                pieces.append(block + gap)
                continue
            repeats.append(Repeat(at, found[0], tokens, found[1]))
            pieces.append(told + gap)
            changed = True
        out.append("".join(pieces) if changed else text)
    return out, repeats


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """The paragraphs, each with the gap behind it."""
    start = 0
    for gap in _PARAGRAPHS.finditer(text):
        yield text[start : gap.start()], gap[0]
        start = gap.end()
    if start < len(text):
        yield text[start:], ""


class _Seen:
    """The blocks so far: by what they say, and by sketches of it."""

    def __init__(self) -> None:
        self._same: dict[str, int] = {}
        self._like: dict[int, list[tuple[int, str]]] = {}

    def look(self, block: str, at: int, *, nearly: bool) -> tuple[int, bool] | None:
        """Which text has the block already, and whether only nearly; else it is remembered."""
        plain = " ".join(block.split())
        if plain in self._same:
            return self._same[plain], False
        self._same[plain] = at
        if not nearly or len(plain) > MOST_CHARS:
            return None
        sketch = _sketch(plain)
        found = self._alike(plain, sketch)
        if found is not None:
            return found, True
        for mark in sketch:
            self._like.setdefault(mark, []).append((at, plain))
        return None

    def _alike(self, plain: str, sketch: Sequence[int]) -> int | None:
        from rapidfuzz import fuzz  # only where somebody asks for it

        candidates = dict.fromkeys(each for mark in sketch for each in self._like.get(mark, ()))
        for at, other in list(candidates)[:MOST_COMPARED]:
            if fuzz.ratio(plain, other, score_cutoff=LIKENESS) and _TELLING.findall(plain) == _TELLING.findall(other):
                return at
        return None


def _sketch(plain: str) -> list[int]:
    """The lowest hashes of the words in fours: likely in part the same for blocks that are mostly the same."""
    words = _WORDS.findall(plain.lower())
    fours = {" ".join(words[at : at + WORDS_TOGETHER]) for at in range(max(1, len(words) - WORDS_TOGETHER + 1))}
    return sorted({zlib.crc32(four.encode()) for four in fours})[:SKETCHED]
