"""Owns which numbers are sums of money: a currency before or behind, Indian scales (lakh, crore, k), Indian grouping.

"5 lakh" alone is rupees unless what is counted follows ("5 lakh people"); "20k" needs a currency or a word of money
near. Values are exact: currency and minor units, never floats.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from headgate.local.extract_types import Entity, Kind
from headgate.local.extract_view import View

DIGITS_MAX: Final = 15
"""A longer number is no sum."""
BEFORE_CHARS: Final = 14
NEAR_CHARS: Final = 44
MINOR_DIGITS: Final = {"JPY": 0, "KWD": 3, "BHD": 3, "OMR": 3}
"""Currencies whose minor unit is not a hundredth."""

_NUMBER: Final = re.compile(r"(?:\d{1,3}(?:,\d{2,3}){0,5},\d{3}(?!\d)|\d++)(?:\.\d{1,2}(?!\d))?")

_CODES: Final = {
    **dict.fromkeys(
        ("₹", "rs", "rs.", "re", "re.", "inr", "rupees", "rupee", "rupaye", "rupay", "rupaiya", "rupya"), "INR"
    ),
    **dict.fromkeys(
        ("rupiya", "rupye", "rupes", "rps", "rps.", "`", "रु", "रु.", "रू", "रू.", "रुपये", "रुपए", "रुपया"), "INR"
    ),
    **dict.fromkeys(("रुपयों", "रुपयाँ", "टका", "টাকা", "টাকার", "৳", "ரூ", "ரூ.", "ரூபாய்", "రూ", "రూ.", "రూపాయలు"), "INR"),
    **dict.fromkeys(("రూపాయల", "ರೂ", "ರೂ.", "ರೂಪಾಯಿ", "രൂപ", "രൂ", "രൂ.", "રૂ", "રૂ.", "રૂપિયા", "ਰੁ", "ਰੁ.", "ਰੁਪਏ"), "INR"),
    **dict.fromkeys(("ଟଙ୍କା", "روپے", "bucks", "rupiah.", "रुपयांचे", "रुपयांची", "रुपयांना", "रुपये."), "INR"),
    **dict.fromkeys(("$", "us$", "usd", "dollar", "dollars", "डॉलर"), "USD"),
    **dict.fromkeys(("€", "eur", "euro", "euros"), "EUR"),
    **dict.fromkeys(("£", "gbp", "pounds"), "GBP"),
    **dict.fromkeys(("aed", "dirham", "dirhams"), "AED"),
    **dict.fromkeys(("sgd", "s$"), "SGD"),
    **dict.fromkeys(("cad", "c$"), "CAD"),
    **dict.fromkeys(("aud", "a$"), "AUD"),
    "sar": "SAR",
    "qar": "QAR",
    "kwd": "KWD",
    "omr": "OMR",
    "bhd": "BHD",
    "jpy": "JPY",
    "¥": "JPY",
    "npr": "NPR",
    "bdt": "BDT",
    "lkr": "LKR",
    "usdt": "USD",
}
_BEFORE: Final = re.compile(
    r"(?:(?<![A-Za-z0-9])(rs\.?|re\.?|inr|rupees?|rps\.?|us\$|usd|eur|euros?|gbp|aed|sgd|cad|aud|sar|qar|kwd|omr|bhd|jpy|npr|bdt|lkr)"
    r"|(₹|`|\$|€|£|¥|रु\.?|रू\.?|रुपये|रुपए|৳|টাকা|ரூ\.?|రూ\.?|ರೂ\.?|രൂ\.?|રૂ\.?|ਰੁ\.?))\s?[:=.-]?\s?\Z",
    re.IGNORECASE,
)
_LAKH: Final = Decimal(100_000)
_SCALES: Final[dict[str, Decimal]] = {
    **dict.fromkeys(
        ("lakh", "lakhs", "lac", "lacs", "lkh", "lakhon", "l", "लाख", "লাখ", "লক্ষ", "லட்சம்", "లక్ష", "లక్షలు"), _LAKH
    ),
    **dict.fromkeys(("లక్షల", "ಲಕ್ಷ", "ലക്ഷം", "લાખ", "ਲੱਖ", "ଲକ୍ଷ", "لاکھ", "लाखांचे", "लाखों"), _LAKH),
    **dict.fromkeys(
        ("crore", "crores", "cr", "cr.", "करोड़", "करोड़", "करोड", "কোটি", "கோடி", "కోటి", "కోట్లు"), _LAKH * 100
    ),
    **dict.fromkeys(("ಕೋಟಿ", "കോടി", "કરોડ", "ਕਰੋੜ", "कोटी", "کروڑ", "karod", "karor"), _LAKH * 100),
    **dict.fromkeys(
        ("thousand", "thousands", "hazar", "hazaar", "hajar", "hajaar", "k", "हज़ार", "हज़ार", "हजार"), Decimal(1_000)
    ),
    **dict.fromkeys(("হাজার", "ஆயிரம்", "వేలు", "వేల", "ಸಾವಿರ", "ആയിരം", "હજાર", "ਹਜ਼ਾਰ", "ହଜାର"), Decimal(1_000)),
    **dict.fromkeys(("hundred", "sau", "सौ"), Decimal(100)),
    **dict.fromkeys(("million", "mn", "mio"), Decimal(1_000_000)),
    **dict.fromkeys(("billion", "bn"), Decimal(1_000_000_000)),
}
_MARKS: Final = "\u0900-\u0dff"
_SCALE: Final = re.compile(
    r"\s?-?(" + "|".join(sorted(map(re.escape, _SCALES), key=len, reverse=True)) + rf")(?![A-Za-z0-9{_MARKS}])",
    re.IGNORECASE,
)
_AFTER: Final = re.compile(
    r"\s?-?(/-|/=|₹|€|£|\$(?!\d)|"
    + "|".join(
        sorted((re.escape(code) for code in _CODES if len(code) > 1 or not code.isascii()), key=len, reverse=True)
    )
    + rf")(?![A-Za-z0-9{_MARKS}])",
    re.IGNORECASE,
)
_COUNTED_PLAIN = """
    people persons users followers subscribers views jobs families farmers votes voters students units tickets doses
    saplings trees customers members log logon logo workers women men children youth posts vacancies downloads installs
    rows records steps miles km kms litres liters points tonnes tons cusecs houses homes devotees pilgrims tourists
    passengers employees beneficiaries accounts connections devices vehicles cases likes shares tokens words lines
    लोग लोगों किसानों परिवारों किसान परिवार छात्र छात्रों पद वोट श्रद्धालु महिलाओं युवाओं पौधे kisan kisano parivar times baar
    reviews installs seats schools villages hectares acres sqft subscriber follower customer shops applications
    applicants     people's fans runs copies streams hits visitors candidates aspirants shareholders investors
    bottles packets bags eggs
"""
_COUNTED: Final = frozenset(_COUNTED_PLAIN.split())
_NEXT_WORD: Final = re.compile(
    r"\+?\s?(?:of\s|(?:new|more|active|registered|total|se zyada|से ज्यादा|से अधिक|से ज़्यादा)\s)?([^\W\d_][^\s.,;:!?।)]*)",
    re.IGNORECASE,
)
_MONEY_WORDS = r"""
    pay paid payment salary rent price cost fees? emi loan cash money paisa paise amount amt budget bill balance deposit
    advance refund invest\w* profit earn\w* income kamao kama lottery prize won win transfer\w* send sent bhej\w*
    credit\w* debit\w* udhaar udhar sell\w* sold worth ctc lpa package token deal offer limit fine challan kharch\w*
    spent spend stipend bonus reward cashback donat\w* charge\w* sip fd insurance cover premium save discount due owes?
    final dedo kiraya kiraye tankhwah jama nikal\w* rate total valuation turnover funding raised revenue
"""
_MONEY: Final = re.compile(
    rf"(?<![a-z])(?:{'|'.join(_MONEY_WORDS.split())})(?![a-z])"
    r"|पैसे|वेतन|किराया|लोन|इनाम|भुगतान|जमा|कमाएं|कमाओ|ऋण|उधार|बीमा|रकम|राशि|कीमत|दाम",
    re.IGNORECASE,
)


_SURE_SCALES: Final = frozenset(scale for scale, value in _SCALES.items() if value in {_LAKH, _LAKH * 100}) - {
    "l",
    "cr",
    "cr.",
}
"""Scales that mean money unless something is counted; the others need a word of money near."""


class _Sum(NamedTuple):
    start: int
    end: int
    value: Decimal
    currency: str
    confidence: float
    reason: str


def amounts(view: View, taken: bytearray) -> Iterator[Entity]:
    """The sums, in order, where nothing was found yet."""
    seen, done = view.seen, 0
    for match in _NUMBER.finditer(seen):
        start, end = match.span()
        if start < done or end - start > DIGITS_MAX + 6 or taken.find(1, start, end) >= 0:
            continue
        sum_ = _sum(seen, match)
        if sum_:
            done = sum_.end
            yield entity_of(view, sum_.start, sum_.end, sum_.value, sum_.currency, sum_.confidence, sum_.reason)


def entity_of(
    view: View,
    start: int,
    end: int,
    value: Decimal,
    currency: str,
    confidence: float,
    reason: str,
    *,
    obfuscated: bool = False,
) -> Entity:
    """An amount as an entity; its value has as many decimals as the currency."""
    digits = MINOR_DIGITS.get(currency, 2)
    exact = value.quantize(Decimal(1).scaleb(-digits))
    return view.entity(
        Kind.AMOUNT,
        start,
        end,
        f"{currency} {exact}",
        confidence,
        reason,
        obfuscated=obfuscated,
        currency=currency,
        minor_units=int(exact.scaleb(digits)),
    )


def _sum(seen: str, match: re.Match[str]) -> _Sum | None:
    start, end = match.span()
    if _is_part_of_longer(seen, start, end):
        return None
    before = _BEFORE.search(seen, max(0, start - BEFORE_CHARS), start)
    after_number = seen[end : end + 1]
    if (
        not before
        and after_number
        and not (after_number in " -/₹€£$`" or after_number.isalpha() or after_number == "\u00a0")
    ):
        return None
    value, stop, scale = _scaled(seen, match)
    if before:
        code = _CODES[(before[1] or before[2]).lower()]
        after = _AFTER.match(seen, stop)
        if after and (after[1] in {"/-", "/="} or _CODES.get(after[1].lower()) == code):
            stop = after.end()
        if (
            not scale
            and after_number.isalpha()
            and after_number.isascii()
            and not seen[end : end + 4].lower().startswith(_GLUED)
        ):
            return None
        return _Sum(before.start(), stop, value, code, 0.97, "a currency before it")
    return _sum_behind(seen, start, stop, value, scale)


_GLUED: Final = (
    "only",
    "for",
    "to",
    "on",
    "in",
    "ka",
    "ki",
    "ke",
    "se",
    "pe",
    "per",
    "pay",
    "/",
    "and",
    "ko",
    "me",
    "by",
    "is",
    "from",
    "has",
    "was",
)
"""Words that run into a sum in hasty messages: `Rs500only`."""


def _sum_behind(seen: str, start: int, stop: int, value: Decimal, scale: str) -> _Sum | None:
    if start and (seen[start - 1].isalpha() or seen[start - 1] in "#_@/"):
        return None
    after = _AFTER.match(seen, stop)
    if after:
        code = "INR" if after[1] in {"/-", "/="} else _CODES[after[1].lower()]
        end = after.end()
        tail = _AFTER.match(seen, end)
        if tail and after[1] in {"/-", "/="} and _CODES.get(tail[1].lower()) == "INR":
            end = tail.end()
        if after[1].lower() in {"re", "rs", "$"} and seen[after.end(1) : after.end(1) + 1].isdigit():
            return None
        return _Sum(start, end, value, code, 0.95, "a currency behind it")
    if scale and not _is_counting(seen, stop):
        is_money = _MONEY.search(seen, max(0, start - NEAR_CHARS), min(len(seen), stop + NEAR_CHARS)) is not None
        if (
            scale
            in {
                "k",
                "l",
                "thousand",
                "thousands",
                "hazar",
                "hazaar",
                "hajar",
                "hajaar",
                "हज़ार",
                "हजार",
                "million",
                "mn",
                "billion",
                "bn",
                "hundred",
                "sau",
                "सौ",
                "cr",
                "cr.",
            }
            and not is_money
        ):
            return None
        return _Sum(start, stop, value, "INR", 0.85 if is_money else 0.65, "an Indian scale, rupees taken for granted")
    return None


def _is_counting(seen: str, stop: int) -> bool:
    """What is counted follows: "5 lakh farmers"."""
    word = _NEXT_WORD.match(seen, stop)
    return word is not None and word[1].lower().removesuffix("'s") in _COUNTED


def _scaled(seen: str, match: re.Match[str]) -> tuple[Decimal, int, str]:
    """The value with its scales ("1 lakh 25 hazaar"), where it ends, and the first scale in lower case."""
    number, stop = Decimal(match[0].replace(",", "")), match.end()
    scale = _SCALE.match(seen, stop)
    if not scale or _is_unit(scale):
        return number, stop, ""
    first = scale[1].lower()
    total, last, stop = number * _SCALES[first], _SCALES[first], scale.end()
    while True:
        again = _SCALE.match(seen, stop)
        if again and _SCALES[again[1].lower()] > last:  # "5 hundred crore", "1.5 lakh crore"
            total, last, stop = total * _SCALES[again[1].lower()], total, again.end()
            continue
        more = _NUMBER.match(seen, stop + 1) if seen[stop : stop + 1] == " " else None
        next_scale = _SCALE.match(seen, more.end()) if more else None
        if not more or not next_scale or _SCALES[next_scale[1].lower()] >= last:
            return total, stop, first
        last = _SCALES[next_scale[1].lower()]
        total += Decimal(more[0].replace(",", "")) * last
        stop = next_scale.end()


def _is_unit(scale: re.Match[str]) -> bool:
    """A letter that stands for a litre, a kilo or a resolution rather than a scale: "5 L", "4K video"."""
    word = scale[1]
    if word.lower() not in {"l", "k"}:
        return False
    return scale[0][0] == "-" or word == "l" or (word == "L" and scale[0] != "L")


def _is_part_of_longer(seen: str, start: int, end: int) -> bool:
    if start > 1 and seen[start - 1] in ".,:" and seen[start - 2].isdigit():
        return True
    after, next_one = seen[end : end + 1], seen[end + 1 : end + 2]
    if not after:
        return False
    if after == "-" and next_one.isdigit():
        return not _BEFORE.search(seen, max(0, start - BEFORE_CHARS), start)
    return after in "_@%" or (after in ".,:" and next_one.isdigit())
