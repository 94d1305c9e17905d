"""The page of qualities: its intervals, and that measuring one topic leaves the others alone."""

import pytest
from bench.quality import kept, page, table, wilson, with_interval


@pytest.mark.parametrize(
    "hits, of, low, high",
    [(0, 0, 0.0, 1.0), (10, 10, 0.7225, 1.0), (0, 10, 0.0, 0.2775), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_interval(hits: int, of: int, low: float, high: float) -> None:
    """The interval is the published one (81 of 263: Newcombe 1998); it is the whole range where nothing was tried."""
    assert wilson(hits, of) == pytest.approx((low, high), abs=5e-5)


def test_share_of_nothing_is_a_dash() -> None:
    """What was not tried is no share of zero."""
    assert with_interval(0, 0) == "–"
    assert with_interval(1, 2).startswith("0.500 (")


def test_measuring_one_topic_keeps_the_others() -> None:
    """A section is replaced whole, the rest of the page stays, in the order of the topics."""
    topics = ("first", "second")
    before = page({"first": "## First\n\nold", "second": "## Second\n\nstays"}, "", topics)
    after = page({"first": "## First\n\nnew"}, before, topics)
    assert kept("first", after) == "## First\n\nnew"
    assert kept("second", after) == "## Second\n\nstays"
    assert after.index("## First") < after.index("## Second")
    assert page({}, after, topics) == after


def test_table_is_markdown() -> None:
    """One line for the heads, one that parts them, one for each row."""
    assert table(["a", "b"], [[1, "x"]]) == "| a | b |\n| --- | --- |\n| 1 | x |"
