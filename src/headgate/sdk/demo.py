"""Owns the pretend Groq that stands behind a gate which has neither a provider key nor an upstream."""

from typing import Final

import msgspec

from headgate.assembly import catalog_of
from headgate.runtime.settings import ProviderKey, Secret, Settings
from headgate.runtime.upstream import Endpoint
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.settings import SimulatorSettings

DEMO_KEY: Final = "gsk_demo"
DEMO_ORGANISATION: Final = "demo"
UPSTREAM: Final = "the built-in simulator"


async def start_simulator(
    settings: Settings, simulator: SimulatorSettings | None = None
) -> tuple[Settings, SimulatorServer]:
    """A pretend Groq on a free loopback port of this loop, and settings that ask it with a key of the demo plan."""
    simulated = simulator or SimulatorSettings(keys={DEMO_KEY: DEMO_ORGANISATION})
    server = await serve_simulator(simulated, catalog=catalog_of(settings))
    groq = msgspec.structs.replace(
        settings.groq,
        endpoints=(Endpoint.parse_groq(server.base_url),),
        keys=(ProviderKey(DEMO_KEY, Secret(DEMO_KEY), DEMO_ORGANISATION),),
    )
    return msgspec.structs.replace(settings, providers=(groq, *settings.providers[1:])), server
