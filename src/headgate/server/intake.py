"""From what a client sent to the facts that the machine decides by: route, candidates, times, priority.

One place for all doors. It refuses unknown names and says which were meant; it decides nothing about quota.
"""

from collections.abc import Mapping
from typing import Final

from headgate.catalog import Catalog, Resolution
from headgate.domain.answer import Refusal, RefusalCode
from headgate.domain.request import Check, Need, Priority, Request
from headgate.domain.time import Instant
from headgate.protocol.chat import Chat
from headgate.runtime.answering import tool_required
from headgate.runtime.settings_model import RouteSettings
from headgate.server.controls import Controls

DEFAULT: Final = "default"
TIER_PREFIX: Final = "headgate/"
RETIRED: Final = "retired"
"""The reason on answers to requests that named a model which is gone."""


class Intake:
    """Turns understood bodies into requests by the catalogue and the routes."""

    def __init__(self, catalog: Catalog, routes: Mapping[str, RouteSettings], *, local: bool = True) -> None:
        self._catalog = catalog
        self._routes = dict(routes)
        self._local = local
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
        route = self._routes.get(controls.route or DEFAULT)
        if route is None:
            return _unknown_route(controls.route or "", self._routes)
        found = self.candidates(chat, route, controls.tier)
        if isinstance(found, Refusal):
            return found
        candidates, reason = found
        deadline_s = route.deadline_s if controls.deadline_ms is None else controls.deadline_ms / 1000
        patience_s = route.patience_s if controls.patience_ms is None else controls.patience_ms / 1000
        target_s = route.first_token_target_s
        if controls.max_latency_ms is not None:
            target_s = min(target_s, controls.max_latency_ms / 1000)
        local = self._local and (route.local if controls.local is None else controls.local != "off")
        return Request(
            id=request_id,
            model_asked=chat.model,
            candidates=candidates,
            arrived_at=now,
            deadline_at=now + deadline_s,
            patience_until=now + min(patience_s, deadline_s),
            prompt=chat.prompt,
            ask_tokens=chat.ask_tokens,
            stream=chat.stream,
            needs=chat.needs,
            check=chat.check,
            tenant=controls.tenant or tenant,
            session=controls.session or chat.user,
            agent=controls.agent,
            task=controls.task,
            route=controls.route,
            priority=Priority.STANDARD if controls.priority is None else controls.priority,
            first_token_target_s=target_s,
            max_attempts=route.max_attempts,
            max_calls=route.max_calls,
            local=local,
            local_possible=chat.check is Check.NONE and not tool_required(chat),
            own_key=own_key,
            service_tier=chat.service_tier,
            reason=reason,
        )

    def candidates(self, chat: Chat, route: RouteSettings, tier: str | None) -> tuple[tuple[str, ...], str] | Refusal:
        """Ids of the models that may serve, in order: the tier's or the route's own, else the named and its kin; and
        why none of them is the named one, if it is retired."""
        if tier is not None:
            names: tuple[str, ...] = (TIER_PREFIX + tier,)
        elif route.models or route.tier:
            names = route.models or (TIER_PREFIX + str(route.tier),)
        else:
            names = (chat.model,)
        if names == (chat.model,):
            return self._named(chat, substitute=route.substitute)
        found: dict[str, None] = {}
        for name in names:
            resolution = self.resolve(name, chat.needs, substitute=route.substitute and not route.models)
            if resolution is None:
                return unknown_model(name, self._catalog)
            found.update(dict.fromkeys(resolution.candidates))
        return (tuple(found), "") if found else unknown_model(chat.model, self._catalog)

    def _named(self, chat: Chat, *, substitute: bool) -> tuple[tuple[str, ...], str] | Refusal:
        resolution = self.resolve(chat.model, chat.needs, substitute=substitute)
        if resolution is None or not resolution.candidates:
            return unknown_model(chat.model, self._catalog)
        return resolution.candidates, RETIRED if resolution.retired else ""

    def resolve(self, name: str, needs: Need, *, substitute: bool) -> Resolution | None:
        """What a model's name means."""
        return self._catalog.resolve(name, needs, substitute=substitute)

    def with_routes(self, routes: Mapping[str, RouteSettings]) -> "Intake":
        """The same with more routes, which win over those of the same name."""
        return Intake(self._catalog, {**self._routes, **routes}, local=self._local)


def unknown_model(name: str, catalog: Catalog) -> Refusal:
    """404 with the nearest names."""
    near = catalog.nearest(name)
    meant = f" Did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else " `GET /v1/models` lists them all."
    shown = name if len(name) <= 100 else name[:100] + "..."
    return Refusal(RefusalCode.MODEL_NOT_FOUND, f"The model `{shown}` is not known here.{meant}", 404, param="model")


def _unknown_route(name: str, routes: Mapping[str, RouteSettings]) -> Refusal:
    known = ", ".join(sorted(routes))
    text = f"There is no route `{name}`; the routes are {known}. Routes are `[routes.NAME]` in headgate.toml."
    return Refusal(RefusalCode.INVALID_REQUEST, text, 400, param="x-headgate-route")
