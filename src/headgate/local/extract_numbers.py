"""Owns what a chain of digits is: a card, a mobile, another phone, a bank account, or nothing of these.

The form says what it may be, the nearest label what it is. A number that its label calls something else (an order, a
one-time password, an Aadhaar) is nothing; an account needs a label of its own or an IFSC beside it.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from headgate.local.extract_card import card_brand
from headgate.local.extract_digits import DIGITS_MIN, Chain, chains, is_glued_after, is_glued_before
from headgate.local.extract_labels import (
    Context,
    Label,
    has_label,
    is_filler,
    label_after,
    label_before,
    label_of,
    word_before,
)
from headgate.local.extract_phone import Line, as_phone, indian_line, is_customary, national_mobile
from headgate.local.extract_types import Entity, Kind
from headgate.local.extract_view import View

ACCOUNT_DIGITS: Final = range(9, 19)
"""Indian banks give 9 to 18 digits."""
LABEL_GAP_OTHER_MAX: Final = 2
"""How many words may part a label from the number that it makes something else."""
LABEL_GAP_ACCOUNT_MAX: Final = 7
RETRIEVAL_DIGITS: Final = 12
"""The reference number of a transfer by IMPS or UPI has as many."""
IFSC_NEAR_CHARS: Final = 70
"""How near an IFSC makes an unlabelled number an account."""
DIGITS_MAX: Final = 19
"""The longest card."""
NO_CONTEXT: Final = Context(None, 99)


SPREAD_CHARS_MAX: Final = 60
"""Digits that are spread wider are not one number."""


class Labels(NamedTuple):
    """What stands before a place; closed when the digits there belong to a longer word or number."""

    before: Context
    is_open: bool


class Numbers:
    """The numbers of one text; `codes` are the spans of its IFSCs."""

    __slots__ = ("codes", "region", "taken", "view")

    def __init__(self, view: View, taken: bytearray, region: str, codes: tuple[tuple[int, int], ...]) -> None:
        self.view, self.taken, self.region, self.codes = view, taken, region, codes

    def found(self) -> Iterator[Entity]:
        """Everything that the digits are, chain by chain."""
        for chain in chains(self.view, self.taken):
            yield from self._of_chain(chain)

    def _of_chain(self, chain: Chain) -> Iterator[Entity]:
        lengths, count, at = chain.shape, len(chain.spans), 0
        separators = chain.separators
        while at < count:
            if _is_mid_row(lengths, separators, at):
                at += 1
                continue
            found = None
            labels: Labels | None = None
            for last in _lasts(lengths, at):
                part = chain.part(at, last)
                if part.end - part.start > SPREAD_CHARS_MAX:
                    continue
                labels = labels or self._labels(part.start)
                found = self._of_part(part, labels, is_whole=last - at == count) if labels.is_open else None
                if found:
                    yield found
                    at = last
                    break
            if not found:
                at += 1

    def _labels(self, start: int) -> "Labels":
        seen = self.view.seen
        glue = _glued_label(seen, start)
        if glue is None and is_glued_before(seen, start):
            return Labels(NO_CONTEXT, is_open=False)
        before = Context(glue, 0) if glue else label_before(self.view.low, start)
        is_numbered = seen[start - 1 : start] == "#" and before.label is None
        return Labels(before, is_open=not is_numbered and not _is_coded(seen, start))

    def _of_part(self, part: Chain, labels: "Labels", *, is_whole: bool) -> Entity | None:
        seen, end, before, digits = self.view.seen, part.end, labels.before, part.digits
        if is_glued_after(seen, end):
            return None
        after = label_after(self.view.low, end) if before.label in {None, Label.ACCOUNT} else NO_CONTEXT
        return (
            self._card(part, digits, before)
            or self._account(part, digits, before, after)
            or self._mobile(part, digits, before, after, is_whole=is_whole)
            or self._phone(part, digits, before, after)
        )

    def _card(self, part: Chain, digits: str, before: Context) -> Entity | None:
        if (
            not 12 <= len(digits) <= 19
            or (before.label is Label.OTHER and before.gap == 0)
            or (before.label is Label.ACCOUNT and before.gap <= 2)
        ):
            return None
        brand = card_brand(digits, is_labelled=before.label is Label.CARD)
        if not brand or part.has_plus:
            return None
        if not all(separator in {" ", "-", "  ", " - "} for separator in part.separators):
            return self._disguised_card(part, digits, brand, before)
        is_customary = part.shape in {(len(digits),), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 5)}
        if not is_customary:
            return self._disguised_card(part, digits, brand, before)
        start = part.spans[0][0]
        is_sure = before.label is Label.CARD or len(part.shape) > 1
        return self.view.entity(
            Kind.CARD, start, part.end, digits, 0.97 if is_sure else 0.85, f"{brand}, check digit right"
        )

    def _disguised_card(self, part: Chain, digits: str, brand: str, before: Context) -> Entity | None:
        if before.label is not Label.CARD and not has_label(self.view.low, part.start, part.end, Label.CARD):
            return None
        return self.view.entity(
            Kind.CARD, part.spans[0][0], part.end, digits, 0.7, f"{brand}, check digit right", obfuscated=True
        )

    def _mobile(self, part: Chain, digits: str, before: Context, after: Context, *, is_whole: bool) -> Entity | None:
        national = national_mobile(part, self.region) if 10 <= len(digits) <= 14 else None
        if not national or _is_other(before) or _is_account(before, part):
            return None
        if before.label is None and after.label is Label.OTHER and after.gap == 0 and not part.has_plus:
            return None
        is_phone = Label.PHONE in {before.label, after.label}
        start = _without_bracket(part)
        if is_customary(part, national):
            confidence = 0.98 if part.has_plus or is_phone else 0.9
            if indian_line(national) is Line.EITHER:
                confidence = 0.8
            return self.view.entity(
                Kind.MOBILE, start, part.end, f"+91{national}", confidence, "a mobile of the Indian plan"
            )
        if not (is_whole or self._is_apart(part)) or not self._is_spread(part, is_phone=is_phone):
            return None
        return self.view.entity(
            Kind.MOBILE,
            start,
            part.end,
            f"+91{national}",
            0.7,
            "digits apart that make an Indian mobile",
            obfuscated=True,
        )

    def _is_spread(self, part: Chain, *, is_phone: bool) -> bool:
        """Groups that nobody would write by habit are one number beside a word of phones, or digit by digit."""
        if is_phone or has_label(self.view.low, part.start, part.end, Label.PHONE, 60):
            return True
        ones = sum(1 for length in part.shape if length == 1)
        return ones >= 8 and "," not in "".join(part.separators) and self._stands_alone(part)

    def _stands_alone(self, part: Chain) -> bool:
        """No word goes on with it: it is a line or a clause of its own."""
        low = self.view.low
        before, after = low[max(0, part.start - 3) : part.start].rstrip(" "), low[part.end : part.end + 3].lstrip(" ")
        return not (before[-1:].isalnum() or after[:1].isalpha())

    def _is_apart(self, part: Chain) -> bool:
        """One separator throughout, and another around it."""
        seen, inner = self.view.seen, set(part.separators)
        return (
            len(inner) == 1
            and seen[part.end : part.end + 1] not in inner
            and seen[part.start - 1 : part.start] not in inner
        )

    def _account(self, part: Chain, digits: str, before: Context, after: Context) -> Entity | None:
        if len(digits) not in ACCOUNT_DIGITS or part.has_plus or len(set(digits)) == 1:
            return None
        if any(separator not in {" ", "-", "  ", " - "} for separator in part.separators):
            return None
        start = part.spans[0][0]
        if after.label is Label.OTHER and after.gap == 0:
            return None
        if after.label is Label.PHONE and after.gap <= 1 and self._may_be_phone(part):
            return None
        if _is_account(before, part):
            confidence = 0.96 if before.gap <= 1 else 0.9
            reason = "beside a word for an account"
        elif before.label is None and after.label is Label.ACCOUNT and after.gap <= 1 and not self._may_be_phone(part):
            confidence, reason = 0.85, "before a word for an account"
        elif before.label is Label.TRANSFER and len(digits) == RETRIEVAL_DIGITS:
            return None
        elif self._is_near_code(part) and not _is_other(before) and before.label not in {Label.PHONE, Label.CARD}:
            confidence, reason = 0.85, "beside an IFSC"
        else:
            return None
        is_spread = len(part.shape) > 6 or (len(part.shape) > 2 and min(part.shape[:-1]) < 3)
        return self.view.entity(Kind.ACCOUNT, start, part.end, digits, confidence, reason, obfuscated=is_spread)

    def _may_be_phone(self, part: Chain) -> bool:
        return national_mobile(part, self.region) is not None

    def _is_near_code(self, part: Chain) -> bool:
        if self._may_be_phone(part):
            return False
        first, last = part.spans[0][0], part.end
        word = word_before(self.view.seen, first)
        is_abbreviation = word.isascii() and word.isalpha() and len(word) <= 5 and (word.isupper() or word.islower())
        if is_filler(word.lower()) or label_of(word.lower()) is Label.TRANSFER:
            is_abbreviation = False
        if is_abbreviation or (part.digits.startswith("0") and len(part.shape) > 1 and part.shape[0] < 6):
            return False
        return any(
            (0 <= at - last <= IFSC_NEAR_CHARS) or (0 <= first - end <= IFSC_NEAR_CHARS) for at, end in self.codes
        )

    def _phone(self, part: Chain, digits: str, before: Context, after: Context) -> Entity | None:
        if _is_other(before) or (before.label in {Label.ACCOUNT, Label.CARD} and before.gap <= 1):
            return None
        is_phone = Label.PHONE in {before.label, after.label}
        seen, start = self.view.seen, _without_bracket(part)
        written = None
        confidence = 0.95
        if part.has_plus:
            written = as_phone(f"+{digits}", self.region)
        elif digits.startswith("00") and len(digits) > 11:
            written = as_phone(f"+{digits[2:]}", self.region)
            confidence = 0.85
        elif self._is_national(part, digits, is_phone=is_phone):
            written = as_phone(digits, self.region)
            confidence = 0.9 if is_phone else 0.8
        elif seen[part.start] == "(" and part.shape == (3, 3, 4):
            written = as_phone(digits, "US")
            confidence = 0.7
        if not written or self._is_odd(part):
            return None
        return self.view.entity(Kind.PHONE, start, part.end, written, confidence, "a number of a country's plan")

    def _is_national(self, part: Chain, digits: str, *, is_phone: bool) -> bool:
        """Written as a landline, toll-free or other number of the region."""
        is_grouped = len(part.shape) > 1
        if self.region != "IN":
            return is_grouped or is_phone
        if digits.startswith(("1800", "1860")):
            return len(digits) <= 11 and (is_phone or (is_grouped and part.shape[0] == 4))
        is_bracketed = self.view.seen[part.start] == "("
        if digits.startswith("0") and len(digits) == 11:
            return is_phone or (is_grouped and part.shape[0] in {3, 4, 5} and len(part.shape) <= 3)
        return len(digits) == 10 and (is_phone or is_bracketed) and is_grouped and part.shape[0] in {2, 3, 4}

    def _is_odd(self, part: Chain) -> bool:
        allowed = {" ", "-", ".", ") ", ")", " (", ")-", "(", "-(", " - "}
        return len(part.shape) > 7 or any(separator not in allowed for separator in part.separators)


def _is_other(context: Context) -> bool:
    return context.label is Label.OTHER and context.gap <= LABEL_GAP_OTHER_MAX


def _is_account(context: Context, part: Chain) -> bool:
    """A label of accounts is near enough; nearer for a number that could be a mobile."""
    if context.label is not Label.ACCOUNT:
        return False
    is_mobile_like = len(part.digits) == 10 and part.digits[0] in "6789"
    return context.gap <= (0 if is_mobile_like else LABEL_GAP_ACCOUNT_MAX)


def _is_coded(seen: str, start: int) -> bool:
    """A code of letters and a hyphen stands before the digits: `GEMC-511687`."""
    if seen[start - 1 : start] not in {"-", "/"} or not seen[start - 2 : start - 1].isalpha():
        return False
    word = re.search(r"[A-Za-z]+\Z", seen[max(0, start - 20) : start - 1])
    return word is not None and word[0].isupper() and label_of(word[0].lower()) is None


def _glued_label(seen: str, start: int) -> Label | None:
    """The label whose word runs into the number: `call98765...`, `a/c1234...`."""
    if not start or not seen[start - 1].isalpha():
        return None
    word = seen[max(0, start - 12) : start].lower()
    cut = max(word.rfind(mark) for mark in " \n\t:,.-(")
    label = label_of(word[cut + 1 :])
    if label is None and word[cut + 1 :] in {"no", "on", "to", "at", "is", "hai", "pe", "par", "number", "num"}:
        return Label.PHONE
    return label


def _without_bracket(part: Chain) -> int:
    """Where a number begins; a bracket belongs to it only when it is closed within."""
    is_closed = any(")" in separator for separator in part.separators)
    return part.start if is_closed or part.seen[part.start] != "(" else part.start + 1


def _is_mid_row(lengths: tuple[int, ...], separators: tuple[str, ...], at: int) -> bool:
    """Within a row of small groups that look alike, no number begins."""
    return 0 < at < len(separators) and lengths[at - 1] == lengths[at] <= 2 and separators[at - 1] == separators[at]


def _lasts(lengths: tuple[int, ...], first: int) -> list[int]:
    """Where sub-chains of 8 to 19 digits that begin at a group may end, the longest first."""
    ends, total = [], 0
    for last in range(first, len(lengths)):
        total += lengths[last]
        if total > DIGITS_MAX:
            break
        if total >= DIGITS_MIN:
            ends.append(last + 1)
    return ends[::-1]
