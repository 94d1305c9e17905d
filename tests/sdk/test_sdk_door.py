"""The in-process door: answers, events, refusals and leaving early, over a pretend Groq in the loop of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from tests.running_gateway import KEYS, QUICK, SHORT

from headgate import (
    Answer,
    Done,
    Error,
    Headgate,
    HeadgateError,
    InvalidRequest,
    Refused,
    Route,
    StreamBroke,
    Token,
    ToolCall,
    UpstreamRefused,
)
from headgate.catalog import default_catalog
from headgate.domain.answer import RefusalCode, Source
from headgate.domain.request import Strategy
from headgate.runtime.settings import InvalidSettings, Settings, load_settings
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.http import serve_simulator
from headgate.simulator.settings import SimulatorSettings

MODEL = "openai/gpt-oss-20b"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@asynccontextmanager
async def pretending(*faults: Fault) -> AsyncIterator[Settings]:
    """Settings that ask a quick pretend Groq with these faults."""
    server = await serve_simulator(SimulatorSettings(pace=QUICK, lengths=SHORT, faults=faults))
    try:
        yield load_settings(None, {"GROQ_BASE_URL": server.base_url, **KEYS})
    finally:
        await server.close()


@asynccontextmanager
async def gate_over(*faults: Fault, **routes: Route) -> AsyncIterator[Headgate]:
    """A gate over a quick pretend Groq with these faults."""
    async with pretending(*faults) as settings, Headgate(settings, routes=routes) as gate:
        yield gate


async def open_reservations(gate: Headgate) -> int:
    inner = (await gate.start()).driver.gate
    inner.ledger.check((await gate.start()).clock.now())
    running = (at for model in inner.catalog.current() for at in inner.pool.deployments(model.id))
    return sum(inner.ledger.open_count(deployment) for deployment in running)


async def test_a_text_is_answered() -> None:
    """An answer has its text, what it used and cost, and the labels that HTTP has as headers."""
    async with gate_over() as gate:
        answer = await gate.chat("Hello", model=MODEL, agent="tester", temperature=0.0)
    assert isinstance(answer, Answer)
    assert answer.text == str(answer) != ""
    assert (answer.source, answer.provider, answer.model_served) == (Source.UPSTREAM, "groq", MODEL)
    assert (answer.attempts, answer.calls, answer.finish_reason) == (1, 1, "stop")
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert answer.cost_usd > Decimal(0)
    assert answer.json()["choices"][0]["message"]["content"] == answer.text  # type: ignore[index]
    assert answer.inactive == ()


async def test_a_model_that_is_not_named_is_chosen() -> None:
    """Without a model the best one of now answers."""
    async with gate_over() as gate:
        answer = await gate.chat([{"role": "user", "content": "Hello"}])
    assert answer.model_asked == "headgate/auto"
    assert answer.model_served in {model.id for model in default_catalog().current()}


async def test_a_stream_ends_in_one_done() -> None:
    """Tokens make up the text of the answer that the last event carries."""
    async with gate_over() as gate:
        events = [event async for event in gate.stream("Hello", model=MODEL)]
    *tokens, done = events
    assert tokens
    assert all(isinstance(event, Token) for event in tokens)
    assert isinstance(done, Done)
    assert done.answer.text == "".join(event.text for event in tokens if isinstance(event, Token))
    assert done.answer.usage is not None
    assert done.answer.raw.endswith(b"data: [DONE]\n\n")


async def test_a_tool_call_comes_whole() -> None:
    """Both ways a required tool is called with complete JSON arguments."""
    options = {"tools": [WEATHER], "tool_choice": "required"}
    async with gate_over() as gate:
        answer = await gate.chat("Weather?", model=MODEL, **options)  # type: ignore[arg-type]
        events = [event async for event in gate.stream("Weather?", model=MODEL, **options)]  # type: ignore[arg-type]
    assert [call.name for call in answer.tool_calls] == ["weather"]
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert [call.name for call in calls] == ["weather"]
    assert calls[0].arguments.startswith('{"city"')
    assert isinstance(events[-1], Done)
    assert events[-1].answer.tool_calls == tuple(calls)
    assert events[-1].answer.finish_reason == "tool_calls"


async def test_nothing_can_answer_and_a_local_answer_will_do() -> None:
    """With every key out, both ways give a labelled local answer."""
    async with gate_over(Fault(FaultKind.SERVER_ERROR)) as gate:
        answer = await gate.chat("Hello", model=MODEL)
        events = [event async for event in gate.stream("Hello", model=MODEL)]
    assert (answer.source, answer.model_served, answer.provider) == (Source.LOCAL, "headgate/local", "")
    assert answer.attempts == 2
    assert answer.json()["headgate"]["source"] == "local"  # type: ignore[index]
    assert [type(event) for event in events] == [Token, Done]


async def test_nothing_can_answer_and_none_is_made_up() -> None:
    """With `local="off"` chat raises and a stream's only event is the same error; both say what was tried."""
    async with gate_over(Fault(FaultKind.SERVER_ERROR)) as gate:
        with pytest.raises(Refused, match="failed") as raised:
            await gate.chat("Hello", model=MODEL, local="off")
        events = [event async for event in gate.stream("Hello", model=MODEL, local="off")]
        with pytest.raises(Refused):
            await gate.stream("Hello", model=MODEL, local="off").answer()
    assert raised.value.code is RefusalCode.UPSTREAM_FAILED
    assert raised.value.status == 503
    assert len(raised.value.tried) == 2
    assert len(events) == 1
    assert isinstance(events[0], Error)
    assert isinstance(events[0].error, Refused)


async def test_the_provider_refuses_the_request_itself() -> None:
    """An upstream 400 that no remedy cures is raised with its own status, code and body."""
    async with gate_over() as gate:
        with pytest.raises(UpstreamRefused) as raised:
            await gate.chat("Hello", model=MODEL, extra_body={"logprobs_": True, "reasoning_effort": "extreme"})
        [event] = [event async for event in gate.stream("Hello", model=MODEL, reasoning_effort="extreme")]
    assert raised.value.status == 400
    assert b'"error"' in raised.value.body
    assert isinstance(event, Error)
    assert isinstance(event.error, UpstreamRefused)


async def test_a_stream_that_breaks_ends_in_an_error() -> None:
    """After text was seen no other model goes on: the last event is the error, with what had come."""
    async with gate_over(Fault(FaultKind.RESET_MIDWAY, at=0.9)) as gate:
        events = [event async for event in gate.stream("Hello", model=MODEL)]
    assert isinstance(events[0], Token)
    assert isinstance(events[-1], Error)
    assert isinstance(events[-1].error, StreamBroke)
    assert events[-1].error.text == "".join(event.text for event in events[:-1] if isinstance(event, Token))
    assert not any(isinstance(event, Done | Error) for event in events[:-1])


async def test_leaving_a_stream_early_settles_it() -> None:
    """By `break`, by `async with` or by cancelling the task: the call ends and nothing stays reserved."""
    async with gate_over(Fault(FaultKind.STALLED, at=0.3)) as gate:
        async for _ in gate.stream("Hello", model=MODEL):
            assert await open_reservations(gate) == 1
            break
        async with gate.stream("Hello", model=MODEL) as events:
            await anext(events)
        assert await asyncio.wait_for(settled(gate), 5)
        kept = gate.stream("Hello", model=MODEL)
        async for _ in kept:
            break
        assert await asyncio.wait_for(settled(gate), 5)
        assert [event async for event in kept] == []
        task = asyncio.create_task(gate.stream("Hello", model=MODEL).answer())
        await called(gate)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await open_reservations(gate) == 0


async def settled(gate: Headgate) -> bool:
    """An iterator that is let go of is closed in a later turn of the loop."""
    while await open_reservations(gate):  # noqa: ASYNC110 - nothing announces the end of a garbage collection
        await asyncio.sleep(0)
    return True


async def called(gate: Headgate) -> None:
    """Until a call has been reserved."""
    while not await open_reservations(gate):  # noqa: ASYNC110 - nobody is told of a reservation
        await asyncio.sleep(0)


async def test_cancelling_a_chat_settles_it() -> None:
    """A caller who gives up leaves nothing reserved."""
    async with gate_over(Fault(FaultKind.STALLED, at=0.0)) as gate:
        task = asyncio.create_task(gate.chat("Hello", model=MODEL))
        await called(gate)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await open_reservations(gate) == 0


async def test_the_story_of_a_request_can_be_read() -> None:
    """What was called and why is remembered under the answer's request id."""
    async with gate_over(Fault(FaultKind.SERVER_ERROR, times=1)) as gate:
        answer = await gate.chat("Hello", model=MODEL, task="greeting")
        story = gate.story(answer.request_id)
    assert story is not None
    assert story.task == "greeting"
    assert [call.failure is None for call in story.calls] == [False, True]
    assert answer.reason == "over_capacity"


async def test_routes_in_code_are_followed() -> None:
    """A route's models and attempts hold; a control of the request beats the route."""
    route = Route(models=("qwen/qwen3.8-27b",), max_attempts=1, local=False)
    async with gate_over(support=route) as gate:
        answer = await gate.chat("Hello", route="support")
        other = await gate.chat("Hello", route="support", tier="fast")
    assert answer.model_served == "qwen/qwen3.8-27b"
    assert other.model_served == MODEL


@pytest.mark.parametrize(
    "route, said",
    [
        (Route(models=("gpt-oss-2b",)), "openai/gpt-oss-20b"),
        (Route(tier="quick"), "use one of fast"),
        (Route(max_attempts=3, max_calls=2), "2 calls do not hold 3 attempts"),
        (Route(max_attempts=99), "max_attempts"),
        ({"modles": []}, "modles"),
        (Route(providers=("opnai",)), "did you mean 'openai'"),
        (Route(strategy=Strategy.WEIGHTED, weights={"gpt-oss-20b": 1}), "write openai/gpt-oss-20b"),
        (Route(strategy=Strategy.WEIGHTED, weights={"llama-3.3-70b-versatile": 1}), "write openai/gpt-oss-120b"),
    ],
)
async def test_a_route_that_cannot_be_followed(route: Route | dict[str, object], said: str) -> None:
    """Refused when the gate is made, with the key and the fix."""
    async with pretending() as settings:
        with pytest.raises(InvalidSettings, match=said):
            Headgate(settings, routes={"bad": route})


async def test_a_gate_that_is_closed() -> None:
    """It says so; closing twice does nothing."""
    async with pretending() as settings:
        gate = Headgate(settings)
        assert (await gate.chat("Hello", model=MODEL)).text  # started by its first use
        await gate.close()
        await gate.close()
        with pytest.raises(HeadgateError, match="closed"):
            await gate.chat("Hello")


def test_a_gate_belongs_to_its_loop() -> None:
    """Used in another event loop it says what to do instead of failing somewhere deep."""

    async def first() -> Headgate:
        gate = Headgate(load_settings(None, {}))
        await gate.start()
        await gate.close()
        return gate

    gate = asyncio.run(first())

    async def second() -> None:
        await gate.chat("Hello")

    with pytest.raises(HeadgateError, match="another event loop"):
        asyncio.run(second())


async def test_without_a_key_a_pretend_groq_answers() -> None:
    """A gate of empty settings needs no network; `simulate=False` insists on a key."""
    settings = load_settings(None, {})
    async with Headgate(settings) as gate:
        answer = await gate.chat("Hello", max_completion_tokens=5)
    assert answer.source is Source.UPSTREAM
    with pytest.raises(InvalidSettings, match="GROQ_API_KEY"):
        Headgate(settings, simulate=False)


async def test_nonsense_is_a_value_error() -> None:
    """A caller's own mistake is an InvalidRequest that names the argument; nothing was called."""
    async with gate_over() as gate:
        with pytest.raises(InvalidRequest, match="temperature") as raised:
            await gate.chat("Hello", temperature=9.0)
        assert isinstance(raised.value, ValueError)
        assert raised.value.param == "temperature"
        with pytest.raises(InvalidRequest, match="did you mean `temperature`"):
            await gate.chat("Hello", temprature=0.1)  # type: ignore[call-arg]
        with pytest.raises(InvalidRequest, match="There is no route `nowhere`"):
            await gate.chat("Hello", route="nowhere")
        with pytest.raises(InvalidRequest, match="priority"):
            await gate.chat("Hello", priority="first")  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest, match="JSON"):
            await gate.chat("Hello", stop=object())  # type: ignore[arg-type]
        with pytest.raises(Refused, match="not known") as unknown:
            await gate.chat("Hello", model="no/such")
        assert unknown.value.code is RefusalCode.MODEL_NOT_FOUND
        assert await open_reservations(gate) == 0


async def test_controls_that_are_not_active_yet_are_named() -> None:
    """They are accepted and reported, so that a program written for a later version can be tried out."""
    async with gate_over() as gate:
        answer = await gate.chat("Hello", model=MODEL, quality="high", track="t", session="s1")
    assert set(answer.inactive) == {"quality", "track"}


async def test_closing_a_gate_that_is_starting() -> None:
    """Nothing goes on running behind it, and whoever comes later is told so."""
    settings = load_settings(None, {})
    gate = Headgate(settings, simulate=True)
    asked = asyncio.create_task(gate.chat("Hello", model=MODEL))
    await asyncio.sleep(0)
    await gate.close()
    await asyncio.wait([asked])
    assert gate._gateway is None
    assert gate._simulator is None
    with pytest.raises(HeadgateError, match="closed"):
        await gate.start()


async def test_start_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """A store that was opened is let go of: the same file serves the next gate."""
    words, path = tmp_path / "words.txt", tmp_path / "kept.sqlite3"
    toml = f'[store]\nenabled = true\npath = "{path}"\n[local.safety]\nfiles = ["{words}"]\n'
    (tmp_path / "headgate.toml").write_text(toml, encoding="utf-8")
    settings = load_settings(tmp_path / "headgate.toml", {})
    with pytest.raises(InvalidSettings, match="words"):
        await Headgate(settings, simulate=True).start()
    words.write_text("forbidden phrase\n", encoding="utf-8")
    async with Headgate(settings, simulate=True) as gate:
        assert (await gate.chat("Hello", model=MODEL)).source is Source.UPSTREAM


async def test_start_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    """At whatever moment its caller gives up: no task goes on, and the same file serves the next gate."""
    toml = f'[store]\nenabled = true\npath = "{tmp_path / "kept.sqlite3"}"\n'
    (tmp_path / "headgate.toml").write_text(toml, encoding="utf-8")
    settings = load_settings(tmp_path / "headgate.toml", {})
    before, was_started, turns = asyncio.all_tasks(), False, 0
    while not was_started:
        gate = Headgate(settings, simulate=True)
        starting = asyncio.create_task(gate.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        was_started, turns = starting.done(), turns + 3
        starting.cancel()
        await asyncio.wait([starting])
        await gate.close()
        assert asyncio.all_tasks() <= before, turns
        async with Headgate(settings, simulate=True):
            pass
