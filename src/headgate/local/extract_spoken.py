"""Owns numbers that are said in words: digits of a phone one by one, and sums in words ("five lakh")."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from headgate.local.extract_amount import ends_there, entity_of, is_counting, is_money_near
from headgate.local.extract_phone import is_indian_mobile
from headgate.local.extract_types import Entity, Kind
from headgate.local.extract_view import View

WORDS_MIN: Final = 3
"""Fewer spoken digits in a row are no disguise of a number."""

_DIGIT_WORDS: Final = (
    "zero oh o shunya shoonya sunya jeero शून्य जीरो ज़ीरो",
    "one ek एक wan",
    "two do दो",
    "three teen tin तीन",
    "four char chaar चार",
    "five paanch panch पांच पाँच",
    "six chhe che chah chhah cheh छह छः छ छे",
    "seven saat sat सात",
    "eight aath aat ath आठ",
    "nine nau नौ",
)
_DIGITS: Final = {word: str(digit) for digit, words in enumerate(_DIGIT_WORDS) for word in words.split()}
_TIMES: Final = {"double": 2, "triple": 3, "dabal": 2, "डबल": 2, "ट्रिपल": 3}
_WORD: Final = "(?:" + "|".join(sorted((*_DIGITS, *_TIMES), key=len, reverse=True)) + r"|\d{1,5})"
_GAP: Final = r"[\s,.\-–]{1,3}"
_SPOKEN: Final = re.compile(rf"(?<![a-z\d\u0900-\u097f+]){_WORD}(?:{_GAP}{_WORD}){{3,14}}+(?![a-z\d\u0900-\u097f])")
_TOKEN: Final = re.compile(r"[a-z\u0900-\u097f]+|\d+")

_SMALL: Final = {
    **{
        word: Decimal(value)
        for word, value in (("one", 1), ("two", 2), ("three", 3), ("four", 4), ("five", 5), ("six", 6))
    },
    **{word: Decimal(value) for word, value in (("seven", 7), ("eight", 8), ("nine", 9), ("ten", 10), ("twelve", 12))},
    **{
        word: Decimal(value)
        for word, value in (("fifteen", 15), ("twenty", 20), ("twenty five", 25), ("thirty", 30), ("forty", 40))
    },
    **{
        word: Decimal(value)
        for word, value in (("fifty", 50), ("sixty", 60), ("seventy", 70), ("eighty", 80), ("ninety", 90))
    },
    **{
        word: Decimal(value)
        for word, value in (("ek", 1), ("do", 2), ("teen", 3), ("char", 4), ("chaar", 4), ("paanch", 5), ("panch", 5))
    },
    **{
        word: Decimal(value)
        for word, value in (
            ("chhe", 6),
            ("saat", 7),
            ("aath", 8),
            ("nau", 9),
            ("das", 10),
            ("bees", 20),
            ("pachas", 50),
        )
    },
    **{
        word: Decimal(value)
        for word, value in (
            ("pachaas", 50),
            ("pandrah", 15),
            ("pachis", 25),
            ("pachees", 25),
            ("tees", 30),
            ("barah", 12),
        )
    },
    **{
        word: Decimal(value)
        for word, value in (("एक", 1), ("दो", 2), ("तीन", 3), ("चार", 4), ("पांच", 5), ("पाँच", 5), ("छह", 6), ("सात", 7))
    },
    **{
        word: Decimal(value)
        for word, value in (("आठ", 8), ("नौ", 9), ("दस", 10), ("बीस", 20), ("पच्चीस", 25), ("पचास", 50), ("पंद्रह", 15))
    },
    **{
        word: Decimal(value)
        for word, value in (
            ("dedh", "1.5"),
            ("dhai", "2.5"),
            ("डेढ़", "1.5"),
            ("ढाई", "2.5"),
            ("half a", "0.5"),
            ("सवा", "1.25"),
        )
    },
}
_SCALES: Final = {
    **dict.fromkeys(("hundred", "sau", "सौ"), Decimal(100)),
    **dict.fromkeys(("thousand", "hazaar", "hazar", "hajar", "हज़ार", "हजार", "हज़ार"), Decimal(1_000)),
    **dict.fromkeys(("lakh", "lakhs", "lac", "लाख"), Decimal(100_000)),
    **dict.fromkeys(("crore", "crores", "करोड़", "करोड़", "करोड"), Decimal(10_000_000)),
}
_SMALL_WORD: Final = "(" + "|".join(sorted(_SMALL, key=len, reverse=True)) + ")"
_SCALE_WORD: Final = "(" + "|".join(sorted(_SCALES, key=len, reverse=True)) + ")"
_MONEY_WORD: Final = r"(?:rupees?|rupaye|rupay|rupiya|rs\.?|only|रुपये|रुपए|रुपया|रु\.?)"
_SAID: Final = re.compile(
    rf"{_SMALL_WORD}\s{_SCALE_WORD}(?:\s(?:and\s)?{_SMALL_WORD}\s{_SCALE_WORD})?(?:\s{_SMALL_WORD}(?=\s{_MONEY_WORD}))?"
    rf"(\s{_MONEY_WORD})?(?![a-z\u0900-\u097f])"
)
_SAID_SMALL: Final = re.compile(rf"{_SMALL_WORD}\s(?:rupees?|rupaye|rupay|rupiya|रुपये|रुपए|रुपया)(?![a-z\u0900-\u097f])")
_TRIGGERS: Final = (*_SCALES, "rupee", "rupay", "rupiya", "रुपये", "रुपए", "रुपया")
_SCALE_REACH: Final = 14
"""How far before a scale the number before it may begin."""
_PRICED: Final = re.compile(r"(?:rs\.?|rupees|₹)\s?\Z")


def spoken_phones(view: View) -> Iterator[Entity]:
    """Indian mobiles whose digits are said in words, also mixed with digits."""
    if not _is_counting_out(view.low):
        return
    for match in _SPOKEN.finditer(view.low):
        digits, words = _heard(match[0])
        national = digits[2:] if len(digits) == 12 and digits.startswith("91") else digits.removeprefix("0")
        if words >= WORDS_MIN and is_indian_mobile(national):
            yield view.entity(
                Kind.MOBILE, match.start(), match.end(), f"+91{national}", 0.7, "digits in words", obfuscated=True
            )


def _is_counting_out(low: str) -> bool:
    """At least `WORDS_MIN` words of digits follow each other."""
    row = 0
    for word in low.replace("-", " ").split():
        plain = word.strip(",.")
        if plain in _DIGITS or plain in _TIMES:
            row += 1
            if row >= WORDS_MIN:
                return True
        elif not plain.isdigit():
            row = 0
    return False


def spoken_amounts(view: View) -> Iterator[Entity]:
    """Sums in words: a small number and a scale, with a currency or a scale of a lakh and more."""
    low, done = view.low, 0
    for at in sorted({hit for trigger in _TRIGGERS if trigger in low for hit in _hits(low, trigger)}):
        if at < done:
            continue
        for start in _word_starts(low, max(done, at - _SCALE_REACH), at):
            entity = _said(view, start)
            if entity:
                done = view.span(entity)[1]
                yield entity
                break


def _hits(low: str, trigger: str) -> Iterator[int]:
    at = low.find(trigger)
    while at >= 0:
        yield at
        at = low.find(trigger, at + 1)


def _word_starts(low: str, first: int, last: int) -> Iterator[int]:
    """Where words begin between two places."""
    for at in range(first, last):
        if not low[at].isspace() and (at == 0 or not (low[at - 1].isalnum() or "\u0900" <= low[at - 1] <= "\u097f")):
            yield at


def _said(view: View, start: int) -> Entity | None:
    low = view.low
    match = _SAID.match(low, start)
    if match:
        scale = _SCALES[match[2]]
        priced = _PRICED.search(low, max(0, start - 8), start)
        if not match[6] and not priced and (scale < 100_000 or _is_followed(low, start, match.end())):
            return None
        value = _SMALL[match[1]] * scale
        if match[3]:
            value += _SMALL[match[3]] * _SCALES[match[4]]
        if match[5]:
            value += _SMALL[match[5]]
        begin = priced.start() if priced else start
        return entity_of(view, begin, match.end(), value, "INR", 0.7, "a sum in words", obfuscated=True)
    match = _SAID_SMALL.match(low, start)
    if match:
        return entity_of(view, start, match.end(), _SMALL[match[1]], "INR", 0.7, "a sum in words", obfuscated=True)
    return None


def _is_followed(low: str, start: int, stop: int) -> bool:
    """A word follows that could be what is counted, and nothing speaks of money."""
    return is_counting(low, stop) or not (ends_there(low, stop) or is_money_near(low, start, stop))


def _heard(text: str) -> tuple[str, int]:
    digits, times, words = "", 1, 0
    for token in _TOKEN.findall(text):
        if token in _TIMES:
            times = _TIMES[token]
            words += 1
        elif token.isdigit():
            digits, times = digits + token * times, 1
        else:
            digits, times, words = digits + _DIGITS[token] * times, 1, words + 1
    return digits, words
