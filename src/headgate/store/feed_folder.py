"""Keeps threat feeds: one JSON file for each name, in a folder that any process may write to.

They are no rows of the store's database, because one process owns that and feeds are imported while it runs. A file is
replaced whole, so that who reads it sees the old feed or the new one.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from headgate.local.feeds import Feed

FOLDER: Final = "feeds"
VERSION: Final = 1
MAX_FEEDS: Final = 50
MAX_FILE_BYTES: Final = 64 * 1024 * 1024

Fingerprint = tuple[tuple[str, int, int], ...]
"""Names, sizes and times of change: equal while nothing was imported or removed."""


class FeedFile(msgspec.Struct, frozen=True):
    """What stands in a file. A version above `VERSION` is refused: a newer Headgate wrote it."""

    version: int
    feed: Feed


class FeedFolderProblem(Exception):
    """A feed cannot be kept, or what is kept cannot be read; the message says which and why."""


def usual_folder() -> Path:
    """Beside the store, in the user's folder for data."""
    import platformdirs  # only who keeps something there needs it

    return platformdirs.user_data_path("headgate") / FOLDER


class FeedFolder:
    """The feeds of one folder, which need not exist before the first is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, chosen: str | None) -> "FeedFolder":
        """The folder that somebody chose, else the usual one."""
        return cls(usual_folder() if chosen is None else Path(chosen).expanduser())

    def keep(self, feed: Feed) -> bool:
        """Write the feed, over an older one of its name. Whether there was one. Raises `FeedFolderProblem`."""
        target = self._file(feed.name)
        fresh = self.path / f".{feed.name}.{os.getpid()}.tmp"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            replaced = target.exists()
            if not replaced and len(list(self._files())) >= MAX_FEEDS:
                raise FeedFolderProblem(f"there are {MAX_FEEDS} feeds already; remove one first")
            try:
                with fresh.open("wb") as file:
                    file.write(msgspec.json.encode(FeedFile(VERSION, feed)))
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(target)
            finally:
                fresh.unlink(missing_ok=True)
        except OSError as error:
            raise FeedFolderProblem(f"{target} cannot be written: {error.strerror}") from None
        return replaced

    def remove(self, name: str) -> bool:
        """Forget a feed. Whether there was one. Raises `FeedFolderProblem`."""
        try:
            self._file(name).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise FeedFolderProblem(f"{self._file(name)} cannot be removed: {error.strerror}") from None
        return True

    def load(self) -> tuple[tuple[Feed, ...], tuple[str, ...]]:
        """All feeds by name, and what is wrong with files that cannot be read: those are left out."""
        feeds, problems = [], []
        for path in self._files():
            try:
                feeds.append(_read(path))
            except FeedFolderProblem as problem:
                problems.append(str(problem))
        return tuple(feeds), tuple(problems)

    def fingerprint(self) -> Fingerprint:
        """Cheap: two system calls for each file."""
        seen = []
        for path in self._files():
            with contextlib.suppress(OSError):
                status = path.stat()
                seen.append((path.name, status.st_size, status.st_mtime_ns))
        return tuple(seen)

    def _files(self) -> Iterator[Path]:
        with contextlib.suppress(OSError):
            yield from sorted(path for path in self.path.glob("*.json") if not path.name.startswith("."))

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.json"


def _read(path: Path) -> Feed:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FeedFolderProblem(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        file = msgspec.json.decode(path.read_bytes(), type=FeedFile)
    except OSError as error:
        raise FeedFolderProblem(f"{path} cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise FeedFolderProblem(f"{path} is damaged: import the feed again") from None
    if file.version > VERSION:
        raise FeedFolderProblem(f"{path} was written by a newer Headgate")
    return file.feed
