"""Owns how a process that serves is set up: uvloop where it can be had, which halves the cost of the relay, and a
garbage collector that looks seldom."""

import asyncio
import gc
import importlib.util
from typing import Final

YOUNG_OBJECTS: Final = 50_000
"""New containers between two collections. Requests leave no cycles behind, so looking often only costs."""


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
