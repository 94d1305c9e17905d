"""Owns the way of a request that the cache takes part in: an earlier answer, one that is being made, or a new one.

    found in the cache             -> given again, labelled with tier and age
    asked for by somebody just now -> shared: one flight, many aboard
    otherwise                      -> the driver's, and kept if the rules allow it

A request that the cache has no part in goes to the driver and never comes here.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec

from headgate.cache.entry import Entry
from headgate.cache.likeness import Likeness
from headgate.cache.marks import marks_of
from headgate.cache.rules import Made, WhyNot, why_not_kept
from headgate.cache.tier import TierName
from headgate.decide import actions as a
from headgate.decide.journey import Journey, Phase
from headgate.domain.answer import Refusal, RefusalCode, Source, Usage
from headgate.domain.fact import RequestFinished
from headgate.domain.limits import Deployment
from headgate.domain.request import Need, Request
from headgate.domain.time import Seconds
from headgate.protocol.replay import completion_of
from headgate.protocol.reply import read_usage
from headgate.runtime.answering import calls_tools
from headgate.runtime.cache import Cache, Found, Ticket, tokens_of
from headgate.runtime.driver import Driver
from headgate.runtime.errand import ChatErrand
from headgate.runtime.flight import Flight
from headgate.runtime.outcome import Answered, Committed
from headgate.runtime.similar import Similar, SimilarWish, Sought

CHAT: Final = "chat"
"""The kind of entries whose body is a chat completion."""
MISS: Final = "miss"
SHARED: Final = "shared"
SIMILAR: Final = "similar"
NOT_CACHED: Final = "not_cached"
HITS: Final = {tier: f"hit-{tier.value}" for tier in TierName}

GRACE_S: Final[Seconds] = 0.5
"""How much longer than its own deadline a request waits for a flight."""
SHAREABLE: Final = frozenset({None, WhyNot.STAND_IN, WhyNot.TOO_LARGE})
"""Of what is not kept, what those who are aboard may have all the same."""

T = TypeVar("T")
_HIT: Final = a.Finish(a.Ending.ANSWER, Source.CACHE, "")
_NOT_CACHED_REFUSAL: Final = Refusal(
    RefusalCode.NOT_CACHED,
    "No answer to this request is in the cache, and the control `cache: only` forbids to ask for one. "
    "Leave it out, or use `cache: on`.",
    504,
)
_ONLY_MISS: Final = a.Finish(a.Ending.REFUSAL, None, NOT_CACHED, refusal=_NOT_CACHED_REFUSAL)
_TOOLS: Final = Need.TOOLS | Need.BUILTIN_TOOLS


class Wish(msgspec.Struct, frozen=True, gc=False):
    """What a request wants of the cache. `looks`: an earlier answer will do; `only`: nothing else will. `asked_for`: it
    or its route asked for the cache by name. `ttl_s` is how long its answer stays fresh, `tags` are its marks;
    `similar` is for a route that takes answers to similar requests."""

    ticket: Ticket
    looks: bool
    only: bool
    asked_for: bool
    ttl_s: Seconds
    tags: tuple[str, ...]
    asked_at_wall: float
    similar: SimilarWish | None = None


class Answers:
    """All requests of one gate that the cache takes part in."""

    def __init__(self, driver: Driver, cache: Cache, *, most_bytes: int, single_flight: bool) -> None:
        self.cache = cache
        self.similar: Similar | None = None
        self._driver = driver
        self._most_bytes = most_bytes
        self._shares = single_flight
        self._flights: dict[str, Flight] = {}

    @property
    def in_flight(self) -> int:
        """Flights that others may board."""
        return len(self._flights)

    async def ask(self, request: Request, errand: ChatErrand, wish: Wish) -> Answered:
        """Answer one request, as `Driver.ask`; the label of the cache and the age are in what comes back.

        A whole completion of the cache is `body` whatever form was asked for; it is the door's to write it as a stream.
        """
        found, sought = await self._find(request, wish)
        if found is not None:
            return found
        flight = self._flights.get(wish.ticket.key) if wish.looks else None
        boards = flight is not None and flight.takes(request, self.cache.marks.generation)
        if flight is not None and boards and (shared := await self._follow(flight, request, errand)) is not None:
            return shared
        self.cache.counted(None)
        answered = await self._lead(request, errand, wish, sought, opens=not boards)
        answered.likeness = None if sought is None else sought.likeness
        return answered

    async def find(self, request: Request, wish: Wish) -> Answered | None:
        """What the cache has, or the refusal of a request that wants nothing else; None: somebody must be asked."""
        return (await self._find(request, wish))[0]

    async def _find(self, request: Request, wish: Wish) -> tuple[Answered | None, Sought | None]:
        """The same, and what came of a search for similar requests."""
        found = await self._look(wish) if wish.looks else None
        if found is not None:
            self.cache.counted(found)
            return self._hit(request, found), None
        sought = await self._seek(wish)
        if sought is not None and sought.found is not None:
            return self._similar_hit(request, sought.found, sought.likeness), sought
        likeness = None if sought is None else sought.likeness
        if wish.only:
            self.cache.counted(None)
            return self._refused(request, likeness), sought
        return None, sought

    async def _look(self, wish: Wish) -> Found | None:
        found = self.cache.look_near(wish.ticket)
        if found is None and self.cache.waits:
            found = await self.cache.look_far(wish.ticket) or self.cache.look_near(wish.ticket)
        return found

    async def _seek(self, wish: Wish) -> Sought | None:
        """An earlier request that asks the same, where the route takes its answer."""
        if wish.similar is None or self.similar is None:
            return None
        return await self.similar.seek(wish.similar, wish.ticket, looks=wish.looks)

    # Given again -----------------------------------------------------------------------------------------------------

    def _hit(self, request: Request, found: Found) -> Answered:
        answered = self._hit_of(request, found, HITS[found.tier])
        answered.entry = found.entry
        return answered

    def _hit_of(self, request: Request, found: Found, label: str) -> Answered:
        entry = found.entry
        answered = self._again(request, entry.provider, entry.model, entry.usage)
        self._tell(answered, label, tokens_of(entry))
        answered.body, answered.cache, answered.age_s = entry.body, label, found.age_s
        return answered

    def _similar_hit(self, request: Request, found: Found, likeness: Likeness) -> Answered:
        """The answer to another request: it is no entry of this one's, so nothing makes it one."""
        answered = self._hit_of(request, found, SIMILAR)
        self.cache.counts.similar_hit(tokens_of(found.entry), self._driver.clock.now())
        answered.likeness = likeness
        return answered

    def _again(self, request: Request, provider: str, model: str, usage: Usage | None) -> Answered:
        served = Deployment.of(provider, "", model)
        journey = Journey(request, phase=Phase.DONE, served=served, usage=usage)
        return Answered(_HIT, journey)

    def _refused(self, request: Request, likeness: Likeness | None) -> Answered:
        answered = Answered(_ONLY_MISS, Journey(request, phase=Phase.DONE), cache=MISS, likeness=likeness)
        self._tell(answered, "", 0)
        return answered

    def _tell(self, answered: Answered, label: str, saved_tokens: int) -> None:
        """The fact of a request that no machine has seen. Its usage is nothing: nobody was asked."""
        request, finish, served = answered.journey.request, answered.finish, answered.journey.served
        now = self._driver.clock.now()
        fact = RequestFinished(
            now,
            request.id,
            request.tenant,
            request.model_asked,
            "" if served is None else served.model,
            finish.source,
            "" if served is None else served.provider,
            finish.reason or request.reason,
            0,
            0,
            0.0,
            now - request.arrived_at,
            refusal=None if finish.refusal is None else finish.refusal.code,
            agent=request.agent,
            task=request.task,
            route=request.route,
            session=request.session,
            cache=label,
            saved_tokens=saved_tokens,
        )
        self._driver.observe(fact)

    # Made once for many ----------------------------------------------------------------------------------------------

    async def _lead(
        self, request: Request, errand: ChatErrand, wish: Wish, sought: Sought | None, *, opens: bool
    ) -> Answered:
        """Begin a flight, and be the one who pays for it. `opens`: others may board. `sought` has its vector."""
        request = msgspec.structs.replace(request, recallable=wish.looks and self.cache.stale_s > 0)

        async def recall() -> Found | None:
            return await self.cache.recall(wish.ticket)

        def land(answered: Answered, said: bytes | None) -> bytes | None:
            self._close(flight)
            return self._landed(answered, said, wish, sought)

        run = self._driver.begin(request, errand, recall=recall)
        flight = Flight(wish.ticket.key, run, errand, self._most_bytes, land, self.cache.marks.generation)
        seat = Seat(self, flight, request, reads=request.stream)
        if self._shares and opens and (wish.asked_for or not request.needs & _TOOLS):
            self._flights[flight.key] = flight
        is_streaming = False
        try:
            answered = await self._within(request, flight.outcome())
            if answered is not None and answered.stream is not None:
                is_streaming = True
                answered = msgspec.structs.replace(answered, stream=Committed(seat.read(), seat.leave))
        finally:
            if not is_streaming:
                seat.leave()
        if answered is None:  # others have more time than this one
            answered = await self._driver.ask(request, errand, recall=recall)
        if answered.finish.source is not Source.CACHE:
            answered.cache = MISS
        return answered

    async def _follow(self, flight: Flight, request: Request, errand: ChatErrand) -> Answered | None:
        """Board a flight of somebody else's; None where it brings nothing in time."""
        reads = request.stream and flight.streams and errand.include_usage is flight.include_usage
        seat = Seat(self, flight, request, reads=reads)
        is_streaming = False
        try:
            if reads:
                await self._within(request, flight.begun.wait())
                begun = flight.answered
                if begun is not None and begun.stream is not None:
                    is_streaming = True
                    shared = self._share(flight, request)
                    seat.at_end = lambda: self._tell_shared(flight, shared)
                    shared.stream = Committed(seat.read(), seat.leave)
                    return shared
            await self._within(request, flight.over.wait())
            if flight.completion is None:
                return None
            shared = self._share(flight, request)
            shared.body = flight.completion
            self._tell_shared(flight, shared)
            return shared
        finally:
            if not is_streaming:
                seat.leave()

    async def _within(self, request: Request, waiting: Coroutine[Any, Any, T]) -> T | None:
        """What is waited for, or None when this request's own time is over. A little later, since the driver sees to
        the same deadline and knows better what to do then."""
        left_s = request.deadline_at - self._driver.clock.now() + GRACE_S
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                return await waiting
        except TimeoutError:
            return None

    def _share(self, flight: Flight, request: Request) -> Answered:
        assert flight.answered is not None
        journey = flight.answered.journey
        served = journey.served if journey.open is None else journey.open.plan.deployment
        assert served is not None
        shared = self._again(request, served.provider, served.model, journey.usage)
        shared.cache, shared.age_s = SHARED, 0.0
        shared.upstream_s = self._driver.clock.now() - request.arrived_at  # it was waited for, as by who asked
        return shared

    def _tell_shared(self, flight: Flight, shared: Answered) -> None:
        assert flight.answered is not None
        usage = flight.answered.journey.usage
        saved_tokens = 0 if usage is None else usage.prompt_tokens + usage.completion_tokens
        self.cache.counts.follower(saved_tokens, self._driver.clock.now())
        self._tell(shared, SHARED, saved_tokens)

    def _close(self, flight: Flight) -> None:
        """Nobody boards it any more."""
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def left(self, flight: Flight) -> None:
        """Somebody left a flight."""
        flight.leave()
        if flight.is_given_up:
            self._close(flight)

    # Kept ------------------------------------------------------------------------------------------------------------

    def _landed(self, answered: Answered, said: bytes | None, wish: Wish, sought: Sought | None) -> bytes | None:
        """Keep an answer if the rules allow it. The completion that those aboard may have, None where it is none."""
        body, why = _completion(answered, said)
        if body is not None and why is None:
            made = _made(answered, body)
            why = why_not_kept(made, wish.ticket.models, asked_for=wish.asked_for, most_bytes=self._most_bytes)
        if body is not None and why is None:
            entry = self._entry(answered, body, wish)
            why = self.cache.keep(entry, wish.ticket, renews=not wish.looks)
        if why is not None:
            self.cache.counts.refused(why)
        elif sought is not None and self.similar is not None and wish.similar is not None:
            self.similar.remember(wish.similar, wish.ticket, sought.vector, wish.ttl_s)
        return body if why in SHAREABLE else None

    def _entry(self, answered: Answered, body: bytes, wish: Wish) -> Entry:
        journey = answered.journey
        served, ticket = journey.served, wish.ticket
        assert served is not None
        return Entry(
            CHAT,
            ticket.key,
            ticket.space.name,
            served.model,
            served.provider,
            self._driver.clock.wall(),
            wish.ttl_s,
            marks_of(journey.request.tenant, served.model, wish.tags),
            journey.usage or read_usage(body),
            body,
            wish.asked_at_wall,
        )


class Seat:
    """One who is aboard a flight, until they leave: once, whoever says so first. `at_end` is called then."""

    __slots__ = ("_answers", "_flight", "_is_taken", "_reader", "at_end")

    def __init__(self, answers: Answers, flight: Flight, request: Request, *, reads: bool) -> None:
        """`reads`: this one wants what is streamed as it comes."""
        self._answers, self._flight = answers, flight
        self._reader = flight.reader() if reads else None
        self._is_taken = True
        self.at_end: Callable[[], None] = _nothing
        flight.board(request)

    async def read(self) -> AsyncGenerator[bytes, None]:
        """All that the flight streams."""
        assert self._reader is not None
        reading = self._flight.read(self._reader)
        try:
            async for chunk in reading:
                yield chunk
        finally:
            await reading.aclose()
            self.leave()

    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            if self._reader is not None:
                self._flight.forget(self._reader)
            self.at_end()
            self._answers.left(self._flight)


def _nothing() -> None:
    pass


def _completion(answered: Answered, said: bytes | None) -> tuple[bytes | None, WhyNot | None]:
    """The whole answer, and why it cannot be kept where it is none."""
    journey, finish = answered.journey, answered.finish
    if answered.stream is None:
        is_answer = finish.ending is a.Ending.ANSWER and finish.source is Source.UPSTREAM
        if is_answer:
            return answered.body, None
        return None, WhyNot.NOT_UPSTREAM if finish.source is not None else WhyNot.NO_ANSWER
    if journey.phase is not Phase.DONE or journey.reply is None:
        return None, WhyNot.NO_ANSWER
    if said is None:
        return None, WhyNot.TOO_LARGE
    body = completion_of(said, journey.usage)
    return body, WhyNot.UNREADABLE if body is None else None


def _made(answered: Answered, body: bytes) -> Made:
    journey = answered.journey
    request, reply, served = journey.request, journey.reply, journey.served
    assert served is not None
    finish_reason = "stop" if reply is None else reply.finish_reason
    has_tools = bool(request.needs & _TOOLS)
    return Made(
        is_answer=True,
        is_upstream=True,
        finish_reason=finish_reason,
        mended="partial" if journey.trim_to else journey.reason,
        model=served.model,
        size_bytes=len(body),
        cut_by_us=request.ask_tokens is None or journey.fitted is not None,
        calls_tools=bool(request.needs & Need.BUILTIN_TOOLS) or (has_tools and calls_tools(body)),
    )
