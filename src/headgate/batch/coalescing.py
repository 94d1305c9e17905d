"""Owns the gathering of small like requests into one call: who waits for whom, how long, and what each gets of it.

A group has requests of one tenant (of one user, where its users are kept apart) that share everything but the user's
text (`protocol/merging.py`). It is asked when its window ends or it is full, as one request of that tenant that goes
the way of any other, so quota and fairness are exact. Each part is answered as if it had been asked by itself, with
its share of the usage; a part whose answer is missing or invalid is asked alone. Who leaves is taken out; when all have
left, the call is cancelled.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from headgate.batch.coalesced import (
    COALESCED,
    answered_alike,
    answers_of,
    as_one,
    journey_of,
    shares_of,
    valid_answers,
)
from headgate.batch.coalescing_counts import CoalescingCounts
from headgate.catalog import Catalog
from headgate.decide import actions as a
from headgate.decide.giving_up import CLIENT_GONE, finished
from headgate.decide.journey import Journey
from headgate.decide.learned import weight
from headgate.domain.answer import Source
from headgate.domain.request import Need, Request
from headgate.protocol.chat import Chat, InvalidBody, parse_chat
from headgate.protocol.merging import Part, merged_body, part_of
from headgate.runtime.driver import Driver
from headgate.runtime.errand import ChatErrand, Errand
from headgate.runtime.outcome import Answered
from headgate.runtime.settings_coalescing import CoalesceSettings
from headgate.runtime.settings_model import HandlingSettings, RouteSettings
from headgate.runtime.settings_secret import Secret

DEFAULT: Final = "default"
MAX_GROUPS: Final = 1_000
"""Groups that are gathered at a time; what would begin another is asked alone."""
LEAST_ANSWER_S: Final = 2.0
"""What must be left of a request's time after the window."""
WINDOW_SHARE: Final = 2
"""A group's characters are at most its model's context window in tokens divided by this: room for the answers."""
_SCHEMA: Final = Need.JSON_SCHEMA
_replace: Final = msgspec.structs.replace

Key: TypeAlias = tuple[object, ...]


class _Place(msgspec.Struct, eq=False):
    """One request in a group. Its outcome is None where it must be asked alone."""

    request: Request
    chat: Chat
    part: Part
    outcome: asyncio.Future[Answered | None]


class _Group(msgspec.Struct, eq=False):
    """Those who wait together, until `closes` fires or it is full; then `task` asks for them."""

    key: Key
    rule: CoalesceSettings
    places: list[_Place] = []
    chars: int = 0
    closes: asyncio.TimerHandle | None = None
    task: asyncio.Task[None] | None = None


class _Merged(ChatErrand):
    """The errand of a group: an answer is good as soon as one part of it is."""

    __slots__ = ("_parts",)

    def __init__(self, chat: Chat, handling: HandlingSettings, parts: list[Part]) -> None:
        super().__init__(chat, handling)
        self._parts = parts

    def check(self, body: bytes) -> str:
        return "" if any(valid_answers(body, self._parts, is_whole=True)) else super().check(body)


class Coalescer:
    """Asks for requests as `Driver.ask` does, some of them together: those of `routes` that gather."""

    def __init__(
        self, driver: Driver, *, catalog: Catalog, routes: Mapping[str, RouteSettings], handling: HandlingSettings
    ) -> None:
        self._driver = driver
        self._catalog = catalog
        self._routes = routes
        self._handling = handling
        self._open: dict[Key, _Group] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self.counts = CoalescingCounts()

    async def ask(self, request: Request, errand: Errand, own_key: Secret | None = None) -> Answered:
        """The outcome of one request. Cancel the task to leave early."""
        place = self._place(request, errand) if request.together and own_key is None else None
        group = None if place is None else self._join(place)
        if place is None or group is None:
            return await self._driver.ask(request, errand, own_key)
        try:
            answered = await place.outcome
        except asyncio.CancelledError:
            self._leave(group, place)
            raise
        if answered is not None:
            return answered
        gathered_s = self._driver.clock.now() - request.arrived_at
        patience_until = min(request.patience_until + gathered_s, request.deadline_at)
        answered = await self._driver.ask(_replace(request, patience_until=patience_until), errand)
        answered.journey.waited_s += gathered_s
        return answered

    # Gathering -------------------------------------------------------------------------------------------------------

    def _place(self, request: Request, errand: Errand) -> _Place | None:
        """A place for a request that may wait for others; None for one that is asked alone."""
        route = self._routes.get(request.route or DEFAULT)
        rule = None if route is None else route.coalesce
        if route is None or rule is None or type(errand) is not ChatErrand:
            return None
        if not _has_time(request, route, rule, self._driver.clock.now()):
            return None
        part = part_of(errand.chat)
        if (
            part is None
            or len(part.question) > rule.max_item_chars
            or self._candidates(request)[:1] != (request.candidates[:1])
        ):
            return None
        return _Place(request, errand.chat, part, asyncio.get_running_loop().create_future())

    def _candidates(self, request: Request) -> tuple[str, ...]:
        """The candidates that can keep to a schema."""
        return tuple(name for name in request.candidates if _keeps_to_schemas(self._catalog, name))

    def _join(self, place: _Place) -> _Group | None:
        request = place.request
        rule, key = self._routes[request.route or DEFAULT].coalesce, _likeness(request, place.part)
        assert rule is not None
        group = self._open.get(key)
        most_chars = self._driver.gate.models[request.candidates[0]].context_window_tokens // WINDOW_SHARE
        lead_chars = sum(map(len, place.part.lead))
        if group is not None and lead_chars + group.chars + place.part.chars > most_chars:
            self._close(group)
            group = None
        if group is None:
            if len(self._open) >= MAX_GROUPS or lead_chars + 2 * place.part.chars > most_chars:
                return None
            group = self._open[key] = _Group(key, rule)
            window_s = rule.window_ms / 1000
            group.closes = asyncio.get_running_loop().call_later(window_s, self._close, group)
        group.places.append(place)
        group.chars += place.part.chars
        if len(group.places) >= rule.max_items:
            self._close(group)
        return group

    def _close(self, group: _Group) -> None:
        """Nobody joins any more: ask."""
        self._open.pop(group.key, None)
        if group.closes is not None:
            group.closes.cancel()
            group.closes = None
        if len(group.places) > 1:
            group.task = asyncio.get_running_loop().create_task(
                self._ask_together(group), name="requests asked together"
            )
            self._asking.add(group.task)
            group.task.add_done_callback(self._asking.discard)
            return
        for place in group.places:
            _settle(place, None)

    def _leave(self, group: _Group, place: _Place) -> None:
        """A client has gone: out of the group, or the last of those who wait for its call."""
        if not place.outcome.cancelled():
            return  # it was answered just before
        self._tell(Journey(place.request), a.Finish(a.Ending.ABANDONED, None, CLIENT_GONE))
        self.counts.left += 1
        if group.task is None and place in group.places:
            group.places.remove(place)
            group.chars -= place.part.chars
            if not group.places and self._open.get(group.key) is group:
                self._close(group)
        elif group.task is not None and all(each.outcome.cancelled() for each in group.places):
            group.task.cancel()

    # Asking ----------------------------------------------------------------------------------------------------------

    async def _ask_together(self, group: _Group) -> None:
        places = list(group.places)
        try:
            parts = [place.part for place in places]
            try:
                chat = parse_chat(merged_body(places[0].chat.model, parts))
            except InvalidBody:
                return  # a schema that is too deep one level down; each may well be asked alone
            asked_at = self._driver.clock.now()
            answered = await self._driver.ask(self._request(places, chat), _Merged(chat, self._handling, parts))
            self._hand_out(places, answered, asked_at)
        finally:
            for place in places:
                _settle(place, None)

    def _request(self, places: list[_Place], chat: Chat) -> Request:
        """The facts of the merged request: those that its parts share, and the nearest of their deadlines."""
        first, now = places[0].request, self._driver.clock.now()
        patience_s = min(place.request.patience_until - place.request.arrived_at for place in places)
        deadline_at = min(place.request.deadline_at for place in places)
        return _replace(
            first,
            id=f"{COALESCED}-{first.id}",
            candidates=self._candidates(first),
            elsewhere=tuple(name for name in first.elsewhere if _keeps_to_schemas(self._catalog, name)),
            arrived_at=now,
            deadline_at=deadline_at,
            patience_until=min(now + patience_s, deadline_at),
            prompt=chat.prompt,
            ask_tokens=chat.ask_tokens,
            stream=False,
            needs=chat.needs,
            check=chat.check,
            session=None,
            trims_to=0.0,
            task=f"{COALESCED}-{1 << (len(places) - 1).bit_length()}",  # lengths are learned by how many they are of
            local=False,
            local_possible=False,
            together=False,
            parts=len(places),
        )

    def _hand_out(self, places: list[_Place], answered: Answered, asked_at: float) -> None:
        """Give each part its answer; those without one are asked alone."""
        texts = answers_of(answered, [place.part for place in places])
        served = [
            (place, text)
            for place, text in zip(places, texts, strict=True)
            if text is not None and not place.outcome.done()
        ]
        self._count(places, [place for place, _ in served], answered)
        if not served and answered.journey.usage is not None:
            self._tell(as_one(answered.journey), answered.finish)  # whatever it used, nobody else tells it
        if not served:
            return
        merged, clock = answered.journey, self._driver.clock
        split = shares_of([place.part for place, _ in served], [text for _, text in served], merged)
        ending = a.Finish(a.Ending.ANSWER, Source.UPSTREAM, COALESCED, call=1)
        for (place, text), share in zip(served, split, strict=True):
            journey = journey_of(place.request, share, merged, asked_at, is_first=place is served[0][0])
            self._tell(journey, ending)
            journey.calls, journey.attempts = merged.calls, merged.attempts  # its client is told of all
            _settle(place, answered_alike(place.chat, text, journey, ending, answered.upstream_s, clock.wall()))

    # Telling ---------------------------------------------------------------------------------------------------------

    def _tell(self, journey: Journey, ending: a.Finish) -> None:
        self._driver.observe(finished(journey, ending, self._driver.clock.now()).fact)

    def _count(self, places: list[_Place], served: list[_Place], answered: Answered) -> None:
        journey = answered.journey
        saved = 0
        if served and journey.usage is not None and journey.served is not None:
            learned, model = self._driver.gate.learned, journey.served.model
            alone = sum(learned.prompt_tokens(model, weight(place.request.prompt)) for place in served)
            saved = alone - journey.usage.prompt_tokens
        self.counts.asked(
            places[0].request.tenant,
            parts=len(places),
            answered=len(served),
            calls=journey.calls,
            tokens_saved=saved,
        )

    async def close(self) -> None:
        """Ask for nobody any more; whoever still waits is asked alone."""
        for group in list(self._open.values()):
            self._open.pop(group.key)
            if group.closes is not None:
                group.closes.cancel()
            for place in group.places:
                _settle(place, None)
        for task in list(self._asking):
            task.cancel()
        if self._asking:
            await asyncio.wait(list(self._asking))


def _likeness(request: Request, part: Part) -> Key:
    """Who may be asked in one call: the same tenant first of all, the same user where users are kept apart, and
    everything that decides how it is served."""
    return (
        request.tenant,
        request.of_user,
        request.route,
        part.likeness,
        request.candidates,
        request.elsewhere,
        request.priority,
        request.agent,
        request.task,
        request.strategy,
        request.weights,
        request.mixes,
        request.max_attempts,
        request.max_calls,
        request.first_token_target_s,
        request.service_tier,
    )


def _has_time(request: Request, route: RouteSettings, rule: CoalesceSettings, now: float) -> bool:
    """Whether a request can wait for the window and still be answered in time: by its deadline, and by its own target
    for latency where it has one that is nearer than its route's."""
    by = request.deadline_at
    if request.first_token_target_s < route.first_token_target_s:
        by = min(by, request.arrived_at + request.first_token_target_s)
    return now + rule.window_ms / 1000 + LEAST_ANSWER_S <= by


def _keeps_to_schemas(catalog: Catalog, name: str) -> bool:
    model = catalog.model(name)
    return model is not None and model.meets(_SCHEMA)


def _settle(place: _Place, answered: Answered | None) -> None:
    if not place.outcome.done():
        place.outcome.set_result(answered)
