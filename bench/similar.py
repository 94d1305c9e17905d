"""What a similar request costs: `.venv/bin/python -m bench.similar`; some seconds.

The vector of a 2 kB message, the words of it, and a look-up among 1,000, 10,000 and 50,000 vectors of one context, in
which nothing is near enough (the usual miss), and in which the nearest is a hit. The best of eight rounds' medians.
"""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from headgate.cache.similar import Looked, SimilarRequests
from headgate.cache.wording import read_wording, words_of
from headgate.domain.time import Instant
from headgate.local.embedding import MIN_DIMENSIONS, embedded

COUNTS = (1_000, 10_000, 50_000)
ROUNDS = 8
CALLS = 50
NOW, LATER = Instant(0.0), Instant(1e6)
QUESTION = "How do I get a refund for an order that was sent to the wrong address?"


def median_us(work: Callable[[], object]) -> float:
    """The best of some rounds' medians of single calls, in microseconds."""
    return min(_round_us(work) for _ in range(ROUNDS))


def _round_us(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(CALLS):
        read_wording.cache_clear()
        start = time.perf_counter_ns()
        work()
        spent.append(time.perf_counter_ns() - start)
    return statistics.median(spent) / 1000


def long_message(dice: random.Random) -> str:
    """2 kB of words."""
    words = ["order", "refund", "invoice", "please", "wrong", "parcel", "monday", "because", "never", "answered", "it"]
    text = ""
    while len(text) < 2_000:
        text += dice.choice(words) + dice.choice((" ", " ", " ", ", ", ". "))
    return text[:2_000]


def filled(count: int, dice: np.random.Generator) -> SimilarRequests:
    """That many vectors in one context, one of which asks QUESTION."""
    similar = SimilarRequests(count)
    matrix = dice.standard_normal((count - 1, MIN_DIMENSIONS), dtype=np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    for at, vector in enumerate(matrix):
        similar.add("t", "c", "another one", vector, key=f"k{at}", expires_at=LATER)
    similar.add("t", "c", QUESTION, embedded([words_of(QUESTION)], MIN_DIMENSIONS)[0], key="own", expires_at=LATER)
    return similar


def main() -> None:
    """Measures and prints."""
    text = long_message(random.Random(3))
    said = words_of(text)
    print(f"words of 2 kB: {median_us(lambda: words_of(text)):,.0f} µs")
    print(f"vector of 2 kB: {median_us(lambda: embedded([said], MIN_DIMENSIONS)):,.0f} µs")
    short = words_of(QUESTION)
    print("words and vector of 70 characters: ", end="")
    print(f"{median_us(lambda: embedded([words_of(QUESTION)], MIN_DIMENSIONS)):,.0f} µs")
    dice = np.random.default_rng(1)
    asked = embedded([short], MIN_DIMENSIONS)[0]
    strange = dice.standard_normal(MIN_DIMENSIONS, dtype=np.float32)
    strange /= np.linalg.norm(strange)
    for count in COUNTS:
        similar = filled(count, dice)

        def look(vector: Any, words: str = QUESTION, similar: SimilarRequests = similar) -> Looked:
            return similar.look_up("t", "c", words, vector, threshold=0.8, meaning=False, now=NOW)

        assert look(asked).near is not None
        missed = median_us(lambda: look(strange))
        hit = median_us(lambda: look(asked, "hi, how can I get a refund for an order sent to the wrong address"))
        print(f"look-up among {count:,}: miss {missed:,.0f} µs, hit {hit:,.0f} µs")


if __name__ == "__main__":
    main()
