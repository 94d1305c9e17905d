"""Owns the choice of a label of the caller's for a text, by keywords and by likeness to examples.

It reads spelling and no meaning. Where nothing speaks for any label it says None, and how little there was.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from headgate.local.embedding import embedded
from headgate.local.evidence import Evidence
from headgate.local.language_tables import WORDS
from headgate.local.spans import Word, sentences_of, words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LABELS_MAX: Final = 100
PHRASES_MAX: Final = 200
"""Keywords of one label, and examples of one label."""
PHRASE_CHARS_MAX: Final = 2_000
TEXT_CHARS_MAX: Final = 20_000
"""Of a longer text only so much is read."""
REMEMBERED_EXAMPLES_MAX: Final = 50
REMEMBERED_CHARS_MAX: Final = 20_000
"""Labels of more are worked out again each time, so that strangers cannot fill the memory."""
THRESHOLD: Final = 0.35
EVIDENCE_MAX: Final = 12

_KEYWORD: Final = 0.6
_NAME: Final = 0.5
_DESCRIPTION: Final = 0.15
_DENIED: Final = 0.25
"""What is left of a keyword's weight behind a word that denies it."""
_UNLIKE: Final = 0.15
_ALIKE: Final = 0.65
"""Cosines from which an example speaks for its label at all, and wholly."""
_MOST_BY_LIKENESS: Final = 0.9
_WHOLE_CHARS_MAX: Final = 600
"""A longer text of several sentences is like no example as a whole."""
_PARTS_MAX: Final = 8
"""Sentences that are compared with examples by themselves."""
_STEM: Final = 4
"""Letters from which a word also stands for its inflected forms."""
_TAIL: Final = 4
"""Letters that an inflected form may have more."""
_WORDS_MAX: Final = 12
"""Words of a keyword phrase that are looked for."""
_PLACES_MAX: Final = 50
"""Places of its first word where a phrase is looked for: hostile phrases cost no more than others."""
_REACH: Final = 2
"""Words before a keyword that may deny it."""
_NOT: Final = (
    "not no never without dont don didnt doesnt isnt t nahi nahin nhi mat na नहीं मत नाही नको kein nicht pas sin non"
)
_DENIALS: Final = frozenset(_NOT.split())
_COMMON: Final = frozenset().union(*WORDS["Latin"].values(), *WORDS["Devanagari"].values())

Phrase = Annotated[str, Meta(min_length=1, max_length=PHRASE_CHARS_MAX)]
Phrases = Annotated[tuple[Phrase, ...], Meta(max_length=PHRASES_MAX)]
LabelName = Annotated[str, Meta(min_length=1, max_length=200)]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A label: its name, words and phrases that speak for it, texts that have it, and what it means, of which each word
    counts a little. The name's own words count too."""

    name: LabelName
    keywords: Phrases = ()
    examples: Phrases = ()
    description: Annotated[str, Meta(max_length=PHRASE_CHARS_MAX)] = ""


Labels: TypeAlias = Annotated[tuple[LabelName | Label, ...], Meta(min_length=1, max_length=LABELS_MAX)]


class Classification(msgspec.Struct, frozen=True):
    """The label, None where the best is under the threshold; how sure that is; what speaks for each label, from 0 to 1;
    and the words that spoke for the best one."""

    label: str | None
    confidence: float
    scores: dict[str, float]
    evidence: tuple[Evidence, ...] = ()


def classify(text: str, labels: Labels, threshold: float = THRESHOLD) -> Classification:
    """The label that fits a text best. Two that fit alike halve the confidence. Raises ValueError for labels that are
    none, too many, or of one name."""
    known = [Label(label) if isinstance(label, str) else label for label in labels]
    names = {label.name for label in known}
    if not 0 < len(known) <= LABELS_MAX or len(names) < len(known):
        raise ValueError(f"labels: give from 1 to {LABELS_MAX}, each name once")
    text = text[:TEXT_CHARS_MAX]
    words = words_of(text)
    places = _places(words)
    vectors = _vectors_of(text) if any(label.examples for label in known) else None
    scores: dict[str, float] = {}
    spoken: dict[str, list[Evidence]] = {}
    for label in known:
        score, spoken[label.name] = _by_words(label, words, places)
        if vectors is not None and label.examples:
            alike, nearest = _by_examples(label.examples, vectors)
            score = 1 - (1 - score) * (1 - _MOST_BY_LIKENESS * alike)
            if alike > 0:
                spoken[label.name].append(Evidence(0, len(text), f"like the example {nearest[:60]!r}"))
        scores[label.name] = round(score, 3)
    ranked = sorted(scores, key=lambda name: -scores[name])
    best = ranked[0]
    second = scores[ranked[1]] if len(ranked) > 1 else 0.0
    lead = (scores[best] - second) / scores[best] if scores[best] else 0.0
    confidence = round(scores[best] * (0.5 + 0.5 * min(1.0, 2 * lead)), 3)
    label_or_none = best if confidence >= threshold and confidence > 0 else None
    return Classification(label_or_none, confidence, scores, tuple(spoken[best][:EVIDENCE_MAX]))


def _places(words: list[Word]) -> dict[str, list[int]]:
    """Where each word stands, also under its first letters."""
    places: dict[str, list[int]] = {}
    for at, word in enumerate(words):
        stem = word.folded[:_STEM]
        if stem in places:
            places[stem].append(at)
        else:
            places[stem] = [at]
    return places


def _by_words(label: Label, words: list[Word], places: dict[str, list[int]]) -> tuple[float, list[Evidence]]:
    """What keywords, name and description say together: each one found leaves less to doubt."""
    doubt, evidence = 1.0, []
    for phrase, weight, reason in _phrases(label):
        found = _find(phrase, words, places)
        if found is None:
            continue
        first, last = found
        denied = any(word.folded in _DENIALS for word in words[max(0, first - _REACH) : first])
        doubt *= 1 - weight * (_DENIED if denied else 1.0)
        how = f"{reason}, denied" if denied else reason
        evidence.append(Evidence(words[first].start, words[last].end, how))
    return 1 - doubt, evidence


def _phrases(label: Label) -> tuple[tuple[tuple[str, ...], float, str], ...]:
    """The phrases of a label, each once, with what it weighs and what it is; remembered where they are few."""
    chars = sum(map(len, label.keywords)) + sum(map(len, label.examples)) + len(label.description)
    return _remembered_phrases(label) if chars <= REMEMBERED_CHARS_MAX else _new_phrases(label)


def _new_phrases(label: Label) -> tuple[tuple[tuple[str, ...], float, str], ...]:
    found: dict[tuple[str, ...], tuple[float, str]] = {}
    for keyword in label.keywords:
        found.setdefault(_folded(keyword), (_KEYWORD, f"keyword of {label.name}"))
    found.setdefault(_folded(label.name), (_NAME, f"the name of {label.name}"))
    told = [word.folded for word in words_of(label.description)]
    for part in told:
        if len(part) >= _STEM and part not in _COMMON:
            found.setdefault((part,), (_DESCRIPTION, f"from the description of {label.name}"))
    return tuple((phrase, *rest) for phrase, rest in found.items() if phrase)


_remembered_phrases: Final = lru_cache(maxsize=LABELS_MAX)(_new_phrases)


def _folded(phrase: str) -> tuple[str, ...]:
    return tuple(part for word in words_of(phrase) for part in word.folded.split("_") if part)[:_WORDS_MAX]


def _find(phrase: tuple[str, ...], words: list[Word], places: dict[str, list[int]]) -> tuple[int, int] | None:
    """The first and last word of a phrase's first place, the words in their inflected forms too."""
    for at in places.get(phrase[0][:_STEM], ())[:_PLACES_MAX]:
        last = at + len(phrase) - 1
        if last < len(words) and all(_is_form(words[at + n].folded, part) for n, part in enumerate(phrase)):
            return at, last
    return None


def _is_form(word: str, wanted: str) -> bool:
    """Whether a word is the wanted one, or the same with another ending: `refunded`, `deliveries` for `delivery`."""
    if word == wanted:
        return True
    if len(wanted) < _STEM:
        return False
    stem = wanted[:-1] if wanted[-1] in "ey" and len(wanted) > _STEM else wanted
    return word.startswith(stem) and len(word) - len(stem) <= _TAIL


def _vectors_of(text: str) -> "NDArray[np.float32]":
    parts = [text[start:end] for start, end in sentences_of(text)[:_PARTS_MAX]]
    if len(parts) < 2:
        return embedded((text,))
    return embedded((text, *parts) if len(text) <= _WHOLE_CHARS_MAX else parts)


def _by_examples(examples: Phrases, vectors: "NDArray[np.float32]") -> tuple[float, str]:
    """How like the nearest example a text or a sentence of it is, from 0 to 1, and that example."""
    is_small = len(examples) <= REMEMBERED_EXAMPLES_MAX and sum(map(len, examples)) <= REMEMBERED_CHARS_MAX
    cosines = ((_remembered if is_small else embedded)(examples) @ vectors.T).max(axis=1)
    at = int(cosines.argmax())
    return max(0.0, min(1.0, (float(cosines[at]) - _UNLIKE) / (_ALIKE - _UNLIKE))), examples[at]


_remembered: Final = lru_cache(maxsize=128)(embedded)
"""The vectors of examples, at most 128 labels' (130 kB each at the most)."""
