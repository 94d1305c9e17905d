"""Owns which digits are phone numbers: Indian mobiles, and any other number of the world.

phonenumbers knows the plans of all countries; it is loaded when the first candidate appears, and asked about candidates
only, for it is slow. Refuses to know labels (`extract_numbers.py` weighs them).
"""

from enum import Enum, auto
from functools import lru_cache
from typing import Final

from headgate.local.extract_digits import Chain

NUMBERS_REMEMBERED_MAX: Final = 4_096
"""How many answers of phonenumbers are remembered."""

_MOBILE_SHAPES: Final = frozenset(
    ((10,), (5, 5), (3, 3, 4), (4, 3, 3), (2, 4, 4), (3, 4, 3), (4, 6), (3, 7), (2, 8), (6, 4), (4, 2, 4), (4, 4, 2))
)
"""How people group the ten digits of a mobile."""


class Line(Enum):
    """What ten digits can be in the Indian plan."""

    MOBILE = auto()
    EITHER = auto()
    """A mobile, or a landline with its area code: the plan gives some ranges of 7 and 8 to both."""
    NONE = auto()
    """No mobile: 1234567890 is a landline."""


def is_indian_mobile(national: str) -> bool:
    """Ten digits that are, or can be, a mobile of the Indian plan."""
    return indian_line(national) is not Line.NONE


@lru_cache(maxsize=NUMBERS_REMEMBERED_MAX)
def indian_line(national: str) -> Line:
    """What ten digits are, by the numbering plan that phonenumbers knows."""
    if len(national) != 10 or national[0] not in "6789":
        return Line.NONE
    import phonenumbers

    kind = phonenumbers.number_type(phonenumbers.PhoneNumber(country_code=91, national_number=int(national)))
    if kind == phonenumbers.PhoneNumberType.MOBILE:
        return Line.MOBILE
    return Line.EITHER if kind == phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE else Line.NONE


@lru_cache(maxsize=NUMBERS_REMEMBERED_MAX)
def as_phone(written: str, region: str) -> str | None:
    """The E.164 form of a valid number of any kind, written with a plus sign or as in the region; else None."""
    import phonenumbers

    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def national_mobile(chain: Chain, region: str) -> str | None:
    """The ten digits of an Indian mobile: with +91, 0091, 91 or 0 before them, or bare within India."""
    digits = chain.digits
    if chain.has_plus:
        national = digits[2:].removeprefix("0") if digits.startswith("91") else ""
    elif digits.startswith("0091"):
        national = digits[4:]
    elif region != "IN":
        return None
    elif len(digits) == 12 and digits.startswith("91"):
        national = digits[2:]
    elif len(digits) == 13 and digits.startswith("910"):
        national = digits[3:]
    else:
        national = digits.removeprefix("0")
    line = indian_line(national)
    if line is Line.EITHER and is_area_apart(chain):
        return None
    return national if line is not Line.NONE else None


def is_area_apart(chain: Chain) -> bool:
    """Written as landlines are: the area code, then the number; of what can be either, mobiles are written whole or in
    two halves."""
    return _without(chain.shape, len(chain.digits) - 10) not in {(10,), (5, 5)}


def is_customary(chain: Chain, national: str) -> bool:
    """The groups and separators are those that people write without a thought."""
    if any(separator not in {" ", "-", ".", "(", ")", ") ", ") -", " (", "-(", ")-"} for separator in chain.separators):
        return False
    if "." in chain.separators and len(chain.spans) > 3:
        return False
    prefix = len(chain.digits) - len(national)
    return _without(chain.shape, prefix) in _MOBILE_SHAPES


def _without(shape: tuple[int, ...], prefix: int) -> tuple[int, ...]:
    groups = list(shape)
    while prefix and groups:
        taken = min(prefix, groups[0])
        prefix -= taken
        groups[0] -= taken
        if not groups[0]:
            del groups[0]
    return tuple(groups)
