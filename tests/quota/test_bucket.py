"""The arithmetic of one bucket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.domain.limits import WINDOW_S, Amounts, Dimension
from headgate.domain.time import NEVER
from headgate.quota.bucket import MOST_ASSUMED, SELECTOR, Bucket, need_of

TEN_YEARS_S = 315_576_000.0

# groq-api.md 2.3: twelve waits that Groq announced. The seventh shows "used" rounded, so it is off by display rounding.
ANNOUNCED = [
    (Dimension.TPD, 200_000, 197_494, 4035, 660.528, 1e-6),
    (Dimension.TPD, 100_000, 99_996, 484, 414.72, 1e-6),
    (Dimension.TPM, 12_000, 8560, 4177, 3.685, 1e-6),
    (Dimension.TPM, 8000, 6670, 5883, 34.1475, 1e-6),
    (Dimension.ASH, 7200, 5956, 2336, 546.0, 1e-6),
    (Dimension.ASH, 7200, 6445, 1601, 423.0, 1e-6),
    (Dimension.ASH, 7200, 7170, 230, 99.738, 0.5),
    (Dimension.OTPM, 1000, 528, 600, 7.68, 1e-6),
    (Dimension.OTPM, 1000, 753, 311, 3.84, 1e-6),
    (Dimension.OTPM, 1000, 72, 981, 3.179999999, 1e-6),
    (Dimension.RPD, 1000, 1000, 1, 86.4, 1e-6),
    (Dimension.RPM, 30, 30, 1, 2.0, 1e-6),
]


@pytest.mark.parametrize("dimension, limit, used, requested, announced_s, off_s", ANNOUNCED)
def test_wait_is_what_groq_announced(
    dimension: Dimension, limit: int, used: int, requested: int, announced_s: float, off_s: float
) -> None:
    """The wait formula gives the twelve waits that were seen on the wire."""
    bucket = Bucket.of(dimension, limit, level=float(used), at=50.0)
    assert bucket.wait_s(requested, 50.0) == pytest.approx(announced_s, abs=off_s)


@pytest.mark.parametrize("dimension", list(Dimension))
def test_every_dimension_takes_its_own_amount(dimension: Dimension) -> None:
    """A need by selector is what `Amounts.of` says for the dimension."""
    amounts = Amounts(input_tokens=3, output_tokens=5, audio_s=7, requests=2)
    assert need_of(amounts)[SELECTOR[dimension]] == amounts.of(dimension)


def test_full_bucket_is_empty_after_its_window() -> None:
    """A whole limit drains in exactly one window, evenly."""
    for dimension in Dimension:
        bucket = Bucket.of(dimension, 600, level=600.0, at=10.0)
        assert bucket.level_at(10.0 + WINDOW_S[dimension] / 4) == pytest.approx(450.0)
        bucket.drain_to(10.0 + WINDOW_S[dimension])
        assert bucket.level == pytest.approx(0.0, abs=1e-6)


def test_clock_that_goes_back_drains_nothing() -> None:
    """Negative time neither fills nor empties a bucket, and the wait stays bounded."""
    bucket = Bucket.of(Dimension.TPM, 8000, level=8000.0, at=TEN_YEARS_S)
    assert bucket.level_at(0.0) == 8000.0
    bucket.drain_to(0.0)
    assert bucket.level == 8000.0
    assert bucket.wait_s(8000, 0.0) == pytest.approx(60.0)


def test_clock_that_jumps_ahead_leaves_an_empty_bucket() -> None:
    """Ten years drain no more than is there: nothing is saved up beyond the limit."""
    bucket = Bucket.of(Dimension.TPM, 8000, level=9000.0, at=0.0)
    bucket.drain_to(TEN_YEARS_S)
    assert bucket.level == 0.0
    assert bucket.wait_s(8000, TEN_YEARS_S) == 0.0


def test_more_than_the_limit_never_fits() -> None:
    """Waiting does not help a need above the capacity, and nothing needs no room."""
    bucket = Bucket.of(Dimension.TPM, 8000, level=8500.0)
    assert bucket.wait_s(8001, 0.0) == NEVER
    assert bucket.wait_s(0, 0.0) == 0.0


@given(
    limit=st.integers(1, 10**6),
    filled=st.floats(0.0, 1.0),
    share=st.floats(0.0, 1.0),
    outside=st.floats(0.0, 2.0),
    margin=st.floats(0.0, 0.2),
)
def test_need_fits_after_its_wait_and_not_before(
    limit: int, filled: float, share: float, outside: float, margin: float
) -> None:
    """The announced wait is exact, also when others are believed to take any part of the refill."""
    bucket = Bucket.of(Dimension.TPM, limit, level=limit * filled)
    bucket.hold_back(bucket.rate * outside)
    bucket.lift(limit * margin)
    need = max(1, round(limit * share))
    wait_s = bucket.wait_s(need, 0.0)
    assert wait_s <= 60.0 * (1.0 + filled + MOST_ASSUMED)
    assert bucket.level_at(wait_s) + need <= limit * (1 + 1e-9) + 1e-5
    if wait_s > 0.01:
        assert bucket.level_at(wait_s * 0.99) + need > limit - 1e-6


@given(st.lists(st.floats(0.01, 20.0), max_size=20), st.floats(0.0, 200.0))
def test_draining_in_steps_is_draining_at_once(steps: list[float], outside: float) -> None:
    """It does not matter how often a bucket is looked at on the way."""
    one, other = (Bucket.of(Dimension.TPM, 8000, level=8000.0) for _ in range(2))
    for bucket in (one, other):
        bucket.hold_back(outside)
    at = 0.0
    for step in steps:
        at += step
        other.drain_to(at)
    assert one.level_at(at) == pytest.approx(other.level, abs=1e-3)
