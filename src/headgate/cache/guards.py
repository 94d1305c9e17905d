"""Owns what keeps two like texts apart: the differences that may change the answer. Pure.

Vectors find candidates; they cannot tell 15 from 50 or to from from. So whatever is near is compared here, word by
word, and one difference that may matter is enough for no hit. There are two strictnesses. Where vectors see spelling
only, everything must be the same but case, punctuation, articles, politeness, spelling, slips of the fingers and where
an adverbial stands. Where vectors see meaning, words may be others, but not those that turn or name something.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from headgate.cache.lexicon import (
    ASKING_VERBS,
    DENYING_PREFIXES,
    LIGHT,
    NAMED,
    NEGATIONS,
    OPERATIONS,
    OPPOSITES,
    PERSONS,
    POSSESSIVES,
    PREPOSITIONS,
    QUESTIONS,
    SIGNED,
    SPARED,
)
from headgate.cache.likeness import Difference
from headgate.cache.wording import Kind, Piece, Wording, read_wording
from headgate.catalog.english import english_words

SLIP_MIN_CHARS: Final = 5
"""Shorter words are too near to others for a slip to be told."""
SLIP_MAX_CHARS: Final = 30
"""Longer ones are no words."""
PIECES_PER_SLIP: Final = 4
"""One slip is overlooked for so many pieces, and at least one."""
SHARED_MOST: Final = 0.8
"""From this part of shared words on, two texts of other order are taken for a reversal."""
UNKNOWN_MIN_CHARS: Final = 4
_LISTED: Final = frozenset[str]().union(*OPPOSITES, *OPERATIONS, PERSONS, PREPOSITIONS, NEGATIONS, QUESTIONS)
OPENING_PIECES: Final = 3
"""Among so many pieces stands the word that a question begins with."""


def difference(one: str, other: str, *, meaning: bool) -> Difference | None:
    """The first difference that may matter, None for texts that ask the same.

    `meaning` says that the vectors that found them see meaning, so that other words may stand for the same.
    """
    first, second = read_wording(one), read_wording(other)
    found = _turned(first, second)
    if found is not None:
        return found
    return _meant_otherwise(first, second) if meaning else _said_otherwise(first, second)


# Both -----------------------------------------------------------------------------------------------------------------


def _turned(one: Wording, other: Wording) -> Difference | None:
    """What no text may differ in, whoever found it."""
    if _texts(one, Kind.NUMBER) != _texts(other, Kind.NUMBER):
        return Difference.NUMBER
    if Counter(_texts(one, Kind.EXACT)) != Counter(_texts(other, Kind.EXACT)):
        return Difference.EXACT
    words, others = Counter(_texts(one, Kind.WORD)), Counter(_texts(other, Kind.WORD))
    if _negations(words) != _negations(others):
        return Difference.NEGATION
    if _some(words, NAMED) != _some(others, NAMED) or _capitals_turn(one, other):
        return Difference.NAME
    if _some(words, POSSESSIVES) != _some(others, POSSESSIVES):
        return Difference.PERSON
    if not _agree(words.keys() & PERSONS, others.keys() & PERSONS):
        return Difference.PERSON
    return Difference.DIRECTION if _are_opposed(words, others) else None


def _texts(wording: Wording, kind: Kind) -> list[str]:
    return [piece.text for piece in wording.pieces if piece.kind is kind]


def _some(words: Counter[str], kept: frozenset[str]) -> dict[str, int]:
    return {word: count for word, count in words.items() if word in kept}


def _negations(words: Counter[str]) -> int:
    """How often something is denied, whichever way."""
    return sum(count for word, count in words.items() if word in NEGATIONS)


def _are_opposed(words: Counter[str], others: Counter[str]) -> bool:
    """Whether one says a word where the other says its opposite."""
    gone, come = words.keys() - others.keys(), others.keys() - words.keys()
    return any(not gone.isdisjoint(group) and not come.isdisjoint(group) for group in OPPOSITES)


def _capitals_turn(one: Wording, other: Wording) -> bool:
    """Whether a word is written as a name in one and as a plain word in the other: IT and it, Polish and polish."""
    if not one.cased or not other.cased:
        return False
    return _signed(one) != _signed(other)


def _signed(wording: Wording) -> set[str]:
    return {piece.text for piece in wording.pieces[1:] if piece.text in SIGNED and piece.written[:1].isupper()}


# Spelling only --------------------------------------------------------------------------------------------------------


def _said_otherwise(one: Wording, other: Wording) -> Difference | None:
    """The same pieces in the same order, or with one adverbial moved from the end to the beginning."""
    if one.pieces and [piece.text for piece in one.pieces] == [piece.text for piece in other.pieces]:
        return None
    first, second = _without_light(one, other), _without_light(other, one)
    if len(first) != len(second):
        return Difference.WORD
    if not first:
        return Difference.WORD
    if _are_same(first, second):
        return None
    for at in range(1, len(first)):
        if first[at].text in PREPOSITIONS and _are_same(first[at:] + first[:at], second):
            return None
        if second[at].text in PREPOSITIONS and _are_same(first, second[at:] + second[:at]):
            return None
    same_words = Counter(piece.text for piece in first) == Counter(piece.text for piece in second)
    return Difference.ORDER if same_words else Difference.WORD


def _without_light(wording: Wording, other: Wording) -> tuple[Piece, ...]:
    """What has to stand in both, in the same order."""
    spared = SPARED.difference(piece.text for piece in other.pieces) | LIGHT
    return tuple(piece for piece in wording.pieces if piece.text not in spared)


def _agree(one: set[str], other: set[str]) -> bool:
    """Whether nobody stands in the place of somebody else."""
    return one <= other or other <= one


def _are_same(first: Sequence[Piece], second: Sequence[Piece]) -> bool:
    slips = max(1, len(first) // PIECES_PER_SLIP)
    for one, other in zip(first, second, strict=True):
        if one.text == other.text:
            continue
        slips -= 1
        if slips < 0 or not _is_slip(one, other):
            return False
    return True


def _is_slip(one: Piece, other: Piece) -> bool:
    """Whether one of two words is the other, typed badly: one letter more, less, other or swapped; of the two exactly
    one is English, and neither is a name."""
    if one.kind is not Kind.WORD or other.kind is not Kind.WORD:
        return False
    shorter, longer = sorted((len(one.text), len(other.text)))
    if shorter < SLIP_MIN_CHARS or longer > SLIP_MAX_CHARS or one.text[0] != other.text[0]:
        return False
    if not one.text.isalpha() or not other.text.isalpha():
        return False
    known = english_words()
    if one.written[0].isupper() and other.written[0].isupper():
        return False  # two names, or the first words of both
    if (one.text in known) == (other.text in known) or one.text in NAMED or other.text in NAMED:
        return False
    from rapidfuzz.distance import OSA

    return OSA.distance(one.text, other.text, score_cutoff=1) == 1


# Meaning --------------------------------------------------------------------------------------------------------------


def _meant_otherwise(one: Wording, other: Wording) -> Difference | None:
    first, second = (Counter(piece.text for piece in each.pieces) for each in (one, other))
    if _question(one) != _question(other):
        return Difference.QUESTION
    if _denied(first.keys() - second.keys(), second.keys() - first.keys()):
        return Difference.NEGATION
    if not _all_in(_names(one), other) or not _all_in(_names(other), one):
        return Difference.NAME
    if _operations(first) != _operations(second):
        return Difference.OPERATION
    if _directions(one, first, second) != _directions(other, first, second):
        return Difference.DIRECTION
    return Difference.ORDER if _is_reversal(one, other) else None


def _question(wording: Wording) -> str | None:
    """What a text begins to ask with; None for one that tells."""
    opening = [piece.text for piece in wording.pieces[:OPENING_PIECES]]
    asked = next((QUESTIONS[word] for word in opening if word in QUESTIONS), None)
    return ASKING_VERBS.get(opening[0]) if asked is None and opening else asked


def _denied(gone: set[str], come: set[str]) -> bool:
    """Whether a word of one text is denied by its first letters in the other: possible and impossible."""
    return any(
        prefix + word in others for word, others in _each(gone, come) for prefix in DENYING_PREFIXES if len(word) > 3
    )


def _each(one: set[str], other: set[str]) -> Iterator[tuple[str, set[str]]]:
    yield from ((word, other) for word in one)
    yield from ((word, one) for word in other)


def _all_in(names: Sequence[Piece], wording: Wording) -> bool:
    """Whether each of the names is there, though it be typed badly."""
    texts = {piece.text for piece in wording.pieces}
    return all(name.text in texts or any(_is_slip(name, piece) for piece in wording.pieces) for name in names)


def _names(wording: Wording) -> list[Piece]:
    """Words that name something: capitals within a sentence, and words that English has not."""
    known = english_words()
    return [
        piece
        for at, piece in enumerate(wording.pieces)
        if piece.kind is Kind.WORD
        and (
            (at and wording.cased and piece.written[:1].isupper())
            or (len(piece.text) == 1 and piece.text not in SPARED)
            or (len(piece.text) >= UNKNOWN_MIN_CHARS and piece.text.isalpha() and not _is_english(piece.text, known))
        )
    ]


def _is_english(word: str, known: frozenset[str]) -> bool:
    stems = (word.removesuffix(ending) for ending in ("s", "es", "ed", "d", "ing", "ly", "er"))
    return word in known or word in _LISTED or any(stem in known for stem in stems)


def _operations(words: Counter[str]) -> set[int]:
    """Which things are to be done."""
    return {at for at, group in enumerate(OPERATIONS) if not group.isdisjoint(words)}


def _directions(wording: Wording, first: Counter[str], second: Counter[str]) -> Counter[tuple[str, str]]:
    """Prepositions with what stands behind them, where both texts have both."""
    pairs = zip(wording.pieces, wording.pieces[1:], strict=False)
    return Counter(
        (before.text, after.text)
        for before, after in pairs
        if before.text in PREPOSITIONS and {before.text, after.text} <= first.keys() & second.keys()
    )


def _is_reversal(one: Wording, other: Wording) -> bool:
    """Whether nearly the same words stand in another order."""
    first, second = ([piece.text for piece in each.pieces] for each in (one, other))
    shared = set(first) & set(second)
    if len(shared) < SHARED_MOST * max(len(set(first)), len(set(second)), 1):
        return False
    told, retold = ([word for word in words if word in shared and _bears(word)] for words in (first, second))
    if told == retold:
        return False
    turns = (told[at:] + told[:at] for at, word in enumerate(told) if at and word in PREPOSITIONS)
    return retold not in turns and not _rotated(told, retold)


def _bears(word: str) -> bool:
    return len(word) > 3 or len(word) == 1 or word in PREPOSITIONS or word in NAMED


def _rotated(told: list[str], retold: list[str]) -> bool:
    turns = (retold[at:] + retold[:at] for at, word in enumerate(retold) if at and word in PREPOSITIONS)
    return told in turns
