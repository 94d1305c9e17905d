"""The walk over tiers: which are asked, what is found, what follows."""

from hypothesis import given
from hypothesis import strategies as st
from tests.cache.cache_drawing import MODEL, entry, space

from headgate.cache.entry import encode_entry
from headgate.cache.marks import Marks
from headgate.cache.tier import TierName
from headgate.cache.walk import TierRow, Walk, keep_s

HERE = space()
ROWS = (TierRow(TierName.MEMORY, 600.0), TierRow(TierName.REDIS, 3600.0), TierRow(TierName.OBJECT, 604_800.0))
NOW = 1000.0
STALE_S = 100.0


def walked(states: list[str]) -> Walk:
    """A walk over tiers in these states."""
    marks = Marks()
    marks.void("tag:void", NOW)
    data = {
        "fresh": encode_entry(entry(written_at=NOW - 30), HERE),
        "stale": encode_entry(entry(written_at=NOW - 90), HERE),
        "over": encode_entry(entry(written_at=NOW - 161), HERE),
        "void": encode_entry(entry(written_at=NOW - 1, marks=("tag:void",)), HERE),
        "poisoned": encode_entry(entry(), HERE)[:-1] + b"?",
        "newer": b"\xff" + bytes(40),
        "foreign": encode_entry(entry("other"), HERE),
    }
    walk = Walk(ROWS[: len(states)], "k", HERE, (MODEL,), marks, NOW, STALE_S)
    for state in states:
        if walk.next_tier is None:
            break
        walk.take(data.get(state))
    return walk


STATES = st.sampled_from(("none", "fresh", "stale", "over", "void", "poisoned", "newer", "foreign"))


@given(st.lists(STATES, min_size=1, max_size=3))
def test_walk_ends_at_the_first_fresh_entry(states: list[str]) -> None:
    """Whatever lies in nearer tiers; those get it, and nobody behind is asked."""
    walk = walked(states)
    if "fresh" in states:
        at = states.index("fresh")
        assert walk.hit == entry(written_at=NOW - 30)
        assert walk.tier is ROWS[at].name
        assert list(walk.promote) == list(ROWS[:at])
        assert list(walk.asked) == list(ROWS[: at + 1])
        states = states[:at]
    else:
        assert walk.hit is None
        assert walk.tier is None
        assert not walk.promote
    assert walk.next_tier is None
    assert (walk.stale is not None) == ("stale" in states)
    assert len(walk.flaws) == sum(state in {"poisoned", "newer", "foreign"} for state in states)
    junk = [row.name for row, state in zip(ROWS, states, strict=False) if state in {"poisoned", "foreign"}]
    assert walk.drop == junk


def test_freshest_of_two_stale_entries_is_remembered() -> None:
    """A tier that could not be reached for a while holds an older one."""
    walk = Walk(ROWS, "k", HERE, (MODEL,), Marks(), NOW, STALE_S)
    for age_s in (90, 70, 110):
        walk.take(encode_entry(entry(written_at=NOW - age_s), HERE))
    assert walk.stale == entry(written_at=NOW - 70)


@given(st.floats(0, 200), st.floats(1, 1e6), st.floats(0, 1e4))
def test_tiers_keep_no_longer_than_they_may(age_s: float, ttl_s: float, stale_s: float) -> None:
    """A tier's own time bounds what farther ones may keep for longer; the last one keeps the rest, and stale ones."""
    kept = entry(written_at=NOW - age_s, ttl_s=ttl_s)
    for row in ROWS:
        left_s = ttl_s - kept.age_s(NOW)
        wanted = row.ttl_s if left_s > row.ttl_s else max(0.0, left_s + stale_s)
        assert keep_s(row, kept, NOW, stale_s) == wanted
