"""Cooldowns: how long, on whose word."""

import pytest

from headgate.domain.limits import Amounts, Deployment, Dimension
from headgate.quota.answers import Held, Short
from headgate.quota.cooldown import CooldownSource, announced_until
from headgate.quota.ledger import Ledger

ANNOUNCED, GUESSED = CooldownSource.ANNOUNCED, CooldownSource.GUESSED
HERE = Deployment.of("groq", "one", "openai/gpt-oss-20b")
SMALL = Amounts(10, 10)


def ledger() -> Ledger:
    return Ledger(lambda _: {Dimension.RPM: 30, Dimension.TPM: 8000})


@pytest.mark.parametrize(
    "header_s, body_s, until",
    [
        (35.0, 34.1475, 1035.0),  # the header is the body rounded up: agreed, the later is kept
        (4.0, 3.18, 1004.0),
        (40_000.0, 39_999.2, 41_000.0),  # hours are believed when both say so
        (1e12, 1e12, 87_400.0),  # but never more than a day
        (40_000.0, None, 1300.0),  # one alone is believed for five minutes
        (None, 40_000.0, 1300.0),
        (40_000.0, 2.0, 1300.0),  # as are two that differ
        (2.0, 7.5, 1007.5),
        (None, None, None),
        (-5.0, None, None),
        (float("nan"), float("inf"), None),
        (float("nan"), 3.0, 1003.0),
        (0.0, 0.0, 1000.0),
    ],
)
def test_announced_end_is_kept_up_to_its_cap(header_s: float | None, body_s: float | None, until: float | None) -> None:
    """To the second, up to a day when header and body agree, else up to 300 s; nonsense is silence."""
    assert announced_until(1000.0, header_s, body_s) == until


def test_cooled_deployment_grants_nothing_before_the_end() -> None:
    """An announced cooldown is kept to the second."""
    books = ledger()
    books.cool(HERE, 135.0, ANNOUNCED, 100.0, "429")
    assert books.reserve(HERE, "a", SMALL, 134.999) == Short(135.0)
    assert books.wait_s(HERE, SMALL, 100.0) == pytest.approx(35.0)
    assert books.room(HERE, 10, 100.0) == -1
    assert isinstance(books.reserve(HERE, "a", SMALL, 135.0), Held)


def test_announcement_replaces_a_guess_and_the_later_announcement_holds() -> None:
    """What the provider says outranks what we think; a later end is never shortened by an earlier one."""
    books = ledger()
    books.cool(HERE, 200.0, GUESSED, 100.0, "guess")
    assert books.cool(HERE, 110.0, ANNOUNCED, 100.0, "429").until == 110.0
    assert books.cool(HERE, 300.0, GUESSED, 100.0, "guess").until == 110.0
    assert books.cool(HERE, 150.0, ANNOUNCED, 100.0, "429").until == 150.0
    assert books.cool(HERE, 120.0, ANNOUNCED, 100.0, "429").until == 150.0


def test_cooldown_holds_to_its_end_whoever_set_it() -> None:
    """Nothing is reserved before it, though a call that was under way succeeds meanwhile; at its end all is well."""
    for source in (GUESSED, ANNOUNCED):
        books = ledger()
        assert isinstance(books.reserve(HERE, "under way", SMALL, 99.0), Held)
        books.cool(HERE, 120.0, source, 100.0, "429")
        books.settle("under way", SMALL, 101.0)
        assert books.reserve(HERE, "early", SMALL, 119.0) == Short(120.0)
        assert isinstance(books.reserve(HERE, "in time", SMALL, 120.0), Held)


def test_cooldown_does_not_grow_when_the_clock_goes_back() -> None:
    """After a jump of ten years back the same 20 s are left."""
    books = ledger()
    now = 4e8
    books.cool(HERE, now + 20.0, ANNOUNCED, now, "429")
    earlier = now - 315_576_000.0
    assert books.wait_s(HERE, SMALL, earlier) <= 20.0
    assert isinstance(books.reserve(HERE, "a", SMALL, earlier), Short)
    assert books.wait_s(HERE, SMALL, earlier) == pytest.approx(20.0)
