"""The synchronous door: the same answers without await, from any number of threads."""

import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.running_gateway import QUICK, RunningGateway, running_gateway

from headgate import Done, Error, HeadgateError, HeadgateSync, Refused, Token
from headgate.runtime.settings import InvalidSettings, load_settings
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import SimulatorSettings

MODEL = "openai/gpt-oss-20b"


@pytest.fixture
def gate(gateway: RunningGateway) -> Iterator[HeadgateSync]:
    """A gate over the pretend Groq of the running gateway."""
    settings = load_settings(None, {"GROQ_BASE_URL": gateway.simulator.base_url, "GROQ_API_KEY": "gsk_sync"})
    with HeadgateSync(settings) as gate:
        yield gate


def held(gate: HeadgateSync) -> int:
    """Reservations that are not settled."""

    async def count() -> int:
        inner = (await gate._gate.start()).driver.gate
        running = (at for model in inner.catalog.current() for at in inner.pool.deployments(model.id))
        return sum(inner.ledger.open_count(deployment) for deployment in running)

    return gate._run(count())


def test_ask_and_stream(gate: HeadgateSync) -> None:
    """A whole answer, its story, and the same question as events."""
    answer = gate.chat("Hello", model=MODEL, agent="sync")
    events = list(gate.stream("Hello", model=MODEL))
    assert answer.text
    story = gate.story(answer.request_id)
    assert story is not None
    assert story.agent == "sync"
    assert all(isinstance(event, Token) for event in events[:-1])
    assert isinstance(events[-1], Done)
    assert gate.stream("Hello", model=MODEL).answer().text


def test_many_threads_share_a_gate(gate: HeadgateSync) -> None:
    """Each gets an answer of its own."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: gate.chat(f"Hello {n}", max_completion_tokens=20), range(24)))
    assert len({answer.request_id for answer in answers}) == 24
    assert all(answer.source == "upstream" for answer in answers)


def test_refusals_are_raised(gate: HeadgateSync) -> None:
    """As in the asynchronous door; in a stream they are the last event."""
    with pytest.raises(Refused, match="not known"):
        gate.chat("Hello", model="no/such")
    with pytest.raises(Refused):
        gate.stream("Hello", model="no/such").answer()
    [event] = list(gate.stream("Hello", model=MODEL, reasoning_effort="extreme"))
    assert isinstance(event, Error)


def test_letting_go_of_a_stream_ends_it(gate: HeadgateSync) -> None:
    """By `break`, by `close` and by `with`: the call ends and nothing stays reserved."""
    for event in gate.stream("Hello", model=MODEL, max_completion_tokens=60):
        assert isinstance(event, Token)
        assert held(gate) == 1
        break
    assert held(gate) == 0
    with gate.stream("Hello", model=MODEL) as events:
        next(events)
    assert held(gate) == 0
    stream = gate.stream("Hello", model=MODEL)
    next(stream)
    stream.close()
    assert list(stream) == []
    assert held(gate) == 0


def test_closed_gate_and_its_thread() -> None:
    """Closing ends the thread, may be repeated, and later questions are told so."""
    gate = HeadgateSync(load_settings(None, {}))
    assert not any(thread.name == "headgate" for thread in threading.enumerate())
    assert gate.chat("Hello", max_completion_tokens=5).calls == 1
    assert any(thread.name == "headgate" for thread in threading.enumerate())
    gate.close()
    gate.close()
    assert not any(thread.name == "headgate" for thread in threading.enumerate())
    with pytest.raises(HeadgateError, match="closed"):
        gate.chat("Hello")


def test_stream_that_outlives_its_gate() -> None:
    """Closing it changes nothing and raises nothing."""
    with HeadgateSync(load_settings(None, {})) as gate:
        stream = gate.stream("Hello", model=MODEL)
        next(stream)
    stream.close()
    assert list(stream) == []


def _ask_in_child(gate: HeadgateSync, told: "multiprocessing.Queue[str]") -> None:
    try:
        told.put(gate.chat("Hello", max_completion_tokens=5).text)
    except HeadgateError as error:
        told.put(str(error))
    gate.close()
    with HeadgateSync(gate.settings) as own:
        told.put(own.chat("Hello", max_completion_tokens=5).source)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_gate_that_was_started_before_a_fork(gate: HeadgateSync) -> None:
    """A child has the parent's gate without its thread: it is told so at once, and a gate of its own answers it."""
    assert gate.chat("Hello", max_completion_tokens=5).text
    context = multiprocessing.get_context("fork")
    told: multiprocessing.Queue[str] = context.Queue()
    child = context.Process(target=_ask_in_child, args=(gate, told), daemon=True)
    child.start()
    try:
        assert "forked" in told.get(timeout=20)
        assert told.get(timeout=20) == "upstream"
    finally:
        child.kill()
        child.join()
    assert gate.chat("Hello", max_completion_tokens=5).text


def test_closing_under_a_call_of_another_thread() -> None:
    """Whoever waits for an answer is told that the gate was closed."""
    silent = SimulatorSettings(pace=QUICK, faults=(Fault(FaultKind.STALLED, at=0.0),))
    with running_gateway(simulator=silent) as gateway, ThreadPoolExecutor(1) as pool:
        settings = load_settings(None, {"GROQ_BASE_URL": gateway.simulator.base_url, "GROQ_API_KEY": "gsk_sync"})
        gate = HeadgateSync(settings)
        asking = pool.submit(gate.chat, "Hello", model=MODEL)
        while not held(gate):
            pass
        gate.close()
        with pytest.raises(HeadgateError, match="closed"):
            asking.result(20)


def test_gate_that_cannot_start_leaves_no_thread(tmp_path: Path) -> None:
    """`with` raises what was wrong, and nothing goes on."""
    config = tmp_path / "headgate.toml"
    config.write_text(f'[local.safety]\nfiles = ["{tmp_path / "missing.txt"}"]\n', encoding="utf-8")
    with pytest.raises(InvalidSettings, match="missing"), HeadgateSync(load_settings(config, {})):
        pass
    assert not any(thread.name == "headgate" for thread in threading.enumerate())
