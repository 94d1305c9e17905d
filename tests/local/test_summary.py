"""Summaries of a text's own sentences."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.local.spans import sentences_of
from headgate.local.summary import summarize

REPORT = (
    "The payment service was down from 14:05 to 15:20 on Tuesday. Customers saw failed payments and some were charged "
    "twice. Lunch was late that day. The cause was a certificate that had expired on the payment gateway. Mr. Rao "
    "renewed the certificate at 15:18. All customers who were charged twice get their money back by Friday. It rained."
)


def test_telling_sentences_are_kept_in_order() -> None:
    """What the text talks about most comes, word for word and in its order; asides do not."""
    found = summarize(REPORT, 3)
    assert found.text == " ".join(REPORT[each.start : each.end] for each in found.sentences)
    assert [each.start for each in found.sentences] == sorted(each.start for each in found.sentences)
    assert "payment service was down" in found.text
    assert "Lunch" not in found.text
    assert "rained" not in found.text


@pytest.mark.parametrize("sentences, chars", [(1, 600), (2, 130), (5, 90), (50, 20_000), (3, 5)])
def test_bounds_are_kept(sentences: int, chars: int) -> None:
    """Never more sentences and never more characters than were asked for; none rather than half of one."""
    found = summarize(REPORT, sentences, chars)
    assert len(found.sentences) <= sentences
    assert len(found.text) <= chars
    assert all(each.text == REPORT[each.start : each.end] for each in found.sentences)


def test_confidence_is_the_share_that_was_kept() -> None:
    """More sentences keep more; all of them keep everything."""
    shares = [summarize(REPORT, n, 20_000).confidence for n in (1, 2, 4, 7)]
    assert shares == sorted(shares)
    assert shares[0] < 0.6
    assert shares[-1] == 1.0


def test_the_same_thing_is_not_said_twice() -> None:
    """A sentence whose telling words were all said adds nothing."""
    found = summarize("The bridge is closed. Closed is the bridge. The bridge is closed today for repairs.", 3)
    assert "Closed is the bridge" not in found.text


@pytest.mark.parametrize("text", ["", "  \n ", "..."])
def test_nothing_gives_nothing(text: str) -> None:
    """A text without sentences has no summary and no confidence."""
    found = summarize(text)
    assert (found.text, found.confidence) == ("", 0.0) or found.text == text.strip()


@pytest.mark.parametrize("sentences, chars", [(0, 10), (51, 10), (1, 0), (1, 20_001)])
def test_bounds_out_of_bounds_are_refused(sentences: int, chars: int) -> None:
    """A caller who asks for nothing, or for everything, is told the bounds."""
    with pytest.raises(ValueError, match="sentences"):
        summarize(REPORT, sentences, chars)


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("aB1. !?\n-•।。'क्é\"")), most=st.integers(1, 5), chars=st.integers(1, 60))
def test_any_text_is_summarised_by_its_own_sentences(text: str, most: int, chars: int) -> None:
    """Sentences lie in order, apart and within the text; a summary keeps its bounds and quotes word for word."""
    spans = sentences_of(text)
    assert all(start < end <= len(text) for start, end in spans)
    assert all(one.end <= other.start for one, other in pairwise(spans))
    found = summarize(text, most, chars)
    assert len(found.sentences) <= most
    assert len(found.text) <= chars
    assert all(each.text == text[each.start : each.end] for each in found.sentences)


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("Mr. Rao paid Rs. 500. He left.", ["Mr. Rao paid Rs. 500.", "He left."]),
        ('Total 4.50 EUR! Why? "Because." Fine', ["Total 4.50 EUR!", "Why?", '"Because."', "Fine"]),
        ("आपका खाता बंद है। अभी फोन करें।", ["आपका खाता बंद है।", "अभी फोन करें।"]),
        ("今日は休みです。明日来てください。", ["今日は休みです。", "明日来てください。"]),
        ("- one thing\n- another\n\n2. third", ["one thing", "another", "third"]),
        ("See www.example.com/a.b for more", ["See www.example.com/a.b for more"]),
    ],
)
def test_sentences_of_many_scripts(text: str, sentences: list[str]) -> None:
    """Abbreviations, decimals and addresses end no sentence; dandas, Chinese stops and line breaks do."""
    assert [text[start:end] for start, end in sentences_of(text)] == sentences
