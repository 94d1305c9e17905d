r"""Owns what a word is, and the plain form of a text: letters that only look like Latin ones become those.

A word is letters and digits of any script, with the vowel signs that `\w` leaves out of Indian ones, and with what
hides inside words: zero-width characters and loose accents. Folding keeps the length of a text, so places stay valid.
"""

import re
import unicodedata
from typing import Final

HIDDEN: Final = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff"
"""Characters that nobody sees, as a class of a regular expression."""
WORD_PATTERN: Final = r"(?:[^\W_]|[\u0300-\u036f\u0900-\u0963\u0966-\u0dff" + HIDDEN + "])+"
"""Without underscores and without the dandas that end Hindi sentences."""
WORD: Final = re.compile(WORD_PATTERN)
_ASCII_WORD: Final = re.compile("[a-z0-9]+")
"""The same for folded texts that are all ASCII, four times as fast."""
MAX_FOLDED: Final = 20_000
"""Code points whose plain form is remembered."""

_UNSEEN: Final = re.compile(f"[\u0300-\u036f{HIDDEN}]+")
_LATIN_TWINS: Final = (
    ("аеорсухіјѕһԁɡкмтвнӏԛԝԍьпАВЕКМНОРСТУХІЈЅԌ", "aeopcyxijshdgkmtbhlqwgbnABEKMHOPCTYXIJSG"),
    ("αορνικτυεχβωΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aopviktuexbwABEZHIKMNOPTYX"),
    ("ıłøđħŧßƒℓ₀₁₂₃", "iłodhtsfl0123"),
)
_TWINS: Final = {ord(twin): latin for twins, latins in _LATIN_TWINS for twin, latin in zip(twins, latins, strict=True)}


class _Folding(dict[int, str]):
    """The plain form of each code point, made when it is first met."""

    def __missing__(self, point: int) -> str:
        if len(self) >= MAX_FOLDED:
            self.clear()
        char = chr(point)
        plain = unicodedata.normalize("NFKC", char)
        plain = plain if len(plain) == 1 else char
        base = unicodedata.normalize("NFD", plain)
        if len(base) > 1 and all("\u0300" <= mark <= "\u036f" for mark in base[1:]):
            plain = base[0]
        plain = _TWINS.get(ord(plain), plain)
        lower = plain.lower()
        self[point] = folded = lower if len(lower) == 1 else plain
        return folded


_FOLDING: Final = _Folding()


def fold(text: str) -> str:
    """The text in lower case, without accents on letters, with full-width, mathematical, Cyrillic and Greek twins of
    Latin letters as those. As long as the text, in code points."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def bare(word: str) -> str:
    """A folded word without what nobody sees in it."""
    return word if word.isascii() else _UNSEEN.sub("", word)


def word_pattern(folded: str) -> re.Pattern[str]:
    """What finds the words of a folded text."""
    return _ASCII_WORD if folded.isascii() else WORD
