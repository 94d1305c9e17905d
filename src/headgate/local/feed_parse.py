"""Reads threat feeds: CSV, JSON and STIX 2.1. A bad line is reported with its number and the rest is taken.

Bytes in, indicators and problems out; where the bytes lie and who keeps the indicators is not known here.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from headgate.local.indicators import Indicator, IndicatorKind, NotAnIndicator, guess, normal
from headgate.local.stix import Ignored, pattern_values

MAX_FEED_BYTES: Final = 32 * 1024 * 1024
MAX_INDICATORS: Final = 200_000
"""Of one feed; what comes after them is counted and left."""
MAX_PROBLEMS: Final = 100
"""Bad lines that are described; more are only counted."""

_CONTROLS: Final = frozenset(range(0x20)) - set(b"\t\v\f")
"""Bytes that no line of text holds."""
_TYPES: Final = ("type", "kind", "indicator_type", "ioc_type")
_VALUES: Final = ("value", "indicator", "ioc", "ioc_value")
_UNTIL: Final = ("valid_until", "expires", "expiry", "expiration")
_KINDS: Final[dict[str, IndicatorKind]] = {
    **{kind.value: kind for kind in IndicatorKind},
    "uri": IndicatorKind.URL,
    "domain-name": IndicatorKind.DOMAIN,
    "hostname": IndicatorKind.DOMAIN,
    "host": IndicatorKind.DOMAIN,
    "ipv4": IndicatorKind.ADDRESS,
    "ipv6": IndicatorKind.ADDRESS,
    "ipv4-addr": IndicatorKind.ADDRESS,
    "ipv6-addr": IndicatorKind.ADDRESS,
    "ip-dst": IndicatorKind.ADDRESS,
    "email-addr": IndicatorKind.EMAIL,
    "phone-number": IndicatorKind.PHONE,
    "mobile": IndicatorKind.PHONE,
    "vpa": IndicatorKind.UPI,
    "upi-id": IndicatorKind.UPI,
    "text": IndicatorKind.KEYWORD,
    "phrase": IndicatorKind.KEYWORD,
}
_HASHES: Final = frozenset({"md5", "sha1", "sha-1", "sha256", "sha-256", "sha512", "sha-512", "hash", "file"})


class FeedFormat(StrEnum):
    """How a feed is written."""

    CSV = "csv"
    JSON = "json"
    STIX = "stix"


class LineProblem(msgspec.Struct, frozen=True):
    """What is wrong with one line of a CSV feed, or with one entry of the others; both are counted from 1."""

    line: int
    problem: str


class ParsedFeed(msgspec.Struct, frozen=True):
    """What a feed holds. `ignored` counts entries that are sound and of no use here, by what they are."""

    indicators: tuple[Indicator, ...]
    problems: tuple[LineProblem, ...] = ()
    problem_count: int = 0
    duplicates: int = 0
    expired: int = 0
    ignored: dict[str, int] = {}

    @property
    def is_mostly_bad(self) -> bool:
        """Whether more than half of it could not be read: then it is hardly a feed, and the rest is chance."""
        sound = len(self.indicators) + self.duplicates + self.expired + sum(self.ignored.values())
        return self.problem_count > sound


class FeedUnreadable(ValueError):
    """The whole of it is not what it is said to be; the message says why."""


class _Collecting:
    """What was found so far."""

    def __init__(self, wall_s: float) -> None:
        self._wall_s = wall_s
        self._found: dict[tuple[IndicatorKind, str], Indicator] = {}
        self._problems: list[LineProblem] = []
        self._problem_count = 0
        self._duplicates = 0
        self._expired = 0
        self._ignored: dict[str, int] = {}

    def take(self, kind: IndicatorKind, value: str, until: float | None) -> None:
        """Keep one, the longer-lived of two equal ones. Raises `NotAnIndicator`."""
        indicator = Indicator(kind, normal(kind, value), until)
        if until is not None and until <= self._wall_s:
            self._expired += 1
            return
        key = (kind, indicator.value)
        known = self._found.get(key)
        if known is not None:
            self._duplicates += 1
            if known.valid_until is None or (until is not None and until <= known.valid_until):
                return
        elif len(self._found) >= MAX_INDICATORS:
            self.ignore(f"over {MAX_INDICATORS} indicators")
            return
        self._found[key] = indicator

    def ignore(self, what: str) -> None:
        self._ignored[what] = self._ignored.get(what, 0) + 1

    def complain(self, line: int, problem: str) -> None:
        self._problem_count += 1
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(LineProblem(line, problem))

    def parsed(self) -> ParsedFeed:
        return ParsedFeed(
            tuple(self._found.values()),
            tuple(self._problems),
            self._problem_count,
            self._duplicates,
            self._expired,
            self._ignored,
        )


def parse_feed(data: bytes, form: FeedFormat, *, wall_s: float) -> ParsedFeed:
    """The indicators of a feed that are still valid at `wall_s` (Unix seconds). Raises `FeedUnreadable`."""
    if len(data) > MAX_FEED_BYTES:
        raise FeedUnreadable(f"it has {len(data)} bytes; {MAX_FEED_BYTES} are the most")
    if b"\0" in data:
        raise FeedUnreadable("it is binary, or text in another form than UTF-8: it holds NUL bytes")
    found = _Collecting(wall_s)
    match form:
        case FeedFormat.CSV:
            _read_csv(data, found)
        case FeedFormat.JSON:
            for number, entry in _json_entries(data):
                _take_entry(number, entry, found)
        case FeedFormat.STIX:
            for number, entry in enumerate(_stix_objects(data), 1):
                _take_stix(number, entry, found)
    return found.parsed()


def instant(text: str) -> float:
    """Unix seconds of an ISO 8601 date or time, UTC where it names no zone. Raises `NotAnIndicator`."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise NotAnIndicator(f"{text[:40]!r} is no date of ISO 8601, as 2026-12-31T00:00:00Z") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


# CSV -----------------------------------------------------------------------------------------------------------------


def _read_csv(data: bytes, found: _Collecting) -> None:
    """Every line is a record of its own, so that one with a stray quote cannot swallow those that follow."""
    columns: dict[str, int] | None = None
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if not raw.strip() or raw.lstrip().startswith(b"#"):
            continue
        if not _CONTROLS.isdisjoint(raw):
            found.complain(number, "holds control characters")
            continue
        try:
            fields = next(csv.reader([raw.decode()], strict=True))
            if columns is None:
                columns = _columns(fields)
                if columns is not None:
                    continue
                columns = {"value": 0} if len(fields) == 1 else {"type": 0, "value": 1, "until": 2}
            _take(
                _cell(fields, columns, "type"), _cell(fields, columns, "value"), _cell(fields, columns, "until"), found
            )
        except UnicodeDecodeError:
            found.complain(number, "is not UTF-8")
        except csv.Error as error:
            found.complain(number, f"is no CSV: {error}")
        except NotAnIndicator as problem:
            found.complain(number, str(problem))


def _columns(fields: list[str]) -> dict[str, int] | None:
    """Where the columns are, if this line names them."""
    names = [field.strip().lower() for field in fields]
    wanted = {"type": _TYPES, "value": _VALUES, "until": _UNTIL}
    columns = {role: names.index(name) for role, known in wanted.items() for name in known[::-1] if name in names}
    return columns if "value" in columns else None


def _cell(fields: list[str], columns: dict[str, int], role: str) -> str:
    index = columns.get(role, -1)
    return fields[index].strip() if 0 <= index < len(fields) else ""


def _take(kind: str, value: str, until: str, found: _Collecting) -> None:
    named = kind.strip().lower().replace("_", "-").replace(" ", "-")
    if named in _HASHES or named.startswith("filehash"):
        found.ignore("file hashes")
        return
    if named and named not in _KINDS:
        raise NotAnIndicator(f"there are no indicators of type {kind[:40]!r}; there are {', '.join(IndicatorKind)}")
    found.take(_KINDS[named] if named else guess(value), value, instant(until) if until else None)


# JSON ----------------------------------------------------------------------------------------------------------------


def _json_entries(data: bytes) -> Iterator[tuple[int, Any]]:
    """The entries of a list, of an object's `indicators`, or of JSON lines; undecodable lines come as `DecodeError`."""
    try:
        whole = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        lines = list(_json_lines(data))
        if not any(isinstance(entry, dict | str) for _, entry in lines):
            raise FeedUnreadable("it is no JSON, neither as a whole nor line by line") from None
        yield from lines
        return
    entries = whole.get("indicators", [whole]) if isinstance(whole, dict) else whole
    if not isinstance(entries, list):
        raise FeedUnreadable("it is neither a list of indicators nor an object with one as `indicators`")
    yield from enumerate(entries, 1)


def _json_lines(data: bytes) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(data.splitlines(), 1):
        if line.strip():
            try:
                yield number, msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                yield number, error


def _take_entry(number: int, entry: Any, found: _Collecting) -> None:
    if isinstance(entry, str):
        entry = {"value": entry}
    if not isinstance(entry, dict):
        found.complain(number, "is no JSON" if isinstance(entry, Exception) else "is neither an object nor a text")
        return
    parts = [
        next((entry[name] for name in names if entry.get(name) is not None), "") for names in (_TYPES, _VALUES, _UNTIL)
    ]
    if not all(isinstance(part, str) for part in parts):
        found.complain(number, "`type`, `value` and `valid_until` must be texts")
        return
    try:
        _take(parts[0], parts[1], parts[2], found)
    except NotAnIndicator as problem:
        found.complain(number, str(problem))


# STIX ----------------------------------------------------------------------------------------------------------------


def _stix_objects(data: bytes) -> list[Any]:
    try:
        bundle = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise FeedUnreadable("it is no JSON, so no STIX bundle") from None
    objects = bundle.get("objects") if isinstance(bundle, dict) else None
    if not isinstance(objects, list):
        raise FeedUnreadable("it is no STIX 2.1 bundle: there is no list `objects`")
    return objects


def _take_stix(number: int, entry: Any, found: _Collecting) -> None:
    if not isinstance(entry, dict):
        found.complain(number, "is no object")
        return
    if entry.get("type") != "indicator":
        found.ignore("objects that are no indicators")
        return
    if entry.get("revoked") is True:
        found.ignore("revoked indicators")
        return
    pattern, until = entry.get("pattern"), entry.get("valid_until")
    if not isinstance(pattern, str) or not isinstance(until, str | None):
        found.complain(number, "`pattern` and `valid_until` must be texts")
        return
    if entry.get("pattern_type", "stix") != "stix":
        found.ignore("patterns of other languages than STIX")
        return
    try:
        expires = None if until is None else instant(until)
        for kind, value in pattern_values(pattern):
            found.take(kind, value, expires)
    except Ignored as ignored:
        found.ignore(str(ignored))
    except NotAnIndicator as problem:
        found.complain(number, str(problem))
