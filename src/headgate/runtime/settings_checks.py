"""Owns what one section cannot know by itself: contradictions between sections, and names that nobody has.

The order is that of harm: who may come in first.
"""

import re
from collections.abc import Container
from typing import TYPE_CHECKING, Final

from headgate.catalog import PROVIDERS, CatalogError
from headgate.runtime.keys import PEPPERED
from headgate.runtime.settings_admin import MIN_TOKEN_CHARS
from headgate.runtime.settings_cache import REDIS_SCHEMES
from headgate.runtime.settings_model import RouteTable, SettingsFile, is_loopback
from headgate.runtime.settings_skills import WrongSkill, task_skills
from headgate.runtime.settings_source import InvalidSettings, KeyPath, Tree, nearest

if TYPE_CHECKING:
    from headgate.catalog import Catalog

_CATALOG_ERROR: Final = re.compile(r"\[models\..*\] (\w+): (.+); ([^;]+)", re.DOTALL)


def check_settings(file: SettingsFile, tree: Tree) -> None:
    """Raise InvalidSettings for the first contradiction."""
    _check_door(file, tree)
    _check_admin(file, tree)
    _check_virtual_keys(file, tree)
    _check_names(file, tree)
    _check_tiers(file, tree)
    _check_tasks(file, tree)
    if file.local.personas is not None:
        from headgate.runtime.persona_files import read_personas

        read_personas(file.local.personas)


def _check_tasks(file: SettingsFile, tree: Tree) -> None:
    try:
        task_skills(file.local.tasks, file.local.min_confidence)
    except WrongSkill as problem:
        task = next(task for task in file.local.tasks if problem.key in {task, f"{task}.skill", f"{task}.options"})
        path = ("local", "tasks", task, *([] if problem.key == task else [problem.key.removeprefix(f"{task}.")]))
        fix = "`headgate local list` shows skills and options"
        raise tree.error(path, problem.what.rstrip("."), fix) from None


def _check_door(file: SettingsFile, tree: Tree) -> None:
    server = file.server
    if not file.auth.virtual_keys and not is_loopback(server.host) and not server.insecure_open:
        what = "listens beyond this machine without any virtual key, so that everybody could spend your quota"
        fix = (
            "make a key with `headgate keys create`, or listen on 127.0.0.1, "
            "or insist with server.insecure_open = true (--insecure-open)"
        )
        raise tree.error(("server", "host"), what, fix)


def _check_admin(file: SettingsFile, tree: Tree) -> None:
    admin = file.admin
    if admin.token is not None and len(admin.token.reveal()) < MIN_TOKEN_CHARS:
        what = f"is shorter than {MIN_TOKEN_CHARS} characters, which somebody could guess"
        raise tree.error(("admin", "token"), what, "make one with `openssl rand -hex 32`, or leave it out")
    if admin.enabled and admin.token is None and not is_loopback(admin.host):
        what = "listens beyond this machine without a token of yours"
        raise tree.error(("admin", "host"), what, "set HEADGATE_ADMIN_TOKEN, or listen on 127.0.0.1")


def _check_virtual_keys(file: SettingsFile, tree: Tree) -> None:
    seen: set[str] = set()
    for index, row in enumerate(file.auth.virtual_keys):
        path = ("auth", "virtual_keys", index)
        if row.id in seen:
            raise tree.error((*path, "id"), "is the id of two keys", "take one of them out")
        seen.add(row.id)
        if row.hash.startswith(PEPPERED) and file.auth.pepper is None:
            what = "was made with a pepper, and auth.pepper is not set"
            raise tree.error((*path, "hash"), what, "set auth.pepper (HEADGATE_AUTH__PEPPER), or make the key anew")


def _check_tiers(file: SettingsFile, tree: Tree) -> None:
    """What can be seen of a URL without asking anybody; the rest is seen when the tier is made."""
    redis = file.cache.redis
    if redis is not None and not redis.reveal().startswith(REDIS_SCHEMES):
        fix = "begin it with redis://, rediss:// (TLS) or unix://, as redis://127.0.0.1:6379/0"
        raise tree.error(("cache", "redis"), "is not the URL of a Redis", fix)


def _check_names(file: SettingsFile, tree: Tree) -> None:
    """Models, tiers and plans against the catalogue, which is loaded only where something names one."""
    plans = {name: table.plan for name, table in file.organisations.items() if table.plan is not None}
    if not (file.models or file.routes or plans or file.schedules):
        return
    from headgate.catalog import TIERS, default_catalog

    names = [*PROVIDERS, *(table.name for table in file.providers)]
    catalog = default_catalog().with_chain(tuple(dict.fromkeys(names)))
    for model_id, table in file.models.items():
        try:
            catalog = catalog.with_overrides({model_id: _served(file, model_id) | table})
        except CatalogError as error:
            raise _wrong_model(tree, model_id, str(error)) from None
    own = {model for provider in (file.groq, *file.providers) for model in provider.models}
    own |= {f"{provider.name}/{model}" for provider in file.providers for model in provider.models}
    for name, route in file.routes.items():
        for index, provider in enumerate(route.providers or ()):
            if provider not in names:
                raise tree.error(
                    ("routes", name, "providers", index), f"there is no provider {provider!r}", nearest(provider, names)
                )
        if route.tier is not None and route.tier not in TIERS:
            raise tree.error(("routes", name, "tier"), f"there is no tier {route.tier!r}", nearest(route.tier, TIERS))
        for weighed in route.weights:
            if weighed not in names and weighed not in own and (fix := weight_fix(weighed, catalog)) is not None:
                raise tree.error(("routes", name, "weights", weighed), "weighs nobody", fix)
        _check_similar(name, route, tree)
        for index, model in enumerate(route.models or ()):
            _check_model(("routes", name, "models", index), model, own, catalog, tree)
    for name, schedule in file.schedules.items():
        _check_model(("schedules", name, "model"), schedule.model, own, catalog, tree, chats=True)
    known_plans = {plan for model in catalog.all() for plan in model.limits}
    for name, plan in plans.items():
        if plan not in known_plans:
            raise tree.error(("organisations", name, "plan"), f"there is no plan {plan!r}", nearest(plan, known_plans))


def _check_model(
    path: KeyPath, model: str, own: Container[str], catalog: "Catalog", tree: Tree, *, chats: bool = False
) -> None:
    """A name of a model or tier that means something, and where `chats` says so one that is asked by chats."""
    if model in own:
        return
    meant = catalog.resolve(model)
    if meant is None:
        close = " or ".join(catalog.nearest(model)) or "a model of `headgate models`"
        raise tree.error(path, f"there is no model {model!r}", f"write {close}")
    if chats and not meant.candidates:
        raise tree.error(path, f"{model!r} is retired and nothing serves instead", "take a model of `headgate models`")
    if chats and meant.model is not None and not meant.model.chats:
        raise tree.error(path, f"{model!r} answers no chats", "take a model of `headgate models` that does")


def weight_fix(name: str, catalog: "Catalog") -> str | None:
    """What to write instead of a name in `weights`, where it is not the id of a model that runs; None where it is."""
    known = catalog.model(name)
    if known is not None and known.id == name and known.is_running:
        return None
    meant = catalog.resolve(name)
    close = meant.candidates[:1] if meant is not None else catalog.nearest(name)
    return f"write {' or '.join(close) or 'the id of a model or the name of a provider'}"


def _check_similar(name: str, route: RouteTable, tree: Tree) -> None:
    """The embedding model of a route, where it has one that the catalogue knows; others are a server's own."""
    from headgate.catalog import Kind, default_catalog

    model = None if route.similar is None else route.similar.model
    known = None if model is None else default_catalog().model(model)
    if known is not None and known.kind is not Kind.EMBEDDING:
        makers = ", ".join(each.id for each in default_catalog().current() if each.kind is Kind.EMBEDDING)
        raise tree.error(
            ("routes", name, "similar", "model"), f"{model!r} makes no embeddings", f"take one of {makers}"
        )


def _served(file: SettingsFile, model_id: str) -> dict[str, object]:
    """What is known of a model because an own server lists it: enough for a table of the rest."""
    for provider in file.providers:
        if model_id.removeprefix(f"{provider.name}/") in provider.models:
            return {"provider": provider.name, "context_window_tokens": 1}
    return {}


def _wrong_model(tree: Tree, model_id: str, message: str) -> InvalidSettings:
    """The catalogue's complaint (`[models."id"] key: what; fix`) with the line of its key."""
    found = _CATALOG_ERROR.fullmatch(message)
    if found is None:
        return tree.error(("models", model_id), message, "correct the key that is named")
    return tree.error(("models", model_id, found[1]), found[2], found[3])
