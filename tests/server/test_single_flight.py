"""Equal requests at the same time share one call: who pays, who waits, who leaves, and what if it fails."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.remedies.house import BIG, Answer, House, chat, one_after_another, open_house, pretend
from tests.server.test_cached_answers import asked, keys_of, text_of

from headgate.cache.marks import Kind
from headgate.domain.fact import RequestFinished
from headgate.protocol.replay import completion_of
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import Pace

SLOW = Pace(network_s=0.15, queue_median_s=0.15, output_speed_factor=4.0)
"""Time enough for others to come aboard."""
STREAM: dict[str, Any] = {"stream": True}


async def together(house: House, bodies: list[dict[str, Any]], **headers: str) -> list[Answer]:
    """The first one, and the others once it is under way."""
    first = asyncio.create_task(house.ask(bodies[0], **headers))
    await under_way(house)
    others = [asyncio.create_task(house.ask(body, **headers)) for body in bodies[1:]]
    return await asyncio.gather(first, *others)


async def under_way(house: House, calls: int = 1) -> None:
    """Until the pretend Groq was asked so often."""
    async with asyncio.timeout(5):
        while len(house.seen) < calls:  # noqa: ASYNC110 - what is asked announces nothing
            await asyncio.sleep(0.002)


def caches(answers: list[Answer]) -> Counter[str | None]:
    return Counter(answer.label("cache") for answer in answers)


def facts(house: House) -> list[RequestFinished]:
    return [fact for fact in house.facts if isinstance(fact, RequestFinished)]


def nothing_is_left(house: House) -> None:
    """No flight goes on for nobody, nothing is held."""
    answers = house.gateway.answers
    assert answers is not None
    assert answers.in_flight == 0
    assert house.gateway.in_flight == 0
    gate = house.gate
    assert sum(gate.ledger.open_count(deployment) for deployment in gate.pool.deployments(BIG)) == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streams"])
async def test_equal_requests_share_one_call(stream: bool) -> None:
    """The first is billed, the others are labelled `shared`, cost nothing, and get the same answer."""
    world = one_after_another() if stream else pretend(pace=SLOW)
    async with open_house(world) as house:
        answers = await together(house, [asked(stream=stream)] * 6)
        assert len(house.seen) == 1
        assert caches(answers) == {"miss": 1, "shared": 5}
        assert len({answer.body for answer in answers}) == 1
        assert [answer.label("source") for answer in answers] == ["upstream", *["cache"] * 5]
        assert {answer.label("calls") for answer in answers[1:]} == {"0"}
        assert {answer.label("model-served") for answer in answers} == {BIG}
        told = facts(house)
        assert sorted(fact.calls for fact in told) == [0, 0, 0, 0, 0, 1]
        if not stream:  # waiting for the flight is no time of ours
            own_ms = [float(answer.label("overhead-ms") or 0) for answer in answers[1:]]
            assert sum(own_ms) < 500 * sum(fact.duration_s for fact in told if not fact.calls)
        assert Counter(fact.cache for fact in told) == {"": 1, "shared": 5}
        paid = next(fact for fact in told if fact.calls)
        assert paid.usage is not None
        tokens = paid.usage.prompt_tokens + paid.usage.completion_tokens
        assert {fact.saved_tokens for fact in told if not fact.calls} == {tokens}
        assert house.gateway.cache is not None
        stats = house.gateway.cache.stats()
        assert (stats.misses, stats.shared, stats.hits) == (1, 5, 0)
        nothing_is_left(house)
        assert (await house.ask(asked(stream=stream))).label("cache") == "hit-memory"


async def test_follower_of_a_stream_hears_it_while_it_goes_on() -> None:
    """Not only at its end: what was said so far at once, the rest as it comes."""
    async with open_house(one_after_another()) as house:
        leader = asyncio.create_task(house.ask(asked(**STREAM)))
        await under_way(house)
        headers = {"content-type": "application/json"}
        url = house.url + "/v1/chat/completions"
        async with house.client.post(url, json=asked(**STREAM), headers=headers) as response:
            first = await response.content.readany()
            assert first
            assert not leader.done()
            rest = await response.content.read()
            assert response.headers["x-headgate-cache"] == "shared"
        assert first + rest == (await leader).body


async def test_forms_may_differ_within_one_flight() -> None:
    """Who wants it whole waits for the end of a stream; who wants a stream gets what was made whole."""
    for first in (False, True):
        async with open_house(one_after_another() if first else pretend(pace=SLOW)) as house:
            usage: dict[str, Any] = {"stream_options": {"include_usage": True}}
            bodies = [asked(stream=first), asked(stream=not first), asked(stream=True, **usage)]
            answers = await together(house, bodies)
            assert len(house.seen) == 1
            assert caches(answers) == {"miss": 1, "shared": 2}
            assert len({text_of(answer) for answer in answers}) == 1
            assert b'"choices":[]' in answers[2].body
            nothing_is_left(house)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streams"])
async def test_first_caller_leaving_cancels_nothing(stream: bool) -> None:
    """As long as somebody waits the call goes on; then it is kept as any other."""
    world = one_after_another() if stream else pretend(pace=SLOW)
    async with open_house(world) as house:
        first = asyncio.create_task(house.ask(asked(stream=stream)))
        await under_way(house)
        other = asyncio.create_task(house.ask(asked(stream=stream)))
        await aboard(house, 2)
        first.cancel()
        answer = await other
        assert (answer.status, answer.label("cache")) == (200, "shared")
        assert text_of(answer)
        assert len(house.seen) == 1
        await left(house)
        nothing_is_left(house)
        assert (await house.ask(asked(stream=stream))).label("cache") == "hit-memory"


async def aboard(house: House, count: int) -> None:
    """Until so many are being answered."""
    async with asyncio.timeout(5):
        while house.gateway.in_flight < count:  # noqa: ASYNC110 - what is asked announces nothing
            await asyncio.sleep(0.002)
    await asyncio.sleep(0)


async def left(house: House) -> None:
    """Until nobody is."""
    async with asyncio.timeout(5):
        while house.gateway.in_flight:  # noqa: ASYNC110 - what is asked announces nothing
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streams"])
async def test_flight_that_everybody_left_is_given_up(stream: bool) -> None:
    """Its call is aborted and what was held is settled; the next who asks begins anew."""
    world = one_after_another() if stream else pretend(pace=SLOW)
    async with open_house(world) as house:
        tasks = [asyncio.create_task(house.ask(asked(stream=stream))) for _ in range(3)]
        await under_way(house)
        await aboard(house, 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await left(house)
        nothing_is_left(house)
        assert (await house.ask(asked(stream=stream))).label("cache") == "miss"
        assert len(house.seen) == 2


async def test_followers_of_a_flight_that_fails_go_on_their_own() -> None:
    """The first is told what happened; the others ask for themselves, and nobody is refused for another's bad luck."""
    fault = Fault(FaultKind.SERVER_ERROR, times=1)
    async with open_house(pretend(fault, pace=SLOW), route="max_attempts = 1") as house:
        answers = await together(house, [asked()] * 3, x_headgate_local="off")
        assert [answer.status for answer in answers] == [503, 200, 200]
        assert caches(answers[1:]) == {"miss": 2}
        assert len(house.seen) == 3
        nothing_is_left(house)


async def test_upstream_killed_in_mid_flight() -> None:
    """Whole: each goes on alone and finds no upstream; nothing hangs, nothing is held."""
    async with open_house(pretend(pace=Pace(network_s=2.0)), route="max_attempts = 1") as house:
        tasks = [asyncio.create_task(house.ask(asked(), x_headgate_local="off")) for _ in range(3)]
        await under_way(house)
        await aboard(house, 3)
        await house.simulators[0].close()
        answers = await asyncio.gather(*tasks)
        assert {answer.status for answer in answers} == {503}
        nothing_is_left(house)


async def test_stream_that_breaks_breaks_for_all_who_heard_it() -> None:
    """Nobody is given another model's words after it, and it is not kept."""
    async with open_house(one_after_another(Fault(FaultKind.CUT, at=0.8, times=1))) as house:
        answers = await together(house, [asked(**STREAM)] * 2)
        assert all(b"event: error" in answer.body and b"[DONE]" not in answer.body for answer in answers)
        assert len(house.seen) == 1
        again = await house.ask(asked(**STREAM))
        assert again.label("cache") == "miss"
        assert completion_of(again.body) is not None
        nothing_is_left(house)


async def test_tenants_never_share_a_flight() -> None:
    """Nor do users kept apart, nor a request that matters more with one that matters less and was first."""
    keys, toml = keys_of("one", "two")
    async with open_house(pretend(pace=SLOW), toml=toml) as house:
        first = asyncio.create_task(house.ask(asked(), authorization=keys[0]))
        await under_way(house)
        assert (await house.ask(asked(), authorization=keys[1])).label("cache") == "miss"
        assert (await first).label("cache") == "miss"
    async with open_house(pretend(pace=SLOW)) as house:
        slow = asyncio.create_task(house.ask(asked(), x_headgate_priority="batch"))
        await under_way(house)
        urgent = asyncio.create_task(house.ask(asked(), x_headgate_priority="interactive"))
        await under_way(house, 2)
        patient = await house.ask(asked(), x_headgate_priority="batch")
        assert (await slow).label("cache") == (await urgent).label("cache") == "miss"
        assert patient.label("cache") in {"shared", "hit-memory"}


async def test_what_was_declared_void_meanwhile_is_shared_with_nobody_new() -> None:
    """Who asks after the invalidation is not given what was asked for before it, and it is not kept."""
    async with open_house(pretend(pace=SLOW)) as house:
        first = asyncio.create_task(house.ask(asked()))
        await under_way(house)
        assert house.gateway.cache is not None
        await house.gateway.cache.invalidate(Kind.ALL)
        after = await house.ask(asked())
        assert (await first).label("cache") == after.label("cache") == "miss"
        assert len(house.seen) == 2
        assert (await house.ask(asked())).label("cache") == "hit-memory"
        assert house.gateway.cache.stats().not_stored == {"voided": 1}


async def test_deadline_of_a_flight_is_the_latest_of_those_aboard() -> None:
    """What is too slow for the first is asked for again elsewhere, because the other has time for it."""
    fault = Fault(FaultKind.SLOW, delay_s=6.0, times=1)
    route = "max_attempts = 2\nfirst_token_target_s = 9.0"
    async with open_house(pretend(fault), keys="ab", route=route) as house:
        hasty = asyncio.create_task(house.ask(asked(), x_headgate_deadline_ms="600", x_headgate_local="off"))
        await under_way(house)
        patient = asyncio.create_task(house.ask(asked(), x_headgate_deadline_ms="4000"))
        late, answer = await asyncio.gather(hasty, patient)
        assert (answer.status, answer.label("cache")) == (200, "shared")
        assert late.status in {200, 503}
        assert len(house.seen) == 2
        nothing_is_left(house)


async def test_first_caller_whose_time_is_over_is_told_so_while_the_others_go_on() -> None:
    """An honest refusal at its own deadline; the flight is theirs then."""
    fault = Fault(FaultKind.SLOW, delay_s=2.0, times=2)
    async with open_house(pretend(fault), keys="ab", route="first_token_target_s = 9.0") as house:
        hasty = asyncio.create_task(house.ask(asked(), x_headgate_deadline_ms="600", x_headgate_local="off"))
        await under_way(house)
        patient = asyncio.create_task(house.ask(asked(), x_headgate_deadline_ms="8000"))
        late = await hasty
        assert (late.status, late.error["code"]) == (503, "deadline_exceeded")
        assert not patient.done()
        answer = await patient
        assert (answer.status, answer.label("cache")) == (200, "shared")
        assert len(house.seen) == 2
        nothing_is_left(house)


async def test_single_flight_can_be_switched_off() -> None:
    """`[cache] single_flight = false`: everybody asks for themselves until there is an answer."""
    async with open_house(pretend(pace=SLOW), toml="[cache]\nsingle_flight = false") as house:
        answers = await together(house, [asked()] * 3)
        assert caches(answers) == {"miss": 3}
        assert (await house.ask(asked())).label("cache") == "hit-memory"


async def test_requests_that_are_not_cached_share_nothing() -> None:
    """At temperature 1 everybody wants an answer of their own."""
    async with open_house(pretend(pace=SLOW)) as house:
        answers = await together(house, [chat(temperature=1)] * 3)
        assert caches(answers) == {"off": 3}
        assert len(house.seen) == 3
