"""What holds for every text that extraction is given, however odd."""

from datetime import date

from bench.extraction import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.local import Extraction, Kind, extract

PIECES = (
    *("₹", "Rs.", "5", "9876543210", "1,25,000.50", "lakh", "k", "@", "ybl", "okaxis", ".", "com", "gmail", "://"),
    *("http", "SBIN0001234", "O", "0", "-", " ", "\n", "(", ")", "[.]", " dot ", " at ", "a/c", "no", "card", "4111"),
    *("1111", "12/01/2025", "Jan", "12", "nine", "five lakh", "+", "+91", "GB29", "/-", "\u200b", "\u200d", "\u20e3"),
    *("९", "９", "①", "𝟗", "खाता", "।", "İ"),
)
"""What messages are made of, and what disguises them."""

TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join),
)


def check(text: str, found: Extraction) -> None:
    """Spans are the text's, in order, apart from each other; values and confidences are of their kind."""
    end = 0
    for entity in found.entities:
        assert end <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == entity.raw
        assert 0 < entity.confidence <= (0.75 if entity.obfuscated else 1)
        assert (entity.minor_units is not None) == (entity.kind is Kind.AMOUNT) == bool(entity.currency)
        if entity.kind is Kind.DATE:
            date.fromisoformat(entity.value)
        end = entity.end
    assert len(found.evidence) == len(found.entities)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_gives_consistent_entities(text: str) -> None:
    """No text makes extraction fail, and what it gives is consistent, with and without a day."""
    check(text, extract(text))
    check(text, extract(text, today=date(2026, 11, 29), region="US"))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(HOSTILE)), st.integers(1, 3_000))
def test_repeated_pieces_give_consistent_entities(name: str, length: int) -> None:
    """The shapes whose growth `bench.extraction` measures are read without a fault, wherever they are cut."""
    text = (HOSTILE[name] * length)[:length]
    check(text, extract(text))


@given(TEXTS)
def test_wanted_is_a_choice_of_the_whole(text: str) -> None:
    """Asking for fewer kinds gives those entities of the whole, no others."""
    whole = extract(text)
    for kind in Kind:
        assert extract(text, wanted={kind}).entities == whole.of(kind)
