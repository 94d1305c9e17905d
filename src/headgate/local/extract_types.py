"""Owns what an extraction is made of: kinds, entities, the result. Refuses to know how anything is found."""

from enum import StrEnum
from typing import Final

import msgspec

from headgate.local.evidence import Evidence


class Kind(StrEnum):
    """What can be found in a text; `Entity.value` is normalised as each line says."""

    UPI = "upi"
    """A UPI id such as `ramesh.k@okaxis`: lower case."""
    MOBILE = "mobile"
    """An Indian mobile number: E.164, `+919876543210`."""
    ACCOUNT = "account"
    """A bank account number: 9 to 18 digits."""
    IFSC = "ifsc"
    """The code of a bank's branch in India: upper case, 11 characters."""
    EMAIL = "email"
    """An email address: lower case."""
    URL = "url"
    """A web address: scheme and host in lower case, `http://` where none was written."""
    PHONE = "phone"
    """Any other phone number (landline, toll-free, abroad): E.164."""
    CARD = "card"
    """A payment card number with the right check digit: digits."""
    AMOUNT = "amount"
    """A sum of money: currency and decimal amount, `INR 125000.50`; also as `currency` and `minor_units`."""
    DATE = "date"
    """A day: `2025-01-12`."""


ALL: Final = frozenset(Kind)
"""Every kind."""


class Entity(msgspec.Struct, frozen=True, gc=False):
    """One thing found; `text[start:end] == raw`, in code points."""

    kind: Kind
    raw: str
    value: str
    start: int
    end: int
    confidence: float
    """From 0 to 1. Disguised ones never reach `OBFUSCATED_CONFIDENCE_MAX`."""
    reason: str
    obfuscated: bool = False
    """It was written so that it is not easily seen: digits apart or in words or in another script, `at` and `dot` for
    signs, look-alike or invisible characters."""
    currency: str = ""
    """Of an amount, as in ISO 4217; else empty."""
    minor_units: int | None = None
    """Of an amount: paise, cents; else None."""


OBFUSCATED_CONFIDENCE_MAX: Final = 0.75
"""No disguised entity is surer than this."""


class Extraction(msgspec.Struct, frozen=True):
    """What a text holds, in the order of the text; entities do not overlap."""

    entities: tuple[Entity, ...]
    confidence: float
    """That of the least sure entity; 0 when there is none."""
    evidence: tuple[Evidence, ...]

    def of(self, kind: Kind) -> tuple[Entity, ...]:
        """The entities of one kind."""
        return tuple(entity for entity in self.entities if entity.kind is kind)
