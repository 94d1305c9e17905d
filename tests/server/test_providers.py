"""Providers at the doors: which models are listed, what is said of those without a key, strategies between them, limits
learned from their replies, one's own servers, and the page that describes all this."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from tests.remedies.house import ALONE, BIG, OWN_MODEL, SMALL, Answer, House, chat, elsewhere, open_house, pretend

from headgate.assembly import catalog_of
from headgate.catalog import GROQ, PROVIDERS, default_catalog
from headgate.domain.limits import Deployment, Dimension
from headgate.domain.request import Strategy
from headgate.protocol.dialect_fields import DIALECT_NAMES, FIELDS, Treatment
from headgate.protocol.dialects import DIALECTS
from headgate.runtime.settings import load_settings
from headgate.simulator.settings import Organisation, Pace, SimulatorSettings

D = Dimension
PAGE: Final = Path(__file__).parents[2] / "docs" / "providers.md"
FOUR: Final = (BIG, "openai/gpt-4.1-mini", "mistral/mistral-small-latest", "gemini/gemini-flash-latest")
OTHERS: Final = ("openai", "mistral", "gemini")
AT_ONCE: Final = Pace(network_s=0.0, queue_median_s=0.001, queue_sigma=0.1, output_speed_factor=50.0)


def world(paces: dict[str, Pace] | None = None, **more: Any) -> tuple[SimulatorSettings, ...]:
    """Groq and three others that are well."""
    paces = paces or {}
    groq = pretend(pace=paces.get(GROQ, AT_ONCE), **more)
    return (groq, *(elsewhere(name, pace=paces.get(name, AT_ONCE), **more) for name in OTHERS))


async def asked(house: House, times: int, **headers: str) -> list[Answer]:
    """One after another."""
    return [await house.ask(chat(f"Question {n}"), **headers) for n in range(times)]


def providers(answers: list[Answer]) -> Counter[str | None]:
    assert {answer.status for answer in answers} == {200}
    return Counter(answer.label("provider") for answer in answers)


# Models --------------------------------------------------------------------------------------------------------------


async def test_models_of_all_that_take_part_are_listed() -> None:
    """Those of Groq and of every provider with a key, by ids that can be asked for; nobody else's."""
    async with open_house((pretend(), elsewhere("mistral")), models=(), route="substitute = true") as house:
        listed = {row["id"]: row for row in (await house.fetch("GET", "/v1/models")).json["data"]}
        assert {"mistral/mistral-small-latest", BIG} <= listed.keys()
        assert not [
            name for name in listed if name.startswith(("openai/gpt-4", "openai/gpt-5", "gemini/", "openrouter/"))
        ]
        assert listed["mistral/mistral-small-latest"]["owned_by"] == "Mistral AI"
        one = await house.fetch("GET", "/v1/models/mistral/mistral-small-latest")
        assert one.json == listed["mistral/mistral-small-latest"]
        for name in ("mistral/mistral-small-latest", "mistral-small-latest"):
            answer = await house.ask(chat(model=name))
            assert (answer.label("provider"), answer.json["model"]) == ("mistral", "mistral-small-latest")
            assert answer.label("model-served") == "mistral/mistral-small-latest"


@pytest.mark.parametrize("name", [row.name for row in PROVIDERS.values() if row.name != GROQ])
async def test_a_model_without_a_key_names_the_variable(name: str) -> None:
    """404, and what the operator can set; at both doors where a model is named."""
    model = next(model for model in default_catalog().with_chain((name,)).current() if model.kind == "chat")
    async with open_house(pretend(), models=()) as house:
        answers = [await house.ask(chat(model=model.id)), await house.fetch("GET", f"/v1/models/{model.id}")]
        assert house.seen == []
    for answer in answers:
        assert (answer.status, answer.error["code"]) == (404, "model_not_found")
        assert PROVIDERS[name].key_variable in answer.error["message"]


async def test_a_server_of_ones_own_serves_and_stands_in() -> None:
    """It needs an address and a list of models; it is asked by name, and stands in for Groq like any other."""
    toml = f'[models."compatible/{OWN_MODEL}"]\ntiers = ["premium"]\n{ALONE}'
    there = (pretend(), elsewhere("compatible"))
    async with open_house(there, models=(), route="substitute = true", toml=toml) as house:
        for name in (f"compatible/{OWN_MODEL}", OWN_MODEL):
            answer = await house.ask(chat(model=name))
            assert (answer.status, answer.label("provider")) == (200, "compatible")
            assert answer.json["model"] == OWN_MODEL
        await house.simulators[0].close()
        answer = await house.ask()
        assert (answer.status, answer.label("model-served")) == (200, f"compatible/{OWN_MODEL}")


async def test_a_server_of_ones_own_without_a_key_is_sent_none() -> None:
    """Not Groq's either: there is no authorisation at all, and what the server says to that is no key's fault."""
    keyless = pretend(keys="", profile="compatible")
    async with open_house((pretend(), keyless), models=()) as house:
        await house.ask(chat(model=OWN_MODEL))
        assert [seen.key for seen in house.heard("compatible")] == [""]


# Strategies ----------------------------------------------------------------------------------------------------------


def spread(strategy: str, more: str = "") -> str:
    return f'strategy = "{strategy}"\n{more}'


async def test_weighted_over_four_providers() -> None:
    """Of 200 requests each provider serves about its share; one of weight 0 serves only when the others are out."""
    weights = "weights = { groq = 30, openai = 40, mistral = 30, gemini = 0 }"
    async with open_house(world(), models=FOUR, route=spread("weighted", weights)) as house:
        found = providers(await asked(house, 200))
        for name, share in {"groq": 60, "openai": 80, "mistral": 60, "gemini": 0}.items():
            assert abs(found[name] - share) <= 4 * 7, found
        assert found["gemini"] == 0
        for simulator in house.simulators[:3]:
            await simulator.close()
        answer = await house.ask()
    assert (answer.status, answer.label("provider")) == (200, "gemini")


async def test_round_robin_over_four_providers() -> None:
    """Each in turn."""
    async with open_house(world(), models=FOUR, route=spread("round-robin")) as house:
        answers = await asked(house, 12)
    assert providers(answers) == dict.fromkeys((GROQ, *OTHERS), 3)
    assert len({answer.label("provider") for answer in answers[:4]}) == 4


async def test_round_robin_over_four_organisations() -> None:
    """The same for the keys of one model at one provider."""
    async with open_house(pretend(keys="abcd"), keys="abcd", models=(), route=spread("round-robin")) as house:
        await asked(house, 12)
        assert Counter(seen.key for seen in house.seen) == dict.fromkeys("abcd", 3)


async def test_least_latency_settles_on_the_quickest() -> None:
    """Everybody is tried once; then the quickest has it, though only Groq says how long it took."""
    slow = Pace(network_s=0.4, queue_median_s=0.001, queue_sigma=0.1, output_speed_factor=50.0)
    paces = {GROQ: slow, "openai": slow, "gemini": slow}
    async with open_house(world(paces), models=FOUR, route=spread("least-latency")) as house:
        learning, later = await asked(house, 4), await asked(house, 6)
    assert len(providers(learning)) == 4
    assert providers(later) == {"mistral": 6}


async def test_least_cost_takes_the_cheapest_that_can_run() -> None:
    """By the catalogue's prices; when the cheapest has no room, the next."""
    async with open_house(world(), models=(*FOUR[:0:-1], SMALL), route=spread("least-cost")) as house:
        assert providers(await asked(house, 3)) == {GROQ: 3}
        await house.simulators[0].close()
        assert providers(await asked(house, 1)) == {"mistral": 1}


async def test_most_headroom_spreads_by_what_is_left() -> None:
    """An organisation with a tenth of another's limits gets a tenth of the requests, about."""
    limits = {D.RPM: 1000, D.TPM: 100_000}
    small = {D.RPM: 1000, D.TPM: 10_000}
    organisations = {"org_a": Organisation(limits={"*": limits}), "org_b": Organisation(limits={"*": small})}
    told = "\n".join(
        f'[organisations.org_{key}.limits."{BIG}"]\nTPM = {tokens}' for key, tokens in (("a", 100_000), ("b", 10_000))
    )
    groq = pretend(organisations=organisations, pace=AT_ONCE)
    async with open_house(groq, keys="ab", models=(), route=spread("most-headroom"), toml=told) as house:
        await asked(house, 44)
        found = Counter(seen.key for seen in house.seen)
    assert 1 <= found["b"] <= 9, found
    assert found["a"] + found["b"] == 44


async def test_priority_is_the_order_of_the_route() -> None:
    """The first that can run, always."""
    async with open_house(world(), models=FOUR[::-1], route=spread("priority")) as house:
        assert providers(await asked(house, 3)) == {"gemini": 3}


def test_every_strategy_has_been_tried_here() -> None:
    """A new strategy needs its own story above, and its line on the page."""
    told = {"priority", "weighted", "round-robin", "least-latency", "least-cost", "most-headroom"}
    assert {str(each) for each in Strategy} == told
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{each}` |" in page for each in told)


# Limits --------------------------------------------------------------------------------------------------------------

TIGHT: Final = {"*": {D.RPM: 3, D.TPM: 1_000_000}}


@pytest.mark.parametrize("provider", ["openai", "mistral"])
async def test_requests_per_minute_are_learned_from_replies(provider: str) -> None:
    """Unlimited until the first reply; then the provider's own limit is kept to, so that nobody is ever refused."""
    model = {"openai": "openai/gpt-4.1-mini", "mistral": "mistral/mistral-small-latest"}[provider]
    organisation = {f"org_{provider[0]}": Organisation(limits=TIGHT)}
    there = elsewhere(provider, organisations=organisation, pace=AT_ONCE)
    off = {"x_headgate_local": "off"}
    async with open_house((pretend(), there), models=(model, SMALL), route="patience_s = 0") as house:
        place = Deployment.of(provider, f"key-{PROVIDERS[provider].key_variable}", model)
        assert house.gate.ledger.view(place, house.gateway.clock.now()).rows == ()
        answers = await asked(house, 5, **off)
        rows = {row.dimension: row.limit for row in house.gate.ledger.view(place, house.gateway.clock.now()).rows}
        heard = len(house.heard(provider))
    assert rows == {D.RPM: 3, D.TPM: 1_000_000}
    assert [answer.label("provider") for answer in answers] == [provider] * 3 + [GROQ] * 2
    assert (heard, {answer.label("calls") for answer in answers}) == (3, {"1"})


async def test_first_requests_at_once_are_all_counted() -> None:
    """What is in flight before the first reply came stands in the bucket that it makes, and is settled from it."""
    there = elsewhere("mistral", organisations={"org_m": Organisation(limits={"*": {D.RPM: 60, D.TPM: 1_000_000}})})
    model = "mistral/mistral-small-latest"
    async with open_house((pretend(), there), models=(model,)) as house:
        answers = await asyncio.gather(*(house.ask(chat(f"Question {n}")) for n in range(12)))
        assert providers(list(answers)) == {"mistral": 12}
        now = house.gateway.clock.now()
        place = Deployment.of("mistral", "key-MISTRAL_API_KEY", model)
        rows = {row.dimension: row for row in house.gate.ledger.view(place, now).rows}
        house.gate.ledger.check(now)
    assert 60 - rows[D.RPM].free == pytest.approx(12, abs=3)


# The page ------------------------------------------------------------------------------------------------------------


def rows_of(title: str) -> list[list[str]]:
    """The table below a heading of the page."""
    below = PAGE.read_text(encoding="utf-8").split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in below.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_page_names_every_provider_as_its_row_does() -> None:
    """Name, variable, address and dialect, in the order of the chain."""
    told = [row[:4] for row in rows_of("Providers")][: len(PROVIDERS)]
    expected = [
        [f"`{row.name}`", f"`{row.key_variable}`", f"`{row.base_url}`", f"`{row.dialect}`"]
        for row in PROVIDERS.values()
    ]
    assert told == expected


def test_page_tells_the_differences_of_the_dialects() -> None:
    """What is left out, renamed or refused, for each dialect as the code has it."""
    told = {row[0].strip("`"): row[1:] for row in rows_of("What is changed for whom")}
    assert tuple(told) == DIALECT_NAMES
    for name, cells in told.items():
        dialect = DIALECTS[name]
        fields = {each: {n for n, row in FIELDS.items() if row[name] is each} for each in Treatment}
        assert cells[0] == f"`{dialect.max_tokens_field}`"
        assert set(_words(cells[1])) == fields[Treatment.DROP]
        assert set(_words(cells[2])) == fields[Treatment.REFUSE]


def _words(cell: str) -> list[str]:
    return [word.strip("`") for word in cell.split(", ") if word != "–"]


def test_page_says_the_default_chain() -> None:
    """In the order of the rows."""
    assert " → ".join(PROVIDERS) in PAGE.read_text(encoding="utf-8")


def test_settings_on_the_page_are_understood(tmp_path: Path) -> None:
    """Every example of headgate.toml loads."""
    blocks = PAGE.read_text(encoding="utf-8").split("```toml\n")[1:]
    assert len(blocks) >= 3
    path = tmp_path / "headgate.toml"
    for block in blocks:
        path.write_text(block.split("```", 1)[0], encoding="utf-8")
        assert catalog_of(load_settings(path, {})).chain[0] == GROQ
