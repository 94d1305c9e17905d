"""Owns what a text says word by word: numbers, words and exact matter, without what carries no meaning. Pure.

Case, punctuation at the ends, articles, politeness and contractions are gone; all else is kept, in order.
"""

import functools
import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import msgspec

from headgate.cache.lexicon import (
    ARTICLES,
    CONTRACTIONS,
    COUNTED,
    ENDINGS,
    LETTERED,
    NUMBERS,
    OPENINGS,
    SAME_PHRASES,
    SAME_WORDS,
)


class Kind(IntEnum):
    """What a piece is. Exact: code, a quotation, an address, an identifier, a sign: the same to the letter or not."""

    WORD = 0
    NUMBER = 1
    EXACT = 2
    BREAK = 3


class Piece(msgspec.Struct, frozen=True, gc=False):
    """One piece: what it is compared as, and how it was written."""

    kind: Kind
    text: str
    written: str


class Wording(msgspec.Struct, frozen=True):
    """All pieces of a text that matter; `cased` tells whether its capitals are there for a reason."""

    pieces: tuple[Piece, ...]
    cased: bool


_PIECE: Final = re.compile(
    r"""
      (?P<plain>[A-Za-z]+(?=[\s,?!]|\.?(?:\s|$)))
     |(?P<exact>```.*?```|`[^`\n]+`|"[^"\n]{1,400}"|(?<!\w)'[^'\n]{1,200}'(?!\w)
        |(?:https?://|www\.)\S+ | (?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+
        |[A-Za-z_]\w*(?:\.\w+)+ | \w*_\w+ | [^\W\d_]+\d\w* | [^\W\d_]+(?:\+\+|\#)
        |[^\W\d_]+(?:/[^\W\d_]+)+ | (?<!\w)[@\#$][^\W\d]\w* )
     |(?P<ordinal>\d+(?:st|nd|rd|th)\b)
     |(?P<number>(?:(?<![\w)\]])[-+])?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:[.:,]\d+)*)
     |(?P<word>(?:(?![\d_])[\w\u0300-\u036f\u0900-\u0dff\u200c\u200d])+(?:'(?i:t|s|re|ll|ve|m|d)\b)?)
     |(?P<sign>[-+*/=<>^%$€£₹¥&|~\\{}\[\]@\#]+|[^\s\w.,;:!?"'()…—–])
     |(?P<break>[.,;:!?()…—–]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRAIGHT: Final = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " ", "−": "-"})
_SUFFIXES: Final = {"'re": ("are",), "'ll": ("will",), "'ve": ("have",), "'m": ("am",), "'d": ("would",)}
_IS_AFTER: Final = frozenset({"what", "who", "where", "when", "how", "why", "that", "it", "there", "here", "he", "she"})
_CURRENCY: Final = {"$": "dollars", "€": "euros", "£": "pounds", "₹": "rupees", "¥": "yen", "%": "percent"}


@functools.lru_cache(maxsize=4096)
def read_wording(text: str) -> Wording:
    """What a text says. About 1 µs per word, once."""
    text = text.translate(_STRAIGHT)
    pieces = [piece for match in _PIECE.finditer(text) for piece in _pieces(match)]
    # Hyphens within words and dashes between them join nothing and split nothing.
    pieces = [piece for at, piece in enumerate(pieces) if not _is_hyphen(pieces, at)]
    cased = _is_cased(text)
    return Wording(tuple(_kept(pieces, cased=cased)), cased)


def _is_cased(text: str) -> bool:
    """Whether whoever wrote it uses capitals: at its beginning, or within it beside small letters."""
    first = next((letter for letter in text if letter.isalpha()), "")
    return any(map(str.islower, text)) and (first.isupper() or any(map(str.isupper, text)))


def _pieces(match: re.Match[str]) -> Iterator[Piece]:
    written = match[0]
    match match.lastgroup:
        case "exact":
            yield Piece(Kind.EXACT, " ".join(written.strip("`").split()), written)
        case "ordinal":
            yield Piece(Kind.NUMBER, written.lower(), written)
        case "number":
            yield Piece(Kind.NUMBER, _number(written), written)
        case "plain" | "word":
            yield from _word(written)
        case "sign":
            known = _CURRENCY.get(written)
            yield Piece(Kind.EXACT if known is None else Kind.WORD, known or written, written)
        case _:
            yield Piece(Kind.BREAK, written, written)


def _number(written: str) -> str:
    plain = written.removeprefix("+")
    return plain.replace(",", "") if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", plain) else plain


def _word(written: str) -> Iterator[Piece]:
    """A word, or what a contraction stands for."""
    low = written.casefold()
    if "'" not in low and low not in CONTRACTIONS:
        yield _plain(low, written)
        return
    stem, mark, ending = low.partition("'")
    if not mark:
        first, *more = CONTRACTIONS.get(low, low).split("_")
        yield _plain(first, written)
        yield from (_plain(part, part) for part in more)
        return
    if ending == "t":
        yield from _refused(stem, written)
    elif ending == "s":
        yield _plain(stem, written)
        if stem in _IS_AFTER:
            yield _plain("is", "is")
    else:
        yield _plain(stem, written)
        for part in _SUFFIXES.get(mark + ending, ()):
            yield _plain(part, part)


def _refused(stem: str, written: str) -> Iterator[Piece]:
    """`don't` is do not; `can't` and `won't` are irregular."""
    match stem:
        case "can":
            yield _plain("cannot", written)
        case "won":
            yield _plain("will", written)
            yield _plain("not", "not")
        case _:
            yield _plain(stem.removesuffix("n"), written)
            yield _plain("not", "not")


def _plain(low: str, written: str) -> Piece:
    number = NUMBERS.get(low)
    if number is not None:
        return Piece(Kind.NUMBER, number, written)
    return Piece(Kind.WORD, SAME_WORDS.get(low, low), written)


def _is_hyphen(pieces: list[Piece], at: int) -> bool:
    if pieces[at].text not in {"-", "--"} or not 0 < at < len(pieces) - 1:
        return False
    return pieces[at - 1].kind is Kind.WORD and pieces[at + 1].kind is Kind.WORD


def _kept(pieces: list[Piece], *, cased: bool) -> Iterator[Piece]:
    """Without breaks, politeness and articles, and with one way of saying for several."""
    for clause in _clauses(pieces):
        yield from _without_articles(_said_one_way(_polite_off(clause)), cased=cased)


def _clauses(pieces: list[Piece]) -> Iterator[list[Piece]]:
    clause: list[Piece] = []
    for piece in pieces:
        if piece.kind is Kind.BREAK:
            yield clause
            clause = []
        else:
            clause.append(piece)
    yield clause


def _polite_off(clause: list[Piece]) -> list[Piece]:
    words = [piece.text if piece.kind is Kind.WORD else "\0" for piece in clause]
    start, end = 0, len(words)
    while start < end and (length := _opening(words, start)):
        start += length
    while start < end and (length := _ending(words, start, end)):
        end -= length
    return [
        piece
        for at, piece in enumerate(clause[start:end], start)
        if piece.text not in {"please", "kindly"} or (at > start and words[at - 1] in {"to", "not"})
    ]


def _opening(words: list[str], start: int) -> int:
    """How many words of politeness a clause begins with."""
    told = OPENINGS.get(words[start], ())
    return next((len(each) for each in told if tuple(words[start : start + len(each)]) == each), 0)


def _ending(words: list[str], start: int, end: int) -> int:
    """How many it ends with."""
    told = ENDINGS.get(words[end - 1], ())
    return next((len(each) for each in told if tuple(words[max(start, end - len(each)) : end]) == each), 0)


def _said_one_way(clause: list[Piece]) -> list[Piece]:
    words = [piece.text if piece.kind is Kind.WORD else "\0" for piece in clause]
    made: list[Piece] = []
    at = 0
    while at < len(words):
        for said, meant in SAME_PHRASES.get(words[at], ()):
            if tuple(words[at : at + len(said)]) == said:
                made += [Piece(Kind.WORD, word, word) for word in meant]
                at += len(said)
                break
        else:
            made.append(clause[at])
            at += 1
    return made


def _without_articles(clause: list[Piece], *, cased: bool) -> Iterator[Piece]:
    for at, piece in enumerate(clause):
        if piece.text in ARTICLES and piece.kind is Kind.WORD:
            after = clause[at + 1].text if at + 1 < len(clause) else ""
            before = clause[at - 1].text if at else ""
            is_letter = piece.text == "a" and (
                before in LETTERED or not after or (at and cased and piece.written == "A")
            )
            if not is_letter and after not in COUNTED:
                continue
        yield piece


def words_of(text: str) -> str:
    """What a text says, in one line: what vectors that see spelling are made of, so that politeness weighs nothing."""
    return " ".join(piece.text for piece in read_wording(text).pieces)
