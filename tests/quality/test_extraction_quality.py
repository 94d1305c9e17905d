"""What docs/quality.md says of extraction on the hand-made set, and a sample of the larger runs."""

from collections import Counter

import pytest
from bench.extraction_set import Part, compare, every_message, messages, scores
from bench.quality import PAGE, SHARED
from bench.quality_extraction import GOAL_PRECISION, GOAL_RECALL, codes, hand_made, ifsc, presidio

from headgate.local import Kind

KINDS = list(Kind)
PER_KIND = 100
SAMPLE_EVERY = 353
"""One code in so many is tried in the test; the command tries all."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", list(Part))
def test_hand_made_set_reaches_the_goals(kind: Kind, part: Part) -> None:
    """Precision and recall of each kind reach the goals on every part of the set."""
    score = scores(messages(part))[kind]
    assert score.precision >= GOAL_PRECISION, score
    assert score.recall >= GOAL_RECALL, score


@pytest.mark.parametrize("part", list(Part))
def test_page_has_the_figures_of_the_set(part: Part) -> None:
    """The tables on the page are what the code does today; `python -m bench.quality extraction` writes them anew."""
    assert hand_made(messages(part)) in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_set_has_enough_of_each_kind(kind: Kind) -> None:
    """A hundred messages hold an entity of the kind, and a hundred are a trap for it, the fresh ones not counted."""
    of = [*messages(Part.TUNED), *messages(Part.THIRD)]
    assert sum(any(entity.kind is kind for entity in message.entities) for message in of) >= PER_KIND
    assert sum(kind in message.traps for message in of) >= PER_KIND


def test_set_is_consistent() -> None:
    """No message stands twice, every span is its raw text, and a third is kept aside by the hash."""
    of = every_message()
    assert max(Counter(message.text for message in of).values()) == 1
    for message in of:
        assert all(message.text[entity.start : entity.end] == entity.raw for entity in message.entities)
    tuned, third = len(messages(Part.TUNED)), len(messages(Part.THIRD))
    assert 0.28 < third / (tuned + third) < 0.39


def test_disguised_entities_are_flagged() -> None:
    """What the set calls disguised is flagged so and less sure than the rest; nothing plain is."""
    pairs = [pair for message in every_message() for pair in compare(message)[0]]
    disguised = [found for expected, found in pairs if expected.obfuscated]
    assert len(disguised) >= 40
    assert all(found.obfuscated and found.confidence <= 0.75 for found in disguised)
    assert not [found for expected, found in pairs if found.obfuscated and not expected.obfuscated]


def test_sample_of_all_codes() -> None:
    """Codes of the Reserve Bank's list are found in sentences, mutated ones are not."""
    if not (SHARED / "ifsc_all.txt").exists():
        pytest.skip("../shared/data/ifsc_all.txt is not there")
    every = codes()
    score = ifsc(every[::SAMPLE_EVERY], frozenset(code[:4] for code in every))
    assert score.precision >= GOAL_PRECISION, score
    assert score.recall >= GOAL_RECALL, score


def test_cases_of_presidio() -> None:
    """Nothing is found in the texts of recognisers that we do not have; what else differs stands on the page."""
    if not (SHARED / "presidio_cases.jsonl").exists():
        pytest.skip("../shared/data/presidio_cases.jsonl is not there")
    _, otherwise = presidio()
    assert {line.split(",")[0] for line in otherwise} <= {"- phone", "- date"}
    page = PAGE.read_text(encoding="utf-8")
    assert all(line in page for line in otherwise)
