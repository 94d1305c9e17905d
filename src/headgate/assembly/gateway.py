"""Settings to a running gateway."""

import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from headgate.assembly.caching import add_similar, make_cache
from headgate.assembly.gate import catalog_of, make_gate
from headgate.assembly.keeping import Keeping, keeping_of, usage_rows
from headgate.assembly.skills import supplies_of
from headgate.assembly.tiers import guarded, sweeper_of, tell_of_trouble, with_usual_folder
from headgate.catalog import Catalog
from headgate.decide.advance import Recorder
from headgate.decide.gate import Gate
from headgate.decide.policy import Policy
from headgate.decide.remedies import ROWS, Rows
from headgate.domain.fact import Fact
from headgate.observe.stories import Stories
from headgate.protocol.dialects import DIALECTS
from headgate.runtime.cache import Cache
from headgate.runtime.clock import Clock, MonotonicClock
from headgate.runtime.driver import Connection, Driver
from headgate.runtime.screening import screening_of
from headgate.runtime.settings import ProviderSettings, Secret, Settings
from headgate.runtime.settings_skills import task_skills
from headgate.runtime.upstream_proxy import open_upstream
from headgate.server.auth import Door
from headgate.server.batching import add_batches
from headgate.server.coalescing import add_coalescing
from headgate.server.gateway import Gateway
from headgate.server.intake import Intake
from headgate.server.jobbing import add_jobs
from headgate.store.folder_sweep import Sweeper
from headgate.store.sqlite import SqliteStore

IN_FLIGHT_PER_TENANT: Final = 256
"""A tenant's share of the house where there may be several."""


def _silent(_text: str) -> None:
    pass


def make_gateway(
    settings: Settings,
    *,
    clock: Clock | None = None,
    dice: random.Random | None = None,
    recorder: Recorder | None = None,
    observers: tuple[Callable[[Fact], None], ...] = (),
    upstream: str = "groq",
    environment: Mapping[str, str] | None = None,
    rows: Rows = ROWS,
    policy: Policy | None = None,
    store: SqliteStore | None = None,
    keeps_quota: bool = True,
    tell: Callable[[str], None] = _silent,
) -> Gateway:
    """A gateway that is ready once `start` was awaited in the loop where it will run; `stop` closes its store too.

    `keeps_quota` is False where a pretend upstream forgets its own. `tell` hears what an operator should know.
    """
    settings = with_usual_folder(settings, store if keeps_quota else None)
    catalog, clock = catalog_of(settings), clock or MonotonicClock()
    gate = make_gate(settings, catalog, dice or random.Random(secrets.randbits(64)), rows, policy)
    stories, connections = Stories(), _all_connections(settings, environment or {})
    usage = None if store is None else usage_rows(store, clock, keeps_quota=keeps_quota)
    observe = _tell((stories.tell, *(() if usage is None else (usage.tell,)), *observers))
    cache, sweeper = make_cache(settings, clock, observe), sweeper_of(settings, clock)
    driver = _driver(settings, gate, clock, connections, observe, recorder)
    keeping = keeping_of(store, usage, gate, clock, settings, catalog, keeps_quota=keeps_quota, tell=tell)
    hang_up = _hanging_up(connections)
    gateway = Gateway(
        driver=driver,
        intake=_intake(settings, catalog, driver),
        door=Door(settings.auth, settings.server, clock.wall),
        stories=stories,
        catalog=catalog,
        clock=clock,
        upstream=upstream,
        handling=settings.handling,
        audio=settings.audio,
        max_body_bytes=settings.server.max_body_bytes,
        max_in_flight=settings.server.max_in_flight,
        max_in_flight_per_tenant=_most_per_tenant(settings),
        start=_starting(cache, keeping, sweeper, tell),
        hang_up=hang_up,
        stop=_closing(driver, hang_up, cache, keeping, sweeper),
        batch=settings.batch,
        store=store,
        cache=cache,
        caching=settings.cache,
    )
    return _with_work(gateway, settings, connections)


def _most_per_tenant(settings: Settings) -> int:
    """Whoever is alone takes nobody's share."""
    server = settings.server
    usual = server.max_in_flight if settings.is_open else IN_FLIGHT_PER_TENANT
    return server.max_in_flight_per_tenant or usual


def _driver(
    settings: Settings,
    gate: Gate,
    clock: Clock,
    connections: Mapping[str, tuple[Connection, ...]],
    observe: Callable[[Fact], None],
    recorder: Recorder | None,
) -> Driver:
    return Driver(
        gate=gate,
        clock=clock,
        connections=connections,
        secrets=_secrets(settings),
        observe=observe,
        recorder=recorder,
        limits=settings.upstream,
        mends=settings.local.mend,
        relays_errors=not settings.handling.remedies,
        screening=screening_of(settings.local.safety, observe),
        supplies=supplies_of(settings),
    )


def _intake(settings: Settings, catalog: Catalog, driver: Driver) -> Intake:
    local = settings.local
    tasks = task_skills(local.tasks, local.min_confidence)
    return Intake(
        catalog,
        settings.routes,
        local=local.enabled,
        tasks=tasks,
        screening=driver.screening,
        scope=settings.cache.scope,
    )


def _with_work(gateway: Gateway, settings: Settings, connections: Mapping[str, tuple[Connection, ...]]) -> Gateway:
    """The same with what it does beside answering."""
    add_similar(gateway.answers, settings)
    add_coalescing(gateway, settings)
    add_batches(gateway, settings, connections)
    add_jobs(gateway, settings)
    return gateway


def _secrets(settings: Settings) -> dict[str, Secret]:
    return {key.name: key.secret for provider in settings.providers for key in provider.keys}


def _all_connections(settings: Settings, environment: Mapping[str, str]) -> Mapping[str, tuple[Connection, ...]]:
    return {provider.name: tuple(_connections(provider, settings, environment)) for provider in settings.providers}


def _connections(provider: ProviderSettings, settings: Settings, environment: Mapping[str, str]) -> list[Connection]:
    limits, pool = settings.upstream.reply_limits(), settings.upstream.pool_limits()
    return [
        Connection(
            open_upstream(endpoint, reply_limits=limits, pool_limits=pool, environment=environment),
            endpoint.prefix,
            DIALECTS[provider.dialect],
        )
        for endpoint in provider.endpoints
    ]


def _tell(observers: tuple[Callable[[Fact], None], ...]) -> Callable[[Fact], None]:
    if len(observers) == 1:
        return observers[0]

    def tell(fact: Fact) -> None:
        for observer in observers:
            observer(fact)

    return tell


def _starting(
    cache: Cache | None, keeping: Keeping | None, sweeper: Sweeper | None, tell: Callable[[str], None]
) -> Callable[[], Awaitable[None]]:
    async def start() -> None:
        if cache is not None:
            await tell_of_trouble(guarded(cache.far), tell)
            await cache.start()
        if sweeper is not None:
            sweeper.start()
        if keeping is not None:
            await keeping.start()

    return start


def _hanging_up(connections: Mapping[str, tuple[Connection, ...]]) -> Callable[[], Awaitable[None]]:
    async def hang_up() -> None:
        for each in connections.values():
            for connection in each:
                await connection.upstream.close()

    return hang_up


def _closing(
    driver: Driver,
    hang_up: Callable[[], Awaitable[None]],
    cache: Cache | None,
    keeping: Keeping | None,
    sweeper: Sweeper | None,
) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        try:
            await hang_up()
            if sweeper is not None:
                await sweeper.stop()
            if cache is not None:
                await cache.stop()
        finally:
            driver.threads.close()
            if keeping is not None:
                await keeping.stop()

    return close
