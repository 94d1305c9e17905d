"""Owns what is written around an `@`: email addresses and UPI ids, and how to tell them apart; also where the sign is
written out ("at", "(at)", "dot").

An address with a dot behind the sign and a top-level domain at its end is an email, one with a single word behind it a
UPI id: surely if that word is a known handle, else only beside words that speak of paying.
"""

import re
from collections.abc import Iterator
from typing import Final

from headgate.local.extract_bank_codes import is_upi_handle
from headgate.local.extract_types import Entity, Kind
from headgate.local.extract_view import View

LOCAL_CHARS_MAX: Final = 64
"""The longest part before the sign (RFC 5321)."""
DOMAIN_CHARS_MAX: Final = 253
NEAR_CHARS: Final = 60
"""How far off words may stand that speak of paying or of mail."""
PAYING_CHARS: Final = 26
"""How far off a word of paying may stand to make a UPI id of an unknown handle."""

_LOCAL: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._%+-'"
_DOMAIN: Final = re.compile(r"[^\W_][\w-]*+(?:\.[\w-]++)*+")
_TOP: Final = re.compile(r"(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})\Z", re.IGNORECASE)
_UPI_LOCAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,255}\Z")
_HANDLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{1,31}\Z")
_PAYING: Final = re.compile(
    r"(?<![a-z])(?:upi|vpa|gpay|g-pay|google ?pay|phone ?pe|paytm|bhim|collect|pay(?:ment|ing)?|send|transfer|scan|qr)"
    r"(?![a-z])|यूपीआई|यूपीआइ|भेज|पेमेंट|भुगतान",
    re.IGNORECASE,
)
_MAIL: Final = re.compile(r"(?<![a-z])(?:e-?mail|mail|contact|write|reach|id|gmail)(?![a-z])|ईमेल|मेल|मेल", re.IGNORECASE)
_CLAUSE: Final = re.compile(r"[,;.!?|()\n।]")
_HOSTS: Final = frozenset(
    ("gmail", "yahoo", "hotmail", "outlook", "rediffmail", "live", "icloud", "protonmail", "proton", "ymail", "zoho")
)

_SIGN_WORD: Final = re.compile(
    r"\s?[(\[{<]\s?(?:at|@|a)\s?[)\]}>]\s?|\s+at(?:\s?the\s?rate)?\s+|\s?@\s|\s@\s?|@(?=[a-z0-9-]{2,40}\s?(?:\sdot\s|[(\[{]dot))|_at_|\s?एट(?:\s?द\s?रेट)?\s+",
    re.IGNORECASE,
)
_SIGNS: Final = (
    " at ",
    "(at",
    "[at",
    "{at",
    "<at",
    "_at_",
    "( at",
    "[ at",
    "(@",
    "[@",
    " @",
    "@ ",
    "@",
    "एट",
    "(a)",
    "[a]",
)
_DOT_DOMAIN: Final = re.compile(
    r"([A-Za-z0-9-]{2,63})((?:(?:\s?[(\[{]\s?(?:dot|\.)\s?[)\]}]\s?|\s+(?:dot|डॉट)\s+|\s\.\s?|\.\s(?=(?:com|in|co|net|org)\b)|\.)"
    r"[A-Za-z]{2,24}){0,3})(?![\w@])",
    re.IGNORECASE,
)
_DOT: Final = re.compile(r"\s?[(\[{]\s?(?:dot|\.)\s?[)\]}]\s?|\s+(?:dot|डॉट)\s+|\s?\.\s?", re.IGNORECASE)
_DOTS_BEFORE: Final = re.compile(
    r"((?:[A-Za-z0-9_+-]{1,40}(?:\s?[(\[{]dot[)\]}]\s?|\s+dot\s+|\s?\.\s?)){0,3}[A-Za-z0-9_+-]{1,40})\Z"
)
_TOPS: Final = frozenset(
    ("com", "in", "net", "org", "co", "edu", "gov", "io", "info", "biz", "me", "uk", "us", "ac", "site")
)


def addresses(view: View) -> Iterator[Entity]:
    """Emails and UPI ids around each sign, in the order of the text."""
    seen, at = view.seen, view.seen.find("@")
    while at >= 0:
        entity = _around(view, at)
        if entity:
            yield entity
        at = seen.find("@", at + 1)


def written_out(view: View) -> Iterator[Entity]:
    """Emails and UPI ids whose sign or dots are written out, or stand apart."""
    low, done = view.low, 0
    for trigger in sorted({at for sign in _SIGNS if sign in low for at in _hits(low, sign)}):
        if trigger < done:
            continue
        match = _SIGN_WORD.match(low, trigger)
        entity = _written_around(view, match) if match else None
        if match and entity:
            done = match.end()
            yield entity


def _hits(low: str, sign: str) -> Iterator[int]:
    at = low.find(sign)
    while at >= 0:
        yield at
        at = low.find(sign, at + 1)


def _around(view: View, at: int) -> Entity | None:
    seen = view.seen
    window = seen[max(0, at - LOCAL_CHARS_MAX - 1) : at]
    local = window[len(window.rstrip(_LOCAL)) :].lstrip("._-'%+")
    domain = _DOMAIN.match(seen, at + 1, at + 1 + DOMAIN_CHARS_MAX)
    if not local or not domain or len(local) > LOCAL_CHARS_MAX:
        return None
    start = at - len(local)
    if start and (seen[start - 1] == "@" or seen[start - 1].isalnum()) and not seen.startswith("//", start - 2):
        return None  # a mention in a path, or an alphabet that addresses do not have
    name = domain[0].rstrip(".-_")
    end = domain.start() + len(name)
    if seen[end : end + 1] == "@":
        return None
    handle, _, rest = name.partition(".")
    if rest and not (is_upi_handle(handle.lower()) and not _is_domain(name)):
        return _email(view, start, end, local, name)
    return _upi(view, start, domain.start() + len(handle), local, handle)


def _is_domain(name: str) -> bool:
    """Not the end of a sentence that lacks its blank: `okaxis.Please`."""
    top = name.rpartition(".")[2]
    return top == top.lower() and bool(_TOP.match(top)) and len(top) <= 5


def _email(view: View, start: int, end: int, local: str, name: str) -> Entity | None:
    seen = view.seen
    if not _TOP.search(name.rpartition(".")[2]) or ".." in local or local.endswith(".") or "_" in name:
        return None
    if seen[end : end + 1] == ":" and seen[end + 1 : end + 2].strip():
        return None  # git@host:path
    return view.entity(Kind.EMAIL, start, end, f"{local}@{name}".lower(), 0.98, "an address with a domain")


def _upi(view: View, start: int, end: int, local: str, handle: str) -> Entity | None:
    seen = view.seen
    local = local.rstrip("'")
    if not _UPI_LOCAL.match(local) or not _HANDLE.match(handle):
        return None
    value = f"{local}@{handle}".lower()
    is_listed = seen[end : end + 1] == "/" and seen.find("@", end, end + LOCAL_CHARS_MAX) > 0
    if _goes_on(seen, end) and not is_listed:
        return None
    if is_upi_handle(handle.lower()):
        return view.entity(Kind.UPI, start, end, value, 0.97, "a handle that banks give out")
    if len(handle) >= 2 and _is_paid_to(seen, start, end):
        return view.entity(Kind.UPI, start, end, value, 0.7, "an unknown handle beside words of paying")
    return None


def _goes_on(seen: str, end: int) -> bool:
    """The address is part of something longer, such as a path."""
    return seen[end : end + 1] in {"/", "-", "_"} or (
        seen[end : end + 1] == ":" and bool(seen[end + 1 : end + 2].strip())
    )


def _is_paid_to(seen: str, start: int, end: int) -> bool:
    """A word of paying stands in the same clause, shortly before or directly behind."""
    before = _CLAUSE.split(seen[max(0, start - PAYING_CHARS) : start])[-1]
    after = _CLAUSE.split(seen[end : end + PAYING_CHARS])[0]
    return bool(_PAYING.search(before) or _PAYING.search(after))


def _written_around(view: View, sign: re.Match[str]) -> Entity | None:
    seen = view.seen
    after = _DOT_DOMAIN.match(seen, sign.end(), min(len(seen), sign.end() + 120))
    if not after:
        return None
    names = [after[1], *[name for name in _DOT.split(after[2]) if name]]
    while len(names) > 1 and names[-1].lower() not in _TOPS:
        names.pop()
    if len(names) == 1 and not is_upi_handle(names[0].lower()):
        return None
    stop = sign.start()
    while stop and sign.start() - stop < 2 and seen[stop - 1] == " ":
        stop -= 1
    before = _DOTS_BEFORE.search(seen, max(0, stop - 80), stop)
    if not before:
        return None
    local = _DOT.sub(".", before[1])
    is_word = sign[0].strip().lower() in {"at", "@"}
    if len(names) > 1:
        return _written_email(view, before, after, local, names, is_word=is_word)
    start = before.start(1)
    near = _PAYING.search(seen, max(0, start - NEAR_CHARS), min(len(seen), after.end(1) + NEAR_CHARS))
    if _UPI_LOCAL.match(local) and (near or not is_word):
        value = f"{local}@{names[0]}".lower()
        return view.entity(Kind.UPI, start, after.end(1), value, 0.7, "a handle", obfuscated=True)
    return None


def _written_email(
    view: View, before: re.Match[str], after: re.Match[str], local: str, names: list[str], *, is_word: bool
) -> Entity | None:
    seen = view.seen
    is_spelled = re.search("dot|डॉट", after[2], re.IGNORECASE) is not None
    is_mail = (
        names[0].lower() in _HOSTS
        or _MAIL.search(seen, max(0, before.start() - NEAR_CHARS), before.start()) is not None
    )
    if is_word and not is_spelled and not is_mail:
        return None  # "look at example.com"
    end = after.end(1)
    for name in names[1:]:
        end = seen.index(name, end) + len(name)
    value = f"{local}@{'.'.join(names)}".lower()
    return view.entity(Kind.EMAIL, before.start(1), end, value, 0.7, "an address written out", obfuscated=True)
