"""Settings of the upstream side do what they say, over real sockets."""

import aiohttp
from tests.remedies.house import BIG, chat, one_after_another, open_house, pretend

from headgate.simulator.faults import Fault, FaultKind


async def test_silence_within_a_stream_is_bounded_by_its_setting() -> None:
    """`upstream.idle_s`: a stream that falls silent ends in an error event then, not after 15 s."""
    stalls = one_after_another(Fault(FaultKind.STALLED, at=0.6, stream=True))
    async with open_house(stalls, toml="[upstream]\nidle_s = 0.3", route="deadline_s = 8.0") as house:
        answer = await house.ask(chat("stall", cap=200, stream=True))
    assert b"event: error" in answer.body
    assert b"[DONE]" not in answer.body


async def test_events_are_bounded_by_their_setting() -> None:
    """`upstream.max_event_bytes`: an event beyond it breaks the stream, which then is no clean one."""
    async with open_house(pretend(tokens_per_chunk=400), toml="[upstream]\nmax_event_bytes = 1024") as house:
        answer = await house.ask(chat("[[tokens=900]] at length", cap=2000, stream=True))
    assert b"[DONE]" not in answer.body or answer.label("source") == "local"


async def test_mending_can_be_switched_off() -> None:
    """`local.mend = false`: the provider's own 400 is relayed where its failed generation would have been mended."""
    fails = Fault(FaultKind.JSON_VALIDATE_FAILED, value='{"a": 1,}')
    body = chat("please as json", response_format={"type": "json_object"})
    async with open_house(pretend(fails)) as house:
        assert (await house.ask(body)).label("reason") == "mended"
    async with open_house(pretend(fails), route="max_attempts = 1", toml="[local]\nmend = false") as house:
        assert (await house.ask(body)).status == 400


async def test_connection_is_used_again_after_a_stream() -> None:
    """The end of the body may come after `[DONE]`, in a packet of its own: it is read, and the connection is kept."""
    async with open_house(pretend()) as house:
        upstream = house.gateway.driver._connections["groq"][0].upstream
        for turn in range(3):
            async with aiohttp.ClientSession() as client:
                path = f"{house.url}/v1/chat/completions"
                async with client.post(path, json=chat(f"turn {turn}", model=BIG, stream=True)) as reply:
                    assert (await reply.read()).endswith(b"data: [DONE]\n\n")
            assert upstream.gauges().open == 1
            assert upstream.gauges().idle == 1


async def test_prompts_are_laid_out_for_the_providers_cache_where_that_is_asked_for() -> None:
    """Instructions reach the provider before the conversation; without the setting messages keep their order."""
    said = [{"role": "user", "content": "hi"}, {"role": "system", "content": "Be brief."}]
    for toml, roles in (("[handling]\nstatic_first = true", ["system", "user"]), ("", ["user", "system"])):
        async with open_house(pretend(), toml=toml) as house:
            assert (await house.ask(chat(messages=said))).status == 200
            assert [message["role"] for message in house.seen[0].body["messages"]] == roles
