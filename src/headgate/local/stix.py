"""Reads the patterns of STIX 2.1 indicators as far as they name single values.

`[url:value = 'a' OR domain-name:value IN ('b', 'c')]` gives three. A pattern that means more than "any of these" (AND,
FOLLOWEDBY, LIKE, ranges of addresses) is not taken apart: a part of it alone would accuse the innocent.
Source: STIX 2.1, section 9 (OASIS standard of 10 June 2021).
"""

import re
from collections.abc import Iterator
from typing import Final

from headgate.local.indicators import IndicatorKind, NotAnIndicator

MAX_PATTERN_CHARS: Final = 20_000

_PATHS: Final[dict[str, IndicatorKind]] = {
    "url:value": IndicatorKind.URL,
    "domain-name:value": IndicatorKind.DOMAIN,
    "ipv4-addr:value": IndicatorKind.ADDRESS,
    "ipv6-addr:value": IndicatorKind.ADDRESS,
    "email-addr:value": IndicatorKind.EMAIL,
    "email-message:from_ref.value": IndicatorKind.EMAIL,
    "email-message:sender_ref.value": IndicatorKind.EMAIL,
}
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<path>[a-z0-9-]+:[\w.'\[\]*-]+)|(?P<word>[A-Za-z]+)|(?P<sign>[\[\](),]|[!<>]?=|[<>]))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class Ignored(Exception):
    """The pattern is sound and of no use here; the message says what it speaks of."""


def pattern_values(pattern: str) -> list[tuple[IndicatorKind, str]]:
    """The values of which any one makes the pattern true. Raises `Ignored` and `NotAnIndicator`."""
    if len(pattern) > MAX_PATTERN_CHARS:
        raise NotAnIndicator(f"the pattern has more than {MAX_PATTERN_CHARS} characters")
    tokens = list(_tokens(pattern))
    words = {token.upper() for kind, token in tokens if kind == "word"}
    if beyond := words - {"OR", "IN"}:
        raise NotAnIndicator(f"the pattern says more than any one value: {', '.join(sorted(beyond))}")
    found: list[tuple[IndicatorKind, str]] = []
    ignored = ""
    for path, values in _comparisons(tokens):
        if path.startswith("file:"):
            ignored = "file hashes"
        elif path not in _PATHS:
            ignored = f"patterns on {path.partition(':')[0]}"
        elif _PATHS[path] is IndicatorKind.ADDRESS and any("/" in value for value in values):
            ignored = "ranges of addresses"
        else:
            found += [(_PATHS[path], value) for value in values]
    if not found:
        raise Ignored(ignored) if ignored else NotAnIndicator("the pattern compares nothing")
    return found


def _tokens(pattern: str) -> Iterator[tuple[str, str]]:
    at, text = 0, pattern.strip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or token.lastgroup is None:
            raise NotAnIndicator(f"the pattern cannot be read from character {at + 1} on")
        yield token.lastgroup, token[token.lastgroup]
        at = token.end()


def _comparisons(tokens: list[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """Each path and the values that it may have."""
    at = 0
    while at < len(tokens):
        kind, path = tokens[at]
        at += 1
        if kind != "path":
            continue
        operator = tokens[at][1].upper() if at < len(tokens) else ""
        if operator not in {"=", "IN"}:
            raise NotAnIndicator(f"the pattern compares {path} by {operator or 'nothing'}; = and IN are understood")
        at += 1
        values = []
        while at < len(tokens) and (tokens[at][0] == "text" or tokens[at][1] in {"(", ","}):
            if tokens[at][0] == "text":
                values.append(_ESCAPED.sub(r"\1", tokens[at][1][1:-1]))
            at += 1
        if not values:
            raise NotAnIndicator(f"the pattern compares {path} with no text")
        yield path, values
