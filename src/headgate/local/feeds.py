"""Finds in a text what threat feeds know, by looking up every token in dictionaries: a large feed costs no more.

A feed is a name and its indicators. Expired ones are left out when the index is made; who makes it anew is not known.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from headgate.local.evidence import Evidence
from headgate.local.indicators import (
    Indicator,
    IndicatorKind,
    NotAnIndicator,
    normal_address,
    normal_email,
    normal_host,
    normal_phone,
    normal_url,
    refang,
)
from headgate.local.words import WORD

MAX_MATCHES: Final = 50
"""Evidence of one text; a text that is all bad needs no more."""
MAX_TOKEN_CHARS: Final = 2_048
_PARENTS: Final = 6
"""Domains above a host that are looked up."""

_CHUNK: Final = re.compile(r"[^\s<>\"'“”‘’`|]+")
_PHONE: Final = re.compile(r"(?<![\w@.])\+?\(?\d[\d\s().-]{3,22}\d(?![\w@])")
_EDGES: Final = ".,;:!?()[]{}*।"


class Feed(msgspec.Struct, frozen=True):
    """What was imported under a name, when (Unix seconds), and from which file."""

    name: str
    imported_at: float
    source: str
    indicators: tuple[Indicator, ...]


class Feeds:
    """The valid indicators of all feeds, by kind. `until` is when the first of them runs out (None: never)."""

    __slots__ = ("_keywords", "_known", "count", "until")

    def __init__(self, feeds: Iterable[Feed] = (), *, wall_s: float = 0.0) -> None:
        self._known: dict[IndicatorKind, dict[str, str]] = {}
        self._keywords: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        self.count = 0
        self.until: float | None = None
        for feed in feeds:
            for indicator in feed.indicators:
                if indicator.valid_until is None or indicator.valid_until > wall_s:
                    self._add(feed.name, indicator)

    def _add(self, name: str, indicator: Indicator) -> None:
        self.count += 1
        if indicator.valid_until is not None:
            self.until = indicator.valid_until if self.until is None else min(self.until, indicator.valid_until)
        if indicator.kind is IndicatorKind.KEYWORD:
            words = tuple(indicator.value.split(" "))
            self._keywords.setdefault(words[0], []).append((words, name))
        else:
            self._known.setdefault(indicator.kind, {}).setdefault(indicator.value, name)

    def matches(self, text: str) -> tuple[Evidence, ...]:
        """Where the text holds an indicator, in order; the reason is `feed:NAME`. At most `MAX_MATCHES`."""
        if not self.count:
            return ()
        found: dict[tuple[int, int], str] = {}
        for start, end, name in self._find(text):
            found.setdefault((start, end), name)
            if len(found) >= MAX_MATCHES:
                break
        return tuple(Evidence(start, end, f"feed:{name}") for (start, end), name in sorted(found.items()))

    def _find(self, text: str) -> Iterator[tuple[int, int, str]]:
        known = self._known
        if known.keys() - {IndicatorKind.PHONE}:
            for chunk in _CHUNK.finditer(text):
                token = chunk[0].strip(_EDGES)
                if ("." in token or "@" in token or ":" in token) and len(token) <= MAX_TOKEN_CHARS:
                    name = self._of_token(token) or self._of_token(chunk[0])
                    if name is not None:
                        start = chunk.start() + chunk[0].find(token)
                        yield start, start + len(token), name
        if phones := known.get(IndicatorKind.PHONE):
            for match in _PHONE.finditer(text):
                if (name := _phone(match[0], phones)) is not None:
                    yield match.start(), match.end(), name
        if self._keywords:
            yield from self._phrases(text)

    def _of_token(self, token: str) -> str | None:
        token = refang(token)
        known = self._known
        if "@" in token and "://" not in token:
            lowered = token.lower()
            if (name := known.get(IndicatorKind.UPI, {}).get(lowered)) is not None:
                return name
            try:
                email = normal_email(lowered)
            except NotAnIndicator:
                return None
            return known.get(IndicatorKind.EMAIL, {}).get(email) or self._of_host(email.rpartition("@")[2])
        try:
            url = normal_url(token)
        except NotAnIndicator:
            return self._of_address(token)
        urls = known.get(IndicatorKind.URL, {})
        bare = url.partition("?")[0]
        host = bare.partition("/")[0]
        return (
            urls.get(url)
            or urls.get(bare)
            or urls.get(bare.rstrip("/"))
            or self._of_address(host)
            or self._of_host(host.partition(":")[0])
        )

    def _of_address(self, host: str) -> str | None:
        addresses = known.get(IndicatorKind.ADDRESS) if (known := self._known) else None
        if addresses is None:
            return None
        for candidate in (host, host.rpartition(":")[0]):
            try:
                if (name := addresses.get(normal_address(candidate))) is not None:
                    return name
            except NotAnIndicator:
                continue
        return None

    def _of_host(self, host: str) -> str | None:
        """The host itself or a domain above it."""
        domains = self._known.get(IndicatorKind.DOMAIN)
        if domains is None:
            return None
        try:
            host = normal_host(host)
        except NotAnIndicator:
            return None
        for _ in range(_PARENTS):
            if (name := domains.get(host)) is not None:
                return name
            host = host.partition(".")[2]
            if "." not in host:
                return None
        return None

    def _phrases(self, text: str) -> Iterator[tuple[int, int, str]]:
        tokens = [(match[0].casefold(), match.start(), match.end()) for match in WORD.finditer(text)]
        for index, (word, start, _) in enumerate(tokens):
            for words, name in self._keywords.get(word, ()):
                following = tokens[index : index + len(words)]
                if tuple(each[0] for each in following) == words:
                    yield start, following[-1][2], name


def _phone(text: str, phones: dict[str, str]) -> str | None:
    try:
        digits = normal_phone(text)
    except NotAnIndicator:
        return None
    return phones.get(digits)


NO_FEEDS: Final = Feeds()
