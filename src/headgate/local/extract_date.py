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
    r"([0-9]{1,4})([ ]?[-/.][ ]?)([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?:(?=t[0-9]{2}:)|(?!\w))(?![-/.:][0-9])"
)
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
_WORD: Final = r"([a-z\u0900-\u0dff]++)"
_NAMED: Final = re.compile(
    r"([0-9]{1,2})(?:[ ]?(?:st|nd|rd|th)(?![a-z]))?(?:\s?[-/.,]\s?|\s{0,2})(?:of\s)?"
    + _WORD
    + r"(?:\.?(?:\s?[-/.,'’]\s?|\s{0,2}'?)([0-9]{4}|[0-9]{2})(?![0-9:])(?!\s?[ap]m\b)(?!\w))?"
)
_MONTH_FIRST: Final = re.compile(
    r"([0-9]{1,2})(?:st|nd|rd|th)?(?![0-9:%])(?:(?:\s?,\s?|\s|\s?-\s?)([0-9]{4})(?![0-9]))?(?!\w)"
)
_MONTH_CHARS: Final = 14
_VERSIONS: Final = (
    "v",
    "version",
    "ver",
    "build",
    "release",
    "firmware",
    "android",
    "ios",
    "ip",
    "section",
    "clause",
    "rule",
    "sec",
)
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_RELATIVE: Final = re.compile(
    r"(?<![a-z])(day after tomorrow|tomorrow|tmrw|tmrow|tomorow|tmr|today|tdy|yesterday|aaj|aj)(?![a-z])"
    r"|(?<![\u0900-\u097f])(आज)(?![\u0900-\u097f])"
)
_DAYS_ON: Final = {
    "day after tomorrow": 2,
    **dict.fromkeys(("tomorrow", "tmrw", "tmrow", "tomorow", "tmr"), 1),
    **dict.fromkeys(("today", "tdy", "aaj", "aj", "आज"), 0),
    "yesterday": -1,
}


def dates(view: View, taken: bytearray, today: date | None) -> Iterator[Entity]:
    """The days, by form, where nothing was found yet; they may overlap, the surer form first."""
    low = view.low
    for start, end in view.runs:
        if taken[start] or end - start > 4:
            continue
        mark = low[end : end + 2].lstrip(" ")[:1]
        if mark and mark in "-/." and _is_open(low, start) and (match := _NUMERIC.match(low, start)):
            yield from _numeric(view, match)
        if end - start <= 2:
            yield from _with_name(view, start, today)
    if today:
        for match in _RELATIVE.finditer(low):
            day = today + timedelta(days=_DAYS_ON[match[0]])
            yield view.entity(Kind.DATE, match.start(), match.end(), day.isoformat(), 0.85, "said relative to today")


def _is_open(low: str, start: int) -> bool:
    """No word, number or version goes on with what begins here."""
    before, second = low[start - 1 : start], low[start - 2 : start - 1]
    if before and (before.isalnum() or before == "_"):
        return False
    if before in {".", "/", "-"} and second and (second.isdigit() or (before != "-" and second.isalpha())):
        return False
    tail = low[max(0, start - 12) : start].rstrip(" .:")
    return tail[len(tail.rstrip(_LETTERS)) :] not in _VERSIONS


def _numeric(view: View, match: re.Match[str]) -> Iterator[Entity]:
    one, separator, two, three = match.groups()
    if len(one) == 4:
        if len(two) == 2 and len(three) == 2:
            yield from _day(view, match.span(), (one, two, three), 0.97, "year, month, day")
        return
    if len(one) > 2:
        return
    if len(three) == 2 and not (len(one) == len(two) == 2) and separator.strip() != "/":
        return
    found = list(_day(view, match.span(), (three, two, one), 0.95 if len(three) == 4 else 0.85, "day, month, year"))
    yield from found or _day(view, match.span(), (three, one, two), 0.7, "month, day, year")


def _with_name(view: View, start: int, today: date | None) -> Iterator[Entity]:
    low = view.low
    before = low[start - 1 : start]
    match = _NAMED.match(low, start)
    if match and match[2] in _MONTHS and not (before and (before.isalnum() or before in "_.,:/₹$-")):
        yield from _named(view, match.span(), match.end(2), match[1], match[2], match[3], today)
        return
    first, month = _month_before(low, start)
    match = _MONTH_FIRST.match(low, start) if month else None
    if match:
        yield from _named(view, (first, match.end()), match.end(1), match[1], month, match[2], today)


def _month_before(low: str, start: int) -> tuple[int, str]:
    """Where the name of a month directly before a place begins, and the name; empty when there is none."""
    window = low[max(0, start - _MONTH_CHARS) : start]
    bare = window.rstrip(" -.")
    if len(window) - len(bare) > 2:
        return start, ""
    word = bare[bare.rfind(" ") + 1 :].lstrip("(,:;.")
    return start - len(window) + len(bare) - len(word), word if word in _MONTHS else ""


def _named(
    view: View, span: tuple[int, int], short: int, day: str, month: str, year: str | None, today: date | None
) -> Iterator[Entity]:
    number = _MONTHS[month]
    if year:
        yield from _day(view, span, (year, str(number), day), 0.96, "a day, a month's name, a year")
    elif today and (near := _nearest(today, number, int(day))):
        yield view.entity(Kind.DATE, span[0], short, near.isoformat(), 0.75, "a day of the year nearest today")


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
