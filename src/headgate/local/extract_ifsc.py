"""Owns which stretches are IFSCs: four letters of a bank, a zero, six letters or digits; and how they get miswritten.

A bank that is on the list is believed; another needs the word IFSC near. The letter O for the zero, a blank or a hyphen
between the parts and a small L for a one are put right, and called disguised.
"""

import re
from collections.abc import Iterator
from typing import Final

from headgate.local.extract_bank_codes import IFSC_BANKS
from headgate.local.extract_types import Entity, Kind
from headgate.local.extract_view import View

NEAR_CHARS: Final = 40
"""How near the word IFSC must be to speak for an unknown bank or a miswritten code."""

_CODE: Final = re.compile(
    r"(?<![A-Za-z0-9@#/_.-])([A-Za-z]{4})([ -]?)([0Oo])([ -]?)([A-Za-z0-9]{6})(?![A-Za-z0-9_@])(?!-\w)"
)
_WORD: Final = re.compile(r"ifsc|ifs\s?code|ifs\b|rtgs|neft|आईएफएससी|आईएफ़एससी|आइएफएससी", re.IGNORECASE)


def codes(view: View) -> Iterator[Entity]:
    """The IFSCs, in order."""
    for match in _CODE.finditer(view.seen):
        entity = _code(view, match)
        if entity:
            yield entity


def _code(view: View, match: re.Match[str]) -> Entity | None:
    bank, branch = match[1].upper(), match[5]
    is_known = bank in IFSC_BANKS
    low = max(0, match.start() - NEAR_CHARS)
    is_named = _WORD.search(view.seen, low, min(len(view.seen), match.end() + NEAR_CHARS)) is not None
    is_apart = bool(match[2] or match[4])
    is_numeric = sum(letter.isdigit() for letter in branch) >= 3
    if is_apart and not (is_known and (is_named or branch.isdigit())):
        return None
    if match[3] != "0" and not (is_known and (is_named or is_numeric)):
        return None
    if not is_known and not (is_named and is_numeric):
        return None
    if match[0].isalpha() or (not is_numeric and not is_named and not match[0].isupper()):
        return None
    mended = _mended(bank, branch)
    value = f"{bank}0{mended}"
    is_disguised = is_apart or match[3] != "0" or mended != branch.upper()
    confidence = 0.98 if is_known and is_named else 0.93 if is_known else 0.7
    reason = "a bank's prefix" if is_known else "the form of an IFSC beside its name"
    return view.entity(Kind.IFSC, match.start(), match.end(), value, confidence, reason, obfuscated=is_disguised)


def _mended(bank: str, branch: str) -> str:
    """Digits where a letter that looks alike stands alone among them; one bank has branches that are written with O."""
    if branch.isdigit():
        return branch
    letters = {letter for letter in branch if letter.isalpha()}
    if letters <= {"l", "o"} or (letters == {"O"} and bank != "IDIB"):
        return branch.replace("l", "1").replace("o", "0").replace("O", "0")
    return branch.upper()
