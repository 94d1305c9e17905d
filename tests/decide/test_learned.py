"""What is learned converges on the truth and errs on the safe side."""

import random

import pytest

from headgate.decide.learned import PRIOR_OUTPUT_TOKENS, Lengths, PromptLine, Speed


def test_prompt_tokens_of_a_steady_model() -> None:
    """After a hundred answers the estimate is hardly ever too low, and not far too high."""
    dice, line = random.Random(3), PromptLine()
    low = over = 0
    for n in range(600):
        weight = dice.uniform(20, 1500)
        true = round(72 + 1.31 * weight * dice.uniform(0.97, 1.03))
        if n >= 100:
            low += line.upper_bound(weight) < true
            over += line.upper_bound(weight) - true
        line.learn(weight, true)
    assert low <= 10
    assert over / 500 < 120


def test_output_lengths_before_and_after_twenty() -> None:
    """The prior holds until twenty answers; then the learned quantile covers nearly all that follow."""
    dice, lengths = random.Random(5), Lengths()
    for _ in range(19):
        lengths.learn(100)
    assert lengths.quantile_tokens == PRIOR_OUTPUT_TOKENS
    lengths = Lengths()
    cut = 0
    for n in range(5000):
        true = round(dice.lognormvariate(5.0, 0.6))
        if n > 400:
            cut += true > lengths.quantile_tokens
        lengths.learn(true)
    assert cut <= 46  # 1 % of 4,600
    assert lengths.quantile_tokens < 1300


def test_answers_that_are_all_alike() -> None:
    """A task of constant length needs no more than a little above it."""
    lengths = Lengths()
    for _ in range(40):
        lengths.learn(50)
    assert 50 <= lengths.quantile_tokens <= 60


@pytest.mark.parametrize("first_s", [0.2, 1.5])
def test_first_token_target(first_s: float) -> None:
    """Ten seconds while nothing is known; then well past what is usual, between two seconds and ten."""
    speed = Speed()
    assert speed.target_s(10.0) == 10.0
    for _ in range(30):
        speed.learn(first_s, 100, 0.2)
    assert 2.0 <= speed.target_s(10.0) <= 10.0
    assert speed.target_s(10.0) >= 3 * first_s
    assert speed.tokens_per_s == pytest.approx(500, rel=0.01)
