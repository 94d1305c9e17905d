"""Owns routes that are given in code: the same keys and rules as `[routes.NAME]` in headgate.toml."""

from collections.abc import Collection, Mapping
from typing import TypeAlias

import msgspec

from headgate.catalog import PROVIDERS, TIERS, Catalog
from headgate.runtime.settings import InvalidSettings, RouteSettings, decided_route
from headgate.runtime.settings_checks import weight_fix
from headgate.runtime.settings_model import RouteTable
from headgate.runtime.settings_source import nearest

Route: TypeAlias = RouteTable
"""A policy by name: candidate models in order or a tier, attempts, patience; the rest is the default route's."""


def routes_in_code(
    routes: Mapping[str, Route | RouteSettings | Mapping[str, object]],
    default: RouteSettings,
    catalog: Catalog,
    min_confidence: float,
    providers: Collection[str],
) -> dict[str, RouteSettings]:
    """The routes as they will be followed; `providers` are those that the settings name. Raises InvalidSettings, which
    names the route, the key and the fix."""
    decided = {}
    for name, route in routes.items():
        whole = (
            route
            if isinstance(route, RouteSettings)
            else _decided(name, _checked(name, route), default, min_confidence)
        )
        _check_names(whole, catalog, providers)
        decided[name] = whole
    return decided


def _checked(name: str, route: Route | Mapping[str, object]) -> RouteTable:
    """Bounds and types, which constructing a Route does not look at."""
    try:
        return msgspec.convert(msgspec.to_builtins(route), RouteTable)
    except msgspec.ValidationError as error:
        raise _invalid(name, "", str(error), "see [routes.NAME] in docs/configuration.md") from None


def _decided(name: str, table: RouteTable, default: RouteSettings, min_confidence: float) -> RouteSettings:
    return decided_route(
        name, (table, default), lambda key, what, fix: _invalid(name, key, what, fix), min_confidence=min_confidence
    )


def _check_names(route: RouteSettings, catalog: Catalog, providers: Collection[str]) -> None:
    names = {*PROVIDERS, *providers}
    for provider in route.providers or ():
        if provider not in names:
            what = f"there is no provider {provider!r}"
            raise _invalid(route.name, "providers", what, nearest(provider, names))
    for weighed in route.weights:
        if weighed not in names and (fix := weight_fix(weighed, catalog)) is not None:
            raise _invalid(route.name, "weights", f"{weighed!r} weighs nobody", fix)
    if route.tier is not None and route.tier not in TIERS:
        raise _invalid(route.name, "tier", f"there is no tier {route.tier!r}", f"use one of {', '.join(TIERS)}")
    for model in route.models:
        if catalog.resolve(model) is None:
            close = " or ".join(catalog.nearest(model)) or "a model of `headgate models`"
            raise _invalid(route.name, "models", f"there is no model {model!r}", f"write {close}")


def _invalid(route: str, key: str, what: str, fix: str) -> InvalidSettings:
    return InvalidSettings("routes in code", f"routes.{route}.{key}".rstrip("."), what, fix)
