"""Long texts in overlapping chunks, and one value of what each of them gave."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import Check
from headgate.local.check import check_answer
from headgate.local.chunking import chunks
from headgate.local.merging import merge, nullable


def by_length(text: str) -> float:
    """Four characters weigh one."""
    return len(text) / 4


def test_chunks_end_with_lines_and_overlap() -> None:
    """Each ends where a line does, the next begins with the last lines of the one before."""
    text = "".join(f"line {n} of the report\n" for n in range(400))
    found = chunks(text, 300, by_length, 0.1)
    assert len(found) > 5
    assert all(by_length(chunk.text) <= 300 for chunk in found)
    assert all(chunk.text.endswith("\n") and chunk.text.startswith("line ") for chunk in found)
    for one, two in pairwise(found):
        assert one.start < two.start < one.end < two.end
        assert one.end - two.start <= 0.1 * len(one.text)


def test_short_text_is_one_chunk() -> None:
    """And an empty one none."""
    assert [chunk.text for chunk in chunks("hello", 10, by_length)] == ["hello"]
    assert chunks("", 10, by_length) == ()


@given(
    st.lists(st.sampled_from(["word ", "x", "\n", "\n\n", "e\u0301", "नमस्ते ", "漢字", ". "]), max_size=300),
    st.floats(2, 60),
    st.floats(0, 0.5),
)
def test_every_character_is_in_a_chunk(signs: list[str], room: float, overlap: float) -> None:
    """In order, without a hole, within the room, always further on, and never between a sign and its mark."""
    text = "".join(signs)
    found = chunks(text, room, by_length, overlap)
    assert all(chunk.text == text[chunk.start : chunk.end] for chunk in found)
    assert all(by_length(chunk.text) <= room for chunk in found)
    assert (found[0].start, found[-1].end) == (0, len(text)) if text else not found
    for one, two in pairwise(found):
        assert one.start < two.start <= one.end < two.end
        assert not two.text.startswith("\u0301")


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "kind": {"enum": ["new", "old"]},
        "total": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "address": {"$ref": "#/$defs/address"},
        "lines": {"type": "array", "items": {"type": "object"}, "maxItems": 3},
    },
    "required": ["customer", "kind", "total", "address", "lines"],
    "additionalProperties": False,
    "$defs": {"address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}}},
}


def test_part_may_say_nothing() -> None:
    """A part's schema takes null for every member, and what the whole one takes."""
    relaxed = nullable(SCHEMA)
    nothing = '{"customer":null,"kind":null,"total":null,"address":null,"lines":[]}'
    something = '{"customer":"a","kind":"new","total":1,"address":{"city":"x"},"lines":[{"a":1}]}'
    for text in (nothing, something):
        assert check_answer(text, Check.SCHEMA, relaxed) is None
    assert check_answer(nothing, Check.SCHEMA, SCHEMA) is not None
    assert check_answer(something.replace("new", "odd"), Check.SCHEMA, relaxed) is not None


@pytest.mark.parametrize(
    "values, expected",
    [
        ([{"a": None}, {"a": 1}, {"a": 2}], {"a": 1}),
        ([{"a": [1, 2]}, {"a": [2, 3]}, {"a": None}], {"a": [1, 2, 3]}),
        ([{"a": {"x": 1}}, {"a": {"y": 2}}], {"a": {"x": 1, "y": 2}}),
        ([[{"n": "a", "c": None}], [{"n": "a", "c": 2}, {"n": "b", "c": 1}]], [{"n": "a", "c": 2}, {"n": "b", "c": 1}]),
        ([[{"n": "a", "c": 2}], [{"n": "a", "c": 3}]], [{"n": "a", "c": 2}, {"n": "a", "c": 3}]),
        ([{"b": 1}, {"c": 2}], {"b": 1, "c": 2}),
        ([None, None], None),
        ([], None),
        ([{"lines": [1, 2]}, {"lines": [3, 4, 5]}], {"lines": [1, 2, 3]}),
    ],
)
def test_merging(values: list[Any], expected: Any) -> None:
    """Lists joined and each item once, objects member by member, the first scalar; a list's maximum is kept."""
    assert merge(values, SCHEMA).value == expected


def test_surest_part_wins() -> None:
    """A part that is surer, or an object that says that it is, beats the first; what others said is told."""
    merged = merge([{"a": 1, "b": "x"}, {"a": 2, "b": "x"}], None, [0.5, 1.0])
    assert merged.value == {"a": 2, "b": "x"}
    [conflict] = merged.conflicts
    assert (conflict.path, conflict.taken, conflict.part, conflict.others) == ("a", 2, 1, (1,))
    own = merge([{"o": {"v": 1, "confidence": 0.3}}, {"o": {"v": 2, "confidence": 0.9}}])
    assert own.value["o"]["v"] == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("pqr"), json_values, max_size=3))
def test_same_value_twice_is_itself_with_items_once(value: dict[str, Any]) -> None:
    """Merging what was merged already changes nothing and finds no conflict."""
    once = merge([value, value])
    assert once.conflicts == ()
    assert merge([once.value, once.value]).value == once.value
