"""How long a prompt is, by class of character: what the token estimate is made of. Counts, never keeps, the text."""

from collections.abc import Sequence
from typing import Final

from headgate.domain.request import PromptSize

SAMPLED_FROM: Final = 4096
"""Characters; of a longer text about `_SAMPLE` evenly spaced ones are classed and the counts scaled up."""

_SAMPLE: Final = 2048
_DIGITS: Final = b"0123456789"

# By the high byte of a UTF-16 unit: all a class needs, and bytes.translate counts a thousand of them in a microsecond.
_EXTENDED_LATIN: Final = bytes(range(0x03))
_INDIC: Final = bytes(range(0x09, 0x0E))  # Devanagari to Sinhala
_HAN: Final = bytes([*range(0x2E, 0xA0), *range(0xAC, 0xD8), 0xF9, 0xFA, 0xFF])  # with kana, Hangul and full width


def measure(texts: Sequence[str], *, messages: int, tools: int, images: int) -> PromptSize:
    """The size of everything in `texts`; digits are ASCII digits, `latin` is all other ASCII and accented Latin."""
    text = texts[0] if len(texts) == 1 else "".join(texts)
    length = len(text)
    if length <= SAMPLED_FROM and text.isascii():
        latin = len(text.encode().translate(None, _DIGITS))
        return PromptSize(latin, length - latin, 0, 0, 0, messages, tools, images)
    sample = text if length <= SAMPLED_FROM else text[:: length // _SAMPLE]
    digits, indic, han, other = _classes(sample)
    if sample is not text:
        size = len(sample)
        digits, indic, han, other = (count * length // size for count in (digits, indic, han, other))
    latin = length - digits - indic - han - other
    return PromptSize(latin, digits, indic, han, other, messages, tools, images)


def _classes(text: str) -> tuple[int, int, int, int]:
    """Characters that are digits, Indic, Han and others; the rest is Latin."""
    if text.isascii():
        return _count(text.encode(), _DIGITS), 0, 0, 0
    high = text.encode("utf-16-be")[::2]
    ascii_only = text.encode("ascii", "ignore")
    indic, han = _count(high, _INDIC), _count(high, _HAN)
    latin = _count(high, _EXTENDED_LATIN)  # with all ASCII
    return _count(ascii_only, _DIGITS), indic, han, len(text) - latin - indic - han


def _count(text: bytes, of: bytes) -> int:
    return len(text) - len(text.translate(None, of))
