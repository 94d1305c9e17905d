"""JSON in other notations: what the lenient reader takes, and where it gives up so that another may guess."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.local.lenient import NESTING_MAX, TooDeepError, read_lenient


@pytest.mark.parametrize(
    "text, value",
    [
        ("{a: 1, $b: 'x', c-d: “y”}", {"a": 1, "$b": "x", "c-d": "y"}),
        ("[True, False, None, true, undefined, word]", [True, False, None, True, None, "word"]),
        ("[1, -2, 3.5, 1., 2e3, 1E-2, 007]", [1, -2, 3.5, 1.0, 2000.0, 0.01, "007"]),
        ("/* a */ [1, // b\n 2, # c\n 3 /* d */]", [1, 2, 3]),
        ("['it\\'s', \"\\u00e9\\ud83d\\ude00\\n\\/\"]", ["it's", "é😀\n/"]),
        ('["over\nlines"]', ["over\nlines"]),
        ('["a" + \'b\' +\n "c"]', ["abc"]),
        ("{a: Date('x'), b: NumberInt( 3 )}", {"a": "x", "b": 3}),
        ("{a: new Date('x'), b: bson.Int(3)}", {"a": "x", "b": 3}),
        ("[`a`, ´b´, `c']", ["a", "b", "c"]),
        ("['it's', 'a', 'rock'n'roll']", ["it's", "a", "rock'n'roll"]),
        ("{find: /a\\/b+/gi, x: 1}", {"find": "/a\\/b+/gi", "x": 1}),
        ("{\na: one\nb: two\n}", {"a": "one", "b": "two"}),
        ("[..., 1, ..., 2, ...]", [1, 2]),
        ("{a: 1, ...}", {"a": 1}),
        ("[{} {} []]", [{}, {}, []]),
        ('{"a": 1 "b": [] "c": 2}', {"a": 1, "b": [], "c": 2}),
        ('{"a" "b", "c" true}', {"a": "b", "c": True}),
        ("[a\nb\nc]", ["a", "b", "c"]),
        ('{"a": 1}\n{"a": 2}\n{"a": 3}', [{"a": 1}, {"a": 2}, {"a": 3}]),
        ("[1],\n[2],\n", [[1], [2]]),
        ("[1, 2,]", [1, 2]),
        ("\ufeff{\u200b'a':\u3000'b\xa0'}", {"a": "b\xa0"}),
        ('{"x": "one,\n"y": 2}', {"x": "one", "y": 2}),
        ('{"x": "one, "y": 2}', {"x": "one", "y": 2}),
    ],
)
def test_other_notation_is_read(text: str, value: object) -> None:
    """The value is the same that JSON proper would have said, and the text was not cut."""
    read = read_lenient(text)
    assert read is not None
    assert (read.value, read.is_cut) == (value, False)


@pytest.mark.parametrize(
    "text, value",
    [
        ("[", []),
        ("{", {}),
        ("[1, 2", [1, 2]),
        ('{"a": [1, {"b": "cut o', {"a": [1, {"b": "cut o"}]}),
        ('{"a": 1, "b"', {"a": 1, "b": None}),
        ('{"a": 1, "na', {"a": 1}),
        ('{"na', {"na": None}),
        ('{"a": 1, "', {"a": 1}),
        ('{"', {}),
        ('[{"a": 1}, {', [{"a": 1}]),
        ('["a", "', ["a"]),
        ('["", ["b"', ["", ["b"]]),
        ('["half \\u00', ["half"]),
        ("{'a': 'b", {"a": "b"}),
    ],
)
def test_cut_text_keeps_what_is_there(text: str, value: object) -> None:
    """Members and items that were begun are kept if something of them is known, and the reader says that it was cut."""
    read = read_lenient(text)
    assert read is not None
    assert (read.value, read.is_cut) == (value, True)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "word", "1", '"text"', "[1] and more", "{'a': 1} {'b': 2}", "[}", "{]", '{"a": 1]', "[1]]",
        '{"a": }', '{"a":', '{"a": , "b": 1}', "[,1]", "[1,,2]", "{'a', 'b'}", '["a": 1]', '{"a": 1, "a": 2}',
        '["the "best" one"]', '{"k"e"y": 1}', '["a" "b"]', '["a" 2]', '["it]', '{"a": "b}', '{"a": "b, c: 1',
        "[TRUE]", "[NaN]", "[1/2]", "[1.2.3]", "[10-20]", "[1x]", "[-]", "[.5]", "[-012]", "[tru", "[two words]",
        "[f()]", "[f([1])]", "[f(g(1))]", "[f(1", "['a' + 1]", '["\\d+"]', '["\\u12"]', '["\\ud800"]', '{"a""b"}',
        "{'a': word 'b': 1}", "[/* open", "{'a': 1 // c }", "(1, 2)", "[" + "9" * 301 + "]", '{"a": x", "b": 1}',
    ],
)  # fmt: skip
def test_reader_gives_up_where_it_would_have_to_guess(text: str) -> None:
    """Two meanings, or no notation that is known: nothing is read."""
    assert read_lenient(text) is None


@pytest.mark.parametrize("text", ['{"a": "b: c, d] e}', '["it is,', "[\"it's\nso"])
def test_rest_is_taken_only_on_request(text: str) -> None:
    """A string without an end could end anywhere; who wants to can have it end with the text."""
    assert read_lenient(text) is None
    read = read_lenient(text, takes_rest=True)
    assert read is not None
    assert text.endswith(read.value["a"] if isinstance(read.value, dict) else read.value[0])
    assert read_lenient(text + '"x', takes_rest=True) is None


def test_nesting_has_an_end() -> None:
    """As deep as the limit is read, one deeper is refused."""
    assert read_lenient("[" * NESTING_MAX + "1" + "]" * NESTING_MAX) is not None
    with pytest.raises(TooDeepError):
        read_lenient("[" * (NESTING_MAX + 1))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc ", max_size=3), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: isinstance(value, dict | list))


@given(VALUES, st.sampled_from([None, 2]))
def test_json_proper_is_read_as_it_is(value: object, indent: int | None) -> None:
    """The lenient reader takes nothing in JSON for anything else."""
    read = read_lenient(json.dumps(value, ensure_ascii=False, indent=indent))
    assert read is not None
    assert (read.value, read.is_cut) == (value, False)


@given(VALUES, st.data())
def test_cut_json_is_a_part_of_the_whole(value: object, data: st.DataObject) -> None:
    """Cut anywhere, what is read holds no more items and no other names than the whole."""
    text = json.dumps(value)
    read = read_lenient(text[: data.draw(st.integers(1, len(text)))])
    if read is None:
        return
    assert isinstance(value, dict | list)
    assert type(read.value) is type(value)
    assert len(read.value) <= len(value)
    if isinstance(value, dict) and len(read.value) > 1:
        assert set(read.value) <= set(value)


@given(st.text(st.sampled_from("{}[]()\":,'\\ab1-.eE \n`/*#tfnu+“”‘’$\ud800é"), max_size=60))
def test_only_depth_is_ever_raised(text: str) -> None:
    """Short texts cannot be too deep, so nothing is raised."""
    read_lenient(text)
