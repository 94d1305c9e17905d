"""From what a chat asks of the cache, by its controls and its route, to what is looked for: a key in somebody's space.

It decides whether the cache takes part at all; what may be kept is `headgate.cache.rules`.
"""

import re
from collections.abc import Awaitable
from typing import Final

from headgate.cache.key import Space, canonical, key_of, space_of
from headgate.cache.rules import CacheMode, CacheScope, looks_up, takes_part, ttl_of
from headgate.domain.request import Need, Request
from headgate.protocol.chat import Chat
from headgate.runtime.answers import Answers, Wish
from headgate.runtime.cache import Ticket
from headgate.runtime.errand import ChatErrand
from headgate.runtime.outcome import Answered
from headgate.runtime.settings_cache import RouteCache
from headgate.runtime.settings_secret import Secret
from headgate.server.controls import Controls, InvalidControl
from headgate.server.gateway import Gateway
from headgate.server.similar import similar_wish

MOST_TAGS: Final = 8
_TAG: Final = re.compile(r"[A-Za-z0-9._/:@-]{1,64}")
_OF_ROUTE: Final = {RouteCache.AUTO: None, RouteCache.ON: CacheMode.ON, RouteCache.OFF: CacheMode.OFF}


def wish_of(gateway: Gateway, chat: Chat, request: Request, controls: Controls) -> Wish | None:
    """What the cache is asked for; None where it has no part in a request. Raises InvalidControl. A caller's own key
    never gets here with anything."""
    cache = gateway.cache
    if cache is None:
        return None
    mode = controls.cache or _OF_ROUTE[gateway.intake.cache_of(request.route)]
    deterministic = chat.temperature == 0 and not request.needs & Need.BUILTIN_TOOLS
    if not takes_part(mode, deterministic=deterministic) or request.own_key is not None:
        return None
    space = _space(cache.root, chat, request, controls, gateway.caching.scope)
    models = request.candidates if request.mixes else request.candidates[:1]
    form = None if space is None else canonical(chat.fields, models, chat.ask_tokens)
    if space is None or form is None:
        return None
    return Wish(
        Ticket(key_of(space, form), space, models),
        looks=looks_up(mode),
        only=mode is CacheMode.ONLY,
        asked_for=mode is CacheMode.ON or mode is CacheMode.REFRESH,
        ttl_s=ttl_of(controls.cache_ttl_s, cache.longest_s),
        tags=_tags(controls.cache_tags),
        asked_at_wall=cache.clock.wall(),
        similar=similar_wish(gateway, chat, request, space, models),
    )


def asked(
    gateway: Gateway, request: Request, errand: ChatErrand, wish: Wish | None, own_key: Secret | None = None
) -> Awaitable[Answered]:
    """The outcome of a chat, by way of the cache where it has a part in it."""
    answers = gateway.answers
    if wish is None or answers is None:
        return gateway.ask(request, errand, own_key)
    return (
        _asked_together(gateway, answers, request, errand, wish)
        if request.together
        else answers.ask(request, errand, wish)
    )


async def _asked_together(
    gateway: Gateway, answers: Answers, request: Request, errand: ChatErrand, wish: Wish
) -> Answered:
    """What is asked together with others is looked for too, but not kept: it answers other words than its own."""
    found = await answers.find(request, wish)
    if found is not None:
        return found
    answers.cache.counted(None)
    return await gateway.ask(request, errand)


def _space(root: bytes, chat: Chat, request: Request, controls: Controls, usual: CacheScope) -> Space | None:
    scope = controls.cache_scope or usual
    space = space_of(root, scope, request.tenant, controls.user or chat.user)
    if space is None and controls.cache_scope is not None:
        text = "The control `cache-scope: user` needs a user: say who, as `x-headgate-user` or as `user` in the body."
        raise InvalidControl("cache-scope", text)
    return space


def _tags(given: str | None) -> tuple[str, ...]:
    if given is None:
        return ()
    tags = tuple(dict.fromkeys(tag.strip() for tag in given.split(",")))
    if len(tags) > MOST_TAGS or not all(_TAG.fullmatch(tag) for tag in tags):
        text = (
            f"`cache-tags` takes at most {MOST_TAGS} names with commas between, each of at most 64 letters, digits and "
            "any of . _ - / : @, as `prices,acme/2027`."
        )
        raise InvalidControl("cache-tags", text)
    return tags
