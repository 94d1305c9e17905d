"""Counting a prompt's characters by class."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import PromptSize
from headgate.protocol.prompt import SAMPLED_FROM, measure


def size(*texts: str) -> PromptSize:
    """The size of texts alone."""
    return measure(texts, messages=0, tools=0, images=0)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", PromptSize()),
        ("Order 4711!", PromptSize(latin=7, digits=4)),
        ("Größe café", PromptSize(latin=10)),
        ("नमस्ते 12", PromptSize(latin=1, digits=2, indic=6)),
        ("தமிழ் മലയാളം", PromptSize(latin=1, indic=11)),
        ("東京カナ한국", PromptSize(han=6)),
        ("Привет שלום", PromptSize(latin=1, other=10)),
        ("a😀b", PromptSize(latin=2, other=1)),
        ("७", PromptSize(indic=1)),
    ],
)
def test_each_script_has_its_class(text: str, expected: PromptSize) -> None:
    """Accented Latin is Latin, kana and Hangul count with Han, an emoji is one other character."""
    assert size(text) == expected


@given(st.lists(st.text(max_size=30), max_size=4))
def test_every_character_has_one_class(texts: list[str]) -> None:
    """The classes add up to the length."""
    counted = size(*texts)
    classes = (counted.latin, counted.digits, counted.indic, counted.han, counted.other)
    assert sum(classes) == sum(map(len, texts))
    assert min(classes) >= 0


@pytest.mark.parametrize("text", ["order 4711, ", "क्रमांक 4711, ", "編號 4711, "])
def test_a_long_text_is_judged_by_a_sample(text: str) -> None:
    """The whole length counts, and each class is within a tenth of the truth."""
    times = 97 * SAMPLED_FROM // len(text)
    long, short = size(text * times), size(text)
    for name in ("latin", "digits", "indic", "han"):
        assert getattr(long, name) == pytest.approx(getattr(short, name) * times, rel=0.1)
    assert long.latin + long.digits + long.indic + long.han + long.other == len(text) * times
