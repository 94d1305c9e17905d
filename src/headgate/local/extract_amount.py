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

DIGITS_MAX: Final = 11
"""A longer number is no sum."""
BEFORE_CHARS: Final = 14
NEAR_CHARS: Final = 44
MINOR_DIGITS: Final = {"JPY": 0, "KWD": 3, "BHD": 3, "OMR": 3}
"""Currencies whose minor unit is not a hundredth."""

_NUMBER: Final = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{2,3}){0,5},[0-9]{3}(?![0-9])|[0-9]++)(?:\.[0-9]{1,2}(?![0-9]))?")

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
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz$"
_BEFORE_PLAIN = """
    rs re inr rupees rupee rps us$ usd eur euro euros gbp aed sgd cad aud sar qar kwd omr bhd jpy npr bdt lkr s$ a$ c$
    $ ₹ ` € £ ¥ रु रू रुपये रुपए ৳ টাকা ரூ రూ ರೂ രൂ રૂ ਰੁ
"""
_BEFORE: Final = frozenset(_BEFORE_PLAIN.split())
"""What may stand before a number."""
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
_SCALE_WORD: Final = re.compile(r"[ \u00a0]?-?([a-z\u0900-\u0dff\u0600-\u06ff]++)")
_AFTER_WORD: Final = re.compile(
    r"[ \u00a0]?-?(/-|/=|[₹€£৳]|\$(?![0-9])|[a-z\u0900-\u0dff\u0600-\u06ff]++(?:\$|\.(?![0-9a-z]))?)(?![a-z0-9])"
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
_MONEY: Final = re.compile(rf"(?:{'|'.join(_MONEY_WORDS.split())})\Z")
_MONEY_HINDI_PLAIN = "पैसे वेतन किराया लोन इनाम भुगतान जमा कमाएं कमाओ ऋण उधार बीमा रकम राशि कीमत दाम"
_MONEY_HINDI: Final = tuple(_MONEY_HINDI_PLAIN.split())
_ASCII_WORD: Final = re.compile(r"[a-z]+")
_SURE_SCALES: Final = frozenset(scale for scale, value in _SCALES.items() if value in {_LAKH, _LAKH * 100}) - {
    "l",
    "cr",
    "cr.",
}
"""Scales that mean money unless something is counted; the others need a word of money near."""


_BARE_SCALES: Final = frozenset(scale for scale, value in _SCALES.items() if value not in {100, 10**6, 10**9})
"""Scales that may do without a currency: nobody says "five million" of rupees."""
_PLURALS_OF_MONEY: Final = frozenset(
    (
        "fees",
        "dues",
        "charges",
        "rupees",
        "bucks",
        "plus",
        "bonus",
        "this",
        "less",
        "towards",
        "savings",
        "does",
        "thus",
    )
)
"""Words in -s behind a sum that are not what is counted."""
_CARRYING_PLAIN = """
    in to for and or only by at on is are was hai h he hain ho me mein main ka ki ke ko se tak de do dedo bhej chahiye
    chahie milega mila lena lene dena dene diya diye loge lo le laga lagega bana banega per cash total advance with from
    as if then aur ya bhi hi toh to kam pe par wala wali ya max min minimum upto up now today kal aaj abhi lump each the
    में का की के को से तक है हैं दे दो भेज चाहिए मिलेगा और या भी ही तो पर जमा रुपये only.
"""
_CARRYING: Final = frozenset(_CARRYING_PLAIN.split())
"""Words that may follow a sum without being what is counted."""


class _Sum(NamedTuple):
    start: int
    end: int
    value: Decimal
    currency: str
    confidence: float
    reason: str


def amounts(view: View, taken: bytearray) -> Iterator[Entity]:
    """The sums, in order, where nothing was found yet."""
    done = 0
    for start, _ in view.runs:
        if start < done or taken[start]:
            continue
        match = _NUMBER.match(view.seen, start)
        assert match  # a run begins with a digit
        done = match.end()
        if len(match[0].partition(".")[0].replace(",", "")) > DIGITS_MAX or taken.find(1, start, done) >= 0:
            continue
        sum_ = _sum(view.low, match)
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


def _sum(low: str, match: re.Match[str]) -> _Sum | None:
    start, end = match.span()
    before, code = _currency_before(low, start)
    if _is_part_of_longer(low, start, end, is_priced=bool(code)):
        return None
    next_one = low[end : end + 1]
    if not code and not (next_one and (next_one in " -/₹€£$`\u00a0" or next_one.isalpha())):
        return None
    value, stop, scale = _scaled(low, match)
    if not code:
        return _sum_behind(low, start, stop, value, scale)
    after = _AFTER_WORD.match(low, stop)
    if after and (after[1] in {"/-", "/="} or _CODES.get(after[1]) == code):
        stop = after.end()
    elif not scale and next_one.isalpha() and next_one.isascii() and not low.startswith(_GLUED, end):
        return None
    return _Sum(before, stop, value, code, 0.97, "a currency before it")


def _currency_before(low: str, start: int) -> tuple[int, str]:
    """Where a currency before a number begins, and its code; empty when there is none."""
    window = low[max(0, start - BEFORE_CHARS) : start]
    tail = window.rstrip(" \u00a0")
    if len(window) - len(tail) > 2:
        return start, ""
    tail = tail.rstrip(":=-") if tail[-1:] in {":", "=", "-"} else tail
    tail = tail.rstrip(" .\u00a0")
    if not tail:
        return start, ""
    if tail[-1] in "₹`€£¥৳":
        word = tail[-1]
    elif tail[-1].isascii():
        word = tail[len(tail.rstrip(_LETTERS)) :]
        word = "$" if word.endswith("$") and word not in _BEFORE else word
    else:
        match = _INDIC_END.search(tail)
        word = match[0] if match else ""
    at = len(tail) - len(word)
    if word not in _BEFORE or (word[0].isalpha() and tail[at - 1 : at].isalnum()):
        return start, ""
    if word == "re" and low[start : start + 2].strip("1 ").isdigit():
        return start, ""
    return start - len(window) + at, _CODES[word]


_INDIC_END: Final = re.compile(r"[\u0900-\u0dff]++\Z")
_GLUED_PLAIN = "only for to on in ka ki ke se pe per pay and ko me by is from has was /"
_GLUED: Final = tuple(_GLUED_PLAIN.split())
"""Words that run into a sum in hasty messages: `Rs500only`."""


def _sum_behind(low: str, start: int, stop: int, value: Decimal, scale: str) -> _Sum | None:
    if start and (low[start - 1].isalpha() or low[start - 1] in "#_@/"):
        return None
    after = _AFTER_WORD.match(low, stop)
    word = after[1] if after else ""
    code = "INR" if word in {"/-", "/="} else _CODES.get(word) or _CODES.get(word.rstrip("."))
    if (
        after
        and code
        and not low[after.end() : after.end() + 1].isdigit()
        and not (word in {"rs", "re"} and _is_before(low, after.end()))
    ):
        end = after.end() - (word.endswith(".") and word not in _CODES)
        tail = _AFTER_WORD.match(low, end) if word in {"/-", "/="} else None
        if tail and _CODES.get(tail[1]) == "INR":
            end = tail.end()
        return _Sum(start, end, value, code, 0.95, "a currency behind it")
    if scale in _BARE_SCALES and not is_counting(low, stop):
        is_money = is_money_near(low, start, stop)
        if not is_money and (scale not in _SURE_SCALES or not ends_there(low, stop)):
            return None
        return _Sum(start, stop, value, "INR", 0.85 if is_money else 0.65, "an Indian scale, rupees taken for granted")
    return None


def _is_before(low: str, at: int) -> bool:
    """The currency belongs to the next number: "2 rs 500"."""
    return low[at : at + 3].lstrip(" .:")[:1].isdigit()


def is_money_near(low: str, start: int, stop: int) -> bool:
    """A word of money stands near, of a text in lower case."""
    window = low[max(0, start - NEAR_CHARS) : stop + NEAR_CHARS]
    if any(_MONEY.match(word) for word in _ASCII_WORD.findall(window)):
        return True
    return not window.isascii() and any(word in window for word in _MONEY_HINDI)


def ends_there(low: str, stop: int) -> bool:
    """No word follows that could be what is counted."""
    word = _NEXT_WORD.match(low, stop)
    return word is None or word[1] in _CARRYING


def is_counting(low: str, stop: int) -> bool:
    """What is counted follows: "5 lakh farmers"."""
    word = _NEXT_WORD.match(low, stop)
    if word is None:
        return False
    noun = word[1].removesuffix("'s")
    return noun in _COUNTED or (
        len(noun) > 3 and noun.endswith("s") and noun.isascii() and noun not in _PLURALS_OF_MONEY
    )


def _scale(low: str, at: int) -> re.Match[str] | None:
    """The word of a scale directly behind a number."""
    word = _SCALE_WORD.match(low, at)
    if not word or word[1] not in _SCALES or low[word.end() : word.end() + 1].isdigit():
        return None
    # "5 l" and "4-k" are litres and resolutions
    if word[1] == "k" and low[at - 1 : at] in {"4", "8"} and not low[at - 2 : at - 1].isdigit():
        return None
    return None if word[1] in {"l", "k"} and (word[0][0] == "-" or (word[1] == "l" and word[0] != "l")) else word


def _scaled(low: str, match: re.Match[str]) -> tuple[Decimal, int, str]:
    """The value with its scales ("1 lakh 25 hazaar"), where it ends, and the first scale."""
    number, stop = Decimal(match[0].replace(",", "")), match.end()
    scale = _scale(low, stop)
    if not scale:
        return number, stop, ""
    first = scale[1]
    last, stop = _SCALES[first], scale.end()
    total = number * last
    while True:
        again = _scale(low, stop)
        if again and _SCALES[again[1]] > last:  # "1.5 lakh crore"
            last, stop = _SCALES[again[1]], again.end()
            total *= last
            continue
        more = _NUMBER.match(low, stop + 1) if low[stop : stop + 1] == " " else None
        smaller = _scale(low, more.end()) if more else None
        if not more or not smaller or _SCALES[smaller[1]] >= last:
            return total, stop, first
        last, stop = _SCALES[smaller[1]], smaller.end()
        total += Decimal(more[0].replace(",", "")) * last


def _is_part_of_longer(low: str, start: int, end: int, *, is_priced: bool) -> bool:
    if start > 1 and low[start - 1] in ".,:" and low[start - 2].isdigit():
        return True
    after, next_one = low[end : end + 1], low[end + 1 : end + 2]
    if not after:
        return False
    if after == "-" and next_one.isdigit():
        return not is_priced
    return after in "_@%" or (after in ".,:" and next_one.isdigit())
