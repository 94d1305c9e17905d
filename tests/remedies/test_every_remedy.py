"""Every remedy and effect of the table that is built, over real sockets: it does its work, and nothing else would."""

import asyncio

import aiohttp
import pytest
from tests.remedies.house import Answer, open_house
from tests.remedies.scenarios import SCENARIOS, Scenario
from tests.remedies.scenarios_cached import CACHED
from tests.remedies.scenarios_elsewhere import ELSEWHERE
from tests.remedies.scenarios_structured import STRUCTURED

from headgate.decide.remedies import NOT_YET, ROWS, Rows, without

AFTER_LEAVING_S = 0.2
EVERY = (*SCENARIOS, *ELSEWHERE, *STRUCTURED, *CACHED)


async def play(scenario: Scenario, rows: Rows) -> list[str]:
    """Live through the scenario with that table; how its end differs from what is expected."""
    async with open_house(
        scenario.simulated,
        said=scenario.said,
        rows=rows,
        keys=scenario.keys,
        models=scenario.models,
        route=scenario.route,
        toml=scenario.toml,
    ) as house:
        last: Answer | None = None
        for ask in scenario.asks:
            try:
                async with asyncio.timeout(ask.leaves_s):
                    last = await house.ask(ask.body, **ask.headers)
            except TimeoutError:
                await asyncio.sleep(AFTER_LEAVING_S)
            except aiohttp.ServerDisconnectedError as gone:
                return [f"the server hung up: {gone}"]
        return scenario.expect.misses(house, last)


@pytest.mark.parametrize("scenario", EVERY, ids=lambda scenario: scenario.name)
async def test_remedy_is_needed_and_enough(scenario: Scenario) -> None:
    """With the whole table the expectation holds; with this part of its row taken out it does not."""
    whole, lacking = await asyncio.gather(play(scenario, ROWS), play(scenario, without(scenario.kind, scenario.part)))
    assert whole == []
    assert lacking != []


def test_every_built_part_of_the_table_has_a_scenario() -> None:
    """What is not built yet has none, and nothing has two."""
    parts = {(kind, part) for kind, row in ROWS.items() for part in (*row.remedies, *row.effects)}
    built = {(kind, part) for kind, part in parts if part not in NOT_YET}
    shown = [(scenario.kind, scenario.part) for scenario in EVERY]
    assert set(shown) == built
    assert len(shown) == len(built)
