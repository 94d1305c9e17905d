"""Texts are cut to head and tail with a marker, between characters; what is said twice is found."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.local.repeats import without_repeats
from headgate.local.shortening import shorten


def by_length(text: str) -> float:
    """Four characters weigh one."""
    return len(text) / 4


LINES = "\n".join(f"line {n} of the report" for n in range(400))


def test_head_and_tail_stay() -> None:
    """A long text keeps how it begins and how it ends, whole lines of both, and says how much is gone."""
    made = shorten(LINES, 200, by_length)
    assert by_length(made.text) <= 200
    head, tail = made.text.split(f"\n[... {made.left_out_tokens:,} tokens left out ...]\n")
    assert LINES.startswith(head + "\n")
    assert LINES.endswith("\n" + tail)
    assert abs(made.left_out_tokens - by_length(LINES.removeprefix(head).removesuffix(tail))) <= 2
    assert len(head) > len(tail) > 100


def test_short_text_is_left_alone() -> None:
    """What fits is the same object, with nothing counted."""
    made = shorten(LINES, by_length(LINES), by_length)
    assert made.text is LINES
    assert made.left_out_tokens == 0


def test_markers_add_up() -> None:
    """A text that was cut and is cut again says how much is gone of the first one."""
    once = shorten(LINES, 400, by_length)
    twice = shorten(once.text, 150, by_length)
    assert twice.text.count("tokens left out") == 1
    kept = by_length(twice.text) - by_length(f"[... {twice.left_out_tokens:,} tokens left out ...]")
    assert abs(kept + twice.left_out_tokens - by_length(LINES)) < 12


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
CHARACTERS = st.sampled_from(["a", " ", "é", "e\u0301", "न\u093f", "\U0001f44d\U0001f3fd", FAMILY, "漢", "\n"])


@given(st.lists(CHARACTERS, min_size=60, max_size=400), st.floats(15, 60))
def test_no_character_is_torn(signs: list[str], room: float) -> None:
    """No half begins with a mark of what stands in the other, and the result fits and is valid UTF-8."""
    made = shorten("".join(signs), room, by_length)
    assert by_length(made.text) <= room
    made.text.encode()
    if made.left_out_tokens:
        head, tail = made.text.split("[...")[0].rstrip(), made.text.split("...]")[-1].lstrip()
        assert not head.endswith("\u200d")
        assert not tail or unicodedata.category(tail[0]) not in {"Mn", "Mc", "Me"}
        assert not tail.startswith(("\u200d", "\U0001f3fd"))
        whole = "".join(signs)
        assert whole.startswith(head)
        assert whole.endswith(tail)


@given(st.text(min_size=50, max_size=600), st.floats(12, 100))
def test_cutting_again_changes_nothing(text: str, room: float) -> None:
    """A cut text fits the room it was cut for."""
    once = shorten(text, room, by_length)
    assert shorten(once.text, room, by_length).text == once.text


PARAGRAPH = "The committee met on the third floor and spoke about the budget of the coming year at great length. " * 3
OTHER = "Lamps are sold in sets of two, and every set has a number that is printed on its lower side in red ink. " * 3


def test_same_block_is_said_once() -> None:
    """The first one stays, the second is named after it; short blocks and other blocks stay."""
    texts = [f"{PARAGRAPH}\n\nshort", f"short\n\n{PARAGRAPH}\n\n{OTHER}"]
    said, repeats = without_repeats(texts, ["a.md", "b.md"], by_length)
    assert said[0] == texts[0]
    assert OTHER in said[1]
    assert PARAGRAPH not in said[1]
    assert "the same as in a.md" in said[1]
    assert [(each.text, each.of, each.nearly) for each in repeats] == [(1, 0, False)]


@pytest.mark.parametrize(
    "old, new, is_repeat",
    [
        ("spoke about", "talked about", True),
        ("third floor", "3rd floor", False),
        ("the committee", "the committee", True),
        ("and spoke", "and never spoke", False),
    ],
)
def test_nearly_the_same(old: str, new: str, *, is_repeat: bool) -> None:
    """A word more or less makes no other block; a number or a negation does."""
    changed = PARAGRAPH.replace(old, new, 1)
    said, _ = without_repeats([PARAGRAPH, changed], ["a", "b"], by_length, nearly=True)
    assert ("the same as in a" in said[1]) is is_repeat
    assert without_repeats([PARAGRAPH, changed], ["a", "b"], by_length)[0][1] == (
        said[1] if changed == PARAGRAPH else changed
    )


@given(st.lists(st.text(max_size=300), max_size=5))
def test_nothing_is_lost_without_repeats(texts: list[str]) -> None:
    """Texts without blocks of some length come back as they are."""
    short = [text[:150] for text in texts]
    assert without_repeats(short, [str(n) for n in range(len(short))], by_length, nearly=True) == (short, [])
