"""The table of skills: one way to run any, options checked, no surprise from any text."""

import importlib
import pkgutil
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import headgate.local
from headgate.local import SKILLS, Misused, run
from headgate.local.options import Options, SummaryOptions
from headgate.local.skills import as_json, options_of

USUAL: dict[str, dict[str, object]] = {
    "extract": {"today": "2026-11-29"},
    "classify": {"labels": ["refund", {"name": "delivery", "keywords": ["order"], "examples": ["where is it?"]}]},
    "reply": {"persona": "elder", "avoid": ["Hello?"], "seed": 7},
    "repetition": {"earlier": ["hello", "where is my order"]},
    "language": {},
    "summary": {"max_sentences": 2},
    "risk": {},
    "safety": {"block": ["bomb", "evil*"], "allow": ["bomb squad"]},
    "fill": {
        "schema": {
            "type": "object",
            "properties": {"upi_id": {"type": "string"}, "intent": {"enum": ["refund", "order"]}},
            "required": ["upi_id"],
        }
    },
}
"""Options with which every skill can be run."""

HOSTILE = [
    "",
    "\x00",
    "\ud800 lone \udfff",
    "a" * 50_000,
    "." * 50_000,
    "\n" * 50_000,
    "{" * 5_000,
    "\u0301" * 20_000,
    "ﷺ" * 5_000,
    "İ" * 5_000,
    "\u202e" + "evil" * 1_000,
    "1" * 30_000 + "@",
    "a." * 20_000,
    "@" * 20_000,
    "क्" * 10_000,
]


def test_every_skill_is_run_here() -> None:
    """Nobody adds a skill without the tests below."""
    assert USUAL.keys() == SKILLS.keys()


@pytest.mark.parametrize("name", list(SKILLS))
@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=400))
def test_skill_takes_any_text(name: str, text: str) -> None:
    """Any text gives a result with a confidence from 0 to 1 and evidence within the text, the same one each time."""
    found = run(name, text, USUAL[name])
    assert 0 <= found.confidence <= 1
    assert all(0 <= each.start <= each.end <= len(text) for each in found.evidence)
    assert run(name, text, USUAL[name]) == found


@pytest.mark.parametrize("name", list(SKILLS))
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_skill_takes_hostile_text(name: str, text: str) -> None:
    """Lone surrogates, endless runs, combining marks: a result that can be written as JSON or is refused as text."""
    found = run(name, text, USUAL[name])
    assert 0 <= found.confidence <= 1
    if text.isprintable():
        assert msgspec.json.decode(as_json(found))["confidence"] == found.confidence


@pytest.mark.parametrize(
    "name, options, param",
    [
        ("clasify", {}, "skill"),
        ("extract", {"kinds": ["upi", "iban"]}, "kinds[1]"),
        ("extract", {"region": "india"}, "region"),
        ("classify", {}, "labels"),
        ("classify", {"labels": []}, "labels"),
        ("classify", {"labels": ["a", "a"]}, "labels"),
        ("classify", {"labels": [{"name": "a", "regex": ".*"}]}, "labels[0].regex"),
        ("classify", {"labels": ["a"], "threshold": 2}, "threshold"),
        ("reply", {"persona": "nobody"}, "persona"),
        ("reply", {"slots": {"colour": "red"}}, "slots.colour"),
        ("reply", {"seed": -1}, "seed"),
        ("repetition", {}, "earlier"),
        ("summary", {"max_sentences": 0}, "max_sentences"),
        ("risk", {"feeds": []}, "feeds"),
        ("safety", {"block": ["..."]}, "block"),
        ("safety", {"block": [""]}, "block[0]"),
        ("fill", {}, "schema"),
        ("fill", {"schema": {"type": "objekt"}}, "schema"),
        ("language", {"verbose": True}, "verbose"),
        ("language", SummaryOptions(), "options"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, object] | Options, param: str) -> None:
    """What a skill cannot be told is refused with the option's name and what there is."""
    with pytest.raises(Misused) as caught:
        run(name, "text", options)
    assert caught.value.param == param


def test_unknown_skill_is_told_the_nearest() -> None:
    """A slip in a name is answered with the name that was meant."""
    with pytest.raises(Misused, match="`classify`"):
        run("clasify", "text")


@pytest.mark.parametrize("name", list(SKILLS))
def test_options_have_a_schema(name: str) -> None:
    """Every door can show what may be said to a skill."""
    row = SKILLS[name]
    schema = msgspec.json.schema(row.options)
    assert "$defs" in schema
    assert row.does.endswith(".")
    assert isinstance(options_of(row, USUAL[name]), row.options)


def test_public_names_hide_no_module() -> None:
    """A name that is a module's too would be either, by the order of imports."""
    modules = {module.name for module in pkgutil.iter_modules(headgate.local.__path__)}
    assert not modules & set(headgate.local.__all__)
    for name in modules:
        importlib.import_module(f"headgate.local.{name}")
    assert all(not hasattr(getattr(headgate.local, name), "__path__") for name in headgate.local.__all__)
    assert all(getattr(headgate.local, name) is not None for name in headgate.local.__all__)


def test_skills_are_loaded_only_when_asked_for() -> None:
    """`import headgate` and `import headgate.local` pay for none of them."""
    code = (
        "import sys, headgate, headgate.local\n"
        "heavy = {'numpy', 'rapidfuzz', 'phonenumbers', 'headgate.local.classification', 'headgate.local.skills'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
