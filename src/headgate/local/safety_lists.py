"""Reads lists of blocked and allowed phrases: one in a line, `[category]` above its terms, `!` before an exception."""

import msgspec

from headgate.local.safety import BLOCKED, Term


class Lists(msgspec.Struct, frozen=True):
    """What a file holds."""

    terms: tuple[Term, ...]
    allow: tuple[str, ...]


def read_lists(text: str) -> Lists:
    """The phrases of a text; empty lines and those that begin with `#` say nothing."""
    terms, allow, category = [], [], BLOCKED
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[") and line.endswith("]"):
            category = line[1:-1].strip() or BLOCKED
        elif line.startswith("!"):
            allow.append(line[1:].strip())
        else:
            terms.append(Term(line, category))
    return Lists(tuple(terms), tuple(allow))
