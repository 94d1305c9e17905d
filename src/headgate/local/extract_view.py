"""Owns how a text is looked at: its disguises taken off, and where each stretch of what is left came from.

Digits of other scripts, full-width forms and look-alike letters become ASCII one for one; invisible characters are
left out. Refuses to know what is looked for.
"""

import re
from bisect import bisect_left, bisect_right
from typing import Final

import msgspec

from headgate.local.extract_types import OBFUSCATED_CONFIDENCE_MAX, Entity, Kind

_ZEROS: Final = (*(0x0660, 0x06F0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66),)
"""The zeros of Arabic, Persian and Urdu, and of the scripts of India."""

_ALIKE: Final = {
    **dict(zip("аеорсхуіѕјһԁԛԝкАВЕЗКМНОРСТХІЅЈ", "aeopcxyisjhdqwkABE3KMHOPCTXISJ", strict=True)),
    **dict(zip("οανιρΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "oavipABEZHIKMNOPTYX", strict=True)),
}
"""Letters of Cyrillic and Greek that look like Latin ones."""

_DISGUISES: Final[dict[int, str]] = {
    **{zero + digit: str(digit) for zero in _ZEROS for digit in range(10)},
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **{0x2460 + digit: str(digit + 1) for digit in range(9)},
    0x24EA: "0",
    0xFE6B: "@",
    **{ord(alike): latin for alike, latin in _ALIKE.items()},
}
_INNOCENT: Final[dict[int, str]] = {0x2010: "-", 0x2011: "-", 0x2012: "-", 0x2013: "-", 0x2014: "-", 0x00A0: " "}
"""Typography that is no disguise: hyphens, dashes, the space that does not break."""

_SEEN_AS: Final = {**_DISGUISES, **_INNOCENT}

_INVISIBLE: Final = re.compile(
    "[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe0e\ufe0f\u20e3\ufeff]"
)


_STRANGE: Final = re.compile("[" + "".join(map(chr, sorted(_SEEN_AS))) + "]")
_MATHEMATICAL: Final = re.compile("[\U0001d7ce-\U0001d7ff]")
"""Digits of mathematical alphabets, five times ten from U+1D7CE on."""
_KEYCAP: Final = ("\ufe0f", "\u20e3")
"""What follows a digit in an emoji of a key."""
_RUN: Final = re.compile(r"[0-9][0-9]*+")


class View(msgspec.Struct, frozen=True, gc=False):
    """A text as it is looked at. `seen` has `removed` invisible characters less than `text`, else the same offsets."""

    text: str
    seen: str
    low: str
    """`seen` in lower case, with the same offsets."""
    runs: tuple[tuple[int, int], ...]
    """Where `seen` has digits: [start, end) of each run."""
    removed: tuple[int, ...] = ()
    """For each invisible character, in order, its offset in `seen`."""
    cuts: tuple[int, ...] = ()
    """The same, their offsets in `text`."""

    def start(self, at: int) -> int:
        """The offset in the text of the character at `at`."""
        return at + bisect_right(self.removed, at) if self.removed else at

    def span(self, entity: Entity) -> tuple[int, int]:
        """Where an entity stands in `seen`."""
        if not self.cuts:
            return entity.start, entity.end
        return entity.start - bisect_right(self.cuts, entity.start), entity.end - bisect_left(self.cuts, entity.end)

    def entity(
        self,
        kind: Kind,
        start: int,
        end: int,
        value: str,
        confidence: float,
        reason: str,
        *,
        obfuscated: bool = False,
        currency: str = "",
        minor_units: int | None = None,
    ) -> Entity:
        """An entity of a stretch of `seen`; disguised when told so, or when the text had to be changed to see it."""
        first, last = self.start(start), self.start(end - 1) + 1
        while self.cuts and self.text[last : last + 1] in _KEYCAP:
            last += 1
        raw = self.text[first:last]
        if not obfuscated and not raw.isascii():
            obfuscated = raw.translate(_INNOCENT) != self.seen[start:end]
        if obfuscated:
            confidence = min(confidence, OBFUSCATED_CONFIDENCE_MAX)
            reason = f"{reason}, disguised"
        return Entity(kind, raw, value, first, last, confidence, reason, obfuscated, currency, minor_units)


def look(text: str) -> View:
    """The view of a text; texts without a disguise are looked at as they are."""
    if text.isascii():
        return View(text, text, text.lower(), _runs(text))
    cuts: list[int] = []
    seen = text
    if _INVISIBLE.search(text):
        cuts = [match.start() for match in _INVISIBLE.finditer(text)]
        seen = _INVISIBLE.sub("", text)
    if _MATHEMATICAL.search(seen):
        seen = _MATHEMATICAL.sub(lambda match: str((ord(match[0]) - 0x1D7CE) % 10), seen)
    if _STRANGE.search(seen):
        seen = seen.translate(_SEEN_AS)
    return View(
        text, seen, _lower(seen), _runs(seen), tuple([cut - index for index, cut in enumerate(cuts)]), tuple(cuts)
    )


def _runs(seen: str) -> tuple[tuple[int, int], ...]:
    return tuple([match.span() for match in _RUN.finditer(seen)])


def _lower(seen: str) -> str:
    low = seen.lower()
    if len(low) == len(seen):
        return low
    return "".join([lower if len(lower := letter.lower()) == 1 else letter for letter in seen])
