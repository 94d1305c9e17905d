"""Tables (of models.toml, or `[models."id"]` of headgate.toml) to models: conversion, checks, and errors that help."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, Never

import msgspec

from headgate.catalog.model import Kind, Lifecycle, Model
from headgate.domain.limits import Dimension
from headgate.domain.request import Need

Table = Mapping[str, object]

CAPABILITIES: Final[dict[str, Need]] = {
    need.name.lower(): need for need in Need if need is not Need.NONE and need.name is not None
}
LADDER: Final = ("fast", "standard", "premium")
"""The tiers that have neighbours, in order of quality and price."""

TIERS: Final = (*LADDER, "reasoning", "long-context", "multilingual", "vision", "audio", "safety")

PREFIX: Final = "headgate/"
"""What the names of tiers begin with."""

_FIELDS: Final = frozenset(Model.__struct_fields__) - {"id"}
_NEW_MODEL: Final[dict[str, object]] = {"can": ["tools", "json_object"]}
"""What is assumed of a model that only headgate.toml knows: what nearly every server of chat models does."""

_KEY: Final = re.compile(r"\$\.(\w+)")
_FIXES: Final = {
    "limits": f"write plan = {{ DIMENSION = number }} with positive numbers and any of {', '.join(Dimension)}",
    "lifecycle": f"use one of {', '.join(Lifecycle)}",
    "kind": f"use one of {', '.join(Kind)}",
    "retired_on": "write a date, as 2026-11-20",
}


class CatalogError(ValueError):
    """A table does not describe a model; the message names the model, the key and what to write instead."""


def read_model(model_id: str, table: Table) -> Model:
    """The model of one table. Raises CatalogError."""
    fields = dict(table)
    _refuse_unknown_keys(model_id, fields)
    need = _read_can(model_id, fields.pop("can", ()))
    for tier in _listed(fields.get("tiers")):
        if tier not in TIERS:
            _fail(model_id, "tiers", f"{tier!r} is not a tier", _suggest(tier, TIERS))
    try:
        model = msgspec.convert({**fields, "id": model_id}, Model)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        found = _KEY.search(where)
        key = found[1] if found else "id"
        _fail(model_id, key, what, _FIXES.get(key, "correct the value, or take the line out"))
    model = msgspec.structs.replace(model, can=need)
    _check_running(model)
    return model


def merged(model_id: str, known: Table | None, change: Table, ids: Iterable[str] = ()) -> dict[str, object]:
    """The table of a model after a change: keys replace, except that limits are changed dimension by dimension.

    `known` is None for a new model; `ids` are those that may have been meant instead. Raises CatalogError.
    """
    if not isinstance(change, Mapping):
        _fail(model_id, "value", f"expected a table of keys, got {change!r}", "write the keys below the heading")
    if known is None:
        if "context_window_tokens" not in change:
            what = "missing, and the catalogue knows no such model"
            _fail(
                model_id,
                "context_window_tokens",
                what,
                f"add it, or write the id of a model: {_suggest(model_id, ids)}",
            )
        return {**_NEW_MODEL, "max_output_tokens": change["context_window_tokens"], **change}
    table = {**known, **change}
    old, new = known.get("limits"), change.get("limits")
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        table["limits"] = {plan: _joined(old.get(plan), new.get(plan)) for plan in {**old, **new}}
    return table


def check_names(models: Mapping[str, Model]) -> None:
    """Raises CatalogError when a name means two models, or hides a tier."""
    owners = {model_id: model_id for model_id in models}
    for model in models.values():
        for name in model.aliases:
            if owners.setdefault(name, model.id) != model.id:
                _fail(model.id, "aliases", f"{name!r} already means {owners[name]!r}", "choose another")
    for name, owner in owners.items():
        if name.startswith(PREFIX):
            _fail(owner, "aliases", f"names under {PREFIX!r} are Headgate's own ({name!r})", "choose another")


def check_successors(models: Mapping[str, Model]) -> None:
    """Raises CatalogError when a successor is unknown or a chain of successors never ends."""
    for start in models.values():
        chain = [start.id]
        successor = start.successor
        while successor is not None:
            if successor not in models:
                _fail(chain[-1], "successor", f"{successor!r} is not in the catalogue", _suggest(successor, models))
            if successor in chain:
                circle = " -> ".join([*chain, successor])
                _fail(start.id, "successor", f"the chain comes back to itself ({circle})", "end it at a running model")
            chain.append(successor)
            successor = models[successor].successor


def _joined(old: object, new: object) -> object:
    return {**old, **new} if isinstance(old, Mapping) and isinstance(new, Mapping) else (old if new is None else new)


def _read_can(model_id: str, value: object) -> Need:
    if not isinstance(value, list | tuple):
        _fail(model_id, "can", f"expected a list of capabilities, got {value!r}", f"use any of {_and(CAPABILITIES)}")
    need = Need.NONE
    for word in value:
        if word not in CAPABILITIES:
            _fail(model_id, "can", f"{word!r} is not a capability", f"use any of {_and(CAPABILITIES)}")
        need |= CAPABILITIES[word]
    return need


def _refuse_unknown_keys(model_id: str, fields: Table) -> None:
    for key in fields:
        if key not in _FIELDS:
            _fail(model_id, key, "no such key", _suggest(key, _FIELDS))


def _check_running(model: Model) -> None:
    if not model.is_running:
        return
    if not model.context_window_tokens:
        _fail(model.id, "context_window_tokens", "a model that runs needs its window", "write it in tokens")
    if not model.max_output_tokens:
        _fail(model.id, "max_output_tokens", "a model that runs needs a maximum", "write it in tokens")
    if model.kind is not Kind.CHAT and set(model.tiers) & set(LADDER):
        _fail(model.id, "tiers", f"a {model.kind} model cannot be in a chat tier", "take the tier out")


def _listed(value: object) -> Iterable[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list | tuple) else ()


def _suggest(word: str, known: Iterable[str]) -> str:
    import difflib  # only a mistake needs it

    listed = tuple(known)
    near = difflib.get_close_matches(word, listed, n=1)
    return f"did you mean {near[0]!r}?" if near else f"use one of {_and(listed)}"


def _and(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def _fail(model_id: str, key: str, what: str, fix: str) -> Never:
    raise CatalogError(f'[models."{model_id}"] {key}: {what}; {fix}')
