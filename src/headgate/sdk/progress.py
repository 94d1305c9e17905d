"""Owns how the progress of many requests is told: numbers, and a bar for whoever looks at a terminal."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


class Progress(msgspec.Struct, frozen=True):
    """How far it is. `total` is None where nobody knows; `repeated` were asked already and are answered alike."""

    done: int = 0
    failed: int = 0
    repeated: int = 0
    under_way: int = 0
    most_at_once: int = 0
    total: int | None = None


Tell: TypeAlias = Callable[[Progress], None]


class Bar:
    """A bar on stderr."""

    def __init__(self) -> None:
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __call__(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as RichProgress

            console = Console(stderr=True, no_color=bool(os.environ.get("NO_COLOR")))
            self._bar = RichProgress(console=console)
            self._bar.start()
            self._task = self._bar.add_task("requests", total=progress.total)
        assert self._task is not None
        failed = f", {progress.failed} failed" if progress.failed else ""
        told = f"requests ({progress.under_way} at once{failed})"
        self._bar.update(self._task, completed=progress.done, description=told)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self._bar is not None:
            self._bar.stop()


def teller(progress: bool | Tell | None) -> Tell | None:
    """Who is told: nobody, the caller's own, or a bar, which None gives to a terminal only."""
    if callable(progress):
        return progress
    shows = sys.stderr.isatty() if progress is None else progress
    return Bar() if shows else None
