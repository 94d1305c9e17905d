"""Owns summaries made of a text's own sentences: the telling ones, word for word and in their order.

It writes nothing of its own, so it can say nothing that the text does not.
"""

import re
from collections import Counter
from math import log
from typing import Final

import msgspec

from headgate.local.evidence import Evidence
from headgate.local.language_tables import WORDS
from headgate.local.spans import Span, sentences_of, words_of

TEXT_CHARS_MAX: Final = 200_000
"""Of a longer text only so much is read."""
SENTENCES_MAX: Final = 50
SENTENCES: Final = 3
CHARS: Final = 600
CHARS_MAX: Final = 20_000

_STOPS: Final = frozenset().union(*(words for table in WORDS.values() for words in table.values()))
_FIGURE: Final = re.compile(r"\d")
_FIRST: Final = 0.35
_LAST: Final = 0.1
_FIGURES: Final = 0.15
_USUAL_WORDS: Final = 7
"""Words that a sentence needs to be worth as much as its words."""
_LEAST_LETTERS: Final = 3


class Picked(msgspec.Struct, frozen=True):
    """A sentence of the text, word for word, and its weight among all, which sum to 1."""

    text: str
    start: int
    end: int
    weight: float


class Summary(msgspec.Struct, frozen=True):
    """The picked sentences, in the order of the text, and as one text. `confidence` is the part of the text's telling
    words that they hold, counted as often as each is said: 1 where everything was kept."""

    text: str
    sentences: tuple[Picked, ...]
    confidence: float
    evidence: tuple[Evidence, ...] = ()


class _Sentence(msgspec.Struct, gc=False):
    """`said` is how often the text says the telling words of the sentence, all together."""

    span: Span
    terms: frozenset[str]
    said: int
    score: float


def summarize(text: str, max_sentences: int = SENTENCES, max_chars: int = CHARS) -> Summary:
    """At most so many sentences of at most so many characters in all. A text whose every sentence is too long gives
    none. Raises ValueError for bounds out of theirs."""
    if not 1 <= max_sentences <= SENTENCES_MAX or not 1 <= max_chars <= CHARS_MAX:
        raise ValueError(f"give from 1 to {SENTENCES_MAX} sentences of 1 to {CHARS_MAX} characters")
    text = text[:TEXT_CHARS_MAX]
    sentences, counts = _weighed(text)
    if not sentences:
        return Summary("", (), 0.0)
    picked = _picked(sentences, counts, max_sentences, max_chars)
    total = sum(sentence.score for sentence in sentences) or 1.0
    kept = frozenset().union(*(sentence.terms for sentence in picked)) if picked else frozenset()
    said = sum(counts.values())
    confidence = sum(counts[term] for term in kept) / said if said else float(bool(picked))
    chosen = tuple(
        Picked(text[start:end], start, end, round(sentence.score / total, 3))
        for sentence in sorted(picked, key=lambda each: each.span)
        for start, end in (sentence.span,)
    )
    evidence = tuple(Evidence(each.start, each.end, f"{each.weight:.0%} of the weight") for each in chosen)
    return Summary(" ".join([each.text for each in chosen]), chosen, round(confidence, 3), evidence)


def _weighed(text: str) -> tuple[list[_Sentence], Counter[str]]:
    """Sentences with what they are worth: the frequent words of the text they hold, per word, more for the first and
    for figures, less for the very short."""
    spans = sentences_of(text)
    lengths, terms = _terms(text, spans)
    counts = Counter(term for own in terms for term in own)
    worth = {term: 1 + log(count) for term, count in counts.items()}
    sentences = []
    for at, (span, own, length) in enumerate(zip(spans, terms, lengths, strict=True)):
        distinct = frozenset(own)
        density = sum([worth[term] for term in distinct]) / max(length, _USUAL_WORDS)
        bonus = 1 + (_FIRST if at == 0 else _LAST if at == len(spans) - 1 else 0.0)
        if _FIGURE.search(text, *span):
            bonus += _FIGURES
        said = sum([counts[term] for term in distinct])
        sentences.append(_Sentence(span, distinct, said, density * bonus))
    return sentences, counts


def _terms(text: str, spans: list[Span]) -> tuple[list[int], list[list[str]]]:
    """For each sentence its number of words, and those of them that tell something."""
    lengths, terms = [0] * len(spans), [list[str]() for _ in spans]
    at = 0
    for word in words_of(text):
        while at < len(spans) and spans[at].end <= word.start:
            at += 1
        if at == len(spans):
            break
        if word.start >= spans[at].start:
            lengths[at] += 1
            if len(word.folded) >= _LEAST_LETTERS and word.folded not in _STOPS:
                terms[at].append(word.folded)
    return lengths, terms


def _picked(sentences: list[_Sentence], counts: Counter[str], most: int, chars: int) -> list[_Sentence]:
    """The best one after the other; what a picked one has said already is worth nothing in the next."""
    left, picked, said, used = list(sentences), list[_Sentence](), set[str](), 0
    while left and len(picked) < most:
        room = chars - used - (1 if picked else 0)
        left = [each for each in left if each.span.end - each.span.start <= room]
        if not left:
            break
        worth = [each.score * _news(each, said, counts) for each in left]
        best = left.pop(worth.index(max(worth)))
        if picked and not max(worth):
            break
        picked.append(best)
        said |= best.terms
        used = chars - room + best.span.end - best.span.start
    return picked


def _news(sentence: _Sentence, said: set[str], counts: Counter[str]) -> float:
    """The part of a sentence's telling words that was not said yet, by how often the text says them."""
    if not said:
        return 1.0
    old = sentence.terms & said
    return 1 - sum([counts[term] for term in old]) / sentence.said if sentence.said else 0.0
