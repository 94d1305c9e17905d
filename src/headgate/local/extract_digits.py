"""Owns the digits of a text as chains: groups that only separators part, and what surrounds them. Refuses to know what
a number means.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

CHAIN_GROUPS_MAX: Final = 20
"""A longer chain is a table of numbers; it is taken in pieces of this length."""
DIGITS_MIN: Final = 8
"""Chains with fewer digits are no account, phone or card."""

_CHAIN: Final = re.compile(r"\+?\s?\(?\d+(?:(?:[ \t(),._*~|/-]{1,3}|\s-\s)(?=[(\d])\(?\d+)*+")
_GROUP: Final = re.compile(r"\d+")
_DIGIT_TEXT: Final = re.compile(r"\D+")


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
        spans = self.spans[first:last]
        start = self.start if first == 0 else spans[0][0]
        if first and self.seen[start - 1] == "(":
            start -= 1
        return Chain(self.seen, spans, start, self.has_plus and first == 0)


def chains(seen: str, free: bytearray) -> Iterator[Chain]:
    """The chains of at least `DIGITS_MIN` digits, in order, that lie where nothing was found yet (`free` is 0)."""
    for match in _CHAIN.finditer(seen):
        if match.end() - match.start() < DIGITS_MIN:
            continue
        groups = _GROUP.finditer(seen, match.start(), match.end())
        spans = [group.span() for group in groups if not free.count(1, *group.span())]
        for run in _runs(spans, free):
            first = run[0][0]
            start = match.start() if first == _first_digit(match) else first
            has_plus = "+" in seen[start:first]
            if not has_plus and "(" not in seen[start:first]:
                start = first
            if sum(last - at for at, last in run) >= DIGITS_MIN:
                yield Chain(seen, tuple(run), start, has_plus)


def _first_digit(match: re.Match[str]) -> int:
    found = _DIGIT_TEXT.match(match[0])
    return match.start() + (found.end() if found else 0)


def _runs(spans: list[tuple[int, int]], free: bytearray) -> Iterator[list[tuple[int, int]]]:
    """Pieces of at most `CHAIN_GROUPS_MAX` groups without anything taken between them."""
    run: list[tuple[int, int]] = []
    for span in spans:
        if run and (len(run) == CHAIN_GROUPS_MAX or free.count(1, run[-1][1], span[0])):
            yield run
            run = []
        run.append(span)
    if run:
        yield run


def is_glued_before(seen: str, start: int) -> bool:
    """The digits go on a word, a number or an identifier."""
    before = seen[start - 1 : start]
    if before and (before.isalnum() or before in "_@#$&"):
        return True
    return before in {".", ","} and seen[start - 2 : start - 1].isdigit()


def is_glued_after(seen: str, end: int) -> bool:
    """A word, a number or an identifier goes on behind the digits."""
    after = seen[end : end + 1]
    if after and (after.isalnum() or after in "_@%"):
        return True
    return after in {".", ","} and seen[end + 1 : end + 2].isdigit()
