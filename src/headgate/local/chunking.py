"""Cuts a long text into chunks that overlap, so that what stands on a border is whole in one of them. Pure."""

from typing import Final

import msgspec

from headgate.local.shortening import Weigh, between_characters

OVERLAP: Final = 0.05
"""How much of a chunk the next one begins with again, at the most."""
SNAP_SHARE: Final = 0.25
"""How much of a chunk may be given up so that it ends with a paragraph, a line, a sentence or a word."""
_ENDS: Final = ("\n\n", "\n", ". ", " ")


class Chunk(msgspec.Struct, frozen=True):
    """A stretch of a text, by its places in characters."""

    text: str
    start: int
    end: int


def chunks(text: str, room: float, weigh: Weigh, overlap: float = OVERLAP) -> tuple[Chunk, ...]:
    """The text in order, every character of it in at least one chunk, none of a weight above the room as long as a
    single character has less. `overlap` is a share of a chunk, from 0 to a half."""
    assert 0.0 <= overlap <= 0.5, "more overlap than progress"
    found: list[Chunk] = []
    start, least = 0, 0
    while start < len(text):
        end = _end(text, start, room, weigh)
        end = max(end, min(least + 1, len(text)))
        found.append(Chunk(text[start:end], start, end))
        if end >= len(text):
            break
        start, least = _again(text, start, end, overlap), end
    return tuple(found)


def _end(text: str, start: int, room: float, weigh: Weigh) -> int:
    """Where the chunk that begins at `start` ends: as far as the room reaches, then back to a good place."""
    low, high = start + 1, min(len(text), start + 2)
    while high < len(text) and weigh(text[start:high]) <= room:
        low, high = high, min(len(text), start + 2 * (high - start))
    if weigh(text[start:high]) <= room:
        return high
    while low < high - 1:
        middle = (low + high) // 2
        if weigh(text[start:middle]) <= room:
            low = middle
        else:
            high = middle
    least = low - int((low - start) * SNAP_SHARE)
    for sign in _ENDS:
        at = text.rfind(sign, least, low)
        if at >= 0 and at + len(sign) > start:
            return at + len(sign)
    return max(start + 1, between_characters(text, low, -1))


def _again(text: str, start: int, end: int, overlap: float) -> int:
    """Where the next chunk begins: a little before the end of this one, with a line or a word."""
    at = end - int((end - start) * overlap)
    for sign in ("\n", " "):
        found = text.find(sign, at, end)
        if 0 <= found < end - 1:
            return found + 1
    return max(start + 1, between_characters(text, at, 1)) if at < end else end
