"""A workload of which 60 % repeats, through a running gateway: it is answered from the cache as often as it repeats."""

import asyncio
import random

import pytest
from tests.remedies.house import House, chat, open_house, pretend

from headgate.simulator.settings import Organisation

REQUESTS = 400
REPEATED = 0.6
WITHIN = 0.01
PLENTY = Organisation("developer", limits={"*": {"RPM": 100_000, "TPM": 100_000_000, "RPD": 1_000_000}})  # type: ignore[dict-item]
LIMITS = '[organisations.org_a.limits."*"]\nRPM = 100_000\nTPM = 100_000_000\nRPD = 1_000_000'


def workload(dice: random.Random) -> list[tuple[str, bool]]:
    """Texts and whether each is streamed: six of ten were asked before, the newer the more often."""
    texts: list[str] = []
    asked: list[tuple[str, bool]] = []
    for number in range(REQUESTS):
        if texts and dice.random() < REPEATED:
            text = texts[-1 - min(int(dice.expovariate(0.1)), len(texts) - 1)]
        else:
            text = f"question {number}"
            texts.append(text)
        asked.append((text, dice.random() < 0.3))
    return asked


async def put(house: House, asked: list[tuple[str, bool]], clients: int) -> None:
    """Ask it all, in order, by so many clients at a time."""
    waiting = iter(asked)

    async def client() -> None:
        for text, stream in waiting:
            answer = await house.ask(chat(text, temperature=0, stream=stream), x_headgate_local="off")
            assert answer.status == 200

    await asyncio.gather(*(client() for _ in range(clients)))


@pytest.mark.parametrize("clients", [1, 12])
async def test_hit_rate_is_what_the_repetition_allows(clients: int) -> None:
    """Within a point; those who asked at the same time as the first count as served, since nobody was asked again."""
    asked = workload(random.Random(11))
    allowed = 1 - len({text for text, _ in asked}) / REQUESTS
    assert allowed == pytest.approx(REPEATED, abs=0.05)
    async with open_house(pretend(organisations={"org_a": PLENTY}), toml=LIMITS) as house:
        await put(house, asked, clients)
        assert house.gateway.cache is not None
        told = house.gateway.cache.stats()
        served = (told.hits + told.shared) / told.lookups
        assert told.lookups == REQUESTS
        assert served == pytest.approx(allowed, abs=WITHIN)
        assert len(house.seen) == REQUESTS - told.hits - told.shared
        if clients == 1:
            assert told.hit_rate == pytest.approx(allowed, abs=WITHIN)
