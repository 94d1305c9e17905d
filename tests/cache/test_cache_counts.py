"""The counts of a cache and the warning that comes of them."""

from headgate.cache.counts import LEAST_LOOKUPS, WINDOW_S, Counts
from headgate.cache.tier import TierName

MEMORY, REDIS = TierName.MEMORY, TierName.REDIS


def busy(counts: Counts, *, hits: int, misses: int, since: float, seconds: int = int(WINDOW_S)) -> float:
    """So many each second for a while; when it ends."""
    for second in range(seconds):
        for _ in range(hits):
            counts.hit(MEMORY, 10, since + second)
        for _ in range(misses):
            counts.miss(since + second)
    return since + seconds


def test_rate_of_a_tier_is_of_what_reached_it() -> None:
    """What memory answers never gets to Redis."""
    counts = Counts((MEMORY, REDIS))
    for number in range(10):
        counts.hit(MEMORY if number < 6 else REDIS, 7, 0.0)
    for _ in range(4):
        counts.miss(0.0)
    counts.follower(7, 0.0)
    told = counts.snapshot(1.0, {MEMORY: (3, 400)})
    assert (told.lookups, told.hits, told.misses, told.shared, told.saved_tokens) == (15, 10, 4, 1, 77)
    assert told.hit_rate == round(10 / 15, 4)
    near, far = told.tiers
    assert (near.lookups, near.hits, near.hit_rate, near.entries, near.size_bytes) == (15, 6, 0.4, 3, 400)
    assert (far.lookups, far.hits, far.hit_rate, far.entries) == (9, 4, round(4 / 9, 4), None)


def test_window_slides() -> None:
    """Rates are of the last minutes, totals of all time."""
    counts = Counts((MEMORY,))
    end = busy(counts, hits=1, misses=0, since=0.0)
    end = busy(counts, hits=0, misses=1, since=end)
    told = counts.snapshot(end, {})
    assert told.hit_rate == 0.0
    assert told.hits == told.misses == int(WINDOW_S)
    assert counts.snapshot(end + 2 * WINDOW_S, {}).hit_rate is None


def test_low_rate_is_told_once_until_it_recovers() -> None:
    """A window that stays under the bound is one alert; a later one, after better times, is another."""
    counts = Counts((MEMORY,))
    assert not counts.newly_low(0.0)
    end = busy(counts, hits=1, misses=2, since=0.0)
    assert "33%" in counts.newly_low(end)
    assert not counts.newly_low(end)
    assert counts.snapshot(end, {}).warning
    end = busy(counts, hits=3, misses=0, since=end)
    assert not counts.newly_low(end)
    end = busy(counts, hits=0, misses=3, since=end)
    assert counts.newly_low(end)


def test_no_warning_before_there_is_enough_to_tell() -> None:
    """A start, or a few requests, say nothing."""
    counts = Counts((MEMORY,))
    end = busy(counts, hits=0, misses=5, since=0.0, seconds=60)
    assert not counts.newly_low(end)
    few = Counts((MEMORY,))
    for number in range(LEAST_LOOKUPS - 1):
        few.miss(number * WINDOW_S / LEAST_LOOKUPS)
    assert not few.newly_low(WINDOW_S - 1)
    assert not few.snapshot(WINDOW_S - 1, {}).warning
