"""Owns what names of fields mean: which entities, which skill, or which label in the text a property asks for.

A property is read by the words of its name, its title and its `format`. To teach it another word, write it here.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import msgspec

from headgate.local.extract_types import Kind


class Whole(StrEnum):
    """What a property can say of the whole text."""

    LANGUAGE = "language"
    SUMMARY = "summary"
    RISK = "risk"
    """Whether it is scam or phishing, how likely, or how high the risk is."""


class Asked(msgspec.Struct, frozen=True):
    """What a property asks for: entities of `kinds`, one `part` of them (currency, minor), or something of the whole
    text; nothing of these where all are empty. `who` are the words of its name that say whose."""

    kinds: tuple[Kind, ...] = ()
    part: str = ""
    whole: Whole | None = None
    who: tuple[str, ...] = ()


NOTHING_KNOWN: Final = Asked()
NAMES_REMEMBERED: Final = 2_048
NAME_CHARS_MAX: Final = 100
"""Of a longer name only so much is read."""

_KINDS: Final[tuple[tuple[frozenset[str], tuple[Kind, ...]], ...]] = tuple(
    (frozenset(words.split()), kinds)
    for words, kinds in (
        ("upi vpa", (Kind.UPI,)),
        ("ifsc", (Kind.IFSC,)),
        ("email mail", (Kind.EMAIL,)),
        ("url uri link website homepage webpage", (Kind.URL,)),
        ("mobile", (Kind.MOBILE,)),
        ("phone telephone tel whatsapp callback", (Kind.MOBILE, Kind.PHONE)),
        ("card", (Kind.CARD,)),
        ("account acct", (Kind.ACCOUNT,)),
        ("amount price total cost sum fee balance paid payable fine penalty", (Kind.AMOUNT,)),
        ("date day deadline birthday dob", (Kind.DATE,)),
    )
)
"""In the order in which they are tried: `account_email` is an email, `card_account` a card."""
_FORMATS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "email": (Kind.EMAIL,),
    "idn-email": (Kind.EMAIL,),
    "uri": (Kind.URL,),
    "iri": (Kind.URL,),
    "url": (Kind.URL,),
    "date": (Kind.DATE,),
    "phone": (Kind.MOBILE, Kind.PHONE),
}
_WHOLE: Final = {
    "language": Whole.LANGUAGE,
    "lang": Whole.LANGUAGE,
    "summary": Whole.SUMMARY,
    "gist": Whole.SUMMARY,
    "abstract": Whole.SUMMARY,
    **dict.fromkeys(
        ("scam", "phishing", "fraud", "fraudulent", "risk", "risky", "suspicious", "malicious"), Whole.RISK
    ),
}
_OTHERS: Final = "holder name type kind status title provider reason subject body"
_OTHER_THINGS: Final = frozenset(_OTHERS.split())
"""Words that make `account_holder` or `card_type` something else than an account or a card."""
_FILLERS: Final = """id number no num nr code address value of the a an for to in and or found detected extracted
mentioned bank text string list all any other"""
_FILLER: Final = frozenset(_FILLERS.split())
_MINOR: Final = frozenset({"paise", "paisa", "cents", "minor"})
_BREAK: Final = re.compile(r"[\W_]+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words_of_name(name: str) -> tuple[str, ...]:
    """The words of a name in any notation, in lower case and the singular: `upiIds` and `UPI_id` are alike."""
    parts = (part for part in _BREAK.split(_HUMP.sub(" ", name).lower()) if part)
    return tuple(_singular(part) for part in parts)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("sses"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def asked_by(name: str, schema: Mapping[str, Any]) -> Asked:
    """What a property of this name and schema asks for."""
    found = _of_name(name[:NAME_CHARS_MAX])
    if found is None and (kinds := _FORMATS.get(str(schema.get("format")))) is not None:
        return Asked(kinds, who=_who(words_of_name(name), frozenset()))
    title = schema.get("title")
    if found is None and isinstance(title, str):
        found = _of_name(title[:NAME_CHARS_MAX])
    return found or NOTHING_KNOWN


@lru_cache(maxsize=NAMES_REMEMBERED)
def _of_name(name: str) -> Asked | None:
    words = words_of_name(name)
    given = frozenset(words)
    if "currency" in given:
        return Asked((Kind.AMOUNT,), part="currency", who=_who(words, frozenset({"currency"})))
    if given & _OTHER_THINGS:
        return None
    for own, kinds in _KINDS:
        if given & own:
            part = "minor" if kinds == (Kind.AMOUNT,) and given & _MINOR else ""
            return Asked(kinds, part, who=_who(words, own | _MINOR))
    whole = next((_WHOLE[word] for word in words if word in _WHOLE), None)
    return None if whole is None else Asked(whole=whole)


def _who(words: tuple[str, ...], own: frozenset[str]) -> tuple[str, ...]:
    """What is left of a name when its kind and its fillers are gone: `sender` of `sender_phone_number`."""
    every = frozenset().union(*(group for group, _ in _KINDS))
    return tuple(word for word in words if word not in own and word not in _FILLER and word not in every)
