"""What the doors are given: one running gateway, assembled elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from headgate.catalog import Catalog, Model
from headgate.domain.answer import Refusal
from headgate.observe.stories import Stories
from headgate.runtime.clock import Clock
from headgate.runtime.driver import Driver
from headgate.runtime.settings_model import HandlingSettings
from headgate.server.auth import Door
from headgate.server.intake import Intake, unknown_model
from headgate.server.watch import Watches

READY: Final = 200
NOT_READY: Final = 503


class Readiness(msgspec.Struct, frozen=True):
    """What `/readyz` says. `brown_out`: every circuit is open, so only waiting and local answers are left."""

    status: str
    upstream: str
    keys: int
    waiting: int
    in_flight: int
    brown_out: bool


class Gateway:
    """The parts of a running gateway, and how many requests are inside."""

    def __init__(
        self,
        *,
        driver: Driver,
        intake: Intake,
        door: Door,
        stories: Stories,
        catalog: Catalog,
        clock: Clock,
        upstream: str,
        handling: HandlingSettings,
        max_body_bytes: int,
        max_in_flight: int,
        max_in_flight_per_tenant: int,
        start: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        self.driver = driver
        self.intake = intake
        self.door = door
        self.stories = stories
        self.catalog = catalog
        self.clock = clock
        self.upstream = upstream
        self.handling = handling
        self.max_body_bytes = max_body_bytes
        self.start = start
        self.stop = stop
        self._most = max_in_flight
        self._most_per_tenant = max_in_flight_per_tenant
        self._inside: dict[str, int] = {}
        self._in_flight = 0
        self._watches: Watches | None = None

    @property
    def watches(self) -> Watches:
        """What notices that clients have left; of the loop that serves."""
        if self._watches is None:
            self._watches = Watches(asyncio.get_running_loop())
        return self._watches

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return self._in_flight

    def enter(self, tenant: str) -> bool:
        """Let a request in, unless the house or the tenant's part of it is full. Whoever is let in must `leave`."""
        inside = self._inside.get(tenant, 0)
        if self._in_flight >= self._most or inside >= self._most_per_tenant:
            return False
        self._inside[tenant] = inside + 1
        self._in_flight += 1
        return True

    def leave(self, tenant: str) -> None:
        """One that was let in is done."""
        inside = self._inside[tenant] - 1
        if inside:
            self._inside[tenant] = inside
        else:
            del self._inside[tenant]
        self._in_flight -= 1

    def models(self) -> tuple[Model, ...]:
        """The models that can be asked here."""
        return self.catalog.current()

    def unknown_model(self, name: str) -> Refusal:
        return unknown_model(name, self.catalog)

    def readiness(self) -> tuple[int, Readiness]:
        """Whether requests can be answered by a model, as far as is known without asking."""
        gate = self.driver.gate
        keys = len(gate.pool.keys) - len(gate.pool.removed)
        brown_out = gate.brown_out(self.clock.now())
        ready = keys > 0 and not brown_out
        told = Readiness(
            "ready" if ready else "degraded",
            self.upstream,
            keys,
            self.driver.waiting,
            self._in_flight,
            brown_out,
        )
        return READY if ready else NOT_READY, told
