"""Settings to a running gate: the only place where the parts of the house are put together."""

import hmac
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from headgate.catalog import GROQ, Catalog, default_catalog
from headgate.decide.advance import Recorder
from headgate.decide.gate import Gate
from headgate.decide.learned import Learned
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.decide.remedies import NO_REMEDIES, ROWS, Rows
from headgate.domain.fact import Fact
from headgate.domain.limits import Deployment, Dimension
from headgate.observe.stories import Stories
from headgate.observe.usage import UsageRows
from headgate.protocol.dialects import DIALECTS
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom
from headgate.runtime.clock import Clock, MonotonicClock
from headgate.runtime.driver import Connection, Driver
from headgate.runtime.settings import ProviderSettings, Settings
from headgate.runtime.upstream_proxy import open_upstream
from headgate.server.auth import Door
from headgate.server.batching import add_batches
from headgate.server.gateway import Gateway
from headgate.server.intake import Intake
from headgate.store.keeper import Keeper
from headgate.store.restoring import LimitsNow, Restored, restore
from headgate.store.sqlite import SqliteStore
from headgate.store.upkeep import Upkeep

FREE_PLAN = "free"

PRETEND = "simulator"
"""The provider in the usage rows of a gateway that the built-in simulator answers."""

PRINT_DOMAIN = b"headgate key print v1"
PRINT_BYTES = 8

OWN_SERVER_WINDOW_TOKENS = 32_768
"""What a model of one's own server is taken to hold until `[models."NAME/MODEL"]` says more."""


def catalog_of(settings: Settings) -> Catalog:
    """The catalogue of the providers that take part, with what the operator's own servers serve and own changes."""
    catalog = default_catalog()
    served = {
        model if provider.name == GROQ else f"{provider.name}/{model}": {
            "provider": provider.name,
            "wire_id": model,
            "context_window_tokens": OWN_SERVER_WINDOW_TOKENS,
        }
        for provider in settings.providers
        for model in provider.models
        if catalog.model(f"{provider.name}/{model}") is None
    }
    tables = {name: {**served.pop(name, {}), **table} for name, table in settings.models.items()}
    if served or tables:
        catalog = catalog.with_overrides({**served, **tables})
    chain = tuple(provider.name for provider in settings.providers)
    return catalog if chain == catalog.chain else catalog.with_chain(chain)


def limits_of(settings: Settings, catalog: Catalog) -> Callable[[Deployment], Mapping[Dimension, int]]:
    """Where a deployment's limits come from before its first reply: its organisation's plan, else the free one."""

    def limits(deployment: Deployment) -> Mapping[Dimension, int]:
        organisation = settings.organisations.get(deployment.organisation)
        plan = FREE_PLAN if organisation is None or organisation.plan is None else organisation.plan
        found = dict(catalog.limits(deployment.model, plan))
        if organisation is not None:
            found.update(organisation.limits.get("*", {}))
            found.update(organisation.limits.get(deployment.model, {}))
        return found

    return limits


def plan_for(settings: Settings, catalog: Catalog) -> Callable[[Deployment, int, int], Mapping[Dimension, int] | None]:
    """The limits of the plan that shows a pair of header limits; an organisation with a stated plan keeps it, and
    stated limits hold beside either."""
    stated = limits_of(settings, catalog)

    def plan(deployment: Deployment, requests: int, tokens: int) -> Mapping[Dimension, int] | None:
        organisation = settings.organisations.get(deployment.organisation)
        if organisation is not None and organisation.plan is not None:
            return stated(deployment)
        name = catalog.plan_for(deployment.model, requests, tokens)
        seen = None if name is None else catalog.limits(deployment.model, name)
        if organisation is None or not organisation.limits:
            return seen
        own = organisation.limits
        return {**(seen or {}), **own.get("*", {}), **own.get(deployment.model, {})}

    return plan


def limits_now(settings: Settings, catalog: Catalog) -> LimitsNow:
    """The limits that a deployment starts with: what was learned of it, under what the settings state."""
    stated = limits_of(settings, catalog)

    def limits(deployment: Deployment, learned: Mapping[Dimension, int] | None) -> Mapping[Dimension, int]:
        organisation = settings.organisations.get(deployment.organisation)
        if learned is None or (organisation is not None and organisation.plan is not None):
            return stated(deployment)
        if organisation is None:
            return learned
        return {**learned, **organisation.limits.get("*", {}), **organisation.limits.get(deployment.model, {})}

    return limits


def prints_of(settings: Settings) -> dict[str, str]:
    """By the name of each key what tells its secret from another: enough to see that it was changed, too little to be
    of use."""
    pepper = PRINT_DOMAIN if settings.auth.pepper is None else settings.auth.pepper.reveal().encode()
    return {
        key.name: hmac.digest(pepper, key.secret.reveal().encode(), "sha256")[:PRINT_BYTES].hex()
        for provider in settings.providers
        for key in provider.keys
    }


def _silent(_text: str) -> None:
    pass


def make_gate(
    settings: Settings, catalog: Catalog, dice: random.Random, rows: Rows = ROWS, policy: Policy | None = None
) -> Gate:
    """The pure part: ledger, waiting room, keys, what will be learned."""
    keys = [
        Key(key.name, provider.name, key.organisation or f"key-{key.name}")
        for provider in settings.providers
        for key in provider.keys
    ]
    endpoints = {provider.name: len(provider.endpoints) for provider in settings.providers}
    return Gate(
        catalog=catalog,
        policy=msgspec.structs.replace(policy or Policy(fits=settings.handling.fit), endpoints=endpoints),
        pool=pool_of(keys, catalog),
        ledger=Ledger(limits_of(settings, catalog), plan_for(settings, catalog)),
        room=WaitingRoom(settings.waiting_room.max_tickets),
        learned=Learned(),
        dice=dice,
        rows=rows if settings.handling.remedies else NO_REMEDIES,
    )


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

    `keeps_quota` is False where a pretend upstream forgets its own. `tell` hears what an operator should know of the
    start.
    """
    catalog = catalog_of(settings)
    gate = make_gate(settings, catalog, dice or random.Random(secrets.randbits(64)), rows, policy)
    stories = Stories()
    clock = clock or MonotonicClock()
    connections = _all_connections(settings, environment or {})
    usage = None if store is None else _usage(store, clock, keeps_quota=keeps_quota)
    driver = Driver(
        gate=gate,
        clock=clock,
        connections=connections,
        secrets={key.name: key.secret for provider in settings.providers for key in provider.keys},
        observe=_tell((stories, *(() if usage is None else (usage,)), *observers)),
        recorder=recorder,
        limits=settings.upstream,
        mends=settings.local.mend,
        relays_errors=not settings.handling.remedies,
    )
    keeping = None
    if store is not None and usage is not None:
        keeping = _Keeping(store, usage, gate, clock, settings, catalog, keeps_quota=keeps_quota, tell=tell)
    gateway = Gateway(
        driver=driver,
        intake=Intake(catalog, settings.routes, local=settings.local.enabled),
        door=Door(settings.auth, settings.server, clock.wall),
        stories=stories,
        catalog=catalog,
        clock=clock,
        upstream=upstream,
        handling=settings.handling,
        audio=settings.audio,
        max_body_bytes=settings.server.max_body_bytes,
        max_in_flight=settings.server.max_in_flight,
        max_in_flight_per_tenant=settings.server.max_in_flight_per_tenant,
        start=_nothing if keeping is None else keeping.start,
        stop=_closing(connections, keeping),
        batch=settings.batch,
        store=store,
    )
    add_batches(gateway, settings, connections)
    return gateway


def _usage(store: SqliteStore, clock: Clock, *, keeps_quota: bool) -> UsageRows:
    return UsageRows(store.usage, now=clock.now, wall=clock.wall, provider=None if keeps_quota else PRETEND)


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


async def _nothing() -> None:
    pass


def _closing(
    connections: Mapping[str, tuple[Connection, ...]], keeping: "_Keeping | None"
) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        try:
            for each in connections.values():
                for connection in each:
                    await connection.upstream.close()
        finally:
            if keeping is not None:
                await keeping.stop()

    return close


class _Keeping:
    """What stands between a gate and its store, from the start to the stop. Stopping twice does nothing."""

    def __init__(
        self,
        store: SqliteStore,
        usage: UsageRows,
        gate: Gate,
        clock: Clock,
        settings: Settings,
        catalog: Catalog,
        *,
        keeps_quota: bool,
        tell: Callable[[str], None],
    ) -> None:
        prints = prints_of(settings)
        self._store = store
        self._usage = usage
        self._tell = tell
        self._upkeep = Upkeep(store, wall=clock.wall, usage_days=settings.store.usage_days)
        self._keeper = Keeper(gate, store.state, now=clock.now, wall=clock.wall, prints=prints) if keeps_quota else None
        self._restore = partial(
            restore,
            gate,
            store.state,
            now=clock.now,
            wall=clock.wall,
            limits=limits_now(settings, catalog),
            prints=prints,
        )

    async def start(self) -> None:
        if self._keeper is not None:
            if said := _words(await self._restore()):
                self._tell(said)
            self._keeper.start()
        self._upkeep.start()

    async def stop(self) -> None:
        self._upkeep.stop()
        if self._keeper is not None:
            self._keeper.stop()
        self._usage.flush()
        await self._store.close()


def _words(restored: Restored) -> str:
    if restored.problem:
        return (
            f"The quota of the last run is not used: {restored.problem}. "
            "Everything counts as unspent until the provider says otherwise."
        )
    if not restored.deployments:
        return ""
    counted = "1 deployment" if restored.deployments == 1 else f"{restored.deployments} deployments"
    return f"Going on with the quota of {counted} of the last run, {restored.cooling} cooling down."
