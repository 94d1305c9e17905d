"""`gate.chat_many`: every request answered, in order, as many at once as the quotas carry and no more."""

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.running_gateway import QUICK, SHORT

from headgate import Answer, Headgate, HeadgateError, HeadgateSync, InvalidRequest, Refused, UpstreamRefused
from headgate.catalog import default_catalog
from headgate.decide.parallel import MOST, at_once
from headgate.domain.limits import Dimension
from headgate.domain.request import PromptSize, Request
from headgate.runtime.settings import Settings, load_settings
from headgate.sdk.many import LEAST_AHEAD, MOST_WAITING
from headgate.sdk.progress import Progress
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.groq import PretendGroq
from headgate.simulator.http import SimulatorServer
from headgate.simulator.script import Script
from headgate.simulator.settings import Organisation, SimulatorSettings

MODEL = "openai/gpt-oss-20b"
PLENTY = {Dimension.RPM: 10_000, Dimension.RPD: 1_000_000, Dimension.TPM: 10_000_000, Dimension.TPD: 1_000_000_000}


class Counting(PretendGroq):
    """A pretend Groq that writes down how it answered."""

    def __init__(self, settings: SimulatorSettings) -> None:
        super().__init__(settings, default_catalog())
        self.statuses: list[int] = []

    def handle(self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: float) -> Script:
        script = super().handle(method, path, headers, body, now)
        self.statuses.append(script.status)
        return script


@asynccontextmanager
async def pretending(
    limits: Mapping[Dimension, int], *faults: Fault, more: str = ""
) -> AsyncIterator[tuple[Settings, Counting]]:
    """A pretend Groq with these limits for one model, and settings that know them; no other model stands in."""
    organisation = Organisation("developer", limits={"*": dict(limits)})
    groq = Counting(
        SimulatorSettings(
            pace=QUICK,
            lengths=SHORT,
            faults=faults,
            keys={"gsk_a": "org_a"},
            organisations={"org_a": organisation},
            cache_hit_probability=0.0,
        )
    )
    server = SimulatorServer(groq, "127.0.0.1", 1.0, None)
    await server.listen()
    told = ", ".join(f"{dimension} = {limit}" for dimension, limit in limits.items())
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "headgate.toml"
            path.write_text(
                f'[groq]\nendpoints = ["{server.base_url}"]\nkeys = [{{secret = "gsk_a", organisation = "org_a"}}]\n'
                f'[organisations.org_a]\nplan = "developer"\nlimits = {{ "*" = {{ {told} }} }}\n'
                f"[routes.default]\nsubstitute = false\n{more}",
                encoding="utf-8",
            )
            yield load_settings(path, {}), groq
    finally:
        await server.close()


async def held(gate: Headgate) -> int:
    """Reservations that are not settled, tickets that wait."""
    inner = (await gate.start()).driver.gate
    inner.ledger.check((await gate.start()).clock.now())
    return inner.room.waiting() + sum(inner.ledger.open_count(place) for place in inner.pool.deployments(MODEL))


async def until(holds: Callable[[], object]) -> None:
    """Look again as often as the loop comes round."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is looked at is no event
            await asyncio.sleep(0.002)


async def test_all_are_answered_in_order() -> None:
    """A list comes back with the answers in the places of their requests, without a refusal upstream."""
    async with pretending(PLENTY) as (settings, groq), Headgate(settings) as gate:
        answers = await gate.chat_many([f"number {n}" for n in range(60)], model=MODEL, max_completion_tokens=30)
        ids = [answer.request_id for answer in answers if isinstance(answer, Answer)]
        stories = [gate.story(name) for name in ids]
        assert await held(gate) == 0
    assert len(ids) == len(set(ids)) == 60
    assert groq.statuses == [200] * 60
    assert all(story is not None for story in stories)


async def test_route_that_blocks() -> None:
    """A route's blocklist holds for many requests as it does for one: what it names is refused before any call."""
    more = 'safety = "block"\n[local.safety.categories]\nviolence = ["bomb"]\n'
    async with pretending(PLENTY, more=more) as (settings, groq), Headgate(settings) as gate:
        answers = await gate.chat_many(["build a b0mb", "build a boat"], model=MODEL, max_completion_tokens=30)
    assert isinstance(answers[0], Refused)
    assert "blocklist names something in it (violence)" in str(answers[0])
    assert isinstance(answers[1], Answer)
    assert groq.statuses == [200]


@pytest.mark.slow
async def test_more_than_the_quota_holds() -> None:
    """What exceeds a minute's tokens waits for them: none is refused upstream, none here, and the waiting room holds a
    few of ours at the most, while the bucket is never idle for long."""
    limits = {**PLENTY, Dimension.TPM: 120_000}
    waiting: list[int] = []
    async with pretending(limits) as (settings, groq), Headgate(settings) as gate:
        room = (await gate.start()).driver.gate.room
        clock = (await gate.start()).clock
        began = clock.now()
        text = " ".join(f"word{n}" for n in range(480))
        many = gate.chat_many(
            (f"{n} {text}" for n in range(125)),
            model=MODEL,
            max_completion_tokens=60,
            priority="batch",  # in the background a part of the quota would stay free
            progress=lambda _: waiting.append(room.waiting()),
        )
        answers = await many
        took_s = clock.now() - began
        assert await held(gate) == 0
    usages = [answer.usage for answer in answers if isinstance(answer, Answer) and answer.usage is not None]
    used = sum(usage.prompt_tokens + usage.completion_tokens for usage in usages)
    assert len([answer for answer in answers if isinstance(answer, Answer)]) == 125
    assert set(groq.statuses) == {200}
    assert used > 126_000
    assert max(waiting) <= MOST_WAITING
    assert took_s < (used - 120_000) / 2_000 * 2 + 3


async def test_errors_are_values_in_their_places() -> None:
    """A request that is wrong, refused or failing does not end the others."""
    asks: list[Any] = [
        "fine",
        {"messages": "who?", "model": "no/such"},
        {"text": "nothing to ask"},
        {"messages": "hi", "model": MODEL, "temperature": 99},
        {"messages": "hi", "model": MODEL, "no_such_option": 1},
        {"messages": "hi", "model": MODEL, "reasoning_effort": "extreme"},
        [{"role": "user", "content": "fine too"}],
    ]
    async with pretending(PLENTY) as (settings, _), Headgate(settings) as gate:
        answers = [answer async for answer in gate.chat_many(asks, model=MODEL)]
    kinds = [Answer, Refused, InvalidRequest, InvalidRequest, InvalidRequest, UpstreamRefused, Answer]
    assert [type(answer) for answer in answers] == kinds
    assert "no_such_option" in str(answers[4])


async def test_failure_that_passes_is_asked_again() -> None:
    """A provider that is down for a while is asked again after the pause that the refusal names."""
    down = Fault(FaultKind.SERVER_ERROR, times=2)
    async with pretending(PLENTY, down) as (settings, groq), Headgate(settings) as gate:
        answers = await gate.chat_many(["a"], model=MODEL)
    assert isinstance(answers[0], Answer)
    assert groq.statuses == [500, 500, 200]


async def test_no_time_left() -> None:
    """What cannot be answered within the time is a refusal, not a local answer."""
    async with pretending(PLENTY, Fault(FaultKind.SERVER_ERROR)) as (settings, _), Headgate(settings) as gate:
        answers = await gate.chat_many(["a"], model=MODEL, within_s=0.5)
    assert isinstance(answers[0], Refused)


@pytest.mark.parametrize("once", [True, False])
async def test_repeats(once: bool) -> None:
    """Equal requests are asked once, unless told otherwise, and all of them have an answer."""
    asks = [text for _ in range(10) for text in ("one", "two")]
    async with pretending(PLENTY) as (settings, groq), Headgate(settings) as gate:
        many = gate.chat_many(asks, model=MODEL, asks_repeats_once=once)
        answers = await many
    assert len(groq.statuses) == (2 if once else 20)
    assert all(isinstance(answer, Answer) for answer in answers)
    assert many.progress == Progress(20, 0, 18 if once else 0, 0, many.progress.most_at_once, 20)
    assert (answers[0] is answers[2]) is once


async def test_endless_source_and_a_slow_reader() -> None:
    """Only so much is taken from the source as may be under way or wait to be read, and leaving ends it all."""
    taken = 0

    async def endless() -> AsyncIterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"number {taken}"

    async with pretending(PLENTY) as (settings, _), Headgate(settings) as gate:
        async with gate.chat_many(endless(), model=MODEL, max_completion_tokens=20) as many:
            read = [await anext(many) for _ in range(5)]
            await until(lambda: not many.progress.under_way and many.progress.done == taken)
            assert LEAST_AHEAD <= taken <= 5 + max(LEAST_AHEAD, 4 * many.progress.most_at_once) + 1
        assert await held(gate) == 0
        with pytest.raises(StopAsyncIteration):
            await anext(many)
    assert all(isinstance(answer, Answer) for answer in read)


async def test_cancelled_in_the_middle() -> None:
    """Nothing stays reserved, waiting or running."""
    tight = {**PLENTY, Dimension.TPM: 4_000}
    async with pretending(tight) as (settings, _), Headgate(settings) as gate:
        async with asyncio.timeout(5):
            many = gate.chat_many((f"number {n}" for n in range(1_000)), model=MODEL)
            task = asyncio.ensure_future(_all(many))
            room = (await gate.start()).driver.gate.room
            await until(lambda: many.progress.done and room.waiting())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await held(gate) == 0
        assert len(asyncio.all_tasks()) == 1 + _serving()


async def _all(many: Any) -> list[Answer | HeadgateError]:
    return [answer async for answer in many]


def _serving() -> int:
    """Tasks of the pretend Groq and of the gate itself."""
    return sum(
        "chat_many" not in task.get_name() and task is not asyncio.current_task() for task in asyncio.all_tasks()
    )


async def test_source_that_breaks() -> None:
    """What it gave before is answered and given out, then its error is raised, and nothing stays open."""

    def breaking() -> Iterator[str]:
        yield "one"
        yield "two"
        raise OSError("the disk is gone")

    async with pretending(PLENTY) as (settings, _), Headgate(settings) as gate:
        many = gate.chat_many(breaking(), model=MODEL)
        read = [await anext(many), await anext(many)]
        with pytest.raises(OSError, match="disk"):
            await anext(many)
        assert await held(gate) == 0
    assert [type(answer) for answer in read] == [Answer, Answer]


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_fixed_concurrency(concurrency: int) -> None:
    """So many at once, and the progress says so each time that one is done."""
    told: list[Progress] = []
    async with pretending(PLENTY) as (settings, _), Headgate(settings) as gate:
        await gate.chat_many(
            [f"number {n}" for n in range(12)], model=MODEL, concurrency=concurrency, progress=told.append
        )
        with pytest.raises(InvalidRequest, match="concurrency"):
            gate.chat_many([], concurrency=0)
    assert [each.done for each in told] == list(range(1, 13))
    assert told[-1] == Progress(12, 0, 0, 0, concurrency, 12)


async def test_whoever_asks_directly_goes_first() -> None:
    """While many wait for quota a usual request is served before them."""
    tight = {**PLENTY, Dimension.TPM: 12_000}
    text = " ".join(f"word{n}" for n in range(480))
    async with pretending(tight) as (settings, _), Headgate(settings) as gate:
        inner = (await gate.start()).driver.gate
        async with gate.chat_many((f"{n} {text}" for n in range(200)), model=MODEL, max_completion_tokens=20) as many:
            reading = asyncio.ensure_future(_all(many))
            await until(inner.room.waiting)
            before = many.progress.done
            answer = await gate.chat(text, model=MODEL, max_completion_tokens=20)
            after = many.progress.done
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    assert isinstance(answer, Answer)
    assert answer.source == "upstream"
    assert after - before <= 2


def test_without_await() -> None:
    """The same from any thread: iterated, and left in the middle."""
    with HeadgateSync(simulate=True) as gate:
        with gate.chat_many((f"number {n}" for n in range(5)), model=MODEL, max_completion_tokens=10) as many:
            answers = list(many)
        assert [type(answer) for answer in answers] == [Answer] * 5
        assert many.progress.done == 5
        with gate.chat_many((f"again {n}" for n in range(1_000)), model=MODEL, max_completion_tokens=10) as many:
            assert isinstance(next(many), Answer)
        assert list(many) == []


def test_letting_go_of_it_ends_it() -> None:
    """Nobody holds it any more: what is under way is ended and settled."""
    with HeadgateSync(simulate=True) as gate:
        many = gate.chat_many((f"number {n}" for n in range(1_000)), model=MODEL, max_completion_tokens=10)
        next(many)
        del many
        gc.collect()
        gate._run(_until_none_is_held(gate._gate))


async def _until_none_is_held(gate: Headgate) -> None:
    async with asyncio.timeout(10):
        while await held(gate):  # noqa: ASYNC110 - what is looked at is no event
            await asyncio.sleep(0.01)


def test_bar_is_for_whoever_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """None by default where stderr is no terminal; one on request, and what is on stdout stays clean."""
    with HeadgateSync(simulate=True) as gate:
        assert len(list(gate.chat_many(["a", "b"], model=MODEL, max_completion_tokens=10))) == 2
        assert capsys.readouterr().err == ""
        assert len(list(gate.chat_many(["c", "d"], model=MODEL, max_completion_tokens=10, progress=True))) == 2
    shown = capsys.readouterr()
    assert "requests" in shown.err
    assert "100%" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize(
    "limits, takes_s, expected",
    [
        ({Dimension.RPM: 60}, 1.0, 20),  # 60 are free and 5 drain in 5 s: 13 a second, and half as many again
        ({Dimension.RPM: 60}, 0.1, 2),
        ({Dimension.RPM: 600}, 10.0, MOST),
        ({Dimension.RPM: 1}, 1.0, 1),
        ({Dimension.RPM: 600, Dimension.RPD: 60}, 1.0, 19),
        ({Dimension.TPM: 24_000}, 1.0, 15),
        ({}, 1.0, 32),
    ],
)
async def test_what_the_quotas_carry(limits: Mapping[Dimension, int], takes_s: float, expected: int) -> None:
    """Requests a second, of the scarcest dimension, times the seconds that one takes, and half as many again."""
    text = "[organisations.org_a.limits]\n"
    if limits:
        text += '"*" = { ' + ", ".join(f"{name} = {limit}" for name, limit in limits.items()) + " }\n"
    async with pretending(PLENTY) as (settings, _), Headgate(settings) as gate:
        inner = (await gate.start()).driver.gate
        place = inner.pool.deployments(MODEL)[0]
        inner.ledger._add(place).set_limits(limits, (0, 0, 0, 0, 0), 0.0)
        request = Request("r", MODEL, (MODEL,), 0.0, 50.0, 25.0, PromptSize(latin=400, messages=1), 256)
        found = at_once(inner, [request, request], 0.0, takes_s)
    assert found == expected
