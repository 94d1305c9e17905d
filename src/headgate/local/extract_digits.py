"""Owns the digits of a text as chains: groups that only separators part, and what surrounds them. Refuses to know what
a number means.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from headgate.local.extract_view import View

CHAIN_GROUPS_MAX: Final = 20
"""A longer chain is a table of numbers; it is taken in pieces of this length."""
GAP_CHARS_MAX: Final = 3
DIGITS_MIN: Final = 8
"""Chains with fewer digits are no account, phone or card."""

_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}+(?: ?[A-Z0-9]{1,3}(?![A-Za-z0-9]))?")
_DIGITS: Final = "0123456789"
_SEPARATORS: Final = " \t(),._*~|/-"


class Chain(msgspec.Struct, frozen=True, gc=False):
    """Groups of digits in `seen`; `has_plus` when a plus sign stands before the first."""

    seen: str
    spans: tuple[tuple[int, int], ...]
    start: int
    """Where the first group begins, or the plus sign or the bracket before it."""
    has_plus: bool

    @property
    def end(self) -> int:
        return self.spans[-1][1]

    @property
    def digits(self) -> str:
        return "".join([self.seen[first:last] for first, last in self.spans])

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the groups."""
        return tuple([last - first for first, last in self.spans])

    @property
    def separators(self) -> tuple[str, ...]:
        """What stands between the groups."""
        return tuple([self.seen[this[1] : that[0]] for this, that in zip(self.spans, self.spans[1:], strict=False)])

    def part(self, first: int, last: int) -> "Chain":
        """The groups from `first` up to `last`."""
        if first == 0 and last == len(self.spans):
            return self
        spans = self.spans[first:last]
        if first == 0:
            return Chain(self.seen, spans, self.start, self.has_plus)
        start, has_plus = _opening(self.seen, spans[0][0])
        return Chain(self.seen, spans, start, has_plus)


def chains(view: View, taken: bytearray) -> Iterator[Chain]:
    """The chains of at least `DIGITS_MIN` digits, in order, where nothing was found yet (`taken` is 0)."""
    seen = view.seen
    chain: list[tuple[int, int]] = []
    count = 0
    for start, end in view.runs:
        if chain and (
            start - chain[-1][1] > GAP_CHARS_MAX
            or len(chain) == CHAIN_GROUPS_MAX
            or seen[chain[-1][1] : start].strip(_SEPARATORS)
            or taken[start]
            or taken[start - 1]
        ):
            if count >= DIGITS_MIN:
                yield Chain(seen, tuple(chain), *_opening(seen, chain[0][0]))
            chain, count = [], 0
        if not taken[start]:
            chain.append((start, end))
            count += end - start
    if count >= DIGITS_MIN:
        yield Chain(seen, tuple(chain), *_opening(seen, chain[0][0]))


def ibans(view: View) -> Iterator[tuple[int, int]]:
    """Where account numbers of other countries stand, so that their groups are taken for nothing else."""
    for start, end in view.runs:
        if end - start >= 2 and start >= 2 and view.seen[start - 2 : start].isupper():
            match = _IBAN.match(view.seen, start - 2)
            if match and not view.seen[start - 3 : start - 2].isalnum():
                yield match.span()


def _opening(seen: str, start: int) -> tuple[int, bool]:
    """Where a number begins that has its first digit at `start`: a bracket and a plus sign belong to it."""
    if start and seen[start - 1] == "(":
        start -= 1
    at = start - 1
    if at > 0 and seen[at] == " ":
        at -= 1
    if at < 0 or seen[at] != "+":
        return start, False
    return (at - 1 if at and seen[at - 1] == "(" else at), True


def is_glued_before(seen: str, start: int) -> bool:
    """The digits go on a word, a number or an identifier."""
    before = seen[start - 1 : start]
    if before and (before.isalnum() or before in "_@$&"):
        return True
    return before in {".", ","} and _digits_before(seen, start - 1) in {1, 2, 3}


def is_glued_after(seen: str, end: int) -> bool:
    """A word, a number or an identifier goes on behind the digits."""
    after = seen[end : end + 1]
    if after and (after.isalnum() or after in "_@%"):
        return True
    return after in {".", ","} and _digits_behind(seen, end + 1) in {1, 2, 3}


def _digits_before(seen: str, end: int) -> int:
    window = seen[max(0, end - 4) : end]
    return len(window) - len(window.rstrip(_DIGITS))


def _digits_behind(seen: str, start: int) -> int:
    window = seen[start : start + 4]
    return len(window) - len(window.lstrip(_DIGITS))
