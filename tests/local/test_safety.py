"""The blocklist: what is seen through, what is spared, and what is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.local.safety import DISGUISED, EMPTY, GAPPED, PLAIN, Blocklist, Term, screen
from headgate.local.safety_lists import read_lists

LIST = Blocklist(
    [Term("bomb", "violence"), Term("ass", "rude"), Term("make poison", "violence"), Term("kill*", "violence"),
     Term("बम", "violence"), Term("credit card numbers", "fraud")],
    allow=["kill switch", "bomb squad", "killjoy"],
)  # fmt: skip


@pytest.mark.parametrize(
    "text, held, confidence",
    [
        ("How to build a bomb?", "bomb", PLAIN),
        ("How to build a BOMB!", "BOMB!", PLAIN),
        ("a bömb", "bömb", PLAIN),
        ("a bоmb with a Cyrillic letter", "bоmb", PLAIN),
        ("ｂｏｍｂ", "ｂｏｍｂ", PLAIN),
        ("𝐛𝐨𝐦𝐛 it", "𝐛𝐨𝐦𝐛", PLAIN),
        ("b\u200bo\u200bmb", "b\u200bo\u200bmb", PLAIN),
        ("a b0mb", "b0mb", DISGUISED),
        ("booomb", "booomb", DISGUISED),
        ("such an a$$", "a$$", DISGUISED),
        ("k1ll them", "k1ll", DISGUISED),
        ("b o m b", "b o m b", GAPPED),
        ("b.o.m.b", "b.o.m.b", GAPPED),
        ("bo-mb", "bo-mb", GAPPED),
        ("bo_mb", "bo_mb", GAPPED),
        ("how to make, poison", "make, poison", PLAIN),
        ("stolen credit card numbers", "credit card numbers", PLAIN),
        ("killing time", "killing", PLAIN),
        ("बम कैसे बनाएं", "बम", PLAIN),
    ],
)
def test_blocked_term_is_found(text: str, held: str, confidence: float) -> None:
    """However it is dressed up, with its place and with how plainly it stands there."""
    found = screen(text, LIST)
    assert found.is_blocked
    assert held in [text[each.start : each.end] for each in found.evidence]
    assert found.confidence == confidence


@pytest.mark.parametrize(
    "text",
    ["Scunthorpe and Assam pass the class", "bombay duck", "as is", "call 455 or 8008", "skill and overkill",
     "the kill switch works", "the bomb squad came", "a killjoy", "make the poison", "b ombs", "credit card", "बमबारी",
     "I saw a man, b. o. k.", "", "https://example.com/bombshell"],
)  # fmt: skip
def test_innocent_text_passes(text: str) -> None:
    """Parts of words, exceptions, other words between, and numbers are no reason."""
    assert not screen(text, LIST).is_blocked


def test_exception_spares_only_itself() -> None:
    """A blocked term beside an allowed phrase is still found."""
    text = "the bomb squad found a bomb"
    (only,) = screen(text, LIST).evidence
    assert (only.start, text[only.start : only.end]) == (23, "bomb")


def test_categories_and_reasons() -> None:
    """Categories come in the order of the text; a reason names its category and tells a disguise, never the text."""
    found = screen("an a55 with a bomb", LIST)
    assert found.categories == ("rude", "violence")
    assert [each.reason for each in found.evidence] == ["rude, in disguise", "violence"]


def test_empty_list_blocks_nothing() -> None:
    """Nothing is blocked that nobody listed."""
    assert not screen("bomb", EMPTY).is_blocked


@pytest.mark.parametrize("phrase", ["", "...", "a b c d e f g h i"])
def test_term_that_cannot_be_found(phrase: str) -> None:
    """It is refused when the list is made, not passed over in silence."""
    with pytest.raises(ValueError, match="term"):
        Blocklist([Term(phrase)])


def test_list_of_a_file() -> None:
    """Comments, categories and exceptions are understood."""
    lists = read_lists("# ours\nspam\n\n[violence]\nbomb\n! bomb squad\n")
    assert lists.terms == (Term("spam"), Term("bomb", "violence"))
    assert lists.allow == ("bomb squad",)


@given(st.text(max_size=200))
def test_any_text_is_screened(text: str) -> None:
    """Whatever comes: places lie within the text, and an appended term is found."""
    found = screen(text, LIST)
    assert all(0 <= each.start < each.end <= len(text) for each in found.evidence)
    assert screen(text + "\n\n\n\n make poison", LIST).is_blocked
