"""Feeds at hand: what is imported, replaced, removed or over is noticed without a restart."""

from pathlib import Path

from headgate.local.feeds import Feed
from headgate.local.indicators import Indicator, IndicatorKind
from headgate.store.feed_folder import FeedFolder
from headgate.store.feed_shelf import LOOK_EVERY_S, FeedShelf


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def feed(name: str, value: str, until: float | None = None) -> Feed:
    return Feed(name, 0.0, "x.csv", (Indicator(IndicatorKind.DOMAIN, value, until),))


def reasons(shelf: FeedShelf, text: str = "bad.example worse.example") -> list[str]:
    shelf.current()
    shelf.settle()
    return [each.reason for each in shelf.current().matches(text)]


def test_changes_of_the_folder_are_noticed(tmp_path: Path) -> None:
    """An import, a replacement and a removal are seen at the next look, and not before it."""
    folder, time = FeedFolder(tmp_path / "feeds"), Time()
    shelf = FeedShelf(folder, now=time, wall=time)
    assert reasons(shelf) == []
    folder.keep(feed("one", "bad.example"))
    assert reasons(shelf) == []
    time.at += LOOK_EVERY_S
    assert reasons(shelf) == ["feed:one"]
    folder.keep(feed("one", "much-worse.example"))
    folder.keep(feed("two", "worse.example"))
    time.at += LOOK_EVERY_S
    assert reasons(shelf) == ["feed:two"]
    folder.remove("two")
    time.at += LOOK_EVERY_S
    assert reasons(shelf) == []


def test_indicator_runs_out_while_nothing_changes(tmp_path: Path) -> None:
    """What is past its `valid_until` is no longer found."""
    folder, time = FeedFolder(tmp_path), Time()
    folder.keep(feed("one", "bad.example", until=1_003.0))
    shelf = FeedShelf(folder, now=time, wall=time)
    assert reasons(shelf) == ["feed:one"]
    time.at += LOOK_EVERY_S
    assert reasons(shelf) == []


def test_damaged_file_is_told_and_the_others_serve(tmp_path: Path) -> None:
    """One broken file takes no other with it, and is told when it is read."""
    folder, told = FeedFolder(tmp_path), list[str]()
    folder.keep(feed("good", "bad.example"))
    (tmp_path / "broken.json").write_text('{"version": 1', encoding="utf-8")
    (tmp_path / "newer.json").write_text(
        '{"version": 9, "feed": {"name": "n", "imported_at": 0, "source": "", "indicators": []}}', encoding="utf-8"
    )
    assert reasons(FeedShelf(folder, tell=told.append)) == ["feed:good"]
    assert [text.rpartition("/")[2] for text in told] == [
        "broken.json is damaged: import the feed again",
        "newer.json was written by a newer Headgate",
    ]
