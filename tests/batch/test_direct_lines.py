"""Lines that are run without a store: what a reader who leaves in the middle leaves behind."""

import asyncio

import pytest

from headgate.batch.asking import LineAnswer
from headgate.batch.direct import run_lines
from headgate.protocol.batches import Line
from headgate.runtime.clock import MonotonicClock

WITHIN_S = 10.0
TURNS = 50
"""More turns of the loop than it takes until as many results wait as may."""
LINES = [Line(f"line-{number}", "/v1/chat/completions", "m", b"{}") for number in range(12)]


@pytest.mark.parametrize("taken", [1, 5, 12])
async def test_reader_who_leaves_is_let_go(taken: int) -> None:
    """However many results wait for the reader, stopping to read ends at once, and nothing runs on."""

    async def ask(_tenant: str, _url: str, _body: bytes) -> LineAnswer:
        return LineAnswer(200, "req", b"{}")

    clock = MonotonicClock()
    reading = run_lines(LINES, ask, clock, concurrency=4, until=clock.now() + 60.0)
    async with asyncio.timeout(WITHIN_S):
        found = [await anext(reading) for _ in range(taken)]
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await reading.aclose()
    assert len({result.line.custom_id for result in found}) == taken
    assert len(asyncio.all_tasks()) == 1
