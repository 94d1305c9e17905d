"""Settings to the pure part: the catalogue, what limits a deployment starts with, the gate."""

import random
from collections.abc import Callable, Mapping

import msgspec

from headgate.catalog import GROQ, Catalog, default_catalog
from headgate.decide.gate import Gate
from headgate.decide.learned import Learned
from headgate.decide.policy import Policy
from headgate.decide.pool import Key, pool_of
from headgate.decide.remedies import NO_REMEDIES, ROWS, Rows
from headgate.domain.limits import Deployment, Dimension
from headgate.quota.ledger import Ledger
from headgate.quota.room import WaitingRoom
from headgate.runtime.settings import Settings
from headgate.store.restoring import LimitsNow

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


def make_gate(
    settings: Settings, catalog: Catalog, dice: random.Random, rows: Rows = ROWS, policy: Policy | None = None
) -> Gate:
    """The pure part: ledger, waiting room, keys, what will be learned."""
    keys = [
        Key(key.name, provider.name, key.organisation or f"key-{key.name}")
        for provider in settings.providers
        for key in provider.keys
    ]
    keeps = settings.background.keeps
    endpoints = {provider.name: len(provider.endpoints) for provider in settings.providers}
    return Gate(
        catalog=catalog,
        policy=msgspec.structs.replace(
            policy or Policy(fits=settings.handling.fit),
            endpoints=endpoints,
            background_keeps=keeps,
        ),
        pool=pool_of(keys, catalog),
        ledger=Ledger(limits_of(settings, catalog), plan_for(settings, catalog)),
        room=WaitingRoom(settings.waiting_room.max_tickets),
        learned=Learned(),
        dice=dice,
        rows=rows if settings.handling.remedies else NO_REMEDIES,
    )
