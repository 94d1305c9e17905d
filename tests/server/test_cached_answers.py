"""Answers that are given again, over real sockets: what is kept, for whom, in which form, and what the labels say."""

import random
from typing import Any

import msgspec
import pytest
from tests.remedies.house import BIG, SMALL, Answer, Said, chat, one_after_another, open_house, pretend

from headgate.cache.marks import Kind
from headgate.domain.fact import RequestFinished
from headgate.protocol.replay import completion_of
from headgate.runtime.keys import config_line, new_virtual_key
from headgate.simulator.faults import Fault, FaultKind

TOOL = {"type": "function", "function": {"name": "act", "parameters": {"type": "object", "properties": {}}}}
NO_LOCAL = {"x_headgate_local": "off"}


def asked(text: str = "hello", **fields: Any) -> dict[str, Any]:
    """A request whose answer is kept."""
    return chat(text, temperature=0, **fields)


def text_of(answer: Answer) -> str:
    """What an answer says, in whichever form it came."""
    body = answer.body if answer.body.startswith(b"{") else completion_of(answer.body)
    assert body is not None, answer.body
    content = msgspec.json.decode(body)["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def labels(answer: Answer) -> tuple[str | None, ...]:
    return tuple(answer.label(name) for name in ("source", "cache", "attempts", "calls"))


HIT = ("cache", "hit-memory", "0", "0")
MISS = ("upstream", "miss", "1", "1")
OFF = ("upstream", "off", "1", "1")


async def test_repeated_request_is_answered_from_memory() -> None:
    """The same body, labelled with source, tier and age, at no cost; found by its key, then by its bytes."""
    async with open_house(pretend()) as house:
        first = await house.ask(asked())
        again = [await house.ask(asked()) for _ in range(3)]
        assert labels(first) == MISS
        for answer in again:
            assert labels(answer) == HIT
            assert answer.body == first.body
            assert answer.headers["age"] in {"0", "1", "2"}
            assert answer.label("model-served") == first.label("model-served") == BIG
            assert answer.label("provider") == "groq"
            assert answer.label("cost-usd") is None
        assert len(house.seen) == 1
        facts = [fact for fact in house.facts if isinstance(fact, RequestFinished)]
        tokens = first.json["usage"]["total_tokens"]
        assert [fact.cache for fact in facts] == ["", *["hit-memory"] * 3]
        assert [fact.saved_tokens for fact in facts] == [0, *[tokens] * 3]
        assert all((fact.calls, fact.cost_nanousd, fact.usage) == (0, 0, None) for fact in facts[1:])
        ids = {answer.headers["x-request-id"] for answer in (first, *again)}
        assert ids == {fact.request_id for fact in facts}
        for answer in again:
            story = await house.fetch("GET", f"/v1/requests/{answer.headers['x-request-id']}")
            assert (story.json["source"], story.json["attempts"], story.json["calls"]) == ("cache", 0, [])
        assert house.gateway.cache is not None
        told = house.gateway.cache.stats()
        assert (told.hits, told.misses, told.stored, told.saved_tokens) == (3, 1, 1, 3 * tokens)


@pytest.mark.parametrize("made_as_stream", [False, True], ids=["made whole", "made as a stream"])
@pytest.mark.parametrize("include_usage", [False, True], ids=["no usage", "usage"])
async def test_answer_is_given_again_in_either_form(made_as_stream: bool, include_usage: bool) -> None:
    """Whichever form it was made in: whole, or as a stream with usage if and only if that was asked for."""
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if include_usage else {}
    async with open_house(pretend()) as house:
        first = await house.ask(asked(stream=made_as_stream))
        assert labels(first)[1] == "miss"
        for _ in range(3):
            whole = await house.ask(asked())
            stream = await house.ask(asked(stream=True, **options))
            assert labels(whole) == labels(stream) == HIT
            assert text_of(whole) == text_of(stream) == text_of(first)
            assert whole.json["usage"]["total_tokens"] > 0
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.body.endswith(b"data: [DONE]\n\n")
            assert (b'"choices":[]' in stream.body) == include_usage
        assert len(house.seen) == 1


async def test_order_of_fields_and_labels_of_a_request_do_not_matter() -> None:
    """What cannot change the answer is no part of the question."""
    async with open_house(pretend()) as house:
        await house.ask(asked())
        turned = dict(reversed(asked(user="somebody", metadata={"a": "b"}, n=1).items()))
        answer = await house.ask(turned, x_headgate_session="s1", x_headgate_priority="batch")
        assert labels(answer) == HIT
        assert labels(await house.ask(asked("hello!"))) == MISS
        assert labels(await house.ask(asked(seed=1))) == MISS
        assert labels(await house.ask(asked(cap=41))) == MISS


@pytest.mark.parametrize(
    "fields",
    [{}, {"temperature": 1}, {"temperature": 0, "headgate": {"cache": "off"}}],
    ids=["no temperature", "temperature 1", "off"],
)
async def test_request_that_is_not_deterministic_is_left_alone(fields: dict[str, Any]) -> None:
    """The next answer may be another, and be wanted."""
    async with open_house(pretend()) as house:
        for _ in range(2):
            assert labels(await house.ask(chat(**fields))) == OFF
        assert len(house.seen) == 2


async def test_cache_that_is_asked_for_by_name_is_used_at_any_temperature() -> None:
    """By the request or by its route; a request's own `off` wins over its route."""
    async with open_house(pretend(), toml='[routes.again]\nmodels = ["openai/gpt-oss-120b"]\ncache = "on"') as house:
        assert labels(await house.ask(chat(temperature=1), x_headgate_cache="on")) == MISS
        assert labels(await house.ask(chat(temperature=1), x_headgate_cache="on")) == HIT
        assert labels(await house.ask(chat(temperature=1), x_headgate_route="again")) == HIT
        off = await house.ask(chat(temperature=1), x_headgate_route="again", x_headgate_cache="off")
        assert labels(off) == OFF


async def test_cache_that_is_switched_off_takes_no_part() -> None:
    """`[cache] enabled = false`, whatever a request says."""
    async with open_house(pretend(), toml="[cache]\nenabled = false") as house:
        for _ in range(2):
            assert labels(await house.ask(asked(), x_headgate_cache="on")) == OFF


async def test_only_what_is_there_or_an_honest_refusal() -> None:
    """`only` never makes a call, and says so in OpenAI's words; SDKs do not repeat it."""
    async with open_house(pretend()) as house:
        refused = await house.ask(asked(), x_headgate_cache="only")
        assert (refused.status, refused.error["code"]) == (504, "not_cached")
        assert refused.headers["x-should-retry"] == "false"
        assert refused.label("cache") == "miss"
        assert not house.seen
        last = house.facts[-1]
        assert isinstance(last, RequestFinished)
        assert (last.refusal, last.source, last.calls) == ("not_cached", None, 0)
        await house.ask(asked())
        assert labels(await house.ask(asked(), x_headgate_cache="only")) == HIT


async def test_refresh_renews_the_entry() -> None:
    """It is asked anew, and what comes is what others are given."""
    async with open_house(pretend()) as house:
        await house.ask(asked())
        fresh = await house.ask(asked(), x_headgate_cache="refresh")
        assert labels(fresh) == MISS
        again = await house.ask(asked())
        assert labels(again) == HIT
        assert again.json["id"] == fresh.json["id"]
        assert len(house.seen) == 2


async def test_time_of_an_answer_can_be_shortened() -> None:
    """With none at all it is never given again as fresh."""
    async with open_house(pretend()) as house:
        for _ in range(2):
            assert labels(await house.ask(asked(), x_headgate_cache_ttl_s="0")) == MISS


async def test_errors_local_answers_and_tool_calls_are_not_kept() -> None:
    """Only whole answers of a model are; tool calls where they are asked for."""
    async with open_house(pretend(Fault(FaultKind.SERVER_ERROR, times=2)), route="max_attempts = 1") as house:
        assert labels(await house.ask(asked()))[0] == "local"
        assert (await house.ask(asked(), **NO_LOCAL)).status == 503
        assert labels(await house.ask(asked())) == MISS
        needs_tool = asked(tools=[TOOL], tool_choice="required")
        for _ in range(2):
            assert labels(await house.ask(needs_tool)) == MISS
        for expected in (MISS, HIT):
            assert labels(await house.ask(needs_tool, x_headgate_cache="on")) == expected
        assert house.gateway.cache is not None
        assert house.gateway.cache.stats().not_stored == {"not_upstream": 1, "no_answer": 1, "tool_calls": 2}


async def test_answer_of_a_stand_in_is_not_kept() -> None:
    """It was the best that could be had then; a route that names several models means any of them."""
    fault = Fault(FaultKind.OVER_CAPACITY, model=BIG, times=1)
    async with open_house(pretend(fault), models=(), route="substitute = true") as house:
        first = await house.ask(asked())
        assert first.label("model-served") != BIG
        again = await house.ask(asked())
        assert (labels(again), again.label("model-served")) == (MISS, BIG)
        assert labels(await house.ask(asked())) == HIT
    async with open_house(pretend(fault), models=(BIG, SMALL)) as house:
        assert (await house.ask(asked())).label("model-served") == SMALL
        again = await house.ask(asked())
        assert (labels(again), again.label("model-served")) == (HIT, SMALL)


async def test_answer_that_our_own_maximum_cut_is_not_kept() -> None:
    """Asking again may bring more; what the client's own maximum cut would be cut again."""
    body = {"id": "c", "model": BIG, "choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "length"}]}
    async with open_house(pretend(), said=(Said(200, msgspec.json.encode(body)),)) as house:
        for expected in (MISS, HIT):
            assert labels(await house.ask(asked(cap=40))) == expected
        for _ in range(2):
            assert labels(await house.ask(asked(cap=None)))[1] == "miss"


async def test_answer_that_is_too_long_is_given_out_whole_and_not_kept() -> None:
    """A stream is held for those who come later up to the bound; beyond it it goes on, for who is there."""
    told: dict[str, Any] = {"toml": "[cache]\nmax_entry_bytes = 1024"}
    async with open_house(one_after_another(), **told) as house:
        for _ in range(2):
            answer = await house.ask(asked(cap=400, stream=True))
            assert answer.label("cache") == "miss"
            assert completion_of(answer.body) is not None
            assert len(answer.body) > 2 * 1024
        assert house.gateway.cache is not None
        assert house.gateway.cache.stats().not_stored == {"too_large": 2}


async def test_stale_answer_says_its_age_and_why_it_is_given() -> None:
    """When nobody else answers: source `cache`, reason `stale`, the tier and the age, in either form."""
    async with open_house(pretend(), route="max_attempts = 1") as house:
        cache = house.gateway.cache
        assert cache is not None
        first = await house.ask(asked(), x_headgate_cache_ttl_s="0")
        assert labels(first) == MISS
        await house.simulators[0].close()
        for stream in (False, True):
            stale = await house.ask(asked(stream=stream))
            assert (stale.status, stale.label("reason"), text_of(stale)) == (200, "stale", text_of(first))
            assert labels(stale)[:2] == ("cache", "hit-memory")
            assert stale.headers["age"].isdigit()
            last = house.facts[-1]
            assert isinstance(last, RequestFinished)
            assert (last.cache, last.source, last.cost_nanousd) == ("stale", "cache", 0)
        refreshed = await house.ask(asked(), x_headgate_cache="refresh", **NO_LOCAL)
        assert refreshed.status in {429, 503}
        assert cache.stats().stale == 2


# Whose answers ------------------------------------------------------------------------------------------------------


def keys_of(*tenants: str, admins: tuple[str, ...] = ()) -> tuple[list[str], str]:
    """A key for each of these tenants, and the settings that let them in; those of `admins` may do more."""
    dice = random.Random(5)
    made = [new_virtual_key(dice.randbytes, tenant=tenant, admin=tenant in admins) for tenant in tenants]
    return [f"Bearer {raw}" for raw, _ in made], "".join(config_line(row) for _, row in made)


async def test_tenants_do_not_see_each_others_answers() -> None:
    """Not by key and not by bytes, until both say `shared`."""
    keys, toml = keys_of("one", "two")
    async with open_house(pretend(), toml=toml) as house:
        one, two = keys
        for key in keys:
            for expected in (MISS, HIT, HIT):
                assert labels(await house.ask(asked(), authorization=key)) == expected
        shared = {"x_headgate_cache_scope": "shared"}
        assert labels(await house.ask(asked(), authorization=one, **shared)) == MISS
        assert labels(await house.ask(asked(), authorization=two, **shared)) == HIT
        assert house.gateway.cache is not None
        await house.gateway.cache.invalidate(Kind.TENANT, "one")
        assert labels(await house.ask(asked(), authorization=two)) == HIT
        assert labels(await house.ask(asked(), authorization=one)) == MISS


async def test_users_of_a_tenant_can_be_kept_apart() -> None:
    """Scope `user`, by the request; without a user there is nobody to keep apart, which is said."""
    async with open_house(pretend()) as house:
        scope = {"x_headgate_cache_scope": "user"}
        for user in ("ann", "bob"):
            for expected in (MISS, HIT, HIT):
                assert labels(await house.ask(asked(), x_headgate_user=user, **scope)) == expected
        assert labels(await house.ask(asked(user="ann"), **scope)) == HIT
        refused = await house.ask(asked(), **scope)
        assert (refused.status, refused.error["code"]) == (400, "invalid_request")
        assert "x-headgate-user" in refused.error["message"]


async def test_usual_scope_can_be_the_user() -> None:
    """Then whoever names no user is left alone."""
    async with open_house(pretend(), toml='[cache]\nscope = "user"') as house:
        for _ in range(2):
            assert labels(await house.ask(asked())) == OFF
        for expected in (MISS, HIT):
            assert labels(await house.ask(asked(user="ann"))) == expected


async def test_answer_made_on_behalf_of_a_tenant_is_not_for_those_who_must_not_ask_so() -> None:
    """The same bytes and headers from another key of the same tenant are refused, cached or not."""
    (admin, guest), toml = keys_of("ops", "guest", admins=("ops",))
    dice = random.Random(6)
    raw, row = new_virtual_key(dice.randbytes, tenant="ops")
    async with open_house(pretend(), toml=toml + config_line(row)) as house:
        behalf = {"x_headgate_tenant": "guest"}
        for expected in (MISS, HIT, HIT):
            assert labels(await house.ask(asked(), authorization=admin, **behalf)) == expected
        assert labels(await house.ask(asked(), authorization=guest)) == HIT
        refused = await house.ask(asked(), authorization=f"Bearer {raw}", **behalf)
        assert (refused.status, refused.error["param"]) == (400, "x-headgate-tenant")


async def test_callers_own_keys_are_never_cached() -> None:
    """Neither looked for nor kept, whatever the request says."""
    keys, toml = keys_of("one")
    async with open_house(pretend(keys="ac"), toml=toml) as house:
        raw = keys[0].removeprefix("Bearer ")
        for _ in range(3):
            answer = await house.ask(asked(), authorization="Bearer gsk_c", x_api_key=raw, x_headgate_cache="on")
            assert labels(answer) == OFF
        assert [seen.key for seen in house.seen] == ["c"] * 3


# What is void --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
async def test_forgotten_answers_are_asked_for_again(kind: Kind) -> None:
    """By key, tag, model, tenant or all: whatever was ready to be sent is not sent any more."""
    async with open_house(pretend()) as house:
        tags = {"x_headgate_cache_tags": "prices, acme/2027"}
        explained = await house.ask(asked(), x_headgate_explain="true", **tags)
        key = msgspec.json.decode(explained.headers["x-headgate-explain"])["cache_key"]
        values = {Kind.KEY: key, Kind.TAG: "acme/2027", Kind.MODEL: BIG, Kind.TENANT: "local", Kind.ALL: ""}
        for _ in range(3):
            assert labels(await house.ask(asked())) == HIT
        assert house.gateway.cache is not None
        if kind is not Kind.ALL:
            await house.gateway.cache.invalidate(kind, "another")
            assert labels(await house.ask(asked())) == HIT
        await house.gateway.cache.invalidate(kind, values[kind])
        assert labels(await house.ask(asked())) == MISS
        assert labels(await house.ask(asked())) == HIT


@pytest.mark.parametrize("tags", ["a b", "x" * 65, ",", ",".join("abcdefghi")])
async def test_tags_that_cannot_be_are_refused(tags: str) -> None:
    """With what they can be."""
    async with open_house(pretend()) as house:
        refused = await house.ask(asked(), x_headgate_cache_tags=tags)
        assert (refused.status, refused.error["param"]) == (400, "x-headgate-cache-tags")


async def test_poisoned_entry_is_a_miss() -> None:
    """Whoever could write to a tier puts no words into an answer; it is counted, and the next answer replaces it."""
    async with open_house(pretend()) as house:
        explained = await house.ask(asked(), x_headgate_explain="true")
        key = msgspec.json.decode(explained.headers["x-headgate-explain"])["cache_key"]
        cache = house.gateway.cache
        assert cache is not None
        kept = cache.memory.find(key)
        assert kept is not None
        assert text_of(explained).encode() in kept
        cache.memory.keep(key, kept.replace(text_of(explained).encode()[:4], b"evil"), 60.0)
        again = await house.ask(asked())
        assert (labels(again), text_of(again)) == (MISS, text_of(explained))
        assert cache.stats().flaws == {"poisoned": 1}
        assert labels(await house.ask(asked())) == HIT


# Other APIs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "path, body",
    [
        ("/v1/responses", {"model": BIG, "input": "hello", "max_output_tokens": 40}),
        ("/v1/messages", {"model": BIG, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 40}),
    ],
    ids=["responses", "messages"],
)
async def test_other_apis_are_answered_from_the_same_cache(path: str, body: dict[str, Any], stream: bool) -> None:
    """In their own words, whole and as streams."""
    raw = msgspec.json.encode({**body, "temperature": 0, "stream": stream})
    async with open_house(pretend()) as house:
        headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
        answers = [await house.fetch("POST", path, raw, headers) for _ in range(3)]
        assert [answer.status for answer in answers] == [200] * 3
        assert [answer.label("cache") for answer in answers] == ["miss", "hit-memory", "hit-memory"]
        assert len(house.seen) == 1
        kinds = {answer.headers["content-type"] for answer in answers}
        assert len(kinds) == 1
        assert len({len(answer.body) > 100 for answer in answers}) == 1


async def test_answers_of_models_are_kept_apart() -> None:
    """What one model said is not given for another; a retired name means its successor, and finds its answers."""
    async with open_house(pretend(), models=()) as house:
        assert labels(await house.ask(asked(model=BIG))) == MISS
        assert labels(await house.ask(asked(model=SMALL))) == MISS
        assert labels(await house.ask(asked(model=BIG))) == HIT


async def test_what_was_refreshed_is_given_to_those_who_ask_with_the_same_bytes() -> None:
    """An answer that lay ready gives way to the one that took its place."""
    async with open_house(pretend()) as house:
        old = [await house.ask(asked()) for _ in range(3)][-1]
        fresh = await house.ask(asked(), x_headgate_cache="refresh")
        assert labels(fresh) == MISS
        assert fresh.json["id"] != old.json["id"]
        for _ in range(3):
            again = await house.ask(asked())
            assert labels(again) == HIT
            assert again.json["id"] == fresh.json["id"]
