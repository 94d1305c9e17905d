"""Shortens a text to its beginning and its end, with a marker between them that says how much is gone. Pure.

What a text weighs is asked of the caller (`Weigh`), so that this knows no tokens of any model.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

Weigh: TypeAlias = Callable[[str], float]
"""The weight of a text: about its tokens. It hardly ever grows when a text gets shorter."""

HEAD_SHARE: Final = 0.6
"""How much of what is kept is the beginning: it says what a text is about, the end what it comes to."""
LEAST_WEIGHT: Final = 40.0
"""A cut text is given at least this: the marker, and a few words before and after it."""
SNAP_SHARE: Final = 0.15
"""How much of a half may be given up so that it ends with a line or a word."""
MOST_EXTENDING: Final = 32
"""Marks in a row that are taken as one character with what they stand on."""

_MARKER: Final = re.compile(r"\[\.\.\. ([0-9][0-9,]*) tokens left out \.\.\.\]")
_JOINERS: Final = frozenset("\u200d\ufe0e\ufe0f")
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)


class Shortened(msgspec.Struct, frozen=True):
    """A text after it was cut, and about how many tokens are gone; 0 for a text that is whole."""

    text: str
    left_out_tokens: int = 0


def marker(tokens: int) -> str:
    """What stands in the place of what was left out."""
    return f"[... {tokens:,} tokens left out ...]"


def shorten(text: str, room: float, weigh: Weigh) -> Shortened:
    """The text where it fits the room; else its head and tail around a marker; else the marker alone, which may weigh
    more than the room. No character is torn apart, nor the marks on it."""
    if weigh(text) <= room:
        return Shortened(text)
    low, high = 0, len(text) - 1
    best = _halves(text, 0, weigh)
    while low < high:
        kept = (low + high + 1) // 2
        tried = _halves(text, kept, weigh)
        if weigh(tried.text) <= room:
            low, best = kept, tried
        else:
            high = kept - 1
    return best


def _halves(text: str, kept: int, weigh: Weigh) -> Shortened:
    """The text with about so many of its characters."""
    head = _snapped(text, int(kept * HEAD_SHARE), int(kept * HEAD_SHARE * (1 - SNAP_SHARE)))
    start = len(text) - (kept - int(kept * HEAD_SHARE))
    tail = _snapped_up(text, start, start + int((len(text) - start) * SNAP_SHARE))
    gone = text[head:tail]
    tokens = max(1, round(weigh(_MARKER.sub("", gone))) + sum(_counted(each) for each in _MARKER.findall(gone)))
    between = "\n" if "\n" in text else " "
    parts = (text[:head].rstrip(), marker(tokens), text[tail:].lstrip())
    return Shortened(between.join(part for part in parts if part), tokens)


def _counted(number: str) -> int:
    digits = number.replace(",", "")
    return int(digits) if len(digits) < 12 else 0


def _snapped(text: str, at: int, least: int) -> int:
    """Where a head that may go up to `at` ends: behind a line, else behind a word, else between two characters."""
    for sign in ("\n", " "):
        found = text.rfind(sign, least, at)
        if found >= 0:
            return found
    return between_characters(text, at, -1)


def _snapped_up(text: str, at: int, most: int) -> int:
    for sign in ("\n", " "):
        found = text.find(sign, at, most)
        if found >= 0:
            return found
    return between_characters(text, at, 1)


def between_characters(text: str, at: int, step: int) -> int:
    """The next place from `at` on where no mark is parted from what it stands on."""
    for _ in range(MOST_EXTENDING):
        if not 0 < at < len(text) or not (_extends(text[at]) or text[at - 1] == "\u200d"):
            break
        at += step
    return at


def _extends(sign: str) -> bool:
    return sign in _JOINERS or ord(sign) in _SKIN_TONES or unicodedata.category(sign) in {"Mn", "Mc", "Me"}
