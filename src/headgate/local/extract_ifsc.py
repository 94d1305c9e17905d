"""Owns which stretches are IFSCs: four letters of a bank, a zero, six letters or digits; and how they get miswritten.

The bank must be on the list. The letter O for the zero, a blank or a hyphen
between the parts and a small L for a one are put right, and called disguised.
"""

import re
from collections.abc import Iterator
from typing import Final

from headgate.local.extract_bank_codes import IFSC_BANKS
from headgate.local.extract_types import Entity, Kind
from headgate.local.extract_view import View

NEAR_CHARS: Final = 40
"""How near the word IFSC must be to speak for a miswritten code."""

_CODE: Final = re.compile(r"([A-Za-z]{4})([ -]?)([0Oo])([ -]?)([A-Za-z0-9]{6})(?![A-Za-z0-9_@])(?!-\w)")
_WORD: Final = re.compile(r"ifsc|ifs\s?code|ifs\b|rtgs|neft|आईएफएससी|आईएफ़एससी|आइएफएससी")


def codes(view: View) -> Iterator[Entity]:
    """The IFSCs, in order."""
    seen, done = view.seen, 0
    for start in _starts(view):
        if start < done or _is_glued(view, start):
            continue
        match = _CODE.match(seen, start)
        entity = _code(view, match) if match else None
        if match and entity:
            done = match.end()
            yield entity


def _is_glued(view: View, start: int) -> bool:
    """The letters go on a word or an address; a mark behind the word IFSC parts it from its code."""
    before = view.seen[start - 1 : start]
    if not before or not (before.isalnum() or before in "@#_.-"):
        return False
    return before.isalnum() or not view.low[max(0, start - 6) : start - 1].endswith(("ifsc", "code", "rtgs", "neft"))


def _starts(view: View) -> Iterator[int]:
    """Where a code may begin: its fifth character, or one soon behind it, begins a run of digits."""
    seen = view.seen
    for run, end in view.runs:
        before = seen[run - 1 : run]
        if seen[run] == "0" and end - run <= 7 and (before.isalpha() or before in {" ", "-"}):
            yield from (run - back for back in (4, 5) if run >= back)
        if before in {"O", "o"} or seen[run - 2 : run - 1] in {"O", "o"}:
            yield from (run - back for back in (5, 6, 7) if run >= back)


def _code(view: View, match: re.Match[str]) -> Entity | None:
    bank, branch = match[1].upper(), match[5]
    if bank not in IFSC_BANKS:
        return None
    low = max(0, match.start() - NEAR_CHARS)
    is_named = _WORD.search(view.low, low, min(len(view.low), match.end() + NEAR_CHARS)) is not None
    is_apart = bool(match[2] or match[4])
    is_numeric = sum(letter.isdigit() for letter in branch) >= 3
    if is_apart and not (is_named or branch.isdigit()):
        return None
    if match[3] != "0" and not (is_named or is_numeric):
        return None
    if not is_numeric and not is_named and not match[0].isupper():
        return None
    mended = _mended(bank, branch)
    value = f"{bank}0{mended}"
    is_disguised = is_apart or match[3] != "0" or mended != branch.upper()
    confidence = 0.98 if is_named else 0.93
    return view.entity(
        Kind.IFSC, match.start(), match.end(), value, confidence, "a bank's prefix", obfuscated=is_disguised
    )


def _mended(bank: str, branch: str) -> str:
    """Digits where a letter that looks alike stands alone among them; one bank has branches that are written with O."""
    if branch.isdigit():
        return branch
    letters = {letter for letter in branch if letter.isalpha()}
    if letters <= {"l", "o"} or (letters == {"O"} and bank != "IDIB"):
        return branch.replace("l", "1").replace("o", "0").replace("O", "0")
    return branch.upper()
