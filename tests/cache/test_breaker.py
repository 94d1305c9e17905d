from hypothesis import given
from hypothesis import strategies as st

from headgate.cache.breaker import LONGEST_REST_S, MOST_FAILURES, MOST_WAITED_S, ONE_CAUSE_S, Breaker


def opened(breaker: Breaker, now: float, waited_s: float = 0.0) -> int:
    """Fail until it opens, each wait a moment after the last; how often that took."""
    for times in range(1, 100):
        if breaker.failed(waited_s, now + (2 * times * ONE_CAUSE_S if waited_s else 0.0)):
            return times
    raise AssertionError("it never opened")


def test_five_quick_failures() -> None:
    """A tier that refuses at once is given up at the fifth failure."""
    assert opened(Breaker(), 0.0) == MOST_FAILURES


def test_slow_failures() -> None:
    """Of a tier that lets everybody wait, no more than a quarter of a second is borne in all."""
    assert opened(Breaker(), 0.0, waited_s=0.3) == 1
    assert opened(Breaker(), 0.0, waited_s=0.1) == 3
    assert opened(Breaker(), 0.0, waited_s=0.05) == 5


def test_many_that_were_held_by_one_stall() -> None:
    """Look-ups that give up in the same moment are one failure: it may have been this process that was busy. Refusals,
    which come at once, are not."""
    breaker = Breaker()
    assert not any(breaker.failed(0.05, 1.0 + n * ONE_CAUSE_S / 100) for n in range(50))
    assert breaker.failures == 1.0
    assert breaker.failed(0.0, 1.0) is False
    assert breaker.failures == 2.0


def test_failures_of_one_request_in_a_hundred() -> None:
    """A tier that fails now and then goes on: fifty successes make up for a failure."""
    breaker = Breaker()
    for now in range(10_000):
        assert not breaker.failed(0.05, float(now))
        for _ in range(99):
            breaker.succeeded()


def test_failures_of_one_request_in_ten() -> None:
    """A tier that fails often does not, however often it succeeds between."""
    breaker = Breaker()
    times = 0
    while not breaker.failed(0.0, 0.0):
        times += 1
        for _ in range(9):
            breaker.succeeded()
    assert times < 10


def test_one_probe_closes_it() -> None:
    """After its rest one probe is wanted, once; well, and it is closed as if nothing had been."""
    breaker = Breaker()
    opened(breaker, 10.0)
    assert not breaker.wants_probe(10.9)
    assert breaker.wants_probe(11.0)
    breaker.probe()
    assert not breaker.wants_probe(11.1)
    breaker.probed(11.2, ok=True)
    assert breaker.is_closed
    assert opened(breaker, 11.3) == MOST_FAILURES


def test_rests_grow_while_probes_fail() -> None:
    """1, 2, 4, 8, 16 and then 30 seconds."""
    breaker, now = Breaker(), 0.0
    opened(breaker, now)
    rests = []
    for _ in range(7):
        rests.append(breaker.rests_until - now)
        now = breaker.rests_until
        breaker.probe()
        breaker.probed(now, ok=False)
    assert rests == [1, 2, 4, 8, 16, 30, 30]


def test_coming_and_going_each_second() -> None:
    """A tier that is well for the probe and ill again at once is given up for longer each time: in ten minutes it costs
    no more than a handful of openings for the first minute and two for each other."""
    breaker, openings, now = Breaker(), 0, 0.0
    while now < 600.0:
        opened(breaker, now)
        openings += 1
        now = breaker.rests_until
        breaker.probe()
        breaker.probed(now, ok=True)
        now += 0.5
    assert openings <= 5 + 20
    assert breaker.openings == openings


def test_rest_after_a_calm_is_short_again() -> None:
    """Half a minute without an opening forgets how long the rests had been."""
    breaker = Breaker()
    opened(breaker, 0.0)
    for now in (1.0, 3.0):
        breaker.probe()
        breaker.probed(now, ok=False)
    breaker.probe()
    breaker.probed(7.0, ok=True)
    opened(breaker, 36.0)
    assert breaker.rests_until - 36.0 == 8.0
    breaker.probe()
    breaker.probed(44.0, ok=True)
    opened(breaker, 75.0)
    assert breaker.rests_until - 75.0 == 1.0


@given(st.lists(st.tuples(st.sampled_from(["ok", "fail", "probe ok", "probe fails"]), st.floats(0, 2))))
def test_whatever_happens(events: list[tuple[str, float]]) -> None:
    """Never more than five failures or a quarter of a second of waiting (and the last wait) stand in a closed breaker,
    and no rest is longer than half a minute."""
    breaker, now = Breaker(), 0.0
    for what, seconds in events:
        now += seconds
        if what == "ok":
            breaker.succeeded()
        elif what == "fail":
            breaker.failed(seconds, now)
        elif breaker.wants_probe(now):
            breaker.probe()
            breaker.probed(now, ok=what == "probe ok")
        assert 0.0 <= breaker.failures <= MOST_FAILURES
        assert breaker.waited_s >= 0.0
        if breaker.is_closed:
            assert breaker.failures < MOST_FAILURES
            assert breaker.waited_s < MOST_WAITED_S
        else:
            assert breaker.rests_until - now <= LONGEST_REST_S
