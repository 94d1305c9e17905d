"""Owns what is taken away from the folder of an object tier: entries whose time is over, and the oldest beyond its
bound. Blocks: run it in a thread."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from headgate.domain.time import Seconds
from headgate.store.object_tier import ENTRIES, HEAD, MAGIC

MAX_FILES: Final = 200_000
"""Files that one sweep looks at; what lies beyond is for the next, which finds fewer."""
HALF_WRITTEN_S: Final = 3_600.0
LEFT: Final = 0.9
"""Of the bound, once the oldest had to go."""


SWEEP_EVERY_S: Final[Seconds] = 600.0
FIRST_SWEEP_S: Final[Seconds] = 5.0
"""After the start, when there are more urgent things to do."""


class Swept(msgspec.Struct, frozen=True):
    """What one sweep did. `kept` and `kept_bytes` are of the files that it looked at."""

    expired: int = 0
    crowded_out: int = 0
    kept: int = 0
    kept_bytes: int = 0


class Sweeper:
    """Sweeps a folder now and then while a gateway runs."""

    def __init__(self, folder: Path, *, wall: Callable[[], float], max_bytes: int) -> None:
        self._folder = folder
        self._wall = wall
        self._max_bytes = max_bytes
        self._task: asyncio.Task[None] | None = None

    def start(self, *, first_s: Seconds = FIRST_SWEEP_S, every_s: Seconds = SWEEP_EVERY_S) -> None:
        """Begin, in the loop that serves."""
        self._task = asyncio.get_running_loop().create_task(self._sweep(first_s, every_s), name="sweep of the cache")

    async def _sweep(self, wait_s: Seconds, every_s: Seconds) -> None:
        while True:
            await asyncio.sleep(wait_s)
            await asyncio.to_thread(sweep, self._folder, wall_s=self._wall(), max_bytes=self._max_bytes)
            wait_s = every_s

    async def stop(self) -> None:
        """End. A sweep that is under way is let finish by its thread."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


def sweep(folder: Path, *, wall_s: float, max_bytes: int) -> Swept:
    """One sweep. Files that others take away or replace meanwhile are theirs."""
    expired = 0
    kept: list[tuple[float, int, str]] = []
    for entry in _files(folder / ENTRIES):
        try:
            if _is_over(entry.path, wall_s):
                Path(entry.path).unlink()
                expired += 1
                continue
            told = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        kept.append((told.st_mtime, told.st_size, entry.path))
    total = sum(size for _, size, _ in kept)
    gone = 0
    if total > max_bytes:
        for _, size, path in sorted(kept):
            if total <= LEFT * max_bytes:
                break
            try:
                Path(path).unlink()
            except OSError:
                continue
            total -= size
            gone += 1
    return Swept(expired, gone, len(kept) - gone, total)


def _files(root: Path) -> Iterator[os.DirEntry[str]]:
    """The entries' files in their two levels, `MAX_FILES` at most."""
    seen = 0
    for branch in _listed(root):
        for entry in _listed(branch.path):
            if seen >= MAX_FILES:
                return
            if entry.is_file(follow_symlinks=False):
                seen += 1
                yield entry


def _listed(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _is_over(path: str, wall_s: float) -> bool:
    """Whether an entry's time is over; so is that of what is no entry and old enough not to be half written."""
    with Path(path).open("rb") as file:
        head = file.read(HEAD.size)
        if len(head) == HEAD.size and head.startswith(MAGIC):
            return bool(HEAD.unpack(head)[1] <= wall_s * 1000)
        return os.fstat(file.fileno()).st_mtime < wall_s - HALF_WRITTEN_S
