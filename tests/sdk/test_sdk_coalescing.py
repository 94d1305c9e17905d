"""Requests of this process asked in one call: whole, streamed, blocking, and by a route in code."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from tests.running_gateway import KEYS, QUICK, SHORT

from headgate import Answer, Done, Headgate, HeadgateSync, Token
from headgate.runtime.settings import load_settings
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import SimulatorSettings

MODEL = "openai/gpt-oss-20b"
ROUTES = {"small": {"models": [MODEL], "coalesce": {"window_ms": 2_000, "max_items": 4}}}


async def test_gathered_in_this_process() -> None:
    """Four at once, two of them streamed, are one call: each has its text, its share of the usage and the label."""
    server = await serve_simulator(SimulatorSettings(pace=QUICK, lengths=SHORT))
    settings = load_settings(None, {"GROQ_BASE_URL": server.base_url, **KEYS})
    try:
        async with Headgate(settings, routes=ROUTES) as gate:

            async def streamed(text: str) -> Answer:
                events = [event async for event in gate.stream(text, route="small")]
                assert isinstance(events[0], Token)
                assert isinstance(events[-1], Done)
                return events[-1].answer

            answers = await asyncio.gather(
                gate.chat("one", route="small"), streamed("two"), gate.chat("three", route="small"), streamed("four")
            )
            assert [answer.reason for answer in answers] == ["coalesced"] * 4
            assert all(answer.text and answer.usage is not None and answer.usage.prompt_tokens for answer in answers)
            coalescer = (await gate.start()).coalescer
            assert coalescer is not None
            assert (coalescer.counts.total.requests, coalescer.counts.total.calls) == (4, 1)
            alone = await gate.chat("five", route="small", coalesce="off")
            assert alone.reason == ""
    finally:
        await server.close()


def test_gathered_from_threads() -> None:
    """The blocking door gathers what its threads ask at the same time."""
    with HeadgateSync(simulate=True, routes=ROUTES) as gate, ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda n: gate.chat(f"text {n}", route="small"), range(4)))
    assert [answer.reason for answer in answers] == ["coalesced"] * 4
