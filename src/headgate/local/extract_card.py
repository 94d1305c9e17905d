"""Owns which digits are the number of a payment card: brand by prefix and length, and the check digit (Luhn)."""

from typing import Final

_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_luhn(digits: str) -> bool:
    """The last digit is the check digit of the others (ISO/IEC 7812)."""
    values = [int(digit) for digit in digits]
    return (sum(values[-1::-2]) + sum([_DOUBLED[value] for value in values[-2::-2]])) % 10 == 0


def card_brand(digits: str, *, is_labelled: bool) -> str | None:
    """The brand whose prefix and length the digits have, with the right check digit; some need a label beside them,
    because numbers of other kinds look alike (13 digits: ISBN, EAN; 14 and 15: Diners, IMEI)."""
    brand = _brand(digits, is_labelled=is_labelled)
    return brand if brand and is_luhn(digits) and len(set(digits)) > 1 else None


def _brand(digits: str, *, is_labelled: bool) -> str | None:
    length, two, three, four = len(digits), int(digits[:2]), int(digits[:3]), int(digits[:4])
    if digits[0] == "4":
        return "Visa" if length == 16 or (length in {13, 19} and is_labelled) else None
    if (51 <= two <= 55 or 2221 <= four <= 2720) and length == 16:
        return "Mastercard"
    if two in {34, 37}:
        return "American Express" if length == 15 else None
    if (two in {36, 38, 39} or 300 <= three <= 305) and length == 14:
        return "Diners Club"
    if 3528 <= four <= 3589 and length == 16:
        return "JCB"
    if length == 16 and (two in {60, 65, 81, 82} or three == 508):
        return "RuPay or Discover"
    if is_labelled and 12 <= length <= 19 and (two == 50 or 56 <= two <= 69):
        return "Maestro"
    return None
