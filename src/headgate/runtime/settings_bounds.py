"""Owns the advice for a value of the right kind that is out of bounds: which numbers, lengths and forms are allowed."""

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Union, get_args, get_origin

from msgspec import Meta

_LENGTH: Final = re.compile(r" of length (<=|>=) ([0-9]+)$")
_BOUND: Final = re.compile(r"`(int|float)` (?:<=|>=|<|>) ")
_NOUNS: Final = {"int": "a whole number", "float": "a number"}
_PLAIN_BELOW: Final = 1e15
"""Larger numbers are told with an exponent."""


def form_of(kind: Any) -> str:
    """The advice that stands beside a pattern, as its `description`; "" where none does."""
    return next((meta.description for _, meta in _metas(kind) if meta.pattern and meta.description), "")


def bounds_of(kind: Any, complaint: str) -> str:
    """What is allowed, where msgspec complains of a number that is too small or too large, or of a length; else ""."""
    if found := _LENGTH.search(complaint):
        most = "at most" if found[1] == "<=" else "at least"
        return f"write {most} {int(found[2]):,} character{'' if found[2] == '1' else 's'}"
    found = _BOUND.search(complaint)
    if found is None:
        return ""
    ranges = [_range(meta) for number, meta in _metas(kind) if number.__name__ == found[1]]
    return f"write {_NOUNS[found[1]]} {' or '.join(filter(None, ranges))}"


def _range(meta: Meta) -> str:
    """The range in words: `from 0 to 65535`, `above 0 and up to 60`."""
    if meta.ge is not None and meta.le is not None:
        return f"from {_plain(meta.ge)} to {_plain(meta.le)}"
    bounds = (("from {} on", meta.ge), ("above {}", meta.gt), ("up to {}", meta.le), ("below {}", meta.lt))
    return " and ".join(words.format(_plain(bound)) for words, bound in bounds if bound is not None)


def _plain(number: float) -> str:
    return f"{number:.0f}" if number == int(number) and abs(number) < _PLAIN_BELOW else f"{number:g}"


def _metas(kind: Any) -> Iterator[tuple[type, Meta]]:
    """The plain types within a type, each with what is said of its values."""
    origin = get_origin(kind)
    if origin is Annotated:
        plain, *metas = get_args(kind)
        if isinstance(plain, type):
            yield from ((plain, meta) for meta in metas if isinstance(meta, Meta))
        else:
            yield from _metas(plain)
    elif origin in {Union, types.UnionType}:
        for part in get_args(kind):
            yield from _metas(part)
