"""The labelled last word: honest, chosen by the seed, and silent where only a refusal is right."""

import random

import pytest

from headgate.domain.request import Check
from headgate.local.template import TEMPLATE_SKILL, Shortage, local_answer


@pytest.mark.parametrize("reason", list(Shortage))
def test_same_seed_gives_the_same_text(reason: Shortage) -> None:
    """The choice comes from the dice alone, and the dice do make a choice."""
    texts = [local_answer(reason, random.Random(seed)) for seed in range(20)]
    assert texts == [local_answer(reason, random.Random(seed)) for seed in range(20)]
    assert len({text.text for text in texts if text}) > 1


@pytest.mark.parametrize("reason", list(Shortage))
def test_local_answer_is_labelled_and_claims_nothing(reason: Shortage) -> None:
    """It names its skill, has no confidence, and says that no model answered."""
    answer = local_answer(reason, random.Random(1))
    assert answer is not None
    assert (answer.skill, answer.confidence) == (TEMPLATE_SKILL, 0.0)
    assert "model" in answer.text or "in time" in answer.text


@pytest.mark.parametrize(
    "check, tool_required", [(Check.JSON, False), (Check.SCHEMA, False), (Check.NONE, True), (Check.JSON, True)]
)
def test_no_text_where_json_or_a_tool_call_is_due(check: Check, tool_required: bool) -> None:
    """Prose in place of JSON or of a required tool call would break the client: refuse instead."""
    assert local_answer(Shortage.BUSY, random.Random(1), check=check, tool_required=tool_required) is None


@pytest.mark.parametrize(
    "wait_s, advice",
    [
        (None, "later"),
        (0.2, "in a moment"),
        (12.1, "about 13 seconds"),
        (600, "about 10 minutes"),
        (9_000, "about 3 hours"),
        (float("inf"), "later"),
        (float("nan"), "later"),
        (-1, "later"),
    ],
)
def test_advice_rounds_the_wait_up(wait_s: float | None, advice: str) -> None:
    """Who follows the advice does not come back too early; an impossible wait is not repeated."""
    answer = local_answer(Shortage.BUSY, random.Random(1), retry_after_s=wait_s)
    assert answer is not None
    assert advice in answer.text
