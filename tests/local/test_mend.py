"""Mending JSON: what is put right, what is left alone, and that no text makes it raise or run away."""

import json
import sys
from types import FrameType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import Check
from headgate.local.mend import REPAIR_CHARS_MAX, How, mend_answer, mend_json

HOSTILE = (
    *(("", unit) for unit in ["[", '{"a":', "(", '"', "\\", "```", "``` ", "{}\n", "{},", "/*", "//", "#", "\n"]),
    *(("[", unit) for unit in ["a\n", "1 ", "/**/", "...", "“", "'a", "{}", '"a" ', '+"a"', "a(", "- "]),
    *(("{", unit) for unit in [" ", "a:1 ", '"a":1 ', "a", "'a'", "a:", '"a" ']),
    *(('["', unit) for unit in ['"-', '1"a"', ')"b" ', "\\", '\\"', " ", "\n", ",", "a, "]),
    *(('{"a": "', unit) for unit in ["\\u0041", "a\n,`k:v", ',"a', "}", " \n", "\\ud800"]),
    ("```", " "),
    ("x {", "a-"),
    ("x [", "1,"),
    ('{"a":', "a("),
    ('{"a":', "1."),
)
"""Texts as an opening and a unit that is repeated: each shape made some reader quadratic or recursive, or might."""


@pytest.mark.parametrize(
    "text, value, how",
    [
        ('{"a": 1}', {"a": 1}, How.STRICT),
        ("[1, 2]", [1, 2], How.STRICT),
        ('```json\n{"a": 1}\n```', {"a": 1}, How.FENCE),
        ("Here you are:\n```\n[1]\n```\nAnything else?", [1], How.FENCE),
        ('```json\n{"a": 1}', {"a": 1}, How.FENCE),
        ('Sure! {"a": {"b": [1]}} I hope this helps.', {"a": {"b": [1]}}, How.PROSE),
        ("{'a': True, 'b': None,}", {"a": True, "b": None}, How.LENIENT),
        ('{a: 1, b: "x"}', {"a": 1, "b": "x"}, How.LENIENT),
        ('{"a": [1, 2, {"b": "cut o', {"a": [1, 2, {"b": "cut o"}]}, How.LENIENT),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}, How.LENIENT),
        ('Here: {"a": [1, {"b": 2}, {"c": "cut o', {"a": [1, {"b": 2}, {"c": "cut o"}]}, How.LENIENT),
        ("Result:\n```\n{a: 1}\n```\nBye.", {"a": 1}, How.LENIENT),
        (r"{\"a\": [\"b\"]}", {"a": ["b"]}, How.LENIENT),
        (r"{\\\"a\\\": 1}", {"a": 1}, How.LENIENT),
        ("Sure, [1]: {_id: ObjectId('7')} as you asked.", {"_id": "7"}, How.LENIENT),
        ('{"a": "the "best" one"}', {"a": 'the "best" one'}, How.REPAIR),
        ('"a": 1}', {"a": 1}, How.REPAIR),
        ('{"a": 1}}', {"a": 1}, How.REPAIR),
    ],
)
def test_almost_json_is_mended(text: str, value: object, how: How) -> None:
    """The value is what the model meant, the text is that value in JSON, and the least invasive way was taken."""
    mended = mend_json(text)
    assert mended is not None
    assert (mended.value, mended.how) == (value, how)
    assert json.loads(mended.text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "I am sorry, I cannot do that.",
        "As [1] and [2] say, it is (mostly) true.",
        "Use the {placeholder} there, see [docs](page).",
        '"a bare text"',
        "42",
        "null",
        "key: value",
    ],
)
def test_prose_is_not_turned_into_json(text: str) -> None:
    """Nothing is invented where no object or array was written."""
    assert mend_json(text) is None


def test_text_over_the_cap_is_left_alone() -> None:
    """Longer than `max_chars` is not even looked at."""
    text = '{"a": "' + "x" * 100 + '"}'
    assert mend_json(text, max_chars=len(text)) is not None
    assert mend_json(text, max_chars=len(text) - 1) is None


@pytest.mark.parametrize(
    "opening, unit",
    [('["', '"-'), ('["', '1"a"'), ('["', ')"b" '), ("[", 'x"y'), ("[", ':": "“'), ("[", "1{")],
)
def test_text_that_makes_the_tolerant_parser_quadratic_is_given_up(opening: str, unit: str) -> None:
    """The steps are bounded by the length: such a text is refused instead of holding up everybody."""
    assert mend_json(opening + unit * (20_000 // len(unit))) is None


@pytest.mark.parametrize("opening, unit", HOSTILE)
def test_hostile_text_neither_raises_nor_runs_away(opening: str, unit: str) -> None:
    """Steps, not seconds: a text twice as long takes at most two and a half times as many lines of Python."""
    short, long = (_lines_run((opening + unit * (length // len(unit)))[:length]) for length in (800, 1_600))
    assert long <= short * 2.5 + 1_000


def test_long_answer_that_was_cut_off_is_mended() -> None:
    """Also one that is too long for the guessing reader, whatever stands in the string that was cut."""
    items = [{"id": n, "note": "was told: wait, {please}"} for n in range(10_000)]
    mended = mend_json(json.dumps(items)[:-10])
    assert mended is not None
    assert len(mended.text) > REPAIR_CHARS_MAX
    assert mended.value == [*items[:-1], {"id": 9_999, "note": "was told: wait, {"}]


def test_longest_texts_do_not_raise() -> None:
    """At the cap, and just over the length up to which the guessing reader is asked."""
    for text in ("[" * 1_000_000, '{"a":' * 200_000, '["' + '\\\\"' * 333_000, '["' + '1"a"' * 40_000, "(" * 121_000):
        mended = mend_json(text)
        assert mended is None or isinstance(mended.value, dict | list)


def test_deep_stack_of_the_caller_does_not_raise() -> None:
    """Called where hardly any room is left on the stack, it gives up."""

    def dig(depth: int) -> object:
        return mend_json("[[[[[{a: [[[[[1") if depth == 0 else dig(depth - 1)

    for depth in range(0, sys.getrecursionlimit(), 7):
        try:
            dig(depth)
        except RecursionError as error:
            assert _last_name(error) == "dig"  # noqa: PT017 - what is asked is where it was raised
            return


@given(
    st.binary(max_size=60), st.sampled_from(["latin-1", "utf-8", "utf-16"]), st.sampled_from(["{", '["', "```\n{", ""])
)
def test_bytes_read_as_text_do_not_raise(raw: bytes, encoding: str, before: str) -> None:
    """Whatever bytes are decoded to, lone surrogates included."""
    for errors in ("replace", "surrogateescape" if encoding == "utf-8" else "replace"):
        mended = mend_json(before + raw.decode(encoding, errors))
        assert mended is None or msgspec.json.decode(mended.text) == mended.value


@given(st.text(max_size=80))
def test_any_text_does_not_raise(text: str) -> None:
    """Text of all characters there are."""
    for wrapped in (text, "{" + text, '{"a": "' + text, "[" + text + "]"):
        mended = mend_json(wrapped)
        assert mended is None or isinstance(mended.value, dict | list)


@given(st.text(st.sampled_from("{}[]()\":,'\\ab1-.eE \n`/*#tfnu\ud800é“"), max_size=80))
def test_mended_text_is_always_strict_json(text: str) -> None:
    """Never an exception; and what comes out parses strictly to the value that is handed out with it."""
    mended = mend_json(text)
    if mended is not None:
        assert msgspec.json.decode(mended.text) == mended.value
        assert isinstance(mended.value, dict | list)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"), max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, dict | list)),
    st.sampled_from(["{}", "```json\n{}\n```", "```\n{}\n```\n", " \n{}\n "]),
)
def test_valid_json_keeps_its_value_in_every_wrapping(value: object, wrapping: str) -> None:
    """Fences and blanks around valid JSON change nothing of it."""
    mended = mend_json(wrapping.replace("{}", json.dumps(value)))
    if "```" in json.dumps(value):
        return
    assert mended is not None
    assert mended.value == value


@pytest.mark.parametrize(
    "text, check, is_mended",
    [
        ("{'n': 1}", Check.SCHEMA, True),
        ("{'n': 'one'}", Check.SCHEMA, False),
        ("{'m': 1}", Check.SCHEMA, False),
        ("{'m': 1}", Check.JSON, True),
        ("no", Check.JSON, False),
    ],
)
def test_mended_answer_must_satisfy_the_schema(text: str, check: Check, is_mended: bool) -> None:
    """Mending is no way around the client's schema."""
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    mended = mend_answer(text, check, schema if check is Check.SCHEMA else None)
    assert (mended is not None) == is_mended


def _lines_run(text: str) -> int:
    """How many lines of Python it takes to mend a text."""
    lines = 0

    def count(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        mend_json(text)
    finally:
        sys.settrace(before)
    return lines


def _last_name(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else trace.tb_frame.f_code.co_name
