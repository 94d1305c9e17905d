"""Finds the words and phrases of a blocklist in a text, also in disguise, and spares what an allow-list names.

    screen("how to make a b0mb", Blocklist([Term("bomb", "violence")])).categories  # ("violence",)

Only whole words count, so a name that holds a blocked word is safe; a term that ends in `*` stands for every word that
begins so. Disguises that are seen through: case, accents, full-width and look-alike letters, zero-width characters,
digits and signs for letters (`b0mb`, `a$$`), repeated letters (`booomb`), gaps (`b o m b`, `bo-mb`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from headgate.local.evidence import Evidence
from headgate.local.words import WORD, WORD_PATTERN, bare, fold

BLOCKED: Final = "blocked"
"""The category of terms that name none."""
MAX_TERMS: Final = 100_000
MAX_TERM_WORDS: Final = 8
MAX_LISTED: Final = 64
"""Lists that callers gave and that are remembered."""
MAX_MATCHES: Final = 50
"""Evidence of one text."""
MAX_GAPPED: Final = 30
"""Single letters in a row that are read as one word."""
GAP_CHARS: Final = 3
"""What may stand between two of them."""
PLAIN: Final = 1.0
DISGUISED: Final = 0.9
GAPPED: Final = 0.7

_TOKEN: Final = re.compile(rf"(?:{WORD_PATTERN}|[@$!|€+])+")
_ASCII_TOKEN: Final = re.compile(r"[a-z0-9@$!|+]+")
_LEET: Final = str.maketrans("0134578@$!|€+", "oieastbasilet")
_LEET_AS_L: Final = str.maketrans("0134578@$!|€+", "oleastbasllet")
_IS_LEET: Final = re.compile(r"[0134578@$!|€+]")
_NOTHING: Final[Mapping[str, float]] = {}
_EDGES: Final = "!|+"
_TWICE: Final = re.compile(r"(.)\1+")
_HAS_TWICE: Final = re.compile(r"(.)\1")


class Term(msgspec.Struct, frozen=True):
    """A word or phrase that is not wanted, and what it is an instance of."""

    phrase: str
    category: str = BLOCKED


class Safety(msgspec.Struct, frozen=True):
    """Whether a text holds a blocked term. `confidence`: how plainly it is written there, from `GAPPED` to `PLAIN`; 1.0
    too where nothing was found, which says only that nothing of the list is there."""

    is_blocked: bool
    confidence: float
    categories: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    """A phrase in the index: its words as they are looked up, and its category; None spares instead."""

    words: tuple[str, ...]
    category: str | None


class _Token(msgspec.Struct, frozen=True, gc=False):
    """A word of a text with its place, and the words of the list that it may be, each with how plainly."""

    start: int
    end: int
    word: str
    known: Mapping[str, float]


class Blocklist:
    """Terms and exceptions, indexed so that a word costs one look-up however many there are. Raises ValueError for a
    term without a word, or for too many of either."""

    __slots__ = ("_entries", "_prefix_lengths", "_prefixes", "_words", "count")

    def __init__(self, terms: Iterable[Term], allow: Iterable[str] = ()) -> None:
        self._entries: dict[str, list[_Entry]] = {}
        self._words: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        self._prefixes: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        self.count = 0
        for term in terms:
            self._add(term.phrase, term.category)
        for phrase in allow:
            self._add(phrase, None)
        self._prefix_lengths = sorted({len(prefix) for prefix in self._prefixes})

    def _add(self, phrase: str, category: str | None) -> None:
        self.count += 1
        words = []
        for part in fold(phrase).split():
            found = [bare(word) for word in WORD.findall(part)]
            words += [*found[:-1], *(word + "*" * part.endswith("*") for word in found[-1:])]
        if not words:
            raise ValueError(f"the term {phrase[:60]!r} has no word")
        if len(words) > MAX_TERM_WORDS or self.count > MAX_TERMS:
            raise ValueError(f"a term has at most {MAX_TERM_WORDS} words, a list {MAX_TERMS} terms: {phrase[:60]!r}")
        for word in words:
            self._learn(word)
        self._entries.setdefault(words[0], []).append(_Entry(tuple(words), category))

    def _learn(self, word: str) -> None:
        """Index a word by its letters without repetitions; the pattern asks for at least as many of each."""
        stem = word.rstrip("*")
        known = self._prefixes if word.endswith("*") else self._words
        runs = "".join(f"{re.escape(run[0][0])}{{{len(run[0])},}}" for run in re.finditer(r"(.)\1*", stem))
        row = (word, re.compile(runs if word.endswith("*") else runs + r"\Z"))
        rows = known.setdefault(_TWICE.sub(r"\1", stem), [])
        if all(each[0] != word for each in rows):
            rows.append(row)

    def known(self, form: str) -> list[str]:
        """The words of the list that a form may be."""
        squeezed = _TWICE.sub(r"\1", form) if _HAS_TWICE.search(form) is not None else form
        rows = self._words.get(squeezed)
        found = [] if rows is None else [word for word, pattern in rows if pattern.match(form) is not None]
        for length in self._prefix_lengths:
            if (rows := self._prefixes.get(squeezed[:length])) is not None:
                found += [word for word, pattern in rows if pattern.match(form) is not None]
        return found

    def entries(self, word: str) -> list[_Entry]:
        """The phrases that begin with a word of the list."""
        return self._entries.get(word, [])


EMPTY: Final = Blocklist(())


def screen(text: str, blocklist: Blocklist) -> Safety:
    """What of the list is in the text. Its time grows with the text, not with the list."""
    if not blocklist.count:
        return Safety(is_blocked=False, confidence=PLAIN)
    tokens = list(_tokens(text, blocklist))
    blocked: dict[tuple[int, int], tuple[str, float]] = {}
    spared: list[tuple[int, int]] = []
    for at, token in enumerate(tokens):
        if not token.known:
            continue
        for start, end, category, plainness in _phrases(tokens, at, token, blocklist):
            if category is None:
                spared.append((start, end))
            elif blocked.get((start, end), ("", 0.0))[1] < plainness:
                blocked[start, end] = (category, plainness)
    found = {
        span: told
        for span, told in sorted(blocked.items())[: MAX_MATCHES * 2]
        if not any(start <= span[0] and span[1] <= end for start, end in spared)
    }
    if not found:
        return Safety(is_blocked=False, confidence=PLAIN)
    evidence = [
        Evidence(*span, category if plainness == PLAIN else f"{category}, in disguise")
        for span, (category, plainness) in found.items()
    ]
    categories = dict.fromkeys(category for category, _ in found.values())
    plainest = max(plainness for _, plainness in found.values())
    return Safety(True, plainest, tuple(categories), tuple(evidence[:MAX_MATCHES]))


@lru_cache(maxsize=MAX_LISTED)
def listed(block: tuple[str, ...], allow: tuple[str, ...]) -> Blocklist:
    """The blocklist of these phrases, remembered. Raises ValueError for one without a word."""
    return Blocklist(map(Term, block), allow)


def together(one: Safety, other: Safety) -> Safety:
    """What two lists found in a text."""
    if not one.is_blocked or not other.is_blocked:
        return one if one.is_blocked else other
    categories = tuple(dict.fromkeys((*one.categories, *other.categories)))
    evidence = sorted({*one.evidence, *other.evidence}, key=lambda each: (each.start, each.end, each.reason))
    return Safety(True, max(one.confidence, other.confidence), categories, tuple(evidence[:MAX_MATCHES]))


def _phrases(
    tokens: list[_Token], at: int, token: _Token, blocklist: Blocklist
) -> Iterator[tuple[int, int, str | None, float]]:
    """Every phrase of the list that begins with a token."""
    for word, plainness in token.known.items():
        for entry in blocklist.entries(word):
            length = len(entry.words)
            following = tokens[at : at + length]
            if len(following) == length and all(
                each in token.known for each, token in zip(entry.words, following, strict=True)
            ):
                least = min(token.known[each] for each, token in zip(entry.words, following, strict=True))
                yield token.start, following[-1].end, entry.category, min(plainness, least)


def _tokens(text: str, blocklist: Blocklist) -> Iterator[_Token]:
    """The words of the text, and after each run of pieces what they are together."""
    folded = fold(text)
    is_plain = folded.isascii()
    letters: list[_Token] = []
    before: _Token | None = None
    for match in (_ASCII_TOKEN if is_plain else _TOKEN).finditer(folded):
        start, end = match.span()
        word = match[0] if is_plain else bare(match[0])
        token = _Token(start, end, word, _known(word, blocklist))
        if letters and (len(word) != 1 or start - letters[-1].end > GAP_CHARS):
            yield from _gapped(letters, blocklist)
            letters = []
        if len(word) == 1:
            letters.append(token)
        if before is not None and start - before.end == 1 and folded[before.end] in "-._*'’":
            yield from _joined([before, token], blocklist)
        yield token
        before = token
    yield from _gapped(letters, blocklist)


def _known(word: str, blocklist: Blocklist) -> Mapping[str, float]:
    """The words of the list that a word may be, with how plainly; most words are none."""
    found = blocklist.known(word)
    if not found and word.isalpha():
        return _NOTHING
    known = dict.fromkeys(found, PLAIN)
    trimmed = word.strip(_EDGES)
    if trimmed != word:
        known |= dict.fromkeys(blocklist.known(trimmed), PLAIN)
    for each in known:
        if each.rstrip("*") not in word:
            known[each] = DISGUISED
    if _IS_LEET.search(trimmed) is not None and not trimmed.isdigit():
        for table in (_LEET, _LEET_AS_L):
            for each in blocklist.known(trimmed.translate(table)):
                known.setdefault(each, DISGUISED)
    return known


def _gapped(letters: list[_Token], blocklist: Blocklist) -> Iterator[_Token]:
    """Words that single letters spell."""
    letters = letters[:MAX_GAPPED]
    for first in range(len(letters) - 2):
        for last in range(first + 2, len(letters)):
            yield from _joined(letters[first : last + 1], blocklist)


def _joined(pieces: list[_Token], blocklist: Blocklist) -> Iterator[_Token]:
    word = "".join(piece.word for piece in pieces)
    known = dict.fromkeys(_known(word, blocklist), GAPPED)
    if known:
        yield _Token(pieces[0].start, pieces[-1].end, word, known)
