"""Owns the pretend Groq that stands behind a gate which has neither a provider key nor an upstream."""

from typing import TYPE_CHECKING, Final

import msgspec

from headgate.assembly import catalog_of
from headgate.runtime.settings import ProviderKey, Secret, Settings
from headgate.runtime.upstream import Endpoint

if TYPE_CHECKING:
    from headgate.simulator.http import SimulatorServer

DEMO_KEY: Final = "gsk_demo"
DEMO_ORGANISATION: Final = "demo"
UPSTREAM: Final = "the built-in simulator"


async def start_simulator(settings: Settings) -> "tuple[Settings, SimulatorServer]":
    """A pretend Groq on a free loopback port of this loop, and settings that ask it with a key of its free plan."""
    from headgate.simulator.http import serve_simulator  # a fifth of the time to import the door
    from headgate.simulator.settings import SimulatorSettings

    simulated = SimulatorSettings(keys={DEMO_KEY: DEMO_ORGANISATION})
    server = await serve_simulator(simulated, catalog=catalog_of(settings))
    groq = msgspec.structs.replace(
        settings.groq,
        endpoints=(Endpoint.parse_groq(server.base_url),),
        keys=(ProviderKey(DEMO_KEY, Secret(DEMO_KEY), DEMO_ORGANISATION),),
    )
    return msgspec.structs.replace(settings, providers=(groq, *settings.providers[1:])), server
