"""From provider to provider: five of them on real sockets, each in its own words, and keys that go nowhere else."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest
from tests.remedies.house import ALONE, BIG, KEYS_ELSEWHERE, Answer, House, chat, elsewhere, open_house, pretend

from headgate.domain.fact import CallEnded, RequestFinished
from headgate.domain.failure import FailureKind as K
from headgate.runtime.keys import config_line, new_virtual_key
from headgate.simulator.faults import Fault, FaultKind

CHAIN: Final = ("groq", "openai", "mistral", "gemini", "openrouter")
STANDS_IN: Final = {
    "groq": BIG,
    "openai": "openai/gpt-5.4-mini",
    "mistral": "mistral/mistral-small-latest",
    "gemini": "gemini/gemini-flash-latest",
    "openrouter": "openrouter/openai/gpt-oss-120b",
}
"""Who serves a request for Groq's big model at each provider."""
WIRE: Final = {name: model.removeprefix(f"{name}/") for name, model in STANDS_IN.items()} | {"groq": BIG}
DAY: Final = Fault(FaultKind.RATE_LIMITED, value="RPD", delay_s=5.0)
OFF: Final = {"x_headgate_local": "off"}
FAR: Final = "substitute = true\nmax_calls = 6\npatience_s = 0"


@asynccontextmanager
async def five(
    out: Mapping[str, Fault] | None = None,
    *,
    toml: str = "",
    route: str = "",
    models: tuple[str, ...] = (),
    takes_any_key: bool = False,
) -> AsyncIterator[House]:
    """A gateway with a key for each provider of the chain; `out` are what is wrong with some of them."""
    wrong = {name: (fault,) for name, fault in (out or {}).items()}
    groq = pretend(*wrong.get("groq", ()), any_key_organisation=takes_any_key)
    others = tuple(elsewhere(name, *wrong.get(name, ())) for name in CHAIN[1:])
    async with open_house((groq, *others), models=models, route=f"{FAR}\n{route}", toml=f"{ALONE}\n{toml}") as house:
        yield house


def served(answer: Answer) -> tuple[str | None, str | None]:
    return answer.label("provider"), answer.label("model-served")


def tried(house: House) -> list[tuple[str, str]]:
    """Providers and failures of the last request."""
    last = next(fact for fact in reversed(house.facts) if isinstance(fact, RequestFinished))
    return [(each.provider, str(each.failure)) for each in last.tried]


def each_heard_its_own_key(house: House) -> None:
    """No key of one provider was ever shown to another."""
    own = {"groq": "a"} | KEYS_ELSEWHERE
    for groq in house.groqs:
        profile = groq.settings.profile
        assert {seen.key for seen in groq.seen} <= {own[profile]}, profile


# The chain -----------------------------------------------------------------------------------------------------------

GONE: Final = '[models."openrouter/openai/gpt-oss-120b"]\nwire_id = "unknown/gone"\n'
TROUBLES: Final = (
    ("groq", DAY, K.DAILY_LIMIT),
    ("openai", Fault(FaultKind.INVALID_KEY), K.INVALID_KEY),
    ("mistral", Fault(FaultKind.OVER_CAPACITY), K.OVER_CAPACITY),
    ("gemini", None, K.NETWORK),  # connections are refused
)


@pytest.mark.parametrize("many", range(len(TROUBLES) + 1))
async def test_each_serves_when_all_before_it_are_out(many: int) -> None:
    """In the order of the chain, one call each, whatever is wrong; the labels name provider and model, the body has the
    provider's own name for it; and the next request does not ask in vain again who is known to be out."""
    out = {name: fault for name, fault, _ in TROUBLES[:many] if fault is not None}
    async with five(out) as house:
        if many > 3:
            await house.simulators[3].stop_listening()
        answer = await house.ask()
        first = tried(house)
        again = await house.ask()
        each_heard_its_own_key(house)
    name = CHAIN[many]
    assert (answer.status, served(answer)) == (200, (name, STANDS_IN[name]))
    assert answer.json["model"] == WIRE[name]
    assert answer.label("calls") == str(many + 1)
    assert answer.label("attempts") == "1"
    assert first == [(provider, str(kind)) for provider, _, kind in TROUBLES[:many]]
    assert (again.status, served(again)) == (200, (name, STANDS_IN[name]))
    still_asked = {K.OVER_CAPACITY, K.NETWORK}
    assert again.label("calls") == str(1 + sum(kind in still_asked for _, _, kind in TROUBLES[:many]))


async def test_when_all_are_out_the_refusal_tells_what_each_said() -> None:
    """The last of the chain does not know the model any more; the client reads every provider and why."""
    out = {name: fault for name, fault, _ in TROUBLES if fault is not None}
    async with five(out, toml=GONE) as house:
        await house.simulators[3].stop_listening()
        answer = await house.ask(chat(), **OFF)
    assert answer.status == 503
    told = [(each["provider"], each["failure"]) for each in answer.json["headgate"]["tried"]]
    expected = [(name, str(kind)) for name, _, kind in TROUBLES]
    assert told == [*expected, ("openrouter", str(K.MODEL_GONE))]


async def test_the_same_limit_everywhere_is_gone_through() -> None:
    """A row's own limit bounds how often one provider is asked for the same; a spent day at one says nothing of the
    next."""
    async with five(dict.fromkeys(CHAIN[:4], DAY)) as house:
        answer = await house.ask()
    assert served(answer) == ("openrouter", STANDS_IN["openrouter"])
    assert tried(house)[0] == ("groq", str(K.DAILY_LIMIT))
    assert [provider for provider, _ in tried(house)] == list(CHAIN[:4])


async def test_attempts_bound_the_chain() -> None:
    """What may have generated is paid for: after two attempts nobody else is asked."""
    broken = Fault(FaultKind.SERVER_ERROR)
    async with five({"groq": broken, "openai": broken}) as house:
        answer = await house.ask(chat(), **OFF)
        assert house.heard("mistral") == []
    assert answer.status == 503
    assert tried(house) == [("groq", str(K.OVER_CAPACITY)), ("openai", str(K.OVER_CAPACITY))]


async def test_a_route_has_a_chain_of_its_own() -> None:
    """Its order, its members; nobody else is asked."""
    async with five({"groq": DAY}, route='providers = ["groq", "gemini", "mistral"]') as house:
        answer = await house.ask()
        assert served(answer) == ("gemini", STANDS_IN["gemini"])
    async with five(dict.fromkeys(("groq", "gemini", "mistral"), DAY), route='providers = ["groq", "gemini"]') as house:
        answer = await house.ask()
        assert answer.label("source") == "local"
        assert house.heard("mistral") == house.heard("openai") == []


@pytest.mark.parametrize("failover, source", [("off", "local"), ("at-once", "upstream"), ("after-wait", "upstream")])
async def test_failover_can_be_forbidden(failover: str, source: str) -> None:
    """`failover = "off"` keeps requests at their provider, whatever happens there."""
    async with five({"groq": DAY}, route=f'failover = "{failover}"') as house:
        answer = await house.ask()
        others = [seen for name in CHAIN[1:] for seen in house.heard(name)]
    assert answer.label("source") == source
    assert bool(others) is (source == "upstream")


# What is asked -------------------------------------------------------------------------------------------------------

TOOL: Final = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
SCHEMA: Final = {
    "type": "json_schema",
    "json_schema": {
        "name": "n",
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}
PICTURE: Final = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
]


def unable(provider: str, can: str) -> str:
    """No model of the provider can do more than this."""
    models = [model for model in UNABLE_MODELS if model.startswith(f"{provider}/")]
    return "\n".join(f'[models."{model}"]\ncan = [{can}]' for model in models)


UNABLE_MODELS: Final = (
    "openai/gpt-5.4",
    "openai/gpt-5.4-mini",
    "openai/gpt-5.4-nano",
    "openai/gpt-4.1-mini",
    "mistral/mistral-small-latest",
    "mistral/mistral-medium-latest",
    "mistral/mistral-large-latest",
    "mistral/ministral-8b-latest",
)
NEEDY: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "tools": ({"tools": [TOOL]}, '"json_object"'),
    "json_schema": ({"response_format": SCHEMA}, '"tools", "json_object"'),
    "vision": ({"messages": [{"role": "user", "content": PICTURE}]}, '"tools", "json_object", "json_schema"'),
}


@pytest.mark.parametrize("need", NEEDY)
async def test_only_models_that_can_are_asked(need: str) -> None:
    """Two providers that lack what is needed are passed over without a call; the third serves."""
    fields, can = NEEDY[need]
    async with five({"groq": DAY}, toml="\n".join((unable("openai", can), unable("mistral", can)))) as house:
        answer = await house.ask({**chat("Answer in json: n is 3.", cap=200), **fields})
        assert house.heard("openai") == house.heard("mistral") == []
    assert (answer.status, served(answer)) == (200, ("gemini", STANDS_IN["gemini"]))


async def test_a_picture_never_goes_where_nobody_sees() -> None:
    """When all that see are out, OpenRouter's model is not asked: it would only guess."""
    async with five(dict.fromkeys(CHAIN[:4], DAY)) as house:
        answer = await house.ask({**chat(), "messages": [{"role": "user", "content": PICTURE}]}, **OFF)
        assert house.heard("openrouter") == []
    assert answer.status == 429


ALL_KINDS_OF_FIELDS: Final[dict[str, Any]] = {
    "reasoning_effort": "low",
    "reasoning_format": "parsed",
    "citation_options": "disabled",
    "disable_tool_validation": True,
    "service_tier": "auto",
    "seed": 7,
    "user": "u-1",
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "parallel_tool_calls": False,
    "metadata": {"a": "b"},
    "store": False,
    "stop": None,
    "tools": [TOOL],
    "messages": [
        {"role": "developer", "content": "Be brief.", "name": "boss"},
        {"role": "user", "content": "Look.", "name": "me"},
        {
            "role": "assistant",
            "content": None,
            "reasoning": "I should look.",
            "tool_calls": [
                {"id": "call_0123456789abc", "type": "function", "function": {"name": "look", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_0123456789abc", "content": "a cat"},
        {"role": "user", "content": "So?"},
    ],
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", CHAIN)
async def test_a_request_written_for_groq_is_taken_by_each(provider: str, streamed: bool) -> None:
    """Every field is sent, renamed, mapped or left out as the provider wants it: none answers 400 or 422 to it."""
    out = {} if provider == "groq" else {"groq": DAY}
    async with five(out, route=f'providers = ["groq", "{provider}"]' if out else "") as house:
        answer = await house.ask({**chat(), **ALL_KINDS_OF_FIELDS, "stream": streamed})
        calls = [fact for fact in house.facts if isinstance(fact, CallEnded)]
    assert (answer.status, served(answer)) == (200, (provider, STANDS_IN[provider]))
    assert [call.failure for call in calls if call.deployment.provider == provider] == [None]
    if streamed:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert b'"error"' not in answer.body
    else:
        assert answer.json["model"] == WIRE[provider]


# What cannot be said -------------------------------------------------------------------------------------------------

OLD_STYLE: Final = {"functions": [{"name": "look", "parameters": {"type": "object", "properties": {}}}]}
"""Groq and OpenAI still take functions; Mistral and Gemini cannot be told."""
ONLY_TWO: Final = 'providers = ["groq", "mistral", "gemini"]'
THEN_OPENAI: Final = 'providers = ["groq", "mistral", "gemini", "openai"]'


async def test_who_cannot_be_told_is_passed_over() -> None:
    """The next in the chain serves, on the first request and when Groq is known to be out; nothing was sent in vain."""
    async with five({"groq": DAY}, route=THEN_OPENAI) as house:
        for _ in range(2):
            answer = await house.ask({**chat(), **OLD_STYLE})
            assert (answer.status, served(answer)) == (200, ("openai", STANDS_IN["openai"]))
        assert house.heard("mistral") == house.heard("gemini") == []


async def test_when_nobody_who_stands_in_can_be_told_the_first_failure_stands() -> None:
    """The client asked Groq, which has no quota: that is what it is told, not that others take no functions."""
    async with five({"groq": DAY}, route=ONLY_TWO) as house:
        for _ in range(2):
            answer = await house.ask({**chat(), **OLD_STYLE}, **OFF)
            assert (answer.status, answer.error["code"]) == (429, "no_capacity")
            assert "retry-after" in answer.headers


async def test_a_stand_ins_400_is_no_verdict() -> None:
    """While Groq is out, a field that OpenAI refuses and Mistral knows goes on to Mistral; for one that nobody knows
    the answer is what holds at Groq, in our own words."""
    async with five({"groq": DAY}) as house:
        await house.ask()
        answer = await house.ask({**chat(), "random_seed": 3})
        assert (answer.status, served(answer)) == (200, ("mistral", STANDS_IN["mistral"]))
        assert tried(house) == [("openai", str(K.BAD_REQUEST))]
        answer = await house.ask({**chat(), "brand_new_field": 3}, **OFF)
        assert (answer.status, answer.error["code"]) == (429, "no_capacity")
        assert {failure for _, failure in tried(house)} == {str(K.BAD_REQUEST)}


async def test_the_provider_that_was_asked_keeps_its_400() -> None:
    """A request that Groq cannot be told is refused at once, naming the field; nobody else is asked."""
    async with five() as house:
        answer = await house.ask({**chat(), "logit_bias": {"1": 2}})
        assert answer.status == 400
        assert answer.error["param"] == "logit_bias"
        assert house.seen == []


async def test_a_route_of_several_providers_goes_on_to_one_that_can() -> None:
    """Named side by side, none of them is the one that was asked: whoever can be told serves."""
    named = (STANDS_IN["mistral"], "mistral/mistral-medium-latest", STANDS_IN["gemini"], STANDS_IN["openai"])
    async with five(models=named) as house:
        answer = await house.ask({**chat(), **OLD_STYLE})
        assert (answer.status, served(answer)) == (200, ("openai", STANDS_IN["openai"]))
        assert answer.label("calls") == "3", "the second of Mistral's models speaks like the first"
    async with five(models=named[:3]) as house:
        answer = await house.ask({**chat(), **OLD_STYLE})
        assert (answer.status, answer.error["param"]) == (400, "functions")
        assert house.seen == []


# Keys and addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("takes_any_key, status", [(True, 429), (False, 401)])
@pytest.mark.parametrize("failover", ["after-wait", "at-once"])
async def test_a_callers_own_key_stays_with_its_provider(failover: str, takes_any_key: bool, status: int) -> None:
    """Groq is out, or refuses the key: nobody else is shown it, and nobody is asked with the operator's instead."""
    raw, row = new_virtual_key(random.Random(1).randbytes, tenant="one")
    own = {"x_api_key": raw, "authorization": "Bearer gsk_callers_own"}
    route = f'failover = "{failover}"'
    async with five({"groq": DAY}, toml=config_line(row), route=route, takes_any_key=takes_any_key) as house:
        for _ in range(2):
            answer = await house.ask(chat(), **own, **OFF)
            assert answer.status == status
        assert {seen.key for seen in house.heard("groq")} == {"callers_own"}
        other = await house.ask(chat(model=STANDS_IN["mistral"]), **own, **OFF)
        assert other.status == (400 if failover == "after-wait" else status)  # at once, Groq may stand in for Mistral
        assert [seen for name in CHAIN[1:] for seen in house.heard(name)] == []
        with_ours = await house.ask(chat(), x_api_key=raw)
        assert (with_ours.status, served(with_ours)) == (200, ("openai", STANDS_IN["openai"]))
        assert {seen.key for seen in house.heard("openai")} == {"o"}


async def test_callers_choose_no_addresses() -> None:
    """No header and no field changes where a request goes; a server that is named in all of them hears nothing."""
    async with five() as house, five() as trap:
        url = trap.simulators[0].base_url
        fields = ("base_url", "api_base", "api_url", "endpoint", "url", "provider", "extra_body")
        for name in fields:
            await house.ask({**chat(), name: url})
            refused = await house.ask({**chat(), "headgate": {name.replace("_", "-"): url}})
            assert refused.status == 400
        for header in ("x_headgate_base_url", "x_headgate_endpoint", "x_headgate_provider"):
            assert (await house.ask(chat(), **{header: url})).status == 400
        for header in ("x_base_url", "x_forwarded_host", "x_original_url", "x_portkey_custom_host"):
            assert (await house.ask(chat(), **{header: url})).status == 200
        for model in (f"{url}/v1", f"openai/{url}", f"{url}/{BIG}"):
            assert (await house.ask(chat(model=model))).status == 404
        assert trap.seen == []
        assert all(not simulator.connections for simulator in trap.simulators)


async def test_a_reused_connection_carries_no_other_providers_key() -> None:
    """Many requests at once, over all five, some of them refused: each provider hears its own key only."""
    sometimes = {name: Fault(FaultKind.RATE_LIMITED, value="RPM", probability=0.4, delay_s=0.01) for name in CHAIN[:4]}
    async with five(sometimes) as house:
        answers = await asyncio.gather(*(house.ask(chat(f"Question {n}")) for n in range(60)))
        each_heard_its_own_key(house)
        assert all(house.heard(name) for name in CHAIN[:3])
    assert {answer.status for answer in answers} == {200}
