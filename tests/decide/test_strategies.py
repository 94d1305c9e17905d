"""In which order places are tried, by strategy, over a real gate: shares, turns, prices, speeds, room."""

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.catalog import default_catalog
from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import advance
from headgate.decide.gate import Gate
from headgate.decide.journey import Journey
from headgate.decide.learned import Learned
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.decide.routing import candidates
from headgate.domain.answer import Reply, Usage
from headgate.domain.fact import Fact
from headgate.domain.limits import Amounts, Deployment, Dimension
from headgate.domain.request import PromptSize, Request, Strategy
from headgate.quota.cooldown import CooldownSource
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom

BIG = "openai/gpt-oss-120b"
MODELS = (BIG, "openai/gpt-4.1-mini", "mistral/mistral-small-latest", "gemini/gemini-flash-latest")
PROVIDERS = ("groq", "openai", "mistral", "gemini")
FOUR = tuple(Key(f"k-{name}", name, f"of-{name}") for name in PROVIDERS)
"""One organisation at each of four providers."""
ORGANISATIONS = tuple(Key(f"k{n}", "groq", f"o{n}") for n in range(4))
"""Four organisations at Groq."""
IDS = [f"req_{n:024x}" for n in range(10_000)]
SHARES = {"groq": 30, "openai": 40, "mistral": 20, "gemini": 10}
LIMITS = {Dimension.RPM: 100, Dimension.TPM: 100_000}


def make_gate(keys: tuple[Key, ...] = FOUR) -> Gate:
    catalog = default_catalog().with_chain(PROVIDERS)
    return Gate(
        catalog=catalog,
        policy=Policy(),
        pool=pool_of(list(keys), catalog),
        ledger=Ledger(lambda _: LIMITS),
        room=WaitingRoom(),
        learned=Learned(),
        dice=random.Random(1),
    )


def journey(strategy: Strategy, *, name: str = "r", models: tuple[str, ...] = MODELS, **more: object) -> Journey:
    """One request whose route names the models as one list."""
    request = Request(
        id=name,
        model_asked=models[0],
        candidates=models,
        arrived_at=0.0,
        deadline_at=50.0,
        patience_until=25.0,
        prompt=PromptSize(latin=400, messages=1),
        ask_tokens=200,
        strategy=strategy,
        mixes=True,
    )
    return Journey(msgspec.structs.replace(request, **more), prompt_weight=100.0)


def order(gate: Gate, asked: Journey, now: float = 0.0) -> list[str]:
    """Who would be asked, in order, by the one thing in which the places of these tests differ."""
    found = list(candidates(gate, asked, now))
    by_organisation = len({place.provider for place in found}) == 1
    return [place.organisation if by_organisation else place.provider for place in found]


def weighted(weights: dict[str, int], name: str) -> Journey:
    return journey(Strategy.WEIGHTED, name=name, weights=tuple(weights.items()))


def called(gate: Gate, asked: Journey, now: float = 0.0) -> Deployment:
    """Where the request is sent."""
    call = advance(gate, asked, e.Arrived(asked.request), now, ignore)[-1]
    assert isinstance(call, a.Call), call
    return call.deployment


def ignore(_: Fact) -> None:
    pass


# Shares --------------------------------------------------------------------------------------------------------------


def test_weights_are_shares_of_the_requests() -> None:
    """Over 10,000 requests each provider is first as often as its weight says, within two points; and so are second
    places: what the first leaves is divided by the weights that are left."""
    gate = make_gate()
    orders = [order(gate, weighted(SHARES, name)) for name in IDS]
    first = Counter(each[0] for each in orders)
    assert {name: pytest.approx(first[name] / 100, abs=2.0) for name in SHARES} == SHARES
    behind_groq = Counter(each[1] for each in orders if each[0] == "groq")
    share = behind_groq["openai"] / behind_groq.total()
    assert share == pytest.approx(40 / 70, abs=0.04)


def test_places_of_one_weight_share_it() -> None:
    """A provider with three keys gets no more than its weight: its organisations divide it."""
    more = tuple(Key(f"k-openai-{n}", "openai", f"of-openai-{n}") for n in range(2))
    gate = make_gate((*FOUR, *more))
    first = Counter(order(gate, weighted(SHARES, name))[0] for name in IDS[:5_000])
    assert {name: pytest.approx(first[name] / 50, abs=2.5) for name in SHARES} == SHARES


def test_a_models_weight_is_its_own() -> None:
    """A model that is named beside its provider is weighed by its own name."""
    gate = make_gate()
    weights = {"groq": 50, "openai": 50, "mistral/mistral-small-latest": 100}
    first = Counter(order(gate, weighted(weights, name))[0] for name in IDS[:5_000])
    assert first["mistral"] / 50 == pytest.approx(50, abs=2.5)
    assert first["gemini"] == 0


def test_no_weight_is_a_last_resort() -> None:
    """Whoever has the weight 0, or none beside others' weights, comes after all that have one, in the route's order."""
    gate = make_gate()
    for name in IDS[:300]:
        found = order(gate, weighted({"groq": 0, "mistral": 1, "gemini": 9}, name))
        assert set(found[:2]) == {"mistral", "gemini"}
        assert found[2:] == ["groq", "openai"]


def test_without_any_weights_all_are_equal() -> None:
    """The strategy alone spreads evenly."""
    gate = make_gate()
    first = Counter(order(gate, weighted({}, name))[0] for name in IDS[:5_000])
    assert {name: pytest.approx(first[name] / 50, abs=2.5) for name in PROVIDERS} == dict.fromkeys(PROVIDERS, 25)


@given(st.lists(st.integers(0, 1_000_000), min_size=4, max_size=4).filter(any))
@settings(max_examples=20, deadline=None)
def test_any_weights_are_shares(weights: list[int]) -> None:
    """Whatever the numbers: shares of 1,500 requests lie within five deviations of them, and 0 is never first."""
    gate = make_gate()
    given_weights = dict(zip(PROVIDERS, weights, strict=True))
    first = Counter(order(gate, weighted(given_weights, name))[0] for name in IDS[:1_500])
    for name, weight in given_weights.items():
        share = weight / sum(weights)
        deviation = (share * (1 - share) * 1_500) ** 0.5
        assert abs(first[name] - share * 1_500) <= 5 * deviation + 1
        assert weight or not first[name]


# One request ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategy, keys",
    [(each, FOUR) for each in Strategy] + [(each, ORGANISATIONS) for each in Strategy if each is not Strategy.PRIORITY],
    ids=lambda each: str(each) if isinstance(each, Strategy) else each[-1].provider,
)
def test_an_order_holds_for_the_whole_request(strategy: Strategy, keys: tuple[Key, ...]) -> None:
    """Everybody is in it once; without news of headroom or latency it stays, whoever else is called meanwhile. Only
    where no strategy is chosen do one model's organisations go on taking turns."""
    gate = make_gate(keys)
    asked = journey(strategy, models=MODELS if keys is FOUR else (BIG,))
    before = order(gate, asked)
    assert sorted(before) == sorted(PROVIDERS if keys is FOUR else ("o0", "o1", "o2", "o3"))
    for _ in range(3):
        gate.turn += 1
        assert order(gate, asked) == before


def test_a_session_does_not_hinder_a_strategy() -> None:
    """Weights and turns count for a session's requests too: a route that spreads is asked to spread."""
    gate = make_gate(ORGANISATIONS)
    found = [called(gate, journey(Strategy.ROUND_ROBIN, name=f"r{n}", models=(BIG,), session="s")) for n in range(8)]
    assert Counter(place.organisation for place in found) == {f"o{n}": 2 for n in range(4)}


# Each strategy -------------------------------------------------------------------------------------------------------


def test_priority_is_the_routes_own_order() -> None:
    """Models in the order in which they are named."""
    assert order(make_gate(), journey(Strategy.PRIORITY)) == list(PROVIDERS)


@pytest.mark.parametrize(
    "keys, models, mixes", [(FOUR, MODELS, True), (ORGANISATIONS, (BIG,), True), (ORGANISATIONS, (BIG,), False)]
)
def test_round_robin_gives_everybody_a_turn(keys: tuple[Key, ...], models: tuple[str, ...], mixes: bool) -> None:
    """Eight requests over four places are two for each: over providers, over organisations, and over those of a model
    that a request names itself."""
    gate = make_gate(keys)
    found = [called(gate, journey(Strategy.ROUND_ROBIN, name=f"r{n}", models=models, mixes=mixes)) for n in range(8)]
    assert set(Counter(place.id for place in found).values()) == {2}
    assert len({place.id for place in found[:4]}) == 4


def replied(gate: Gate, asked: Journey, first_s: float, now: float) -> None:
    """The call that is open is answered after `first_s`, at 100 tokens a second from there; only Groq says so."""
    assert asked.open is not None
    told_s = 1.0 if asked.open.plan.deployment.provider == "groq" else None
    usage = Usage(120, 100, completion_time_s=told_s)
    reply = Reply("stop", usage, "m", has_content=True)
    advance(gate, asked, e.Replied(asked.open.number, reply, None), now + first_s + 1.0, ignore)


def test_least_latency_learns_and_then_prefers_the_quickest() -> None:
    """Whoever was never called goes first, to be learned; then the order is that of the measured times."""
    gate = make_gate()
    slowness = {"groq": 2.0, "openai": 0.1, "mistral": 0.5, "gemini": 0.3}
    for n in range(len(slowness)):
        asked = journey(Strategy.LEAST_LATENCY, name=f"r{n}")
        replied(gate, asked, slowness[called(gate, asked, now=10.0 * n).provider], 10.0 * n)
    asked = journey(Strategy.LEAST_LATENCY, name="later")
    assert order(gate, asked, 100.0) == ["openai", "gemini", "mistral", "groq"]


def test_least_cost_is_by_the_price_of_this_request() -> None:
    """Prompt and usual answer at the catalogue's prices; a model of unknown price is the last."""
    gate = make_gate((*FOUR, Key("k-or", "openrouter", "of-openrouter")))
    gate.catalog = default_catalog().with_chain((*PROVIDERS, "openrouter"))
    gate.pool.attach(gate.catalog)
    models = ("openrouter/openai/gpt-oss-120b", "gemini/gemini-flash-latest", *MODELS[:3])
    found = order(gate, journey(Strategy.LEAST_COST, models=models))
    assert found == ["groq", "mistral", "openai", "gemini", "openrouter"]


def test_most_headroom_is_the_emptiest_bucket() -> None:
    """By the free share of the fullest bucket; whoever cools comes last."""
    gate = make_gate(ORGANISATIONS)
    spent = {"o0": (50, 1), "o1": (10, 60_000), "o2": (20, 30_000), "o3": (0, 0)}  # requests, tokens
    for organisation, (requests, tokens) in spent.items():
        gate.ledger.reserve(
            Deployment.of("groq", organisation, BIG), organisation, Amounts(tokens, 0, requests=requests), 0.0
        )
    asked = journey(Strategy.MOST_HEADROOM, models=(BIG,))
    assert order(gate, asked) == ["o3", "o2", "o0", "o1"]
    gate.ledger.cool(Deployment.of("groq", "o3", BIG), 9.0, CooldownSource.GUESSED, 0.0, "test")
    assert order(gate, asked) == ["o2", "o0", "o1", "o3"]


def test_quota_has_its_say_after_the_strategy() -> None:
    """The preferred place is passed over while it has no room, at the cost of no call."""
    gate = make_gate()
    asked = next(asked for name in IDS if order(gate, asked := weighted(SHARES, name))[0] == "openai")
    second = order(gate, asked)[1]
    gate.ledger.cool(Deployment.of("openai", "of-openai", MODELS[1]), 9.0, CooldownSource.GUESSED, 0.0, "test")
    assert called(gate, asked).provider == second
    assert asked.calls == 1
