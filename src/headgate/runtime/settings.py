"""Owns the settings of a gate: read from headgate.toml or .yaml, the environment and the command line, checked, frozen.

Later ones win: file, its `[env.NAME]` overlay, `HEADGATE_*`, flags. Everything unknown, out of bounds or contradictory
is refused with `InvalidSettings`, which names the place, the key and the fix, and never shows a secret.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from headgate.catalog.providers import GROQ, PROVIDERS, DialectName
from headgate.domain.request import SkillUse, Strategy
from headgate.runtime.settings_admin import AdminSettings
from headgate.runtime.settings_background import (
    BackgroundSettings,
    ScheduleTable,
    Webhook,
    check_schedules,
    webhooks_of,
)
from headgate.runtime.settings_cache import CacheSettings, RouteCache
from headgate.runtime.settings_cache_similar import decided_similar
from headgate.runtime.settings_checks import check_settings
from headgate.runtime.settings_convert import convert
from headgate.runtime.settings_environment import BAD_URL, groq_endpoint, lay_environment, lay_flags, provider_keys
from headgate.runtime.settings_model import (
    LATER_SECTIONS,
    AudioSettings,
    AuthSettings,
    BatchExecution,
    BatchSettings,
    DefaultSettings,
    Failover,
    GroqSettings,
    GroqTable,
    HandlingSettings,
    LocalSettings,
    LogLevel,
    OrganisationSettings,
    Passthrough,
    ProviderKey,
    ProviderSettings,
    ProviderTable,
    RouteSettings,
    RouteTable,
    ServerSettings,
    SettingsFile,
    StoreSettings,
    UpstreamSettings,
    WaitingRoomSettings,
    is_loopback,
)
from headgate.runtime.settings_safety import RouteSafety, SafetySettings
from headgate.runtime.settings_secret import Secret
from headgate.runtime.settings_skills import MIN_CONFIDENCE, WrongSkill, skill_use
from headgate.runtime.settings_source import InvalidSettings, KeyPath, Tree, nearest, read_settings_file
from headgate.runtime.upstream import Endpoint

__all__ = [
    "AdminSettings",
    "AudioSettings",
    "AuthSettings",
    "BatchExecution",
    "BatchSettings",
    "CacheSettings",
    "DefaultSettings",
    "DialectName",
    "Failover",
    "GroqSettings",
    "HandlingSettings",
    "InvalidSettings",
    "LocalSettings",
    "LogLevel",
    "OrganisationSettings",
    "Passthrough",
    "ProviderKey",
    "ProviderSettings",
    "RouteCache",
    "RouteSafety",
    "RouteSettings",
    "SafetySettings",
    "Secret",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "Strategy",
    "UpstreamSettings",
    "WaitingRoomSettings",
    "find_settings_file",
    "is_loopback",
    "load_settings",
]

DEFAULT_ROUTE: Final = "default"
FILE_NAMES: Final = ("headgate.toml", "headgate.yaml")
_INHERITED: Final = tuple(DefaultSettings.__struct_fields__)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator can decide. `providers` begins with groq; `routes` always has `default`.

    `models` are the tables for `Catalog.with_overrides`. `source` is the file that was read, None without one.
    `inactive` names sections that were given and that nothing reads yet. `uses_simulator` is True when there is neither
    a provider key nor an upstream address, so that only the built-in simulator can answer.
    """

    server: ServerSettings = ServerSettings()
    providers: tuple[ProviderSettings, ...] = ()
    organisations: dict[str, OrganisationSettings] = {}
    routes: dict[str, RouteSettings] = {}
    defaults: DefaultSettings = DefaultSettings()
    models: dict[str, dict[str, object]] = {}
    auth: AuthSettings = AuthSettings()
    waiting_room: WaitingRoomSettings = WaitingRoomSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    local: LocalSettings = LocalSettings()
    audio: AudioSettings = AudioSettings()
    batch: BatchSettings = BatchSettings()
    cache: CacheSettings = CacheSettings()
    background: BackgroundSettings = BackgroundSettings()
    webhooks: dict[str, Webhook] = {}
    schedules: dict[str, ScheduleTable] = {}
    handling: HandlingSettings = HandlingSettings()
    store: StoreSettings = StoreSettings()
    admin: AdminSettings = AdminSettings()
    uses_simulator: bool = False
    environment: str | None = None
    source: str | None = None
    inactive: tuple[str, ...] = ()

    @property
    def groq(self) -> ProviderSettings:
        return self.providers[0]

    @property
    def is_open(self) -> bool:
        """Whether anybody who reaches the port may come in."""
        return not self.auth.virtual_keys

    def route(self, name: str | None) -> RouteSettings | None:
        """The route of a name, the default one for None; None for a name that nobody configured."""
        return self.routes.get(DEFAULT_ROUTE if name is None else name)


def load_settings(
    path: Path | None, environ: Mapping[str, str], *, flags: Mapping[str, object] | None = None
) -> Settings:
    """The settings of `path`, else of the first file that is found, under `environ` and `flags` (dotted key to value).

    Raises InvalidSettings. Its traceback holds no frame that has seen a secret.
    """
    loaded = _load_or_complain(path, environ, flags or {})
    del environ
    if isinstance(loaded, InvalidSettings):
        raise loaded
    return loaded


def find_settings_file(environ: Mapping[str, str]) -> Path | None:
    """$HEADGATE_CONFIG, then headgate.toml or headgate.yaml here, then in the user's configuration folder. Raises
    InvalidSettings where both lie in one folder."""
    if named := environ.get("HEADGATE_CONFIG", "").strip():
        return Path(named).expanduser()
    import platformdirs

    for folder in (Path(), platformdirs.user_config_path("headgate")):
        found = [folder / name for name in FILE_NAMES if (folder / name).is_file()]
        if len(found) > 1:
            what, fix = f"lies beside {found[1].name}", "keep one of them, or name it: --config, HEADGATE_CONFIG"
            raise InvalidSettings(str(found[0]), "", what, fix)
        if found:
            return found[0]
    return None


def _load_or_complain(
    path: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]
) -> Settings | InvalidSettings:
    try:
        return _load(path, environ, flags)
    except InvalidSettings as error:
        error.__context__ = error.__cause__ = None
        return error.with_traceback(None)


def _load(path: Path | None, environ: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    source = path if path is not None else find_settings_file(environ)
    tree = Tree("settings", {}) if source is None else read_settings_file(source)
    environment = _overlay(tree, environ.get("HEADGATE_ENV", "").strip() or None)
    lay_environment(tree, environ)
    lay_flags(tree, flags)
    file = convert(tree, SettingsFile)
    providers = tuple(_providers(file, tree, environ))
    has_upstream = _names_upstream(file.groq) or groq_endpoint(environ) is not None or bool(file.providers)
    settings = Settings(
        server=file.server,
        providers=providers,
        organisations=file.organisations,
        routes=_routes(file, tree),
        defaults=file.defaults,
        models=file.models,
        auth=file.auth,
        waiting_room=file.waiting_room,
        upstream=file.upstream,
        local=file.local,
        audio=file.audio,
        batch=file.batch,
        cache=file.cache,
        background=file.background,
        webhooks=webhooks_of(file.webhooks, tree, environ),
        schedules=file.schedules,
        handling=file.handling,
        store=file.store,
        admin=file.admin,
        uses_simulator=not has_upstream and not any(provider.keys for provider in providers),
        environment=environment,
        source=None if source is None else str(source),
        inactive=tuple(name for name in LATER_SECTIONS if getattr(file, name)),
    )
    check_settings(file, tree)
    check_schedules(file.schedules, file.webhooks, tree)
    return settings


# Overlays -------------------------------------------------------------------------------------------------------------


def _overlay(tree: Tree, chosen: str | None) -> str | None:
    """Lay the chosen `[env.NAME]` over the file. All are checked, so that none fails on the day it is needed."""
    overlays = tree.values.pop("env", {})
    if not isinstance(overlays, dict) or not all(isinstance(over, dict) for over in overlays.values()):
        fix = "write the overlay below a heading, as [env.production.server]"
        raise tree.error(("env",), "expected tables by name", fix)
    if chosen is not None and overlays and chosen not in overlays:
        what = f"the file has no [env.{chosen}]"
        raise InvalidSettings("environment", "HEADGATE_ENV", what, nearest(chosen, overlays))
    for name, over in overlays.items():
        trial = tree.copy()
        trial.lay_tree(over, ("env", name))
        convert(trial, SettingsFile)
    if chosen is not None and chosen in overlays:
        tree.lay_tree(overlays[chosen], ("env", chosen))
    return chosen


# Providers ------------------------------------------------------------------------------------------------------------


def _names_upstream(table: GroqTable) -> bool:
    return table.base_url is not None or bool(table.endpoints)


def _providers(file: SettingsFile, tree: Tree, environ: Mapping[str, str]) -> Iterator[ProviderSettings]:
    """Groq, then the other known ones that have a key or a table, in the order of their rows, then one's own."""
    tables = _tables(file, tree)
    owners: dict[str, str] = {}
    for name in dict.fromkeys((*PROVIDERS, *tables)):
        path, table = tables.get(name, ((), None))
        provider = _provider(name, table, tree, path, environ)
        for key in provider.keys:
            if (owner := owners.setdefault(key.name, name)) != name:
                what = f"is the name of a key of {owner} and of one of {name}"
                raise InvalidSettings(tree.name, key.name, what, "choose another name for one")
        if table is not None or provider.keys:
            yield provider


def _tables(file: SettingsFile, tree: Tree) -> dict[str, tuple[KeyPath, GroqTable]]:
    found: dict[str, tuple[KeyPath, GroqTable]] = {GROQ: ((GROQ,), file.groq)}
    for index, table in enumerate(file.providers):
        path: KeyPath = ("providers", index)
        if table.name in found:
            raise tree.error((*path, "name"), f"{table.name!r} is the name of another provider", "choose another")
        found[table.name] = (path, table)
    return found


def _provider(
    name: str, table: GroqTable | None, tree: Tree, path: KeyPath, environ: Mapping[str, str]
) -> ProviderSettings:
    row = PROVIDERS.get(name)
    dialect = table.dialect if isinstance(table, ProviderTable) else None
    if dialect is None:
        dialect = DialectName.COMPATIBLE if row is None else row.dialect
    endpoints = () if table is None else _endpoints(table, tree, path, dialect)
    if name == GROQ and (named := groq_endpoint(environ)) is not None:
        endpoints = (named,)
    if not endpoints and row is None:
        raise tree.error((*path, "base_url"), "is missing", "add the provider's address, as https://host/v1")
    keys = () if table is None else tuple(_keys(table, name, tree, path, environ))
    if row is not None:
        keys = (*keys, *provider_keys(environ, row.key_variable))
        endpoints = endpoints or (Endpoint.parse(row.base_url),)
    elif not keys:
        keys = (ProviderKey(f"{name}-keyless", Secret("")),)  # a server of one's own that asks for none
    _refuse_doubles(tree, keys)
    return ProviderSettings(name, dialect, endpoints, keys, () if table is None else table.models)


def _endpoints(table: GroqTable, tree: Tree, path: KeyPath, dialect: DialectName) -> tuple[Endpoint, ...]:
    if table.base_url is not None and table.endpoints:
        raise tree.error((*path, "base_url"), "stands beside `endpoints`", "keep one of them")
    parse = Endpoint.parse_groq if dialect is DialectName.GROQ else Endpoint.parse
    urls: list[tuple[KeyPath, str]] = [((*path, "endpoints", at), url) for at, url in enumerate(table.endpoints)]
    if table.base_url is not None:
        urls = [((*path, "base_url"), table.base_url)]
    endpoints = []
    for place, url in urls:
        try:
            endpoints.append(parse(url))
        except ValueError:
            raise tree.error(place, *BAD_URL) from None
    return tuple(endpoints)


def _keys(
    table: GroqTable, provider: str, tree: Tree, path: KeyPath, environ: Mapping[str, str]
) -> Iterator[ProviderKey]:
    for index, key in enumerate(table.keys):
        place = (*path, "keys", index)
        if (key.secret is None) == (key.env is None):
            raise tree.error(place, "needs either `secret` or `env`", 'write { env = "NAME_OF_A_VARIABLE" }')
        secret = key.secret
        if key.env is not None:
            text = environ.get(key.env, "").strip()
            if not text:
                raise tree.error((*place, "env"), f"the environment has no {key.env}", "set it, or take the key out")
            secret = Secret(text)
        assert secret is not None
        yield ProviderKey(key.name or key.env or f"{provider}-key-{index + 1}", secret, key.organisation)


def _refuse_doubles(tree: Tree, keys: tuple[ProviderKey, ...]) -> None:
    names: set[str] = set()
    secrets: dict[Secret, str] = {}
    for key in keys:
        if key.secret in secrets:
            what = f"is the same key as {secrets[key.secret]}"
            raise InvalidSettings(tree.name, key.name, what, "give each key once")
        if key.name in names:
            raise InvalidSettings(tree.name, key.name, "is the name of two keys", "choose another name for one")
        names.add(key.name)
        secrets[key.secret] = key.name


# Routes ---------------------------------------------------------------------------------------------------------------


def _routes(file: SettingsFile, tree: Tree) -> dict[str, RouteSettings]:
    default = file.routes.get(DEFAULT_ROUTE, RouteTable())
    return {name: _route(name, file, default, tree) for name in (DEFAULT_ROUTE, *file.routes)}


def _route(name: str, file: SettingsFile, default: RouteTable, tree: Tree) -> RouteSettings:
    """A route's own words, else the default route's, else the defaults'."""
    layers = (file.routes.get(name, RouteTable()), default, file.defaults)

    def wrong(key: str, what: str, fix: str) -> InvalidSettings:
        return tree.error(("routes", name, key), what, fix)

    return decided_route(name, layers, wrong, local=file.local.enabled, min_confidence=file.local.min_confidence)


def decided_route(
    name: str,
    layers: tuple[RouteTable, *tuple[RouteTable | RouteSettings | DefaultSettings, ...]],
    wrong: Callable[[str, str, str], InvalidSettings],
    *,
    local: bool = True,
    min_confidence: float = MIN_CONFIDENCE,
) -> RouteSettings:
    """A route as it will be followed: each key of the first layer that sets it. Models, tier, weights, coalesce and
    skill are never inherited. Raises what `wrong` makes of a key, what is wrong with it, and the fix."""
    own = layers[0]
    if own.models and own.tier is not None:
        what = "stands beside models, which are followed alone"
        raise wrong("tier", what, f"take one of both out, or name `headgate/{own.tier}` among the models")
    values = {key: _first(layers, key) for key in _INHERITED}
    if values["max_calls"] < values["max_attempts"]:
        what = f"{values['max_calls']} calls do not hold {values['max_attempts']} attempts"
        raise wrong("max_calls", what, "raise max_calls or lower max_attempts")
    values["patience_s"] = min(values["patience_s"], values["deadline_s"])
    values["local"] = local and values["local"] not in {False, "off"}
    return RouteSettings(
        name=name,
        models=own.models or (),
        tier=own.tier,
        weights=own.weights,
        coalesce=own.coalesce,
        skill=_skill_of(own, wrong, min_confidence),
        providers=_first(layers, "providers"),
        similar=decided_similar(_first(layers, "similar"), wrong),
        **values,
    )


def _skill_of(
    own: RouteTable, wrong: Callable[[str, str, str], InvalidSettings], min_confidence: float
) -> SkillUse | None:
    """The local skill of a route, checked."""
    least = min_confidence if own.skill_confidence is None else own.skill_confidence
    if own.skill is None:
        if own.skill_first or own.skill_confidence is not None or own.skill_options:
            raise wrong("skill", "is missing", "name the skill that the other keys are for")
        return None
    try:
        return skill_use(own.skill, own.skill_options, first=bool(own.skill_first), min_confidence=least)
    except WrongSkill as problem:
        key = "skill" if problem.key == "skill" else "skill_options"
        raise wrong(key, problem.what.rstrip("."), "`headgate local list` shows skills and options") from None


def _first(layers: Iterable[object], key: str) -> Any:
    return next((value for layer in layers if (value := getattr(layer, key, None)) is not None), None)
