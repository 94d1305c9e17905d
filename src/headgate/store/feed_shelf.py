"""Has the feeds of a folder at hand, as they are now: who asks looks at the folder again once in a while.

The first look reads the feeds at once. Later ones read them in a thread, so that nobody waits for a large feed; until
it is done the old ones are given.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from headgate.local.feeds import NO_FEEDS, Feeds
from headgate.store.feed_folder import FeedFolder, Fingerprint

LOOK_EVERY_S: Final = 5.0


class FeedShelf:
    """`current()` costs a comparison, and every `look_every_s` a system call for each feed. `tell` hears of files that
    cannot be read."""

    def __init__(
        self,
        folder: FeedFolder,
        *,
        tell: Callable[[str], None] | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._folder = folder
        self._tell = tell
        self._now = now
        self._wall = wall
        self._look_every_s = look_every_s
        self._look_at = float("-inf")
        self._seen: Fingerprint | None = None
        self._feeds = NO_FEEDS
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None

    def current(self) -> Feeds:
        """The feeds that are valid, at most `look_every_s` and the time of reading behind the folder."""
        now = self._now()
        if now >= self._look_at:
            self._look_at = now + self._look_every_s
            self._look()
        return self._feeds

    def settle(self) -> None:
        """Wait until what was seen to be new is read."""
        if self._loading is not None:
            self._loading.join()

    def _look(self) -> None:
        seen = self._folder.fingerprint()
        until = self._feeds.until
        if seen == self._seen and (until is None or self._wall() < until):
            return
        if self._seen is None:
            self._load(seen)
        elif self._loading is None or not self._loading.is_alive():
            self._loading = threading.Thread(target=self._load, args=(seen,), name="headgate-feeds", daemon=True)
            self._loading.start()

    def _load(self, seen: Fingerprint) -> None:
        with self._lock:
            feeds, problems = self._folder.load()
            self._feeds = Feeds(feeds, wall_s=self._wall())
            self._seen = seen
        if self._tell is not None:
            for problem in problems:
                self._tell(problem)
