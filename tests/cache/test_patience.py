from hypothesis import given
from hypothesis import strategies as st

from headgate.cache.patience import LEAST_S, Patience

TIMES = st.lists(st.floats(0.0001, 1.0), min_size=1, max_size=50)


def test_nothing_is_known_at_first() -> None:
    """A tier that nobody has asked yet is waited for as long as the setting says."""
    assert Patience().within_s(0.3) == 0.3


def test_quick_tier() -> None:
    """One that answers in 2 ms is given up after 50, the least there is."""
    patience = Patience()
    for _ in range(50):
        patience.took(0.002)
    assert patience.within_s(0.3) == LEAST_S
    assert patience.within_s(0.01) == 0.01


def test_distant_tier() -> None:
    """One that always takes 100 ms is waited for a little longer than that; one whose times vary for much longer."""
    steady, varied = Patience(), Patience()
    for n in range(100):
        steady.took(0.1)
        varied.took(0.05 if n % 2 else 0.15)
    assert 0.1 <= steady.within_s(1.0) < 0.11
    assert 0.25 < varied.within_s(1.0) < 0.4


def test_tier_that_has_moved_away() -> None:
    """After a rest the probe's time counts, not those of before."""
    patience = Patience()
    for _ in range(50):
        patience.took(0.002)
    patience.begin(0.2)
    assert patience.within_s(1.0) == 0.2 + 4 * 0.1


@given(TIMES, st.floats(0.001, 5.0))
def test_whatever_it_takes(times: list[float], most_s: float) -> None:
    """Never longer than the setting, never shorter than the least or the usual time."""
    patience = Patience()
    for seconds in times:
        patience.took(seconds)
        within_s = patience.within_s(most_s)
        assert within_s <= most_s
        assert within_s >= min(LEAST_S, most_s, patience.usual_s)
