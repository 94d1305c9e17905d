"""Owns routes that are given in code: the same keys and rules as `[routes.NAME]` in headgate.toml."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from headgate.catalog import TIERS, Catalog
from headgate.runtime.settings import InvalidSettings, RouteSettings
from headgate.runtime.settings_model import RouteTable

Route: TypeAlias = RouteTable
"""A policy by name: candidate models in order or a tier, attempts, patience; the rest is the default route's."""

_INHERITED: Final = tuple(name for name in RouteTable.__struct_fields__ if name not in {"models", "tier"})


def routes_in_code(
    routes: Mapping[str, Route | RouteSettings | Mapping[str, object]], default: RouteSettings, catalog: Catalog
) -> dict[str, RouteSettings]:
    """The routes as they will be followed. Raises InvalidSettings, which names the route, the key and the fix."""
    decided = {}
    for name, route in routes.items():
        whole = route if isinstance(route, RouteSettings) else _decided(name, _checked(name, route), default)
        _check_names(whole, catalog)
        decided[name] = whole
    return decided


def _checked(name: str, route: Route | Mapping[str, object]) -> RouteTable:
    """Bounds and types, which constructing a Route does not look at."""
    try:
        return msgspec.convert(msgspec.to_builtins(route), RouteTable)
    except msgspec.ValidationError as error:
        raise _invalid(name, "", str(error), "see [routes.NAME] in docs/configuration.md") from None


def _decided(name: str, table: RouteTable, default: RouteSettings) -> RouteSettings:
    own = {key: getattr(table, key) for key in _INHERITED}
    values = {key: getattr(default, key) if value is None else value for key, value in own.items()}
    if values["max_calls"] < values["max_attempts"]:
        what = f"{values['max_calls']} calls do not hold {values['max_attempts']} attempts"
        raise _invalid(name, "max_calls", what, "raise max_calls or lower max_attempts")
    values["patience_s"] = min(values["patience_s"], values["deadline_s"])
    values["local"] = values["local"] not in {False, "off"}
    return RouteSettings(name=name, models=table.models or (), tier=table.tier, **values)


def _check_names(route: RouteSettings, catalog: Catalog) -> None:
    if route.tier is not None and route.tier not in TIERS:
        raise _invalid(route.name, "tier", f"there is no tier {route.tier!r}", f"use one of {', '.join(TIERS)}")
    for model in route.models:
        if catalog.resolve(model) is None:
            close = " or ".join(catalog.nearest(model)) or "a model of `headgate models`"
            raise _invalid(route.name, "models", f"there is no model {model!r}", f"write {close}")


def _invalid(route: str, key: str, what: str, fix: str) -> InvalidSettings:
    return InvalidSettings("routes in code", f"routes.{route}.{key}".rstrip("."), what, fix)
