"""Watching a JSON answer while it streams: JSON or not at every cut, the schema where it shows early, bounds."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.request import Check
from headgate.local.check import check_answer
from headgate.local.incremental import DEPTH_MAX, JsonWatch

SUITE = Path(__file__).parents[3] / "shared" / "data" / "JSONTestSuite_test_parsing"
ANY: dict[str, Any] = {}
"""The schema that every JSON value fits, bare values too."""
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "naïve": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def suite(prefix: str) -> list[Any]:
    """The files of the JSON test suite that are text."""
    found = []
    for path in sorted(SUITE.glob(f"{prefix}_*.json")):
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        found.append(pytest.param(text, id=path.stem))
    return found or [pytest.param("", marks=pytest.mark.skip(reason="the shared JSON test suite is not here"))]


def watched(pieces: Iterable[str], check: Check = Check.SCHEMA, schema: dict[str, Any] | None = ANY) -> str:
    """The verdict on an answer that comes in these pieces."""
    watch = JsonWatch(check, schema)
    for piece in pieces:
        watch.feed(piece)
    return watch.close()


def cut(text: str, places: Sequence[int]) -> list[str]:
    """The text in pieces, cut at these places."""
    ends = sorted({place % (len(text) + 1) for place in places})
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


@pytest.mark.parametrize("text", suite("y"))
def test_valid_document_of_the_suite(text: str) -> None:
    """Accepted whole and character by character, never spoiled on the way."""
    watch = JsonWatch(Check.SCHEMA, ANY)
    assert all(watch.feed(character) for character in text)
    assert watch.close() == ""
    assert watched([text]) == ""


@pytest.mark.parametrize("text", suite("n"))
def test_invalid_document_of_the_suite(text: str) -> None:
    """Refused by the scanner itself, whole and character by character, for the same reason."""
    whole = JsonWatch(Check.NONE, None)
    whole.feed(text)
    assert whole.close()
    assert watched(text, Check.NONE, None) == whole.close()


@pytest.mark.parametrize("text", suite("i"))
def test_document_that_parsers_differ_on(text: str) -> None:
    """What other parsers may take or leave gets the verdict of the check at the end, and none sooner but for depth."""
    problem = check_answer(text, Check.SCHEMA, ANY)
    assert bool(watched(text)) == (problem is not None or text.count("[") > DEPTH_MAX)


@given(values, st.booleans(), st.lists(st.integers(min_value=0), max_size=12))
def test_valid_json_cut_anywhere(value: object, ascii_only: bool, places: list[int]) -> None:
    """Wherever a valid text is cut, every piece is taken and the verdict is that it is valid."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1 if ascii_only else None)
    pieces = cut(text, places)
    assert "".join(pieces) == text
    watch = JsonWatch(Check.SCHEMA, ANY)
    assert all(watch.feed(piece) for piece in pieces)
    assert watch.close() == ""
    assert watch.text == text


@given(st.text(alphabet='{}[]",:\\ tfnrueals0123456789.eE+-\n\tx', max_size=30), st.lists(st.integers(0), max_size=12))
def test_any_text_cut_anywhere(text: str, places: list[int]) -> None:
    """The verdict on any text is that of a parser, wherever it is cut."""
    verdict = watched(cut(text, places))
    assert verdict == watched([text])
    assert bool(verdict) == (check_answer(text, Check.SCHEMA, ANY) is not None)


@given(values, st.data())
def test_one_character_is_changed(value: object, data: st.DataObject) -> None:
    """A text that no parser takes is never let through, and one that parsers take is never refused."""
    text = json.dumps(value)
    at = data.draw(st.integers(0, len(text) - 1))
    broken = text[:at] + data.draw(st.sampled_from(' "\\{}[],:0-e.x\n')) + text[at + 1 :]
    assert bool(watched(broken)) == (check_answer(broken, Check.SCHEMA, ANY) is not None)


@pytest.mark.parametrize(
    "pieces, check, schema, taken",
    [
        (["```", "json\n{}"], Check.JSON, None, 0),
        (["Here ", "it is: {}"], Check.JSON, None, 0),
        (["{}", " \n", "done"], Check.JSON, None, 2),
        (['"text"'], Check.JSON, None, 0),
        (["", " \n\t", "7"], Check.JSON, None, 2),
        (["["], Check.SCHEMA, PERSON, 0),
        (["{"], Check.SCHEMA, {"type": ["array", "null"]}, 0),
        (['{"name": "a", "a', 'ge"', ": 1}"], Check.SCHEMA, PERSON, 1),
        (['{"na\\u00efv', 'e": 1, "nam', 'es": 1}'], Check.SCHEMA, PERSON, 2),
        (['{"name": {"other": 1}}', "]"], Check.SCHEMA, PERSON, 1),
        (["[1, 0", "1]"], Check.SCHEMA, ANY, 1),
        (["[tru", "th]"], Check.SCHEMA, ANY, 1),
        (["[1", ".", "]"], Check.SCHEMA, ANY, 2),
        (['["\\u12', "g4"], Check.SCHEMA, ANY, 1),
        (['["line', "\n"], Check.SCHEMA, ANY, 1),
    ],
)
def test_answer_is_spoiled_early(pieces: list[str], check: Check, schema: dict[str, Any] | None, taken: int) -> None:
    """The first piece that nothing can make right is told at once, and so is every later one."""
    watch = JsonWatch(check, schema)
    assert [watch.feed(piece) for piece in pieces] == [n < taken for n in range(len(pieces))]
    assert watch.close()


@pytest.mark.parametrize(
    "text, check, schema, problem",
    [
        ('{"name": "Ada"}', Check.SCHEMA, PERSON, ""),
        (' {"name": "Ada", "na\\u00efve": 1}\n', Check.SCHEMA, PERSON, ""),
        ('{"name": 1}', Check.SCHEMA, PERSON, "(at name)"),
        ("{}", Check.SCHEMA, PERSON, "required"),
        ('{"name": "Ad', Check.SCHEMA, PERSON, "ends in the middle"),
        ("-", Check.SCHEMA, ANY, "ends in the middle"),
        ("12", Check.SCHEMA, {"type": "integer"}, ""),
        ("1e999", Check.SCHEMA, ANY, "not JSON"),
        ('["\\ud800"]', Check.SCHEMA, ANY, "not JSON"),
        ('["\ud800"]', Check.SCHEMA, ANY, "not JSON"),
        ("", Check.JSON, None, "empty"),
        (" \n", Check.JSON, None, "empty"),
        ("[]", Check.JSON, None, ""),
        ('{"anything": 1}', Check.SCHEMA, {**PERSON, "$ref": "#/$defs/x", "$defs": {"x": {}}}, "Additional"),
        ('{"x1": 1}', Check.SCHEMA, {"additionalProperties": False, "patternProperties": {"^x": {}}}, ""),
        ("{}", Check.SCHEMA, {"type": "thing"}, "not a valid JSON Schema"),
    ],
)
def test_whole_answer_is_judged(text: str, check: Check, schema: dict[str, Any] | None, problem: str) -> None:
    """The close says what is wrong with the whole, and says it again when it is asked again."""
    watch = JsonWatch(check, schema)
    assert all(watch.feed(character) for character in text)
    assert problem in watch.close()
    assert bool(watch.close()) == bool(problem)


def test_answer_without_end() -> None:
    """What is kept of an answer is bounded; beyond the limit it is refused."""
    watch = JsonWatch(Check.JSON, None, max_chars=1_000)
    assert watch.feed("[" + " " * 999)
    assert not watch.feed(" ")
    assert len(watch.text) == 1_000
    assert "longer than 1000" in watch.close()


@pytest.mark.parametrize("levels, taken", [(DEPTH_MAX, True), (DEPTH_MAX + 1, False)])
def test_answer_of_many_levels(levels: int, *, taken: bool) -> None:
    """Nesting is bounded, and what is within the bound is checked like any other."""
    text = "[" * levels + "]" * levels
    assert (watched([text]) == "") is taken
    assert taken or "nested" in watched([text])


def test_long_number_in_small_pieces() -> None:
    """A number may be as long as it likes and come digit by digit."""
    digits = "7" * 4_000
    watch = JsonWatch(Check.SCHEMA, ANY)
    assert all(watch.feed(digit) for digit in f"[0.{digits}]")
    assert watch.close() == ""
    assert msgspec.json.decode(watch.text) == [float(f"0.{digits}")]
