"""Lengths of time as Go writes them (`1m26.4s`): what limit headers and error bodies are written in.

Reading is lenient and never fails; writing is exactly what Go's `time.Duration.String()` would give.
"""

import re
from math import isfinite
from typing import Final

from headgate.domain.time import Seconds

LONGEST_TEXT: Final = 48
"""Characters; the longest text Go writes (`2562047h47m16.854775807s`) has 24."""

_NUMBER: Final = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_TEXT: Final = re.compile(  # possessive spaces: no text makes it try twice
    rf"\s*+(?:{_NUMBER}\s*+h)?\s*+(?:{_NUMBER}\s*+m(?!s))?\s*+(?:{_NUMBER}\s*+s)?\s*+(?:{_NUMBER}\s*+ms)?"
    rf"\s*+(?:{_NUMBER}\s*+[uµμ]s)?\s*+(?:{_NUMBER}\s*+ns)?\s*+(?:{_NUMBER})?\s*+",
    re.ASCII,
)
_USUAL: Final = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?([0-9]{1,9}(?:\.[0-9]{1,9})?)(m?)s", re.ASCII)
"""How nearly every provider writes it; read in half the time."""

_UNITS_S: Final = (3600.0, 60.0, 1.0, 1e-3, 1e-6, 1e-9)

_NS: Final = 1
_US_NS: Final = 1_000
_MS_NS: Final = 1_000_000
_S_NS: Final = 1_000_000_000


def parse_go_duration(text: str) -> Seconds | None:
    """Seconds in `text`, or None where it is no length of time: never raises, never negative, never infinite.

    Spaces between the parts are forgiven and a bare number means seconds; parts in another order than h m s ms µs ns
    are not understood (Groq writes the canonical order: groq-api.md 2.2, read 2026-11-20).
    """
    if (usual := _USUAL.fullmatch(text)) is not None:
        hours, minutes, rest, milli = usual.groups()
        seconds = float(rest) / 1000 if milli else float(rest)
        if minutes is not None:
            seconds += int(minutes) * 60
        return seconds + int(hours) * 3600 if hours is not None else seconds
    return _parse_leniently(text)


def format_go_duration(seconds: Seconds) -> str:
    """`seconds` as Go's `time.Duration.String()` writes it, to the nanosecond; it must be finite."""
    assert isfinite(seconds), f"no duration: {seconds}"
    return format_go_nanoseconds(round(seconds * _S_NS))


def format_go_nanoseconds(ns: int) -> str:
    """The same of a whole number of nanoseconds, which is what Go counts in."""
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    if ns == 0:
        return "0s"
    for unit_ns, name in ((_NS, "ns"), (_US_NS, "µs"), (_MS_NS, "ms")):
        if ns < unit_ns * 1_000:
            return f"{sign}{_decimal(ns, unit_ns)}{name}"
    minutes, rest_ns = divmod(ns, 60 * _S_NS)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest_ns, _S_NS)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else f"{sign}{text}"


def _parse_leniently(text: str) -> Seconds | None:
    if len(text) > LONGEST_TEXT:
        return None
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    *parts, bare = found.groups()
    if bare is not None:
        return None if any(parts) else float(bare)
    seconds = 0.0
    known = False
    for part, unit_s in zip(parts, _UNITS_S, strict=True):
        if part is not None:
            seconds += float(part) * unit_s
            known = True
    return seconds if known else None


def _decimal(ns: int, unit_ns: int) -> str:
    """`ns` counted in units, without trailing zeros behind the point."""
    whole, rest = divmod(ns, unit_ns)
    if not rest:
        return str(whole)
    digits = len(str(unit_ns)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0")
