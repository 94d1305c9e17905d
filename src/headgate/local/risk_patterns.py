"""Finds what no list of phrases can hold: links and what is odd about them, numbers, amounts, codes, disguises."""

import re
from collections.abc import Iterator
from typing import Final

from headgate.local.risk_places import BRANDS, CHEAP, MESSENGERS, OFFICIAL, SHORTENERS, TOP_LEVEL
from headgate.local.words import HIDDEN

Found = tuple[str, int, int]
"""A signal and where it stands."""

MAX_LINKS: Final = 20
"""Links of one text that are looked at."""

_LINK: Final = re.compile(
    r"(?:h(?:tt|xx)ps?://|www\.)[^\s<>\"']{3,}"
    r"|(?<![\w@.-])(?:[a-z0-9](?:[a-z0-9-]{0,62})\.){1,4}(?:"
    + "|".join(map(re.escape, TOP_LEVEL))
    + r")(?![\w@.-]*[\w@-])(?:[/?][^\s<>\"']*)?",
    re.IGNORECASE,
)
_BEFORE_HOST: Final = re.compile(r"^(?:h(?:tt|xx)ps?://)?(?:[^/@]*@)?(?:www\.)?", re.IGNORECASE)
_NUMERIC: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_LEET: Final = str.maketrans("01345$@", "oleassa")
_PARTS: Final = re.compile(r"[a-z]+")

_NEAR_LINK: Final = re.compile(r"\.[a-z0-9]|://")
_GAP: Final = re.compile(r"[\s<>\"']")
_PHONE: Final = re.compile(r"(?<![\dx*#.,])\+?\d[\d .-]{2,16}\d(?!\d)")
_DATE: Final = re.compile(r"\b\d{1,2}[-.]\d{1,2}[-.]\d{2,4}\b")
_PROGRAM: Final = re.compile(r"[\w-]*\.apk\b")
_AMOUNT: Final = re.compile(r"\d[\d,]*")
_GROUPED: Final = re.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}\Z")
_CURRENCY: Final = ("₹", "£", "$", "€", "rs", "rs.", "inr")
_UNIT: Final = re.compile(
    r"(?:\.\d+)?\s?(?:(?P<large>(?:lakhs?|lacs?|crores?|cr|लाख|करोड़)(?!\w))|rs\b|rupees|rupaye|rupay|pounds?\b|/-|रुपये|रु\b)"
)
_MOBILE: Final = re.compile(r"(?:91|0)?[6-9]\d{9}\Z")
_TOLL_FREE: Final = re.compile(r"(?:1800|1860)\d{6,7}\Z|1930\Z|155260\Z|1909\Z")
_COSTLY: Final = re.compile(r"0(?:9[01]\d|87[01]|84[45])\d{4,8}\Z")
_MASKED: Final = re.compile(r"[x*]\s?\d{3,4}\b")
_ENDING: Final = re.compile(r"\bending\s+(?:with\s+|in\s+)?\d{4}\b")
_CODE: Final = re.compile(
    r"(?<!\d)\d{4,8}\s+is\s+(?:the\s+|your\s+)?[^\n.]{0,30}?(?:otp|code|password)"
    r"|\b(?:otp|code|password)\b[^\n]{0,60}?\bis:?\s*\d{4,8}\b|ओटीपी\s+\d{4,8}"
)
_SHORT_CODE: Final = re.compile(
    r"\b(?:txt|text|send|sms|msg|reply)\b[^\n]{0,60}?\bto\s+(?:no\.?:?\s*)?[4-9]\d{3,5}(?!\d)"
)
_UPI: Final = re.compile(r"(?<![\w.@-])[a-z0-9][\w.-]{1,60}@[a-z][a-z0-9]{1,15}(?![\w@-]|\.\w)")
LARGE_DIGITS: Final = 5
"""Digits of an amount that counts as large."""
_SPACED: Final = re.compile(r"(?<!\w)(?:[^\W\d_][ .\-_*]){3,}[^\W\d_](?!\w)")
_MIXED: Final = re.compile(r"[A-Za-z][\u0370-\u03ff\u0400-\u052f]|[\u0370-\u03ff\u0400-\u052f][A-Za-z]")
_HIDDEN: Final = re.compile(f"[^\\W_][{HIDDEN}]+[^\\W_]")
_INDIC_JOINED: Final = re.compile("[\u0900-\u0dff][\u200c\u200d]")
_SENDER: Final = re.compile(r"[-–~]\s?(?:team\s)?[A-Z][A-Za-z&. ]{1,24}\.?\s*\Z")


def find_patterns(text: str, folded: str) -> Iterator[Found]:
    """Every signal that is a pattern, in the text as it came and in its plain form of equal length."""
    yield from _links(folded)
    yield from _numbers(folded)
    if "@" in folded:
        yield from _once("upi_id", _UPI, folded)
    if "otp" in folded or "code" in folded or "password" in folded or "ओटीपी" in folded:
        yield from _once("one_time_code", _CODE, folded)
    if ".apk" in folded:
        yield from _once("program", _PROGRAM, folded)
    if "!!" in text or text.count("!") > 2:
        at = text.index("!")
        yield "exclaims", at, at + 1
    yield from _once("spaced", _SPACED, text)
    yield from _once("sender_tag", _SENDER, text[-40:], max(0, len(text) - 40))
    if not text.isascii():
        yield from _disguises(text)


def _once(name: str, pattern: re.Pattern[str], text: str, offset: int = 0) -> Iterator[Found]:
    match = pattern.search(text)
    if match is not None:
        yield name, match.start() + offset, match.end() + offset


def _links(folded: str) -> Iterator[Found]:
    """Looks only at what stands around a dot within a word."""
    done = count = 0
    for near in _NEAR_LINK.finditer(folded):
        if near.start() < done:
            continue
        start = max(folded.rfind(gap, done, near.start()) for gap in " \n\t<\"'") + 1
        ended = _GAP.search(folded, near.start())
        done = len(folded) if ended is None else ended.start()
        link = _LINK.search(folded, max(start, 0), done)
        if link is not None:
            yield from ((name, link.start(), link.end()) for name in _of_link(link[0]))
            count += 1
            if count >= MAX_LINKS:
                return


def _numbers(folded: str) -> Iterator[Found]:
    """Phone numbers by kind, amounts, accounts by their last digits, numbers to text to."""
    for match in _PHONE.finditer(folded):
        if _DATE.search(match[0]) is not None:
            continue
        digits = match[0].translate(_SEPARATORS)
        for name, pattern in _PHONES:
            if pattern.match(digits) is not None:
                yield name, match.start(), match.end()
    yield from _amounts(folded)
    yield from _once("masked", _MASKED, folded)
    if "ending" in folded:
        yield from _once("masked", _ENDING, folded)
    if " to " in folded:
        yield from _once("short_code", _SHORT_CODE, folded)


def _amounts(folded: str) -> Iterator[Found]:
    """The first amount, and the first large one."""
    has_money = False
    for match in _AMOUNT.finditer(folded):
        start, end = match.span()
        if (unit := _UNIT.match(folded, end)) is not None and unit["large"]:
            yield "large_money", start, end
            return
        digits = end - start - match[0].count(",")
        if has_money and digits < LARGE_DIGITS:
            continue
        is_money = unit is not None or _GROUPED.match(match[0]) is not None
        if is_money or folded[max(0, start - 5) : start].rstrip().endswith(_CURRENCY):
            if not has_money:
                yield "money", start, end
                has_money = True
            if digits >= LARGE_DIGITS:
                yield "large_money", start, end
                return


_SEPARATORS: Final = str.maketrans("", "", " .-+")
_PHONES: Final = (("mobile", _MOBILE), ("tollfree", _TOLL_FREE), ("premium_number", _COSTLY))


def _disguises(text: str) -> Iterator[Found]:
    if (match := _MIXED.search(text)) is not None:
        yield "mixed_script", match.start(), match.end()
    if (match := _HIDDEN.search(text)) is not None and _INDIC_JOINED.search(text) is None:
        yield "hidden", match.start(), match.end()


def _of_link(link: str) -> Iterator[str]:
    """What a link, in lower case, says by where it leads."""
    yield "url"
    host = _BEFORE_HOST.sub("", link).partition("/")[0].partition("?")[0].partition(":")[0].rstrip(".,;)!")
    labels = host.split(".")
    above = [".".join(labels[index:]) for index in range(len(labels))]
    if not OFFICIAL.isdisjoint(above):
        yield "official"
        return
    if not MESSENGERS.isdisjoint(above):
        yield "messenger"
        return
    if _NUMERIC.match(host):
        yield "raw_address"
    if not SHORTENERS.isdisjoint(above):
        yield "shortened"
        return
    if not CHEAP.isdisjoint(above):
        yield "cheap_domain"
    if "xn--" in host or _looks_like_a_brand(".".join(labels[:-1])):
        yield "lookalike"


def _looks_like_a_brand(name: str) -> bool:
    """Whether a foreign domain holds a brand: as a part between hyphens, dots and digits, or inside a longer part."""
    for form in (name, name.translate(_LEET)):
        if not _BRANDS.isdisjoint(_PARTS.findall(form)) or _BRAND_INSIDE.search(form) is not None:
            return True
    return False


_BRANDS: Final = frozenset(BRANDS)
_LONG: Final = "|".join(brand for brand in BRANDS if len(brand) > 3)
_SHORT: Final = "|".join(brand for brand in BRANDS if len(brand) <= 3)
_BRAND_INSIDE: Final = re.compile(rf"{_LONG}|(?<![a-z])(?:{_SHORT})[a-z]{{2,}}|[a-z]{{2,}}(?:{_SHORT})(?![a-z])")
