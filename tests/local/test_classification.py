"""Labels of the caller's: keywords, names, examples, denial, ties, and None where nothing fits."""

import pytest

from headgate.local.classification import (
    LABELS_MAX,
    REMEMBERED_CHARS_MAX,
    REMEMBERED_EXAMPLES_MAX,
    Label,
    _remembered,
    _remembered_phrases,
    classify,
)

DESK = (
    Label("refund", keywords=("money back", "return", "paise wapas")),
    Label("delivery", keywords=("where is my order", "courier", "late", "parcel")),
    Label("payment", keywords=("upi", "card", "transaction failed", "debited")),
    "complaint",
)
TALK = (
    Label("greeting", examples=("hello, how are you?", "good morning")),
    Label("farewell", examples=("goodbye, see you later", "talk to you tomorrow")),
)


@pytest.mark.parametrize(
    "text, label",
    [
        ("I want my money back for order 4711", "refund"),
        ("You refunded nothing yet!", "refund"),
        ("paise wapas karo bhai", "refund"),
        ("Where is my order?", "delivery"),
        ("The courier left two parcels at the wrong door", "delivery"),
        ("Rs 500 debited from my card but transaction failed", "payment"),
        ("UPI not working since morning", "payment"),
        ("This is my third complaint", "complaint"),
        ("Not a refund: where is my order?", "delivery"),
        ("hello there", None),
        ("", None),
        ("latest news about cards in the returnable bottles", None),
    ],
)
def test_label_is_chosen_by_its_words(text: str, label: str | None) -> None:
    """Keywords, phrases and names count as whole words in their usual forms; a word within another does not."""
    found = classify(text, DESK)
    assert found.label == label


@pytest.mark.parametrize(
    "text, label",
    [("good morning sir", "greeting"), ("see you later then", "farewell"), ("my card was charged twice", None)],
)
def test_label_is_chosen_by_likeness_to_examples(text: str, label: str | None) -> None:
    """A text that is spelt like an example has its label; one like none has none."""
    assert classify(text, TALK).label == label


def test_one_sentence_of_many_is_enough_to_be_like_an_example() -> None:
    """A long message does not drown the sentence that tells."""
    text = "The printer in room 4 prints blue stripes. It was repaired last week. Goodbye, see you later!"
    assert classify(text, TALK).label == "farewell"


def test_equal_claims_halve_the_confidence() -> None:
    """Two labels that fit alike are a guess, and it is said."""
    found = classify("refund and complaint", ("refund", "complaint"))
    assert found.scores["refund"] == found.scores["complaint"]
    assert found.confidence == found.scores["refund"] / 2
    assert found.label is None


def test_evidence_quotes_the_words_that_spoke() -> None:
    """Every piece of evidence is a stretch of the text, and says which label it spoke for."""
    text = "Please, I want my MONEY BACK, the parcel is late"
    found = classify(text, DESK, threshold=0.0)
    assert {text[each.start : each.end] for each in found.evidence} == {"parcel", "late"}
    assert all("delivery" in each.reason for each in found.evidence)


def test_threshold_decides_and_confidence_stays() -> None:
    """A caller who wants to be surer gets None and the same confidence."""
    sure, unsure = classify("refund", DESK, 0.3), classify("refund", DESK, 0.9)
    assert (sure.label, unsure.label) == ("refund", None)
    assert sure.confidence == unsure.confidence


def test_strangers_cannot_fill_the_memory() -> None:
    """Labels of many words or examples are answered as any, and not remembered."""
    examples = tuple(f"example number {number} of a very long list" for number in range(REMEMBERED_EXAMPLES_MAX + 1))
    keywords = tuple(f"{'k' * 150}{number}" for number in range(REMEMBERED_CHARS_MAX // 150))
    vectors, phrases = _remembered.cache_info().currsize, _remembered_phrases.cache_info().currsize
    assert classify(examples[7], (Label("long", examples=examples),)).label == "long"
    assert classify(keywords[-1], (Label("many", keywords=keywords),)).label == "many"
    assert _remembered.cache_info().currsize == vectors
    assert _remembered_phrases.cache_info().currsize <= phrases + 1


def test_phrases_that_nearly_fit_everywhere_are_looked_for_in_bounds() -> None:
    """A long phrase in a text of its own words is found, or not, without trying every place."""
    phrase = " ".join(["aaaa"] * 300) + " bbbb"
    text = "aaaa " * 4_000
    labels = tuple(Label(f"l{n}", keywords=(phrase,) * 50) for n in range(50))
    assert classify(text, labels).confidence <= 1


@pytest.mark.parametrize("labels", [(), ("a", "a"), tuple(map(str, range(LABELS_MAX + 1)))])
def test_labels_that_are_none_or_doubled_are_refused(labels: tuple[str, ...]) -> None:
    """What cannot be told apart is an error of the caller's."""
    with pytest.raises(ValueError, match="labels"):
        classify("text", labels)
