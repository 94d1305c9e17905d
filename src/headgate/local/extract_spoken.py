"""Owns numbers that are said in words: digits of a phone one by one, and sums in words ("five lakh")."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from headgate.local.extract_amount import entity_of
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
_SPOKEN: Final = re.compile(
    rf"(?<![A-Za-z\d\u0900-\u097f+]){_WORD}(?:{_GAP}{_WORD}){{3,14}}+(?![A-Za-z\d\u0900-\u097f])", re.IGNORECASE
)
_TOKEN: Final = re.compile(r"[A-Za-z\u0900-\u097f]+|\d+")

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
    rf"(?<![A-Za-z\u0900-\u097f])(?:(?:rs\.?|rupees|₹)\s?)?{_SMALL_WORD}\s{_SCALE_WORD}(?:\s(?:and\s)?{_SMALL_WORD}\s{_SCALE_WORD})?(?:\s{_SMALL_WORD})?(\s{_MONEY_WORD})?(?![A-Za-z\u0900-\u097f])",
    re.IGNORECASE,
)
_SAID_SMALL: Final = re.compile(
    rf"(?<![A-Za-z\u0900-\u097f]){_SMALL_WORD}\s(?:rupees?|rupaye|rupay|rupiya|रुपये|रुपए|रुपया)(?![A-Za-z\u0900-\u097f])",
    re.IGNORECASE,
)


def spoken_phones(view: View) -> Iterator[Entity]:
    """Indian mobiles whose digits are said in words, also mixed with digits."""
    for match in _SPOKEN.finditer(view.seen):
        digits, words = _heard(match[0])
        national = (
            digits.removeprefix("91")
            if len(digits) == 12
            else digits.removeprefix("0")
            if len(digits) == 11
            else digits
        )
        if words >= WORDS_MIN and is_indian_mobile(national):
            yield view.entity(
                Kind.MOBILE, match.start(), match.end(), f"+91{national}", 0.7, "digits in words", obfuscated=True
            )


def spoken_amounts(view: View) -> Iterator[Entity]:
    """Sums in words: a small number and a scale, with a currency or a scale of a thousand and more."""
    for match in _SAID.finditer(view.seen):
        scale = _SCALES[match[2].lower()]
        if not match[6] and scale < 100_000:
            continue
        value = _SMALL[match[1].lower()] * scale
        if match[3]:
            value += _SMALL[match[3].lower()] * _SCALES[match[4].lower()]
        if match[5]:
            value += _SMALL[match[5].lower()]
        yield entity_of(view, match.start(), match.end(), value, "INR", 0.7, "a sum in words", obfuscated=True)
    for match in _SAID_SMALL.finditer(view.seen):
        yield entity_of(
            view, match.start(), match.end(), _SMALL[match[1].lower()], "INR", 0.7, "a sum in words", obfuscated=True
        )


def _heard(text: str) -> tuple[str, int]:
    digits, times, words = "", 1, 0
    for token in _TOKEN.findall(text.lower()):
        if token in _TIMES:
            times = _TIMES[token]
            words += 1
        elif token.isdigit():
            digits, times = digits + token * times, 1
        else:
            digits, times, words = digits + _DIGITS[token] * times, 1, words + 1
    return digits, words
