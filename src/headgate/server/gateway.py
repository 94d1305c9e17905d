"""What the doors are given: one running gateway, assembled elsewhere."""

import copy
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from headgate.batch.coalescing import Coalescer
from headgate.batch.job_runner import JobRunner
from headgate.batch.runner import BatchRunner
from headgate.catalog import Catalog, Model
from headgate.domain.answer import Refusal
from headgate.local.skills import Supplies
from headgate.observe.stories import Stories
from headgate.runtime.answers import Answers
from headgate.runtime.cache import Cache
from headgate.runtime.clock import Clock
from headgate.runtime.driver import Driver
from headgate.runtime.outcome import Answered
from headgate.runtime.settings_cache import CacheSettings
from headgate.runtime.settings_model import AudioSettings, BatchSettings, HandlingSettings
from headgate.runtime.spool import Spools
from headgate.server.auth import Door
from headgate.server.intake import Intake, unknown_model
from headgate.server.ready import ReadyAnswers
from headgate.store.sqlite import SqliteStore

READY: Final = 200
NOT_READY: Final = 503
_AUDIO: Final = AudioSettings()
_BATCH: Final = BatchSettings()
_CACHE: Final = CacheSettings()


Asks: TypeAlias = Callable[..., Awaitable[Answered]]


class Readiness(msgspec.Struct, frozen=True):
    """What `/readyz` says. `brown_out`: every circuit is open, so only waiting and local answers are left. `store` is
    "none", "ready", or what is wrong with it: requests go on without it, but what they leave behind is lost."""

    status: str
    upstream: str
    keys: int
    waiting: int
    in_flight: int
    brown_out: bool
    store: str


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
        audio: AudioSettings = _AUDIO,
        batch: BatchSettings = _BATCH,
        max_body_bytes: int,
        max_in_flight: int,
        max_in_flight_per_tenant: int,
        start: Callable[[], Awaitable[None]],
        hang_up: Callable[[], Awaitable[None]],
        stop: Callable[[], Awaitable[None]],
        store: SqliteStore | None = None,
        cache: Cache | None = None,
        caching: CacheSettings = _CACHE,
    ) -> None:
        self.driver = driver
        self.coalescer: Coalescer | None = None
        self.ask: Asks = driver.ask
        """The outcome of a chat: as the driver brings it, or together with others like it."""
        self.intake = intake
        self.door = door
        self.stories = stories
        self.catalog = catalog
        self.clock = clock
        self.now = clock.now
        self.upstream = upstream
        self.handling = handling
        self.audio = audio
        self.batch = batch
        self.batches: BatchRunner | None = None
        self.jobs: JobRunner | None = None
        self.webhooks: tuple[str, ...] = ()
        self.spools = Spools(audio.max_held_bytes)
        self.max_body_bytes = max_body_bytes
        self.start = start
        self.hang_up = hang_up
        """Breaks off every call: streams end in an error event, whole answers another way. It is the last thing before
        `stop`."""
        self.stop = stop
        self.store = store
        self.cache = cache
        self.caching = caching
        self.answers = (
            None
            if cache is None
            else Answers(driver, cache, most_bytes=caching.max_entry_bytes, single_flight=caching.single_flight)
        )
        self.ready = None if cache is None else ReadyAnswers(cache, driver.observe)
        self._most = max_in_flight
        self._most_per_tenant = max_in_flight_per_tenant
        self._inside: dict[str, int] = {}
        self._in_flight = 0

    @property
    def supplies(self) -> Supplies:
        """What the operator brought for the local skills."""
        return self.driver.supplies

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

    def beside(self, intake: Intake) -> "Gateway":
        """The same house with an intake of its own, and its own count of who is inside: they take nobody's place."""
        twin = copy.copy(self)
        twin.ready = None  # what is ready is for requests that mean the same by the same bytes
        twin.intake = intake
        twin._inside, twin._in_flight = {}, 0  # noqa: SLF001 - of its own kind
        twin._most_per_tenant = self._most  # noqa: SLF001
        return twin

    def models(self) -> tuple[Model, ...]:
        """The models that can be asked here."""
        return self.catalog.current()

    def unknown_model(self, name: str) -> Refusal:
        return unknown_model(name, self.catalog)

    def readiness(self) -> tuple[int, Readiness]:
        """Whether requests can be answered by a model, as far as is known without asking."""
        gate = self.driver.gate
        keys = len(gate.pool.keys) - len(gate.pool.removed)
        brown_out = gate.brown_out(self.now())
        ready = keys > 0 and not brown_out
        fault = None if self.store is None else self.store.health().fault
        told = Readiness(
            "ready" if ready and fault is None else "degraded",
            self.upstream,
            keys,
            self.driver.waiting,
            self._in_flight,
            brown_out,
            "none" if self.store is None else fault or "ready",
        )
        return READY if ready else NOT_READY, told
