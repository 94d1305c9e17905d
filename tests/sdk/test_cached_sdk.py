"""The cache as those see it who ask: the OpenAI and Groq SDKs at the door, and our own in the process."""

import asyncio
from decimal import Decimal
from typing import Any

import groq
import openai
import pytest
from tests.running_gateway import RunningGateway
from tests.sdk.test_sdk_door import gate_over, pretending

from headgate import Done, HeadgateSync, InvalidRequest, Refused, Token
from headgate.domain.answer import Source

MODEL = "openai/gpt-oss-20b"
ASKED: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Say hello"}],
    "temperature": 0,
    "max_completion_tokens": 60,
}


def client_of(sdk: str, gateway: RunningGateway) -> Any:
    if sdk == "openai":
        return openai.OpenAI(base_url=gateway.v1, api_key="anything")
    return groq.Groq(base_url=gateway.root, api_key="anything")


@pytest.mark.parametrize("sdk", ["openai", "groq"])
@pytest.mark.parametrize("made_as_stream", [False, True], ids=["made whole", "made as a stream"])
def test_official_sdks_are_given_an_answer_again(gateway: RunningGateway, sdk: str, made_as_stream: bool) -> None:
    """Whole and as a stream, whichever it was made as; the text is the same, and so is the usage where it is told."""
    with client_of(sdk, gateway) as client:
        create = client.chat.completions.create

        def whole() -> tuple[str, str, int]:
            raw = client.chat.completions.with_raw_response.create(**ASKED)
            answer = raw.parse()
            return raw.headers["x-headgate-cache"], answer.choices[0].message.content, answer.usage.total_tokens

        def streamed() -> tuple[str, str]:
            stream = create(**ASKED, stream=True)
            label = stream.response.headers["x-headgate-cache"]
            chunks = list(stream)
            assert chunks[-1].choices[0].finish_reason in {"stop", "length"}
            return label, "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

        label, text = streamed() if made_as_stream else whole()[:2]
        assert label == "miss"
        for _ in range(3):
            label, again, tokens = whole()
            assert (label, again) == ("hit-memory", text)
            assert tokens > 0
            assert streamed() == ("hit-memory", text)


def test_refusal_of_a_miss_is_an_error_of_the_sdk_that_it_does_not_repeat(gateway: RunningGateway) -> None:
    """`cache: only` on an empty cache is one request and one 504."""
    with openai.OpenAI(base_url=gateway.v1, api_key="anything") as client:
        with pytest.raises(openai.InternalServerError) as raised:
            client.chat.completions.create(**ASKED, extra_headers={"x-headgate-cache": "only"})
        assert (raised.value.status_code, raised.value.code) == (504, "not_cached")
    assert gateway.gateway.cache is not None
    assert gateway.gateway.cache.stats().misses == 1


async def test_own_sdk_says_where_an_answer_came_from() -> None:
    """The same controls and labels as over HTTP: source, cache, age, no cost, no call."""
    async with gate_over() as gate:
        first = await gate.chat("Hello", model=MODEL, temperature=0)
        assert (first.source, first.cache, first.age_s) == (Source.UPSTREAM, "miss", None)
        again = await gate.chat("Hello", model=MODEL, temperature=0)
        assert (again.source, again.cache, again.attempts, again.calls) == (Source.CACHE, "hit-memory", 0, 0)
        assert (again.text, again.model_served, again.provider) == (first.text, MODEL, "groq")
        assert again.age_s is not None
        assert 0 <= again.age_s < 60
        assert again.cost_usd == Decimal(0)
        assert again.usage == first.usage
        fresh = await gate.chat("Hello", model=MODEL, temperature=0, cache="refresh")
        assert (fresh.cache, fresh.source) == ("miss", Source.UPSTREAM)
        off = await gate.chat("Hello", model=MODEL, temperature=0, cache="off")
        assert off.cache == "off"
        story = gate.story(again.request_id)
        assert story is not None
        assert (story.source, story.calls) == ("cache", [])


async def test_own_sdk_streams_what_is_cached() -> None:
    """As events: the text, then the answer with its labels."""
    async with gate_over() as gate:
        stream = gate.stream("Hello", model=MODEL, temperature=0)
        made = [event async for event in stream]
        again = [event async for event in gate.stream("Hello", model=MODEL, temperature=0)]
        assert isinstance(made[-1], Done)
        assert isinstance(again[-1], Done)
        assert made[-1].answer.cache == "miss"
        assert again[-1].answer.cache == "hit-memory"
        assert "".join(event.text for event in again if isinstance(event, Token)) == made[-1].answer.text


async def test_own_sdk_is_refused_and_corrected_as_over_http() -> None:
    """A miss of `only`, scope `user` without a user, tags that cannot be."""
    async with gate_over() as gate:
        with pytest.raises(Refused, match="cache: only"):
            await gate.chat("Hello", model=MODEL, temperature=0, cache="only")
        with pytest.raises(InvalidRequest, match="x-headgate-user"):
            await gate.chat("Hello", model=MODEL, temperature=0, cache_scope="user")
        with pytest.raises(InvalidRequest, match="cache-tags"):
            await gate.chat("Hello", model=MODEL, temperature=0, cache_tags="a b")
        one = await gate.chat("Hello", model=MODEL, temperature=0, cache_scope="user", user="ann")
        other = await gate.chat("Hello", model=MODEL, temperature=0, cache_scope="user", user="bob")
        assert (one.cache, other.cache) == ("miss", "miss")


async def test_blocking_sdk_has_the_same_cache() -> None:
    """From any thread, with the same labels."""
    async with pretending() as settings:

        def ask() -> list[tuple[str, str]]:
            with HeadgateSync(settings) as gate:
                answers = [gate.chat("Hello", model=MODEL, temperature=0) for _ in range(2)]
                answers.append(gate.stream("Hello", model=MODEL, temperature=0).answer())
                return [(answer.cache, answer.text) for answer in answers]

        told = await asyncio.to_thread(ask)
    assert [cache for cache, _ in told] == ["miss", "hit-memory", "hit-memory"]
    assert len({text for _, text in told}) == 1
