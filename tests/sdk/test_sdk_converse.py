"""`gate.converse`: the reply at once, an extraction alongside, jobs that are durable where the gate has a store."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.running_gateway import KEYS, QUICK, SHORT

from headgate import Conversation, Headgate, HeadgateError, HeadgateSync, InvalidRequest, JobFailed
from headgate.runtime.settings import load_settings
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.settings import Pace, SimulatorSettings

MODEL = "openai/gpt-oss-20b"
SAID = "I live in Pune with 2 cats."
LOCAL = {"kind": "local", "skill": "language"}
RATE = {"kind": "chat", "model": MODEL, "messages": [{"role": "user", "content": "Rate {{reply}}"}]}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
PLENTY = SimulatorSettings(pace=QUICK, lengths=SHORT)
WITHIN_S = 20.0


class Home(msgspec.Struct):
    """What is to be extracted."""

    city: str
    cats: int


@asynccontextmanager
async def gate_over(
    pretend: SimulatorSettings, store: Path | None = None, more: str = "", folder: Path | None = None
) -> AsyncIterator[tuple[Headgate, SimulatorServer]]:
    """A gate of this process, with a store or without."""
    server = await serve_simulator(pretend)
    config = None
    if store is not None or more:
        assert folder is not None
        config = folder / "headgate.toml"
        kept = "" if store is None else f'[store]\nenabled = true\npath = "{store}"\n'
        config.write_text(kept + more, encoding="utf-8")
    try:
        async with Headgate(load_settings(config, {"GROQ_BASE_URL": server.base_url, **KEYS})) as gate:
            yield gate, server
    finally:
        await server.close()


@pytest.mark.parametrize("is_durable", [True, False])
async def test_three_kinds_of_work(tmp_path: Path, is_durable: bool) -> None:
    """The reply, the extraction as its type, and a result for each job in their order; the handles say whether the jobs
    survive the process."""
    store = tmp_path / "s.sqlite3" if is_durable else None
    specs: list[dict[str, Any]] = [RATE, {"kind": "extract", "schema": Home}, LOCAL]
    async with gate_over(PLENTY, store, folder=tmp_path) as (gate, _):
        said: Conversation[Home] = await gate.converse(SAID, extract=Home, background=specs, model=MODEL)
        assert said.reply.text
        assert said.is_durable is is_durable
        assert said.extraction is not None
        home = await said.extraction
        assert isinstance(home.value, Home)
        assert (await said.extraction.result(WITHIN_S)).value == home.value
        results = [await job.result(WITHIN_S) for job in said.jobs]
    assert [result.kind for result in results] == ["chat", "extract", "local"]
    assert results[0].value == results[0].raw["answer"]["choices"][0]["message"]["content"]
    assert set(results[1].value) == {"city", "cats"}
    assert results[2].value["code"] == "en"
    assert all(job.is_durable is is_durable for job in said.jobs)


async def test_durable_job_after_the_gate(tmp_path: Path) -> None:
    """A job that was not done when its gate closed is done by the next gate over the same store."""
    store = tmp_path / "s.sqlite3"
    slow = msgspec.structs.replace(PLENTY, pace=Pace(network_s=0.0, queue_median_s=0.7, queue_sigma=0.0))
    async with gate_over(slow, store, "[background]\ndrain_s = 0\n", folder=tmp_path) as (gate, _):
        said: Conversation[Any] = await gate.converse(SAID, background=[RATE], model=MODEL)
        (job,) = said.jobs
        with pytest.raises(TimeoutError):
            await job.result(0.05)
    async with gate_over(PLENTY, store, folder=tmp_path) as (gate, _):
        runner = (await gate.start()).jobs
        assert runner is not None
        row = await asyncio.wait_for(runner.ended("local", job.id), WITHIN_S)
    assert row is not None
    assert (row.status, row.crashes) == ("done", 0)


async def test_passing_job_after_the_gate() -> None:
    """Without a store a job ends with its gate, and whoever waits is told that it is lost."""
    slow = msgspec.structs.replace(PLENTY, pace=Pace(network_s=0.0, queue_median_s=0.7, queue_sigma=0.0))
    async with gate_over(slow) as (gate, _):
        said: Conversation[Home] = await gate.converse(SAID, background=[RATE], extract=Home, model=MODEL)
        assert not said.is_durable
    with pytest.raises(JobFailed) as caught:
        await said.jobs[0].result(WITHIN_S)
    assert caught.value.code == "lost"
    assert said.extraction is not None


@pytest.mark.parametrize("is_durable", [True, False])
async def test_job_that_is_cancelled_or_fails(tmp_path: Path, is_durable: bool) -> None:
    """Waiting for it raises, and says why."""
    store = tmp_path / "s.sqlite3" if is_durable else None
    slow = msgspec.structs.replace(PLENTY, pace=Pace(network_s=0.0, queue_median_s=0.4, queue_sigma=0.0))
    refused = {**RATE, "logprobs": True}
    async with gate_over(slow, store, folder=tmp_path) as (gate, _):
        said: Conversation[Any] = await gate.converse(SAID, background=[RATE, refused], model=MODEL)
        await said.jobs[0].cancel()
        for job, code in zip(said.jobs, ("cancelled" if is_durable else "lost", "invalid_request_error"), strict=True):
            with pytest.raises(JobFailed) as caught:
                await job.result(WITHIN_S)
            assert caught.value.code in {code, "unsupported_parameter", "invalid_request"}


async def test_reply_that_fails(tmp_path: Path) -> None:
    """The error is raised as ever; no job about a reply is left, and its place is free again."""
    broken = msgspec.structs.replace(PLENTY, faults=(Fault(FaultKind.SERVER_ERROR),))
    limits = "[background]\nmax_open_per_tenant = 1\n[defaults]\nlocal = false\n"
    async with gate_over(broken, tmp_path / "s.sqlite3", limits, folder=tmp_path) as (gate, _):
        for _ in range(2):
            with pytest.raises(HeadgateError):
                await gate.converse(SAID, background=[RATE], extract=Home, model=MODEL)
        store = (await gate.start()).store
        assert store is not None
        assert (await store.jobs.page("local")).rows == ()


@pytest.mark.parametrize("is_durable", [True, False])
async def test_reply_without_text(tmp_path: Path, is_durable: bool) -> None:
    """A reply that is tool calls only was paid for and is given out; of its jobs those that need its text say that they
    were not begun, in their place, take no place of others, and the rest is done."""
    store = tmp_path / "s.sqlite3" if is_durable else None
    specs: list[dict[str, Any]] = [{**LOCAL, "of": "reply"}, LOCAL, {"kind": "extract", "schema": Home, "of": "reply"}]
    specs += [{**LOCAL, "of": "both"}, RATE]
    limits = "[background]\nmax_open_per_tenant = 5\n"
    async with gate_over(PLENTY, store, limits, folder=tmp_path) as (gate, _):
        for _ in range(2):
            said: Conversation[Home] = await gate.converse(
                SAID, extract=Home, background=specs, model=MODEL, tools=[TOOL], tool_choice="required"
            )
            assert (said.reply.text, said.reply.finish_reason) == ("", "tool_calls")
            assert said.reply.tool_calls[0].name == "look_up"
            assert said.extraction is not None
            assert isinstance((await said.extraction).value, Home)
            assert said.is_durable is is_durable
            for job in (said.jobs[0], said.jobs[2]):
                with pytest.raises(JobFailed, match="no text") as caught:
                    await job.result(WITHIN_S)
                assert (caught.value.code, caught.value.job_id) == ("not_made", job.id)
                await job.cancel()
            assert [job.kind for job in said.jobs] == ["local", "local", "extract", "local", "chat"]
            done = [said.jobs[at] for at in (1, 3, 4)]
            assert [(await job.result(WITHIN_S)).kind for job in done] == ["local", "local", "chat"]


async def test_jobs_that_make_none() -> None:
    """What is wrong with them is said, and no reply is given out."""
    async with gate_over(PLENTY) as (gate, _):
        for background, part in (
            ([{"kind": "dance"}], "dance"),
            ([{"kind": "local", "skill": "languag"}], "language"),
            ([LOCAL] * 17, "at most 16"),
        ):
            with pytest.raises(InvalidRequest, match=part):
                await gate.converse(SAID, background=background)
        with pytest.raises(InvalidRequest, match="webhook"):
            await gate.converse(SAID, background=[LOCAL], webhook="ops")
        with pytest.raises(InvalidRequest, match="converse"):
            await gate.chat(SAID, extra_body={"headgate": {"background": [LOCAL]}})


async def test_job_that_cannot_be_begun_leaves_no_place_taken(tmp_path: Path) -> None:
    """Nor do those that were given beside it, which could have been."""
    fixed = {**RATE, "messages": [{"role": "user", "content": "Think of something."}]}
    more = "[background]\nmax_open_per_tenant = 2"
    async with gate_over(PLENTY, tmp_path / "s.sqlite3", more, tmp_path) as (gate, _):
        for _ in range(3):
            with pytest.raises(InvalidRequest, match="no text"):
                await gate.converse(" ", background=[fixed, LOCAL], model=MODEL)
        said: Conversation[Home] = await gate.converse(SAID, background=[fixed, LOCAL], model=MODEL)
        assert [(await job.result(WITHIN_S)).kind for job in said.jobs] == ["chat", "local"]


async def test_reply_is_not_held_up(tmp_path: Path) -> None:
    """A slow extraction and slow jobs are still under way when the reply is there."""
    faults = tuple(Fault(FaultKind.SLOW, containing=text, delay_s=60.0) for text in ("Extract what", "Rate "))
    hindered = msgspec.structs.replace(PLENTY, faults=faults)
    settings = "[background]\ndrain_s = 0\n"
    async with gate_over(hindered, tmp_path / "s.sqlite3", settings, folder=tmp_path) as (gate, _):
        said: Conversation[Home] = await gate.converse(SAID, extract=Home, background=[RATE], model=MODEL)
        assert said.reply.text
        assert said.extraction is not None
        assert not said.extraction.is_ready
        for rest in (said.extraction.result(0.01), said.jobs[0].result(0.01)):
            with pytest.raises(TimeoutError):
                await rest
        said.extraction.cancel()


def test_without_await(tmp_path: Path) -> None:
    """`HeadgateSync.converse` gives the same handles; they wait where a thread can."""
    ready: list[SimulatorServer] = []
    stop, started = threading.Event(), threading.Event()

    async def serve() -> None:
        ready.append(await serve_simulator(PLENTY))
        started.set()
        await asyncio.to_thread(stop.wait)
        await ready[0].close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(WITHIN_S)
    config = tmp_path / "headgate.toml"
    config.write_text(f'[store]\nenabled = true\npath = "{tmp_path / "s.sqlite3"}"\n', encoding="utf-8")
    try:
        settings = load_settings(config, {"GROQ_BASE_URL": ready[0].base_url, **KEYS})
        with HeadgateSync(settings) as gate:
            said = gate.converse(SAID, extract=Home, background=[RATE, LOCAL], model=MODEL)
            assert said.reply.text
            assert said.is_durable
            assert said.extraction is not None
            assert isinstance(said.extraction.result(WITHIN_S).value, Home)
            assert [job.result(WITHIN_S).kind for job in said.jobs] == ["chat", "local"]
    finally:
        stop.set()
        thread.join()
