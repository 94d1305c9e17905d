"""Embeddings, moderations and speech: what is fetched, what is ours, what is refused, and what it takes of quota."""

import asyncio
import base64
import math
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.remedies.house import BIG, SMALL, Answer, House, Said, open_house, pretend

from headgate.protocol.moderation import CATEGORIES
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.offer import Offer
from headgate.simulator.settings import Organisation

F = FaultKind
JSON = {"content-type": "application/json"}
OFFER = Offer(embeddings=True)
VECTORS = "nomic-embed-text-v1_5"
VECTORS_TOML = f'[models."{VECTORS}"]\nkind = "embedding"\ncontext_window_tokens = 8192\nmax_output_tokens = 8192'
OURS = "headgate/local-embeddings"
VOICE = "canopylabs/orpheus-v1-english"
GUARD = "meta-llama/llama-prompt-guard-2-86m"
JUDGE = "openai/gpt-oss-safeguard-20b"


async def ask(house: House, path: str, headers: Any = None, **fields: Any) -> Answer:
    return await house.fetch("POST", f"/v1/{path}", msgspec.json.encode(fields), JSON | (headers or {}))


def said(text: str, **fields: Any) -> Said:
    """A completion with this text."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}
    body = {"id": "c", "object": "chat.completion", "model": JUDGE, "choices": [choice], "usage": usage}
    return Said(200, msgspec.json.encode(body), **fields)


def assert_nothing_is_held(house: House, *models: str) -> None:
    gate = house.gate
    held = [gate.ledger.open_count(each) for model in models for each in gate.pool.deployments(model)]
    assert not any(held)
    assert house.gateway.in_flight == 0
    gate.ledger.check(house.gateway.clock.now())


# Embeddings ---------------------------------------------------------------------------------------------------------


async def test_vectors_of_a_provider() -> None:
    """They pass as they came, and the tokens that the provider counted are what is metered."""
    async with open_house(pretend(offer=OFFER), models=(), toml=VECTORS_TOML) as house:
        answer = await ask(house, "embeddings", model=VECTORS, input=["one", "two", "three"])
        assert answer.status == 200
        assert [row["index"] for row in answer.json["data"]] == [0, 1, 2]
        assert answer.label("source") == "upstream"
        assert answer.label("model-served") == VECTORS
        assert house.seen[0].body == {"model": VECTORS, "input": ["one", "two", "three"]}
        story = (await house.fetch("GET", f"/v1/requests/{answer.headers['x-request-id']}")).json
        assert story["calls"][0]["prompt_tokens"] == answer.json["usage"]["prompt_tokens"] > 0
        assert_nothing_is_held(house, VECTORS)


async def test_route_of_chat_models_does_not_hinder_vectors() -> None:
    """The default route names chat models; who asks a model for vectors is served by that model all the same."""
    async with open_house(pretend(offer=OFFER), models=(BIG,), toml=VECTORS_TOML) as house:
        assert (await ask(house, "embeddings", model=VECTORS, input="one")).status == 200


@pytest.mark.parametrize("dimensions", [None, 256, 1024])
@pytest.mark.parametrize("count", [1, 300])
async def test_vectors_of_our_own(dimensions: int | None, count: int) -> None:
    """Of length 1, the same as float and as base64, labelled local, without any call; many texts as well as one."""
    texts = [f"text number {number} with some words in it" for number in range(count)]
    asked = {} if dimensions is None else {"dimensions": dimensions}
    async with open_house(pretend()) as house:
        plain = await ask(house, "embeddings", model=OURS, input=texts, **asked)
        packed = await ask(house, "embeddings", model=OURS, input=texts, encoding_format="base64", **asked)
        assert plain.status == 200
        assert (plain.label("source"), plain.label("model-served"), plain.label("calls")) == ("local", OURS, "0")
        size = dimensions or 512
        for row, other in zip(plain.json["data"], packed.json["data"], strict=True):
            vector = struct.unpack(f"<{size}f", base64.b64decode(other["embedding"]))
            assert row["embedding"] == pytest.approx(vector)
            assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
        assert len(plain.json["data"]) == count
        assert plain.json["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
        assert house.seen == []


EMBEDDING_REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"model": BIG, "input": "a"}, 400, "chat model"),
    ({"model": VOICE, "input": "a"}, 400, "speech model"),
    ({"model": "headgate/auto", "input": "a"}, 400, "kind embedding"),
    ({"model": "nobody/nothing", "input": "a"}, 404, "not known"),
    ({"model": VECTORS, "input": [1, 2, 3]}, 400, "token ids"),
    ({"model": "headgate/local-embedings", "input": "a"}, 404, f"Did you mean `{OURS}`?"),
    ({"model": OURS, "input": [[1, 2], [3]]}, 400, "token ids"),
    ({"model": OURS, "input": "a", "dimensions": 255}, 400, "from 256 to 1024"),
    ({"model": OURS, "input": "a", "dimensions": 1025}, 400, "from 256 to 1024"),
    ({"model": OURS, "input": ["a"] * 2049}, 400, "2048"),
    ({"model": OURS, "input": ""}, 400, "empty"),
    ({"model": OURS, "input": ["a", 3]}, 400, "input"),
    ({"model": OURS}, 400, "input"),
    ({"model": OURS, "input": "a", "headgate": {"prio": 1}}, 400, "priority"),
]


async def test_embeddings_that_are_refused() -> None:
    """Each with a word that helps, before anybody upstream hears of it."""
    async with open_house(pretend(offer=OFFER), models=(), toml=VECTORS_TOML) as house:
        for fields, status, word in EMBEDDING_REFUSALS:
            answer = await ask(house, "embeddings", **fields)
            assert (answer.status, word in answer.error["message"]) == (status, True), (fields, answer)
        assert house.seen == []
        assert_nothing_is_held(house, VECTORS)


async def test_too_much_text_for_our_own_vectors() -> None:
    """What would hold a core for long is refused with the limit."""
    toml = "[server]\nmax_body_bytes = 9000000"
    async with open_house(pretend(), toml=toml) as house:
        answer = await ask(house, "embeddings", model=OURS, input=["x" * 2_000_001] * 2)
        assert answer.status == 400
        assert "4,000,000" in answer.error["message"]


async def test_chat_with_a_model_of_another_kind() -> None:
    """A clear 400 at every door that is a chat inside, and never an answer that some other model gave."""
    async with open_house(pretend(offer=OFFER), models=(), toml=VECTORS_TOML) as house:
        for model in (VECTORS, VOICE):
            for path, fields in (
                ("chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
                ("responses", {"input": "a"}),
                ("messages", {"messages": [{"role": "user", "content": "a"}], "max_tokens": 9}),
                ("moderations", {"input": "a"}),
            ):
                answer = await ask(house, path, model=model, **fields)
                assert answer.status == 400
                assert "kind" in answer.error["message"], (path, answer)
        assert house.seen == []


async def test_vectors_when_the_provider_fails() -> None:
    """The other organisation is asked; without one there is a refusal, never vectors of another model."""
    down = Fault(F.SERVER_ERROR, organisation="org_a")
    async with open_house(pretend(down, offer=OFFER), keys="ab", models=(), toml=VECTORS_TOML) as house:
        for _ in range(4):
            answer = await ask(house, "embeddings", model=VECTORS, input="a")
            assert (answer.status, answer.label("model-served")) == (200, VECTORS)
    async with open_house(pretend(Fault(F.SERVER_ERROR), offer=OFFER), models=(), toml=VECTORS_TOML) as house:
        answer = await ask(house, "embeddings", model=VECTORS, input="a")
        assert (answer.status, answer.error["code"]) == (503, "upstream_failed")
        assert answer.headers["x-should-retry"] == "false"
        assert_nothing_is_held(house, VECTORS)


async def test_vectors_of_two_models_are_never_mixed() -> None:
    """A route may name two models of vectors; when the first is down, those of the second are of no use to anybody."""
    other = VECTORS_TOML + VECTORS_TOML.replace(VECTORS, "other-vectors").join(("\n", "\n"))
    busy = Said(503, b'{"error":{"message":"over capacity","type":"internal_server_error"}}', model="other-vectors")
    models = ("other-vectors", VECTORS)
    async with open_house(pretend(offer=OFFER), said=(busy,), models=models, toml=other) as house:
        answer = await ask(house, "embeddings", model="other-vectors", input="a")
        assert (answer.status, answer.error["code"]) == (503, "upstream_failed")
        assert {seen.model for seen in house.seen} == {"other-vectors"}


# Speech -------------------------------------------------------------------------------------------------------------


async def test_speech_is_relayed_with_its_type() -> None:
    """Sound comes out as it came in; what it cost is by its characters."""
    async with open_house(pretend(), models=()) as house:
        answer = await ask(house, "audio/speech", model=VOICE, voice="troy", input="hello there")
        assert (answer.status, answer.headers["content-type"]) == (200, "audio/wav")
        assert answer.body[:4] == b"RIFF"
        assert house.seen[0].body == {"model": VOICE, "response_format": "wav", "input": "hello there", "voice": "troy"}
        assert answer.label("cost-usd") == "0.000242"
        assert_nothing_is_held(house, VOICE)


async def test_speech_takes_its_characters_of_the_quota() -> None:
    """The limits of speech count characters: what is too much for this minute is refused before it is sent."""
    free = pretend(organisations={"org_a": Organisation(plan="free")}, keys="a")
    async with open_house(free, models=(), plan="free") as house:
        answers = [await ask(house, "audio/speech", model=VOICE, voice="troy", input="x" * 200) for _ in range(7)]
        assert [answer.status for answer in answers] == [200] * 6 + [429]
        assert answers[6].error["code"] == "no_capacity"
        assert int(answers[6].headers["retry-after"]) > 0
        assert len(house.seen) == 6
        assert_nothing_is_held(house, VOICE)


async def test_speech_that_is_refused() -> None:
    """What the voice cannot do is a 400 in our words; a chat model has no voice; upstream errors are relayed."""
    async with open_house(pretend(), models=()) as house:
        for fields, word in (
            ({"model": VOICE, "voice": "nobody", "input": "a"}, "autumn"),
            ({"model": VOICE, "voice": "troy", "input": "a" * 201}, "200"),
            ({"model": VOICE, "voice": "troy", "input": "a", "response_format": "mp3"}, "wav"),
            ({"model": SMALL, "voice": "troy", "input": "a"}, "chat model"),
            ({"model": VOICE, "voice": "troy"}, "input"),
        ):
            answer = await ask(house, "audio/speech", **fields)
            assert (answer.status, word in answer.error["message"]) == (400, True), answer
        assert house.seen == []
        assert_nothing_is_held(house, VOICE)


# Moderations --------------------------------------------------------------------------------------------------------


def verdict(score: float) -> str:
    return msgspec.json.encode({"flagged": score >= 0.5, "scores": dict.fromkeys(CATEGORIES, score)}).decode()


async def test_texts_are_judged_in_order() -> None:
    """A prompt-guard model is asked about each text alone; its verdicts come back in the order of the texts."""
    texts = [f"text {number}" for number in range(20)]
    async with open_house(pretend(), models=()) as house:
        answer = await ask(house, "moderations", model=GUARD, input=texts)
        assert answer.status == 200, answer
        scores = [result["category_scores"]["prompt-attack"] for result in answer.json["results"]]
        alone = [await ask(house, "moderations", model=GUARD, input=text) for text in texts[:3]]
        assert scores[:3] == [each.json["results"][0]["category_scores"]["prompt-attack"] for each in alone]
        assert len(set(scores)) == 20
        assert answer.label("calls") == "20"
        assert answer.json["id"].startswith("modr-")
        assert_nothing_is_held(house, GUARD)


async def test_safeguard_judges_what_names_no_model() -> None:
    """OpenAI's own model names and none at all go to the safety tier, with a policy and room for a verdict."""
    bad = said(verdict(0.9), model=JUDGE)
    async with open_house(pretend(), models=(), said=(bad,)) as house:
        for model in ({}, {"model": "omni-moderation-latest"}):
            answer = await ask(house, "moderations", input="bad words", **model)
            assert answer.status == 200, answer
            result = answer.json["results"][0]
            assert result["flagged"] is True
            assert all(result["categories"].values())
            assert answer.json["model"] == JUDGE
        asked = house.seen[0].body
        assert asked["messages"][1] == {"role": "user", "content": "bad words"}
        assert asked["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    "text", ["I would say it is fine.", '{"flagged": "perhaps"}', "", '{"flagged": false} {"flagged": true}']
)
async def test_no_verdict_is_made_up(text: str) -> None:
    """Words that are no verdict are an error for the client, never `flagged: false`, also where we may answer."""
    async with open_house(pretend(), models=(), said=(said(text),)) as house:
        answer = await ask(house, "moderations", input="bad words", headgate={"local": "auto"})
        assert answer.status >= 500
        assert answer.error["code"] == "upstream_failed"
        assert "results" not in answer.json
        assert_nothing_is_held(house, JUDGE)


async def test_one_text_of_many_has_no_verdict() -> None:
    """The whole request fails, and the texts that were still with a model are given up and settled."""
    broken = Fault(F.SERVER_ERROR, containing="text 7")
    slow = Fault(F.SLOW, delay_s=9.0, containing="text 1")
    async with open_house(pretend(broken, slow), models=()) as house:
        answer = await ask(house, "moderations", model=GUARD, input=[f"text {n}" for n in range(20)])
        assert (answer.status, answer.error["code"]) == (503, "upstream_failed")
        assert_nothing_is_held(house, GUARD)


SLOWLY: list[tuple[str, dict[str, Any], str]] = [
    ("moderations", {"model": GUARD, "input": [f"text {number}" for number in range(20)]}, GUARD),
    ("embeddings", {"model": VECTORS, "input": "a"}, VECTORS),
    ("audio/speech", {"model": VOICE, "voice": "troy", "input": "hello"}, VOICE),
]


@pytest.mark.parametrize("path, fields, model", SLOWLY, ids=[path for path, _, _ in SLOWLY])
async def test_client_leaves_while_it_waits(path: str, fields: dict[str, Any], model: str) -> None:
    """Every call that was made for it ends and is settled, and its place is free again."""
    slow = Fault(F.SLOW, delay_s=30.0)
    route = "deadline_s = 20"
    async with open_house(pretend(slow, offer=OFFER), models=(), toml=VECTORS_TOML, route=route) as house:
        sent = asyncio.create_task(ask(house, path, **fields))
        await until(lambda: house.groqs[0].limiter.calls)
        assert house.gateway.in_flight == 1
        sent.cancel()
        await until(lambda: not house.gateway.in_flight)
        assert_nothing_is_held(house, model)
        await until(lambda: not house.groqs[0].limiter.calls)


async def until(true: Callable[[], object]) -> None:
    """Wait for the system to come to something."""
    async with asyncio.timeout(4):
        while not true():  # noqa: ASYNC110 - the system has no event for a test
            await asyncio.sleep(0.002)


async def test_moderations_that_are_refused() -> None:
    """Images and unknown fields cannot be judged here."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    async with open_house(pretend(), models=()) as house:
        for fields, word in (
            ({"input": [image]}, "image"),
            ({"input": "a", "store": True}, "store"),
            ({"input": ["a"] * 257}, "256"),
            ({"input": "a", "model": "nobody/nothing"}, "not known"),
        ):
            answer = await ask(house, "moderations", **fields)
            assert word in answer.error["message"], answer
        assert house.seen == []
