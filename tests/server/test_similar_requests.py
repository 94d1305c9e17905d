"""Similar requests through the doors: what an earlier answer answers, what it never does, and how that is labelled."""

import asyncio
import random
from typing import Any

import msgspec
import pytest
from tests.remedies.house import BIG, Answer, House, Said, chat, open_house, pretend, settings

from headgate.cache.marks import Kind
from headgate.runtime.keys import config_line, new_virtual_key
from headgate.runtime.settings import InvalidSettings
from headgate.sdk import Headgate
from headgate.simulator.offer import Offer

ONE, _ONE_ROW = new_virtual_key(random.Random(1).randbytes, tenant="one")
TWO, _TWO_ROW = new_virtual_key(random.Random(2).randbytes, tenant="two")
KEYS = config_line(_ONE_ROW) + config_line(_TWO_ROW)
VECTORS = "nomic-embed-text-v1_5"
VECTORS_TOML = f'[models."{VECTORS}"]\nkind = "embedding"\ncontext_window_tokens = 8192\nmax_output_tokens = 8192'
EMBEDDINGS = f"similar = {{ by = 'embeddings', model = '{VECTORS}', threshold = 0.6 }}"
ON = "similar = { by = 'characters' }"
FIRST = "How do I cancel my order?"
AGAIN = "hi, how can i cancel my order please"
LABEL = "cache"


def asked(text: str, **fields: Any) -> dict[str, Any]:
    """A request that the cache takes part in."""
    return chat(text, **{"temperature": 0} | fields)


def with_messages(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The same with a conversation."""
    return asked("", **fields) | {"messages": list(messages)}


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def explained(answer: Answer) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(answer.headers["x-headgate-explain"])
    return told


async def text_of(house: House, body: dict[str, Any], **headers: str) -> tuple[str | None, str]:
    """The label of the cache, and the words of the answer."""
    answer = await house.ask(body, **headers)
    assert answer.status == 200, answer.body
    return answer.label(LABEL), answer.json["choices"][0]["message"]["content"]


async def test_the_same_question_typed_again() -> None:
    """It is answered with the earlier answer, labelled, without a call; explained with how near it was."""
    async with open_house(pretend(), route=ON) as house:
        label, first = await text_of(house, asked(FIRST))
        assert label == "miss"
        answer = await house.ask(asked(AGAIN), x_headgate_explain="true")
        assert answer.label(LABEL) == "similar"
        assert answer.label("source") == "cache"
        assert answer.label("calls") == "0"
        assert "age" in answer.headers
        assert answer.json["choices"][0]["message"]["content"] == first
        assert explained(answer)["similarity"] == pytest.approx(1.0)
        assert len(house.seen) == 1


async def test_as_a_stream() -> None:
    """An answer that was whole is streamed to who asks for a stream, and the other way round."""
    async with open_house(pretend(), route=ON) as house:
        _, first = await text_of(house, asked(FIRST))
        streamed = await house.ask(asked(AGAIN, stream=True))
        assert streamed.label(LABEL) == "similar"
        chunks = [msgspec.json.decode(line[6:]) for line in streamed.body.split(b"\n") if line.startswith(b"data: {")]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
        assert "".join(delta.get("content") or "" for delta in deltas) == first
        assert streamed.body.endswith(b"data: [DONE]\n\n")
        assert (await house.ask(asked("Where is my parcel?", stream=True))).status == 200
        assert (await house.ask(asked("hey, where is my parcel"))).label(LABEL) == "similar"


async def test_off_where_nobody_asked_for_it() -> None:
    """Without the route's word a similar request is asked like any other."""
    async with open_house(pretend()) as house:
        assert (await text_of(house, asked(FIRST)))[0] == "miss"
        assert (await text_of(house, asked(AGAIN)))[0] == "miss"
        assert len(house.seen) == 2


async def test_a_route_that_switches_off_what_the_default_has_on() -> None:
    """Each route decides."""
    toml = f"[routes.other]\nmodels = ['{BIG}']\nsimilar = {{ enabled = false }}"
    async with open_house(pretend(), route=ON, toml=toml) as house:
        await text_of(house, asked(FIRST))
        assert (await text_of(house, asked(AGAIN), x_headgate_route="other"))[0] == "miss"
        assert (await text_of(house, asked(AGAIN + "!")))[0] == "similar"


@pytest.mark.parametrize(
    "one, other, why",
    [
        ("Please cancel order 88213 of last Friday", "Please cancel order 88231 of last Friday", "number"),
        (
            "Should I take the tablets with food every day",
            "Should I not take the tablets with food every day",
            "negation",
        ),
        ("Find cheap night flights from Delhi to Pune", "Find cheap night flights from Pune to Delhi", "order"),
        ("Translate the whole text into Spanish please", "Translate the whole text into Swedish please", "name"),
    ],
)
async def test_what_may_change_the_answer(one: str, other: str, why: str) -> None:
    """It keeps two messages apart however near they are, and explain tells what it was."""
    async with open_house(pretend(), route="similar = { threshold = 0.5 }") as house:
        await text_of(house, asked(one))
        answer = await house.ask(asked(other), x_headgate_explain="true")
        assert answer.label(LABEL) == "miss"
        assert explained(answer)["kept_apart"] == why
        assert explained(answer)["similarity"] > 0.5
        assert len(house.seen) == 2


@pytest.mark.parametrize(
    "changed",
    [
        with_messages(said("system", "You are a pirate."), said("user", AGAIN)),
        with_messages(said("user", "I bought a lamp."), said("assistant", "Nice."), said("user", AGAIN)),
        with_messages(said("user", FIRST), said("assistant", AGAIN)),
        asked(AGAIN, top_p=0.5),
        asked(AGAIN, cap=30),
        asked(AGAIN, response_format={"type": "json_object"}),
        asked(AGAIN, tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]),
    ],
)
async def test_everything_else_has_to_be_equal(changed: dict[str, Any]) -> None:
    """Another instruction, history, parameter or tool is another question."""
    async with open_house(pretend(), route=ON) as house:
        await text_of(house, asked(FIRST))
        assert (await house.ask(changed)).label(LABEL) != "similar"
        assert len(house.seen) == 2


async def test_in_the_middle_of_a_conversation() -> None:
    """Equal earlier messages, however they are written as JSON, are the same context; parts of one text are a text."""
    before = [said("system", "Be brief."), said("user", "I bought a lamp."), said("assistant", "Nice.")]
    async with open_house(pretend(), route=ON) as house:
        await text_of(house, with_messages(*before, said("user", FIRST)))
        turned = [dict(reversed(message.items())) for message in before]
        parts = [{"type": "text", "text": AGAIN}]
        assert (await text_of(house, with_messages(*turned, said("user", AGAIN))))[0] == "similar"
        assert (await house.ask(with_messages(*before, said("user", parts)))).label(LABEL) == "similar"


async def test_what_the_request_says_of_the_cache_holds() -> None:
    """Off: neither found nor remembered; refresh: not found, but remembered; only: found, or refused."""
    async with open_house(pretend(), route=ON) as house:
        await text_of(house, asked(FIRST), x_headgate_cache="off")
        assert (await house.ask(asked(AGAIN), x_headgate_cache="only")).status == 504
        await text_of(house, asked(FIRST), x_headgate_cache="refresh")
        assert (await text_of(house, asked(AGAIN), x_headgate_cache="refresh"))[0] == "miss"
        third = await house.ask(asked("how do I cancel my order"), x_headgate_cache="only")
        assert third.label(LABEL) == "similar"


async def test_what_is_not_deterministic_is_not_remembered() -> None:
    """As for the exact cache, unless the request asks for it."""
    async with open_house(pretend(), route=ON) as house:
        await house.ask(chat(FIRST, temperature=0.9))
        assert (await text_of(house, asked(AGAIN)))[0] == "miss"


async def test_tenants_never_meet() -> None:
    """What one was told answers nobody else."""
    async with open_house(pretend(), route=ON, toml=KEYS) as house:
        one, two = f"Bearer {ONE}", f"Bearer {TWO}"
        assert (await text_of(house, asked(FIRST), authorization=one))[0] == "miss"
        assert (await text_of(house, asked(AGAIN), authorization=two))[0] == "miss"
        assert (await text_of(house, asked(AGAIN + "!"), authorization=one))[0] == "similar"


async def test_what_was_forgotten_answers_nothing() -> None:
    """An invalidated answer is gone for similar requests too, at once."""
    async with open_house(pretend(), route=ON) as house:
        await text_of(house, asked(FIRST), x_headgate_cache_tags="orders")
        cache = house.gateway.cache
        assert cache is not None
        await cache.invalidate(Kind.TAG, "orders")
        assert (await text_of(house, asked(AGAIN)))[0] == "miss"


async def test_a_wrong_answer_can_be_taken_away() -> None:
    """Explain tells the key of the answer that was given, not of the request that it was given to."""
    async with open_house(pretend(), route=ON) as house:
        first = explained(await house.ask(asked(FIRST), x_headgate_explain="true"))
        again = explained(await house.ask(asked(AGAIN), x_headgate_explain="true"))
        assert again["cache_key"] == first["cache_key"]
        cache = house.gateway.cache
        assert cache is not None
        assert (await cache.invalidate(Kind.KEY, again["cache_key"])).tiers == {"memory": "deleted"}
        assert (await text_of(house, asked(AGAIN)))[0] == "miss"


async def test_many_at_once() -> None:
    """Requests of many shapes at the same time: every similar answer is the answer to its own question."""
    topics = ("order", "refund", "parcel", "invoice", "password", "address")
    async with open_house(pretend(), route=ON) as house:
        first = {topic: (await text_of(house, asked(f"How do I change my {topic}?")))[1] for topic in topics}
        forms = ("how can i change my {}", "Please tell me how to change my {}", "How do I change my {}?!")
        work = {(topic, form): text_of(house, asked(form.format(topic))) for topic in topics for form in forms}
        for (topic, _), (label, text) in zip(work, await asyncio.gather(*work.values()), strict=True):
            assert label in {"similar", "hit-memory"}
            assert text == first[topic]
        assert len(house.seen) == len(topics)


# Embeddings -----------------------------------------------------------------------------------------------------------


async def test_other_words_by_a_providers_vectors() -> None:
    """Vectors are fetched from the provider, once for each request; other words find the answer, turned ones do not."""
    async with open_house(pretend(offer=Offer(embeddings=True)), route=EMBEDDINGS, toml=VECTORS_TOML) as house:
        assert (await text_of(house, asked("How can I quickly renew my bank card")))[0] == "miss"
        answer = await house.ask(asked("How do I get my bank card renewed quickly"), x_headgate_explain="true")
        assert 0.6 < explained(answer)["similarity"] < 0.99
        assert answer.label(LABEL) == "similar"
        lost = await house.ask(asked("How can I not quickly renew my bank card"), x_headgate_explain="true")
        assert (lost.label(LABEL), explained(lost)["kept_apart"]) == ("miss", "negation")
        assert [seen.model for seen in house.seen] == [VECTORS, BIG, VECTORS, VECTORS, BIG]
        assert house.gateway.in_flight == 0


async def test_vectors_that_cannot_be_had() -> None:
    """The request is answered as if nothing similar were there: neither refused nor held up, and it leaves nothing for
    similar ones; equal ones find it."""
    broken = Said(500, b"{}", model=VECTORS)
    async with open_house(pretend(), said=(broken,), route=EMBEDDINGS, toml=VECTORS_TOML) as house:
        assert (await text_of(house, asked(FIRST)))[0] == "miss"
        assert (await text_of(house, asked(AGAIN)))[0] == "miss"
        assert (await text_of(house, asked(FIRST)))[0] == "hit-memory"


async def test_vectors_of_two_kinds_are_never_compared() -> None:
    """Routes that differ in what makes their vectors find nothing of each other."""
    toml = f"{VECTORS_TOML}\n[routes.typed]\nmodels = ['{BIG}']\n{ON}"
    async with open_house(pretend(offer=Offer(embeddings=True)), route=EMBEDDINGS, toml=toml) as house:
        await text_of(house, asked(FIRST))
        assert (await text_of(house, asked(AGAIN), x_headgate_route="typed"))[0] == "miss"


@pytest.mark.parametrize(
    "line, told",
    [
        ("similar = { by = 'embeddings' }", "names no model"),
        ("similar = { model = 'openai/text-embedding-3-small' }", "goes by characters"),
        ("similar = { by = 'embeddings', model = 'openai/gpt-oss-20b' }", "makes no embeddings"),
        ("similar = { threshold = 0.2 }", "threshold"),
        ("similar = { limit = 1 }", "limit"),
        ("similar = true", "similar"),
    ],
)
def test_settings_that_make_no_sense(line: str, told: str) -> None:
    """They are refused at the start with the key and the fix."""
    with pytest.raises(InvalidSettings, match=told):
        settings(("http://127.0.0.1:9",), route=line)


# In process -----------------------------------------------------------------------------------------------------------


async def test_in_process_with_a_route_in_code() -> None:
    """The SDK takes the same way: a route that is given in code answers similar messages, and says so."""
    route = {"models": [BIG], "similar": {"by": "characters"}}
    async with Headgate(simulate=True, routes={"default": route}) as gate:
        first = await gate.chat(FIRST, temperature=0)
        again = await gate.chat(AGAIN, temperature=0)
        assert (first.cache, again.cache) == ("miss", "similar")
        assert (again.source, again.text) == ("cache", first.text)
        other = await gate.chat("How do I cancel my orders of 2021?", temperature=0)
        assert other.cache == "miss"
