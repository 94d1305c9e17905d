"""Owns which stretches are days: ISO, day before month as India writes, months by name in English and
Indian languages.

What is said relative to today, or without its year, is a date only when today is given. Versions, IP addresses, card
expiries, times and scores are none.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from headgate.local.extract_types import Entity, Kind
from headgate.local.extract_view import View

YEARS: Final = range(1900, 2101)
"""Years that a message speaks of."""
CENTURY_TURN: Final = 70
"""Two digits from here on are of the last century."""

_NUMERIC: Final = re.compile(
    r"(?<![\w])(?<!\d[./-])(?<![A-Za-z][._/])(\d{1,4})(\s?[-/.]\s?)(\d{1,2})\2(\d{4}|\d{2})(?!\w)(?![-/.:]\d)"
)
_ISO_TIME: Final = re.compile(r"(?<!\w)(?<!\d[./-])(\d{4})-(\d{2})-(\d{2})(?=[T_]\d{2}:?\d{2})")
_COMPACT_AT: Final = re.compile(r"(?<![\w./-])")

_MONTH_WORDS: Final = (
    "january jan जनवरी जानेवारी জানুয়ারি ஜனவரி జనవరి ಜನವರಿ ജനുവരി જાન્યુઆરી ਜਨਵਰੀ janvari",
    "february feb फरवरी फ़रवरी फेब्रुवारी ফেব্রুয়ারি பிப்ரவரி ఫిబ్రవరి ಫೆಬ್ರವರಿ ഫെബ്രുവരി ફેબ્રુઆરી ਫਰਵਰੀ farvari",
    "march mar मार्च মার্চ மார்ச் మార్చి ಮಾರ್ಚ್ മാർച്ച് માર્ચ ਮਾਰਚ",
    "april apr अप्रैल एप्रिल এপ্রিল ஏப்ரல் ఏప్రిల్ ಏಪ್ರಿಲ್ ഏപ്രിൽ એપ્રિલ ਅਪ੍ਰੈਲ",
    "may मई मे মে மே మే ಮೇ മേയ് മെയ് મે ਮਈ",
    "june jun जून জুন ஜூன் జూన్ ಜೂನ್ ജൂൺ જૂન ਜੂਨ",
    "july jul जुलाई जुलै জুলাই ஜூலை జూలై ಜುಲೈ ജൂലൈ જુલાઈ ਜੁਲਾਈ",
    "august aug अगस्त ऑगस्ट আগস্ট ஆகஸ்ட் ఆగస్టు ಆಗಸ್ಟ್ ഓഗസ്റ്റ് ઓગસ્ટ ਅਗਸਤ",
    "september sept sep सितंबर सितम्बर सप्टेंबर সেপ্টেম্বর செப்டம்பர் సెప్టెంబర్ ಸೆಪ್ಟೆಂಬರ್ സെപ്റ്റംബർ સપ્ટેમ્બર ਸਤੰਬਰ",
    "october oct अक्टूबर अक्तूबर ऑक्टोबर অক্টোবর அக்டோபர் అక్టోబర్ ಅಕ್ಟೋಬರ್ ഒക്ടോബർ ઓક્ટોબર ਅਕਤੂਬਰ",
    "november nov नवंबर नवम्बर नोव्हेंबर নভেম্বর நவம்பர் నవంబర్ ನವೆಂಬರ್ നവംബർ નવેમ્બર ਨਵੰਬਰ",
    "december dec दिसंबर दिसम्बर डिसेंबर ডিসেম্বর டிசம்பர் డిసెంబర్ ಡಿಸೆಂಬರ್ ഡിസംബർ ડિસેમ્બર ਦਸੰਬਰ",
)
_MONTHS: Final = {word: index for index, words in enumerate(_MONTH_WORDS, 1) for word in words.split()}
_MONTH: Final = "(" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + ")(?![A-Za-z\u0900-\u0dff])"
_NAMED: Final = re.compile(
    r"(?<![\w.,:/₹$-])(\d{1,2})(?:\s?(?:st|nd|rd|th))?(?:\s?[-/.,]\s?|\s{0,2})(?:of\s)?"
    + _MONTH
    + r"\.?(?:\s?[-/.,'’]\s?|\s{0,2}'?)(\d{4}|\d{2})?(?![\d:])(?!\s?[ap]m\b)(?!\w)",
    re.IGNORECASE,
)
_MONTH_FIRST: Final = re.compile(
    r"(?<![A-Za-z\u0900-\u0dff])"
    + _MONTH
    + r"\.?\s?-?(\d{1,2})(?:st|nd|rd|th)?(?![\d:%])(?:(?:\s?,\s?|\s|\s?-\s?)(\d{4})(?!\d))?(?!\w)",
    re.IGNORECASE,
)
_VERSION: Final = re.compile(
    r"(?:\bv|version|ver|build|release|firmware|android|ios|ip|section|clause|rule|sec)\.?\s?:?\s?\Z", re.IGNORECASE
)
_RELATIVE: Final = re.compile(
    r"(?<![A-Za-z])"
    r"(day after tomorrow|tomorrow|tmrw|tmrow|tomorow|tmr|today|tdy|yesterday|aaj|aj)(?![A-Za-z])"
    r"|(?<![\u0900-\u097f])(आज)(?![\u0900-\u097f])",
    re.IGNORECASE,
)
_DAYS_ON: Final = {
    "day after tomorrow": 2,
    **dict.fromkeys(("tomorrow", "tmrw", "tmrow", "tomorow", "tmr"), 1),
    **dict.fromkeys(("today", "tdy", "aaj", "aj", "आज"), 0),
    "yesterday": -1,
}


def dates(view: View, taken: bytearray, today: date | None) -> Iterator[Entity]:
    """The days, by form; they may overlap, the surer form first."""
    seen = view.seen
    for match in _ISO_TIME.finditer(seen):
        yield from _day(view, match.span(), (match[1], match[2], match[3]), 0.97, "an ISO date")
    for match in _NUMERIC.finditer(seen):
        if taken.find(1, match.start(), match.end()) < 0:
            yield from _numeric(view, match)
    for match in _NAMED.finditer(seen):
        yield from _named(view, match, match[1], match[2], match[3], today)
    for match in _MONTH_FIRST.finditer(seen):
        yield from _named(view, match, match[2], match[1], match[3], today)
    if today:
        for match in _RELATIVE.finditer(seen):
            day = today + timedelta(days=_DAYS_ON[match[0].lower()])
            yield view.entity(Kind.DATE, match.start(), match.end(), day.isoformat(), 0.85, "said relative to today")


def _numeric(view: View, match: re.Match[str]) -> Iterator[Entity]:
    one, separator, two, three = match.groups()
    separator = separator.strip()
    if _VERSION.search(view.seen, max(0, match.start() - 12), match.start()):
        return
    if len(one) == 4:
        if len(two) == 2 and len(three) == 2:
            yield from _day(view, match.span(), (one, two, three), 0.97, "year, month, day")
        return
    if len(one) > 2:
        return
    if len(three) == 2 and not (len(one) == len(two) == 2) and separator != "/":
        return
    found = list(_day(view, match.span(), (three, two, one), 0.95 if len(three) == 4 else 0.85, "day, month, year"))
    yield from found or _day(view, match.span(), (three, one, two), 0.7, "month, day, year")


def _named(
    view: View, match: re.Match[str], day: str, month: str, year: str | None, today: date | None
) -> Iterator[Entity]:
    number = _MONTHS[month.lower()]
    end = match.end()
    if year is None:
        if today is None:
            return
        end = max(match.end(1), match.end(2))
        near = _nearest(today, number, int(day))
        if near:
            yield view.entity(Kind.DATE, match.start(), end, near.isoformat(), 0.75, "a day of the year nearest today")
        return
    yield from _day(view, (match.start(), end), (year, str(number), day), 0.96, "a day, a month's name, a year")


def _nearest(today: date, month: int, day: int) -> date | None:
    found = [made for year in (today.year - 1, today.year, today.year + 1) if (made := _made(year, month, day))]
    return min(found, key=lambda made: abs(made - today)) if found else None


def _day(
    view: View, span: tuple[int, int], parts: tuple[str, str, str], confidence: float, reason: str
) -> Iterator[Entity]:
    year = int(parts[0])
    if len(parts[0]) == 2:
        year += 1900 if year >= CENTURY_TURN else 2000
    made = _made(year, int(parts[1]), int(parts[2]))
    if made:
        yield view.entity(Kind.DATE, *span, made.isoformat(), confidence, reason)


def _made(year: int, month: int, day: int) -> date | None:
    if year not in YEARS:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None
