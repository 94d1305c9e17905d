"""A flight that says more than it may hold: whoever reads gets every byte, whenever they begin, and nobody stays."""

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

from headgate.domain.request import Priority
from headgate.runtime.flight import Flight
from headgate.runtime.outcome import Committed

SAID = [b"%d " % number for number in range(40)]
MOST_BYTES = 20
WITHIN_S = 5.0


def flight() -> Flight:
    """One whose stream is there at once, over and over its bound."""

    async def stream() -> AsyncGenerator[bytes, None]:
        for chunk in SAID:
            yield chunk

    async def go() -> Any:
        return SimpleNamespace(stream=Committed(stream(), lambda: None))

    request = SimpleNamespace(stream=True, priority=Priority.STANDARD, deadline_at=1.0)
    run: Any = SimpleNamespace(journey=SimpleNamespace(request=request), go=go)
    errand: Any = SimpleNamespace(include_usage=False)
    made = Flight("key", run, errand, MOST_BYTES, lambda _, said: said, 0)
    for _ in range(2):
        made.board(request)  # type: ignore[arg-type]
    return made


async def test_who_begins_to_read_late_misses_nothing() -> None:
    """Another has read on meanwhile, as far as it could: what it has read is held for the late one too."""
    over = flight()
    early, late = over.reader(), over.reader()
    heard = bytearray()

    async def reads() -> None:
        async for chunk in over.read(early):
            heard.extend(chunk)

    async with asyncio.timeout(WITHIN_S):
        reading = asyncio.create_task(reads())
        await over.begun.wait()
        await asyncio.sleep(0.01)
        assert heard
        assert not reading.done()
        assert b"".join([chunk async for chunk in over.read(late)]) == b"".join(SAID)
        await reading
    assert bytes(heard) == b"".join(SAID)


async def test_a_flight_that_nobody_reads_any_more_ends_for_those_who_wait_for_its_end() -> None:
    """What is too much to be held is let go of, and they are told that there is nothing to have."""
    over = flight()
    reader = over.reader()
    async with asyncio.timeout(WITHIN_S):
        await over.begun.wait()
        await asyncio.sleep(0.01)
        assert not over.over.is_set()
        over.forget(reader)
        over.leave()
        await over.over.wait()
    assert over.completion is None
