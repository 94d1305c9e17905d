"""Mending JSON: what is put right, what is left alone, and that no text makes it raise or run away."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import Check
from headgate.local.mend import How, mend_answer, mend_json

CASES = Path(__file__).parents[3] / "shared" / "data" / "json_repair_py_cases.jsonl"
LEAST_SHARE = 0.95


@pytest.mark.parametrize(
    "text, value, how",
    [
        ('{"a": 1}', {"a": 1}, How.STRICT),
        ("[1, 2]", [1, 2], How.STRICT),
        ('```json\n{"a": 1}\n```', {"a": 1}, How.FENCE),
        ("Here you are:\n```\n[1]\n```\nAnything else?", [1], How.FENCE),
        ('```json\n{"a": 1}', {"a": 1}, How.FENCE),
        ('Sure! {"a": {"b": [1]}} I hope this helps.', {"a": {"b": [1]}}, How.PROSE),
        ("{'a': True, 'b': None,}", {"a": True, "b": None}, How.REPAIR),
        ('{a: 1, b: "x"}', {"a": 1, "b": "x"}, How.REPAIR),
        ('{"a": [1, 2, {"b": "cut o', {"a": [1, 2, {"b": "cut o"}]}, How.REPAIR),
        ('{"a": 1 "b": 2}', {"a": 1, "b": 2}, How.REPAIR),
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


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, "(" * 50_000, '{"a":"' + "\\" * 50_000])
def test_very_deep_or_odd_text_does_not_raise(text: str) -> None:
    """Whatever a foreign parser raises means that the text cannot be mended, or it is mended."""
    mended = mend_json(text)
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


def test_recorded_cases_of_a_repair_library() -> None:
    """At least 95 % of the recorded cases without options come out as recorded; texts without JSON come out as None."""
    if not CASES.exists():
        pytest.skip("the shared folder is not there")
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    cases = [(row["in"], _expected(row["out"])) for row in rows if not row["kw"] and not row["error"]]
    wrong = [text for text, expected in cases if _value(text) != expected]
    assert len(cases) >= 50
    assert len(wrong) <= len(cases) * (1 - LEAST_SHARE), wrong


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


def _expected(out: str) -> object:
    value = json.loads(out) if out else None
    return value if isinstance(value, dict | list) else None


def _value(text: str) -> object:
    mended = mend_json(text)
    return None if mended is None else mended.value
