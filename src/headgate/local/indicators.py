"""Owns what a threat feed consists of: indicators in one normal form each, so that equal ones are equal strings.

Nothing here knows the formats of feeds (`feed_parse`) or how a text is searched for them (`feeds`).
"""

import ipaddress
import re
from enum import StrEnum
from typing import Final

import msgspec

from headgate.local.words import WORD

MAX_VALUE_CHARS: Final = 2_048
MAX_KEYWORD_WORDS: Final = 8
MIN_KEYWORD_CHARS: Final = 4
"""Without blanks. Shorter ones stand in every second message, and each would make it look like a scam."""
MAX_HOST_CHARS: Final = 253
FEWEST_PHONE_DIGITS: Final = 3
MOST_PHONE_DIGITS: Final = 15
_INDIAN_DIGITS: Final = 10


class IndicatorKind(StrEnum):
    """What an indicator is. The words are also those of the column `type` of a CSV feed."""

    URL = "url"
    DOMAIN = "domain"
    ADDRESS = "ip"
    EMAIL = "email"
    PHONE = "phone"
    UPI = "upi"
    KEYWORD = "keyword"


class Indicator(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One normalised value that is known to be bad, until `valid_until` (Unix seconds; None: for good)."""

    kind: IndicatorKind
    value: str
    valid_until: float | None = None


class NotAnIndicator(ValueError):
    """A value that cannot be what it is said to be; the message says why."""


_REFANGED: Final = (
    (re.compile(r"\bh(?:xx|\*\*|tt)p(s?)(?:\[:\]//|\[://\]|\(:\)//|://|:\\\\)", re.IGNORECASE), r"http\1://"),
    (re.compile(r"\s?(?:\[\.\]|\(\.\)|\{\.\}|\[dot\]|\(dot\)|\{dot\})\s?", re.IGNORECASE), "."),
    (re.compile(r"\s?(?:\[@\]|\(@\)|\[at\]|\(at\)|\{at\})\s?", re.IGNORECASE), "@"),
    (re.compile(r"\[:\]"), ":"),
)
_FANGS: Final = re.compile(r"hxx|h\*\*p|\[|\(\.|\{|\((?:dot|at|@|:)\)|:\\\\", re.IGNORECASE)
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_EMAIL_NAME: Final = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}\Z")
_UPI: Final = re.compile(r"[a-z0-9._-]{2,256}@[a-z][a-z0-9]{1,63}\Z")
_URL: Final = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://)?(?:[^\s/?#@]*@)?(?P<host>\[[0-9a-f:.]+\]|[^\s/?#:]+)(?P<rest>.*)\Z", re.IGNORECASE
)
_PORT: Final = re.compile(r":(?P<port>\d{0,5})(?P<rest>.*)\Z", re.DOTALL)
_DEFAULT_PORTS: Final = frozenset({"", "80", "443"})


def refang(text: str) -> str:
    """`hxxps[:]//bad[.]example` as it was before somebody made it safe to print."""
    if _FANGS.search(text) is None:
        return text
    for pattern, whole in _REFANGED:
        text = pattern.sub(whole, text)
    return text


def normal(kind: IndicatorKind, value: str) -> str:
    """The one form of the value. Raises `NotAnIndicator`."""
    value = value.strip()
    if not value:
        raise NotAnIndicator("the value is empty")
    if len(value) > MAX_VALUE_CHARS:
        raise NotAnIndicator(f"the value has {len(value)} characters; {MAX_VALUE_CHARS} are the most")
    match kind:
        case IndicatorKind.URL:
            return normal_url(refang(value))
        case IndicatorKind.DOMAIN:
            return normal_host(refang(value))
        case IndicatorKind.ADDRESS:
            return normal_address(refang(value))
        case IndicatorKind.EMAIL:
            return normal_email(refang(value))
        case IndicatorKind.UPI:
            return normal_upi(refang(value))
        case IndicatorKind.PHONE:
            return normal_phone(value)
        case IndicatorKind.KEYWORD:
            return normal_keyword(value)


def normal_host(value: str) -> str:
    """A domain name in lower case and in ASCII (punycode), without the dot of the root."""
    host = value.strip().rstrip(".").lower()
    host = host.removeprefix("*.")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            raise NotAnIndicator(f"{value[:80]!r} is no domain name") from None
    labels = host.split(".")
    if len(labels) < 2:
        raise NotAnIndicator(f"{value[:80]!r} is no domain name: it has no dot")
    if len(host) > MAX_HOST_CHARS or not all(map(_LABEL.match, labels)) or labels[-1].isdigit():
        raise NotAnIndicator(f"{value[:80]!r} is no domain name")
    return host


def normal_address(value: str) -> str:
    """An IPv4 or IPv6 address in its shortest form."""
    try:
        return ipaddress.ip_address(value.strip("[] ")).compressed
    except ValueError:
        raise NotAnIndicator(f"{value[:80]!r} is no IP address") from None


def normal_url(value: str) -> str:
    """Host, port if it is not the usual one, path and query: without scheme, user and fragment, since `http` and
    `https` of one place are one threat."""
    found = _URL.match(value)
    if found is None:
        raise NotAnIndicator(f"{value[:80]!r} is no URL")
    host, rest = found["host"], found["rest"].partition("#")[0]
    try:
        host = normal_address(host)
    except NotAnIndicator:
        host = normal_host(host)
    if rest.startswith(":"):
        ported = _PORT.match(rest)
        if ported is None:
            raise NotAnIndicator(f"{value[:80]!r} is no URL: its port is no number")
        port, rest = ported["port"], ported["rest"]
        host = host if port in _DEFAULT_PORTS else f"{host}:{port}"
    return host if rest in {"", "/"} else host + rest


def normal_email(value: str) -> str:
    """An address in lower case with its domain in ASCII."""
    name, at, domain = value.strip().lower().rpartition("@")
    if not at or _EMAIL_NAME.match(name) is None:
        raise NotAnIndicator(f"{value[:80]!r} is no email address")
    return f"{name}@{normal_host(domain)}"


def normal_upi(value: str) -> str:
    """A UPI id in lower case: a name, @, and a handle without a dot."""
    upi = value.strip().lower()
    if _UPI.match(upi) is None:
        raise NotAnIndicator(f"{value[:80]!r} is no UPI id")
    return upi


def normal_phone(value: str) -> str:
    """The digits with their country code. Ten digits from 6 on, as Indian mobiles have, get India's; others that name
    no country stay as they are."""
    digits = "".join(char for char in value if char.isdecimal())
    if not digits.isascii():
        digits = "".join(str(int(char)) for char in digits)
    if re.search(r"[^\W\d_]", value) or not FEWEST_PHONE_DIGITS <= len(digits) <= MOST_PHONE_DIGITS + 2:
        raise NotAnIndicator(f"{value[:80]!r} is no phone number")
    if value.strip().startswith("00"):
        digits = digits[2:]
    elif not value.strip().startswith("+"):
        if len(digits) == _INDIAN_DIGITS + 1 and digits[0] == "0":
            digits = digits[1:]
        if len(digits) == _INDIAN_DIGITS and digits[0] in "6789":
            digits = "91" + digits
    return digits


def normal_keyword(value: str) -> str:
    """Words in lower case with one blank between them."""
    words = WORD.findall(value.casefold())
    if not words:
        raise NotAnIndicator(f"{value[:80]!r} has no word")
    if len(words) > MAX_KEYWORD_WORDS:
        raise NotAnIndicator(f"a keyword has at most {MAX_KEYWORD_WORDS} words; {value[:80]!r} has {len(words)}")
    if sum(map(len, words)) < MIN_KEYWORD_CHARS:
        raise NotAnIndicator(
            f"a keyword has at least {MIN_KEYWORD_CHARS} characters; {value!r} is too common to mean much"
        )
    if not any(char.isalpha() for word in words for char in word):
        raise NotAnIndicator(f"a keyword has at least one letter; {value[:80]!r} has none")
    return " ".join(words)


def guess(value: str) -> IndicatorKind:
    """What a value is, when a feed does not say: `a@b.c` an email, `a@b` a UPI id, and so on; at last a keyword."""
    text = refang(value.strip())
    if "://" in text:
        return IndicatorKind.URL
    for kind in (IndicatorKind.EMAIL, IndicatorKind.UPI, IndicatorKind.ADDRESS, IndicatorKind.DOMAIN):
        try:
            normal(kind, text)
        except NotAnIndicator:
            continue
        return kind
    if "/" in text and " " not in text and "." in text.partition("/")[0]:
        return IndicatorKind.URL
    if re.fullmatch(r"\+?[\d\s().-]{5,24}", text):
        return IndicatorKind.PHONE
    return IndicatorKind.KEYWORD
