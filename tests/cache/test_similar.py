"""The vectors of earlier requests: found when they ask the same, never by others, within their bounds."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.cache.likeness import MAX_TEXT_CHARS, Difference
from headgate.cache.similar import ENTRY_BYTES, FIRST_ROWS, Looked, SimilarRequests
from headgate.cache.wording import words_of
from headgate.domain.time import Instant
from headgate.local.embedding import MIN_DIMENSIONS, embedded

START = Instant(100.0)
LATER = Instant(1_000.0)
SIZE_BYTES = 4 * MIN_DIMENSIONS + ENTRY_BYTES + 30
"""About what one of the short messages below takes."""


def vector(text: str) -> Any:
    """As the cache makes them."""
    return embedded([words_of(text)], MIN_DIMENSIONS)[0]


def add(similar: SimilarRequests, text: str, key: str, tenant: str = "acme", context: str = "c") -> None:
    similar.add(tenant, context, text, vector(text), key=key, expires_at=LATER)


def look(similar: SimilarRequests, text: str, tenant: str = "acme", context: str = "c", now: Instant = START) -> Looked:
    return similar.look_up(tenant, context, text, vector(text), threshold=0.8, meaning=False, now=now)


def test_the_same_question_is_found() -> None:
    """With the key of its answer and how near it is."""
    similar = SimilarRequests()
    add(similar, "How do I cancel my order?", "k1")
    add(similar, "What is the weather in Rome?", "k2")
    found = look(similar, "hi, how can I cancel my order please")
    assert found.near is not None
    assert found.near.key == "k1"
    assert found.near.similarity == pytest.approx(1.0)


def test_a_near_one_that_asks_something_else_is_none() -> None:
    """The nearest that failed is told with what kept it apart, for whoever asks why."""
    similar = SimilarRequests()
    add(similar, "Please cancel order number 88213 of last Friday", "k1")
    found = look(similar, "Please cancel order number 88231 of last Friday")
    assert found.near is None
    assert found.kept_apart is Difference.NUMBER
    assert found.best is not None
    assert found.best > 0.8


def test_another_context_shares_nothing() -> None:
    """Other instructions or earlier messages make another question of the same words."""
    similar = SimilarRequests()
    add(similar, "How do I cancel it?", "k1", context="about orders")
    assert look(similar, "How do I cancel it?", context="about flights") == Looked()


def test_what_is_over_is_forgotten() -> None:
    """At its time, when it would have been found."""
    similar = SimilarRequests()
    add(similar, "How do I cancel my order?", "k1")
    assert look(similar, "How do I cancel my order?", now=LATER).near is None
    assert len(similar) == 0


def test_a_key_has_one_vector() -> None:
    """What is added again takes the place of what was there."""
    similar = SimilarRequests()
    add(similar, "How do I cancel my order?", "k1")
    add(similar, "How do I change my order?", "k1")
    assert similar.count("acme") == 1
    assert look(similar, "How do I cancel my order?").near is None


def test_the_least_used_goes_first() -> None:
    """A tenant at its bound gives up what was of use the longest ago; a hit counts as use."""
    similar = SimilarRequests(max_vectors_per_tenant=3)
    for at, word in enumerate(("rice", "pasta", "lentils")):
        add(similar, f"How do I cook {word}?", f"k{at}")
    assert look(similar, "how to cook rice").near is not None
    add(similar, "How do I cook potatoes?", "k3")
    assert look(similar, "how to cook pasta").near is None
    assert look(similar, "how to cook rice").near is not None
    assert similar.count("acme") == 3


def test_the_largest_tenant_makes_room_for_all() -> None:
    """A small one loses nothing to a large one."""
    similar = SimilarRequests(max_bytes=5 * SIZE_BYTES)
    add(similar, "How do I cook rice?", "own", tenant="small")
    for at in range(10):
        add(similar, f"Tell me about item {at}", f"k{at}", tenant="large")
    assert 1 < len(similar) <= 5
    assert similar.size_bytes <= 5 * SIZE_BYTES
    assert look(similar, "how to cook rice", tenant="small").near is not None


def test_long_messages_are_left_alone() -> None:
    """In them a word is lost in the crowd, so they are neither kept nor looked up."""
    similar = SimilarRequests()
    text = "word " * MAX_TEXT_CHARS
    add(similar, text, "k")
    assert len(similar) == 0
    assert look(similar, text) == Looked()


def test_vectors_of_another_size_are_never_compared() -> None:
    """An embedding model that changed its size finds nothing, and breaks nothing."""
    similar = SimilarRequests()
    add(similar, "How do I cook rice?", "k")
    other = np.ones(8, dtype=np.float32)
    found = similar.look_up("acme", "c", "How do I cook rice?", other, threshold=0.5, meaning=True, now=START)
    assert found == Looked()


def test_forgetting() -> None:
    """By key, by tenant, everything; nothing is left behind."""
    similar = SimilarRequests()
    for tenant in ("a", "b"):
        for at in range(2 * FIRST_ROWS):
            add(similar, f"Question number {at}", f"{tenant}{at}", tenant=tenant)
    assert similar.forget("a", "a3")
    assert not similar.forget("a", "b3")
    assert look(similar, "question number 3", tenant="a").near is None
    assert look(similar, "question number 31", tenant="a").near is not None
    assert similar.clear("a") == 2 * FIRST_ROWS - 1
    assert similar.clear() == 2 * FIRST_ROWS
    assert len(similar) == similar.size_bytes == 0


ITEMS = st.tuples(st.sampled_from("ab"), st.sampled_from("cd"), st.integers(0, 6), st.booleans())


@settings(max_examples=60)
@given(st.lists(ITEMS, max_size=40), st.integers(1, 5), st.integers(1, 8))
def test_nobody_finds_what_another_tenant_added(
    items: list[tuple[str, str, int, bool]], most_per_tenant: int, most: int
) -> None:
    """Whatever is added, found and pushed out in whatever order: what is found is of the tenant and context that ask,
    and the bounds hold."""
    similar = SimilarRequests(most_per_tenant, most * SIZE_BYTES)
    for at, (tenant, context, number, adds) in enumerate(items):
        text = f"What is the price of article {number}?"
        if adds:
            add(similar, text, f"{tenant}/{context}/{number}/{at}", tenant, context)
        else:
            found = look(similar, text, tenant, context).near
            assert found is None or found.key.startswith(f"{tenant}/{context}/{number}/")
        assert all(similar.count(name) <= most_per_tenant for name in "ab")
        assert len(similar) == similar.count("a") + similar.count("b") <= most
        assert similar.size_bytes <= most * SIZE_BYTES
