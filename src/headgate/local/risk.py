"""Scores how likely a message is scam or phishing, in English, Hindi and Hinglish, and says by what.

    score("Your SBI account is blocked, update KYC: http://sbi-kyc.xyz").score  # 0.99...

The score is a probability: logistic regression over signals, pairs of signals and words, with weights that are data
(`risk_table`). What threat feeds know raises it, by an assumption and not by a measurement (`FEED_TRUST`).
"""

import math
from enum import StrEnum
from functools import cache
from typing import Final

import msgspec

from headgate.local.evidence import Evidence
from headgate.local.feeds import NO_FEEDS, Feeds
from headgate.local.risk_features import MARK, SHAPES, Features, features
from headgate.local.risk_signals import SIGNALS
from headgate.local.risk_weights import Weights, read

SUSPECT_FROM: Final = 0.1
"""Where a warning is worth it if missing a scam costs nine times as much as warning of a genuine message."""
HIGH_FROM: Final = 0.5
"""Where scam is likelier than not."""
FEED_TRUST: Final = 0.95
"""How likely a message with an indicator of a feed is taken to be bad, whatever else it says."""
FEED_CATEGORY: Final = "feed"
MAX_WORDS_SHOWN: Final = 3
LEAST_WORD_SHOWN: Final = 0.8
"""Words of less weight are no reason by themselves."""


class Level(StrEnum):
    """What to make of a score."""

    LOW = "low"
    SUSPECT = "suspect"
    HIGH = "high"


class Risk(msgspec.Struct, frozen=True):
    """`score` from 0 to 1: how likely the message is scam or phishing. `confidence`: how likely the side of one half
    that it is on is the right one. `categories`, the weightiest first, and `evidence` say why; both are empty at a low
    score."""

    score: float
    level: Level
    confidence: float
    categories: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def score(text: str, *, feeds: Feeds = NO_FEEDS, weights: Weights | None = None) -> Risk:
    """The risk of a text, of which the first `risk_features.MAX_CHARS` code points are looked at. `weights` other than
    the shipped ones are for measurements."""
    weights = shipped_weights() if weights is None else weights
    found = features(text)
    likelihood = _likelihood(found, weights)
    held = feeds.matches(text)
    if held:
        likelihood = 1.0 - (1.0 - likelihood) * (1.0 - FEED_TRUST)
    level = Level.HIGH if likelihood >= HIGH_FROM else Level.SUSPECT if likelihood >= SUSPECT_FROM else Level.LOW
    confidence = max(likelihood, 1.0 - likelihood)
    if level is Level.LOW:
        return Risk(likelihood, level, confidence)
    speaking = _speaking(found, weights)
    heavy = _heavy(found, weights)
    signals, places = found.spans(heavy)
    categories = [FEED_CATEGORY] * bool(held) + [SIGNALS[name].category for name in speaking]
    said = [Evidence(*signals[name], SIGNALS[name].reason) for name in speaking]
    return Risk(
        likelihood,
        level,
        confidence,
        tuple(dict.fromkeys(categories)),
        (*held, *said, *(Evidence(*place, "a word of scam messages") for place in places)),
    )


@cache
def shipped_weights() -> Weights:
    """The weights that `risk_table` holds; read when first asked for, in a millisecond or two."""
    from headgate.local import risk_table

    return Weights(risk_table.BIAS, read(risk_table.NAMED), read(risk_table.WORDS))


def _likelihood(found: Features, weights: Weights) -> float:
    named, words = weights.named, weights.words
    odds = weights.bias
    for name in found.signals:
        odds += named[name]
    for one, other in found.pairs():
        odds += named[f"{one}+{other}"]
    for name, value in zip(SHAPES, found.shapes, strict=True):
        odds += named[name] * value
    for word in found.words:
        odds += words.get(word, 0.0)
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, odds))))


def _speaking(found: Features, weights: Weights) -> list[str]:
    """The signals that speak against a message, alone or with another, the weightiest first."""
    total = {name: weights.named[name] for name in found.signals}
    for pair in found.pairs():
        for name in pair:
            total[name] += weights.named["+".join(pair)] / 2
    against = [name for name, weight in total.items() if weight > 0 and SIGNALS[name].category]
    return sorted(against, key=lambda name: -total[name])


def _heavy(found: Features, weights: Weights) -> list[str]:
    """The words that weigh most."""
    heavy = [
        (weight, word)
        for word in found.words
        if (weight := weights.words.get(word, 0.0)) >= LEAST_WORD_SHOWN and word[:1] != MARK
    ]
    return [word for _, word in sorted(heavy, reverse=True)[:MAX_WORDS_SHOWN]]
