"""Settings to a running gate: the only place where the parts of the house are put together."""

import random
import secrets
from collections.abc import Awaitable, Callable, Mapping

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
from headgate.protocol.dialects import DIALECTS
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom
from headgate.runtime.clock import Clock, MonotonicClock
from headgate.runtime.driver import Connection, Driver
from headgate.runtime.settings import ProviderSettings, Settings
from headgate.runtime.upstream_proxy import open_upstream
from headgate.server.auth import Door
from headgate.server.gateway import Gateway
from headgate.server.intake import Intake

FREE_PLAN = "free"


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
) -> Gateway:
    """A gateway that is ready once `start` was awaited in the loop where it will run."""
    catalog = catalog_of(settings)
    gate = make_gate(settings, catalog, dice or random.Random(secrets.randbits(64)), rows, policy)
    stories = Stories()
    clock = clock or MonotonicClock()
    connections = {
        provider.name: tuple(_connections(provider, settings, environment or {})) for provider in settings.providers
    }
    driver = Driver(
        gate=gate,
        clock=clock,
        connections=connections,
        secrets={key.name: key.secret for provider in settings.providers for key in provider.keys},
        observe=_tell((stories, *observers)),
        recorder=recorder,
        limits=settings.upstream,
        mends=settings.local.mend,
    )
    return Gateway(
        driver=driver,
        intake=Intake(catalog, settings.routes, local=settings.local.enabled),
        door=Door(settings.auth, settings.server, clock.wall),
        stories=stories,
        catalog=catalog,
        clock=clock,
        upstream=upstream,
        handling=settings.handling,
        max_body_bytes=settings.server.max_body_bytes,
        max_in_flight=settings.server.max_in_flight,
        max_in_flight_per_tenant=settings.server.max_in_flight_per_tenant,
        start=_nothing,
        stop=_closing(connections),
    )


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


def _closing(connections: Mapping[str, tuple[Connection, ...]]) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        for each in connections.values():
            for connection in each:
                await connection.upstream.close()

    return close
