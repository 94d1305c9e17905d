"""The recorded tests of two libraries that mend JSON: how many come out as recorded, and the list of disagreements."""

import json
import re
from pathlib import Path
from typing import Any

import json_repair
import pytest

from headgate.local.mend import mend_json

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
PAGE = ROOT / "docs" / "mending.md"

PYTHON_SHARE = 0.99
SCRIPT_SHARE = 0.85
MARKS = re.compile(r"<!-- begin disagreements -->\n(.*?)<!-- end disagreements -->", re.DOTALL)
REASON_CHARS = 30
"""A reason is a sentence."""


def rows_of(name: str) -> list[dict[str, Any]]:
    """The recorded cases of a source; the test is skipped where the shared folder is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip("the shared folder is not there")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def ours(text: str) -> Any:
    """What we make of a text."""
    mended = mend_json(text)
    return None if mended is None else mended.value


def python_cases() -> list[tuple[str, Any]]:
    """The cases of json-repair without options; what is no object or array there is to be None here."""
    rows = [row for row in rows_of("json_repair_py_cases.jsonl") if not row["kw"] and not row["error"]]
    results = [(row["in"], json.loads(row["out"]) if row["out"] else None) for row in rows]
    return [(text, result if isinstance(result, dict | list) else None) for text, result in results]


def script_cases() -> list[tuple[str, Any]]:
    """The cases of jsonrepair whose output is an object or array."""
    rows = [row for row in rows_of("jsonrepair_js_cases.jsonl") if row.get("out") is not None]
    results = [(row["in"], json.loads(row["out"])) for row in rows]
    return [(text, result) for text, result in results if isinstance(result, dict | list)]


def disagreements() -> list[str]:
    """The first four cells of each row of the list, as they must stand on the page."""
    found = {}
    for text, result in script_cases():
        other = json_repair.repair_json(text, return_objects=True)
        value = ours(text)
        if not result == other == value:
            followed = "jsonrepair" if value == result else "json-repair" if value == other else "neither"
            found[text] = " | ".join([_code(text), _code(result), _code(other), followed])
    return sorted(found.values())


def test_recorded_cases_of_json_repair() -> None:
    """At least 99 % come out as recorded; texts without JSON come out as None."""
    cases = python_cases()
    wrong = [text for text, result in cases if ours(text) != result]
    assert len(cases) >= 50
    assert len(wrong) <= len(cases) * (1 - PYTHON_SHARE), wrong


def test_recorded_cases_of_jsonrepair() -> None:
    """At least 85 % of those with an object or array come out as recorded."""
    cases = script_cases()
    wrong = [text for text, result in cases if ours(text) != result]
    assert len(cases) >= 100
    assert len(wrong) <= len(cases) * (1 - SCRIPT_SHARE), wrong


def test_list_of_disagreements_is_as_it_is() -> None:
    """Every disagreement is listed with both results and whose is followed; nothing else is."""
    listed = [" | ".join(row.split(" | ")[:-1]) for row in _listed()]
    assert sorted(listed) == disagreements()


def test_every_disagreement_has_its_reason() -> None:
    """A choice without a reason is a guess."""
    assert _listed()
    short = [row for row in _listed() if len(row.split(" | ")[-1]) < REASON_CHARS]
    assert not short


def test_equal_texts_of_both_sources_have_one_result() -> None:
    """Where both sources record the same text they agree, so that no choice is hidden there."""
    script = dict(script_cases())
    unlike = {text: (result, script[text]) for text, result in python_cases() if script.get(text, result) != result}
    assert not unlike


def _listed() -> list[str]:
    """The rows of the page without their outer bars."""
    match = MARKS.search(PAGE.read_text(encoding="utf-8"))
    assert match is not None
    return [row.removeprefix("| ").removesuffix(" |") for row in match[1].splitlines()[2:]]


def _code(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False).replace("|", "\\|")
    return f"`` {text} ``" if "`" in text else f"`{text}`"
