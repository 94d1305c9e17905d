"""From what a client sent to the facts that the machine decides by: route, candidates, times, priority.

One place for all doors. It refuses unknown names and says which were meant; it decides nothing about quota.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from headgate.cache.rules import CacheScope
from headgate.catalog import GROQ, PROVIDERS, TIERS, Catalog, Kind, Resolution
from headgate.catalog.directory import AUTO
from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.limits import Amounts
from headgate.domain.request import Check, Need, Priority, PromptSize, Request, SkillUse
from headgate.domain.time import Instant
from headgate.local.check import Problem, compiled
from headgate.protocol.chat import Chat, InvalidBody
from headgate.protocol.compound import COMPOUND, for_successor
from headgate.runtime.answering import tool_required
from headgate.runtime.packing import least_weight
from headgate.runtime.screening import Screening
from headgate.runtime.settings_cache import RouteCache
from headgate.runtime.settings_cache_similar import SimilarTable
from headgate.runtime.settings_model import Failover, RouteSettings
from headgate.runtime.settings_safety import RouteSafety
from headgate.server.control_list import CoalesceMode
from headgate.server.controls import NO_CONTROLS, Controls

DEFAULT: Final = "default"
TIER_PREFIX: Final = "headgate/"
_NO_TASKS: Final[Mapping[str, SkillUse]] = {}
_SCHEMA: Final = Check.SCHEMA
_NO_CHECK: Final = Check.NONE  # looking up a member of an enum costs as much as a call
_NO_NEED: Final = Need.NONE
_NO_PROMPT: Final = PromptSize()
_filled: Final = msgspec.structs.replace
OWN_KEYS_OF: Final = GROQ
"""The provider whose keys callers may bring (`server.auth` knows them by their prefix)."""
MAY_BE_TRIMMED: Final = 1.0
"""What a pattern has for the least weight, which only the words of each request tell."""
RETIRED: Final = "retired"
"""The reason on answers to requests that named a model which is gone."""
MAX_REMEMBERED: Final = 1024
"""Patterns of usual requests that are held before all are made anew."""


Candidates: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], str]
"""The models that may serve, those of other providers, and why the named one is not among them."""


class Asked(msgspec.Struct, frozen=True):
    """What intake reads of a body that is no chat."""

    model: str
    needs: Need = Need.NONE
    check: Check = Check.NONE


class Intake:
    """Turns understood bodies into requests by the catalogue and the routes."""

    def __init__(
        self,
        catalog: Catalog,
        routes: Mapping[str, RouteSettings],
        *,
        local: bool = True,
        screening: Screening | None = None,
        tasks: Mapping[str, SkillUse] = _NO_TASKS,
        scope: CacheScope,
    ) -> None:
        self._catalog = catalog
        self._routes = dict(routes)
        self._local = local
        self._screening = screening
        self._screens = {} if screening is None else _screened_routes(self._routes)
        self._tasks = tasks
        self._scope = scope
        self._patterns: dict[tuple[str, str], Request] = {}
        assert DEFAULT in self._routes

    def request(
        self,
        chat: Chat,
        controls: Controls,
        *,
        request_id: str,
        tenant: str,
        now: Instant,
        own_key: str | None = None,
    ) -> Request | Refusal:
        """The request's facts, or why there can be none."""
        if chat.model in COMPOUND and (problem := self._without_compound(chat)) is not None:
            return problem
        pattern = self._pattern(chat, controls, tenant)
        if own_key is not None:
            pattern = self._for_own_key(pattern)
        if type(pattern) is Refusal:
            return pattern
        if chat.check is _SCHEMA and (problem := _wrong_schema(chat)) is not None:
            return problem
        if self._screens and (mode := self._screens.get(controls.route or DEFAULT)) is not None:
            assert self._screening is not None
            refusal = self._screening.before_calling(chat, mode, request_id=request_id, tenant=pattern.tenant, now=now)
            if refusal is not None:
                return refusal
        choice = chat.tool_choice
        if pattern.trims_to:
            pattern = _filled(pattern, trims_to=least_weight(chat))
        if pattern.together:
            pattern = self._apart(pattern, chat, controls)
        return _filled(
            pattern,
            id=request_id,
            arrived_at=now,
            deadline_at=now + pattern.deadline_at,
            patience_until=now + pattern.patience_until,
            prompt=chat.prompt,
            ask_tokens=chat.ask_tokens,
            stream=chat.stream,
            session=controls.session or chat.user,
            local_possible=(chat.check is _NO_CHECK or pattern.skill is not None)
            and (choice is None or not tool_required(chat)),
            own_key=own_key,
            service_tier=chat.service_tier,
        )

    def problem(self, chat: Chat, controls: Controls, tenant: str) -> Refusal | None:
        """Why a chat could not be asked, for one that is to be asked later."""
        if chat.model in COMPOUND and (refusal := self._without_compound(chat)) is not None:
            return refusal
        pattern = self._new_pattern(chat, controls, tenant)
        return pattern if isinstance(pattern, Refusal) else _wrong_schema(chat)

    def _without_compound(self, chat: Chat) -> Refusal | None:
        """Give a request for a retired compound system the built-in tools of the model that serves instead of it."""
        named = self._catalog.model(chat.model)
        if named is None or named.is_running:
            return None
        try:
            cleaned = for_successor(chat.fields)
        except InvalidBody as problem:
            return Refusal(RefusalCode.INVALID_REQUEST, problem.message, 400, param=problem.param)
        chat.fields = cleaned.apply(chat.fields)
        if "tools" in chat.fields:
            chat.needs |= Need.BUILTIN_TOOLS
        return None

    def _apart(self, pattern: Request, chat: Chat, controls: Controls) -> Request:
        """Where the users of a tenant are kept apart they share no prompt either; who names no user is alone."""
        if (controls.cache_scope or self._scope) is not CacheScope.USER:
            return pattern
        user = controls.user or chat.user or None
        return _filled(pattern, of_user=user, together=user is not None)

    def _pattern(self, chat: Chat, controls: Controls, tenant: str) -> Request | Refusal:
        """What a request shares with others of its kind, as if it had arrived at the instant 0. The usual kind, which
        says nothing and needs nothing, is remembered."""
        if controls is not NO_CONTROLS or chat.needs is not _NO_NEED:
            return self._new_pattern(chat, controls, tenant)
        usual = (tenant, chat.model)
        pattern = self._patterns.get(usual)
        if pattern is None:
            made = self._new_pattern(chat, controls, tenant)
            if isinstance(made, Refusal):
                return made
            if len(self._patterns) >= MAX_REMEMBERED:
                self._patterns.clear()
            pattern = self._patterns[usual] = made
        return pattern

    def _new_pattern(self, chat: Chat | Asked, controls: Controls, tenant: str) -> Request | Refusal:
        route = self._routes.get(controls.route or DEFAULT)
        if route is None:
            return _unknown_route(controls.route or "", self._routes)
        found = self.candidates(chat, route, controls.tier)
        if isinstance(found, Refusal):
            return found
        candidates, elsewhere, reason = found
        if isinstance(chat, Chat) and (wrong := self._no_chat(candidates[0])) is not None:
            return wrong
        deadline_s = route.deadline_s if controls.deadline_ms is None else controls.deadline_ms / 1000
        patience_s = route.patience_s if controls.patience_ms is None else controls.patience_ms / 1000
        target_s = route.first_token_target_s
        if controls.max_latency_ms is not None:
            target_s = min(target_s, controls.max_latency_ms / 1000)
        return Request(
            id="",
            model_asked=chat.model,
            candidates=candidates,
            arrived_at=0.0,
            deadline_at=deadline_s,
            patience_until=min(patience_s, deadline_s),
            prompt=_NO_PROMPT,
            needs=chat.needs,
            check=chat.check,
            tenant=controls.tenant or tenant,
            agent=controls.agent,
            task=controls.task,
            route=controls.route,
            priority=Priority.STANDARD if controls.priority is None else controls.priority,
            first_token_target_s=target_s,
            max_attempts=route.max_attempts,
            max_calls=route.max_calls,
            local=self._local and (route.local if controls.local is None else controls.local != "off"),
            reason=reason,
            elsewhere=elsewhere,
            strategy=route.strategy,
            weights=tuple(route.weights.items()),
            together=route.coalesce is not None and controls.coalesce is not CoalesceMode.OFF,
            mixes=bool(controls.tier or route.models or route.tier),
            rephrases=route.rephrase and isinstance(chat, Chat),
            safeguard=self._screening is not None and isinstance(chat, Chat),
            trims_to=MAY_BE_TRIMMED if route.trim else 0.0,
            skill=route.skill if controls.task is None else self._tasks.get(controls.task, route.skill),
        )

    def candidates(self, chat: Chat | Asked, route: RouteSettings, tier: str | None) -> Candidates | Refusal:
        """Ids of the models that may serve, in order: the tier's or the route's own, else the named and its kin; those
        of other providers that may stand in; and why none of them is the named one, if it is retired."""
        if tier is not None:
            names: tuple[str, ...] = (TIER_PREFIX + tier,)
        elif route.models or route.tier:
            names = route.models or (TIER_PREFIX + str(route.tier),)
        else:
            names = (chat.model,)
        if names == (chat.model,):
            return self._named(chat, route)
        found: dict[str, None] = {}
        elsewhere: dict[str, None] = {}
        for name in names:
            resolution = self.resolve(name, chat.needs, substitute=route.substitute and not route.models)
            if resolution is None:
                return unknown_model(name, self._catalog) if tier is None else _unknown_tier(tier)
            found.update(dict.fromkeys(resolution.candidates))
            elsewhere.update(dict.fromkeys(resolution.elsewhere))
        if not found:
            return unknown_model(chat.model, self._catalog)
        return (*self._chained(route, tuple(found), tuple(elsewhere)), "")

    def _named(self, chat: Chat | Asked, route: RouteSettings) -> Candidates | Refusal:
        resolution = self.resolve(chat.model, chat.needs, substitute=route.substitute)
        if resolution is None or not resolution.candidates:
            return unknown_model(chat.model, self._catalog)
        reason = RETIRED if resolution.retired else ""
        return (*self._chained(route, resolution.candidates, resolution.elsewhere), reason)

    def _chained(
        self, route: RouteSettings, here: tuple[str, ...], elsewhere: tuple[str, ...]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The candidates, and what may stand in for them, as the route's chain of providers and its failover say."""
        chain = route.providers
        if chain is not None:
            place = {provider: index for index, provider in enumerate(chain)}
            known = {model: self._provider(model) for model in elsewhere}
            elsewhere = tuple(sorted((m for m in elsewhere if known[m] in place), key=lambda m: place[known[m]]))
        if route.failover is Failover.AT_ONCE:
            return here + tuple(model for model in elsewhere if model not in here), ()
        if route.failover is Failover.OFF:
            return here, ()
        return here, tuple(model for model in elsewhere if model not in here)

    def _for_own_key(self, pattern: Request | Refusal) -> Request | Refusal:
        """The same for a caller's own key, which is one provider's: no other sees it, and none is asked with ours."""
        if isinstance(pattern, Refusal):
            return pattern
        candidates = tuple(model for model in pattern.candidates if self._provider(model) == OWN_KEYS_OF)
        if not candidates:
            text = f"`{pattern.model_asked}` is not served by {OWN_KEYS_OF}, whose key you sent. Leave that key out."
            return Refusal(RefusalCode.INVALID_REQUEST, text, 400, param="model")
        return _filled(pattern, candidates=candidates, elsewhere=())

    def _no_chat(self, model_id: str) -> Refusal | None:
        """400 for a model that no chat can be had with."""
        model = self._catalog.model(model_id)
        if model is None or model.chats:
            return None
        text = f"`{model_id}` is a model of kind {model.kind}, which answers no chats. `GET /v1/models` lists all."
        return Refusal(RefusalCode.INVALID_REQUEST, text, 400, param="model")

    def _provider(self, model_id: str) -> str:
        model = self._catalog.model(model_id)
        assert model is not None
        return model.provider

    def request_for(
        self,
        name: str,
        kind: Kind,
        controls: Controls,
        *,
        fixed: Amounts,
        request_id: str,
        tenant: str,
        now: Instant,
        own_key: str | None = None,
        needs: Need = Need.NONE,
    ) -> Request | Refusal:
        """The facts of a request that is no chat: what a call takes is known, and only a model can answer it."""
        model = self._catalog.successor(name) or self._catalog.model(name)
        if model is not None and model.kind is not kind:
            text = f"`{name}` is a {model.kind} model; this endpoint needs a {kind} model. `GET /v1/models` lists all."
            return Refusal(RefusalCode.INVALID_REQUEST, text, 400, param="model")
        pattern = self._new_pattern(Asked(name, needs), controls, tenant)
        if own_key is not None:
            pattern = self._for_own_key(pattern)
        if isinstance(pattern, Refusal):
            return pattern
        return _filled(
            pattern,
            id=request_id,
            arrived_at=now,
            deadline_at=now + pattern.deadline_at,
            patience_until=now + pattern.patience_until,
            session=controls.session,
            local=False,
            own_key=own_key,
            fixed=fixed,
            trims_to=0.0,
        )

    def tells_of(self, chat: Chat, route: str | None) -> bool:
        """Whether every request of these words is told of, because the blocklist names something in them."""
        screening = self._screening if (route or DEFAULT) in self._screens else None
        return screening is not None and bool(screening.categories(chat))

    def cache_of(self, route: str | None) -> RouteCache:
        """What a route that is known says of the cache."""
        return self._routes[route or DEFAULT].cache

    def similar_of(self, route: str | None) -> SimilarTable | None:
        """Whether and how a route that is known takes answers to similar requests."""
        return self._routes[route or DEFAULT].similar

    def resolve(self, name: str, needs: Need, *, substitute: bool) -> Resolution | None:
        """What a model's name means."""
        return self._catalog.resolve(name, needs, substitute=substitute)

    def with_routes(self, routes: Mapping[str, RouteSettings]) -> "Intake":
        """The same with more routes, which win over those of the same name."""
        more = {**self._routes, **routes}
        return Intake(
            self._catalog,
            more,
            local=self._local,
            tasks=self._tasks,
            screening=self._screening,
            scope=self._scope,
        )


def unknown_model(name: str, catalog: Catalog) -> Refusal:
    """404 with the nearest names, or with the provider that has no key here."""
    known = catalog.model(name)
    if known is not None and known.provider not in catalog.chain:
        row = PROVIDERS.get(known.provider)
        fix = "" if row is None else f" The operator can give one as {row.key_variable}."
        text = f"The model `{name}` is served by {known.provider}, for which there is no key here.{fix}"
        return Refusal(RefusalCode.MODEL_NOT_FOUND, text, 404, param="model")
    near = catalog.nearest(name)
    meant = f" Did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else " `GET /v1/models` lists them all."
    shown = name if len(name) <= 100 else name[:100] + "..."
    return Refusal(RefusalCode.MODEL_NOT_FOUND, f"The model `{shown}` is not known here.{meant}", 404, param="model")


def _wrong_schema(chat: Chat) -> Refusal | None:
    """400 for a schema that no answer could be checked by."""
    found = None if chat.schema is None else compiled(chat.schema)
    if not isinstance(found, Problem):
        return None
    return Refusal(RefusalCode.INVALID_REQUEST, found.message, 400, param="response_format.json_schema.schema")


def _screened_routes(routes: Mapping[str, RouteSettings]) -> dict[str, RouteSafety]:
    return {name: route.safety for name, route in routes.items() if route.safety is not RouteSafety.OFF}


def _unknown_tier(name: str) -> Refusal:
    text = f"There is no tier `{name}` with a model here; the tiers are {', '.join((AUTO, *TIERS))}."
    return Refusal(RefusalCode.INVALID_REQUEST, text, 400, param="x-headgate-tier")


def _unknown_route(name: str, routes: Mapping[str, RouteSettings]) -> Refusal:
    known = ", ".join(sorted(routes))
    text = f"There is no route `{name}`; the routes are {known}. Routes are `[routes.NAME]` in headgate.toml."
    return Refusal(RefusalCode.INVALID_REQUEST, text, 400, param="x-headgate-route")
