"""Owns how a process that serves is set up: uvloop where it can be had, which halves the cost of the relay, and a
garbage collector that looks seldom."""

import asyncio
import gc
import importlib.util
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""New containers between two collections. Requests leave no cycles behind, so looking often only costs."""

FILES_MAX: Final = 65_536
"""Sockets and files that a process asks the system for; the system's own limit for it bounds them too."""


def allow_files() -> int | None:
    """Have as many sockets as the system allows: a shell begins with 1,024, and each request in flight holds two. How
    many there may be; None where the system has no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # macOS has a limit of its own, below the one that it names
        return soft
    return wanted


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop for a thread of our own."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def settle_memory() -> None:
    """Call once everything long-lived is there: the collector never looks at it again, and looks less often at all."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 100)
