"""Owns `chat_many`: any number of requests in, an answer or an error for each out, in order, as many at once as quota
allows.

    source --next--> under way --answered--> window --in order--> whoever iterates

A request is taken from the source only when it may begin: while fewer are under way than the quotas carry
(`decide.parallel`), the waiting room holds no more than a few, and the window of what is taken and not given out yet
has room. So the memory is bounded however long the source is, and whoever reads slowly slows it down. Nothing polls: a
request that is answered, or that leaves the waiting room for its call, is what lets the next one in.
"""

import asyncio
import hashlib
from collections import OrderedDict, deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sized,
)
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec

from headgate.catalog import Model
from headgate.decide import actions as a
from headgate.decide.parallel import MOST, at_once
from headgate.domain.answer import RefusalCode
from headgate.domain.request import Request
from headgate.domain.time import Seconds
from headgate.protocol.chat import Chat
from headgate.protocol.dialect import Dialect
from headgate.runtime.errand import ChatErrand
from headgate.runtime.settings_model import HandlingSettings
from headgate.sdk.answer import Answer
from headgate.sdk.options import Messages, body_of
from headgate.sdk.problems import HeadgateError, InvalidRequest, Refused
from headgate.sdk.progress import Bar, Progress, Tell
from headgate.server.gateway import Gateway

Asked: TypeAlias = str | Messages | Mapping[str, object]
"""One request: a text, messages, or the arguments of `chat` by name."""
Asks: TypeAlias = Iterable[Asked] | AsyncIterable[Asked]
Concurrency: TypeAlias = int | Literal["auto"]

WITHIN_S: Final[Seconds] = 86_400.0
MOST_AHEAD: Final = 4 * MOST
"""Requests that are taken and whose answers are not given out yet."""
LEAST_AHEAD: Final = 64
MOST_WAITING: Final = 4
"""Tickets in the waiting room, whosesoever they are, beyond which none of ours is added."""
MOST_REMEMBERED: Final = 1_024
"""Requests that are known again when they come a second time; the oldest is forgotten first."""
MOST_TRIES: Final = 4
"""How often a request is asked that fails for another reason than want of quota, where trying again can help."""
LONGEST_PAUSE_S: Final[Seconds] = 300.0
MOST_KINDS: Final = 16
"""Kinds of requests, by the models that may serve them, whose quotas are looked at."""
LEARNED_SHARE: Final = 0.1
_NO_ROOM: Final = frozenset({RefusalCode.NO_CAPACITY, RefusalCode.DEADLINE_EXCEEDED, RefusalCode.BUDGET_EXCEEDED})


MakeErrand: TypeAlias = Callable[[Request, Chat, HandlingSettings], ChatErrand]
Ask: TypeAlias = Callable[[Gateway, bytes, MakeErrand], Awaitable[Answer]]
"""Answers one body through a gateway, with the errand that is made for it. Raises HeadgateError."""
Open: TypeAlias = Callable[[], Awaitable[Gateway]]


class Wishes(msgspec.Struct, frozen=True):
    """How many requests are to be asked. `options` are those of `chat`, for all of them."""

    concurrency: Concurrency = "auto"
    asks_repeats_once: bool = True
    within_s: Seconds = WITHIN_S
    options: Mapping[str, object] = {}


class Many:
    """The answers, in order: iterate them, or await all of them as a list. Leave by `break` with `async with`, or by
    `aclose()`."""

    def __init__(self, open_gate: Open, ask: Ask, requests: Asks, wishes: Wishes, tell: Tell | None) -> None:
        if wishes.concurrency != "auto" and wishes.concurrency < 1:
            raise InvalidRequest('`concurrency` is "auto" or at least 1.', "concurrency")
        self._work = _Work(open_gate, ask, requests, wishes, tell)
        self._answers = self._work.answers()

    def __aiter__(self) -> AsyncIterator[Answer | HeadgateError]:
        return self

    async def __anext__(self) -> Answer | HeadgateError:
        return await anext(self._answers)

    def __await__(self) -> Generator[Any, None, list[Answer | HeadgateError]]:
        return self._all().__await__()

    async def _all(self) -> list[Answer | HeadgateError]:
        async with self:
            return [each async for each in self]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._work.progress

    async def aclose(self) -> None:
        """End what is under way; it is settled when this returns."""
        await self._answers.aclose()


class ManySync(Iterator["Outcome"]):
    """The same without await. Leave by `with`, `close()`, or letting go of it."""

    def __init__(self, run: Callable[[Coroutine[Any, Any, Any]], Any], many: Many) -> None:
        self._run, self._many, self._is_over = run, many, False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> "Outcome":
        outcome: Outcome | None = None if self._is_over else self._run(self._next())
        if outcome is None:
            self._is_over = True
            raise StopIteration
        return outcome

    async def _next(self) -> "Outcome | None":
        """None at the end, because StopAsyncIteration cannot cross a future."""
        return await anext(self._many, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._many.progress

    def close(self) -> None:
        """End what is under way; it is settled when this returns."""
        self._is_over = True
        self._run(self._many.aclose())


class _Errand(ChatErrand):
    """A chat's errand that says when its request has left the waiting room for a call."""

    __slots__ = ("_began",)

    def __init__(self, chat: Chat, handling: HandlingSettings, began: Callable[[], None]) -> None:
        super().__init__(chat, handling)
        self._began = began

    def write(self, call: a.Call, model: Model, dialect: Dialect) -> bytes:
        self._began()
        return super().write(call, model, dialect)


Outcome: TypeAlias = Answer | HeadgateError
Ending: TypeAlias = "asyncio.Task[Outcome]"


class _Work:
    """One run over all requests."""

    def __init__(self, open_gate: Open, ask: Ask, requests: Asks, wishes: Wishes, tell: Tell | None) -> None:
        self._open, self._ask_door, self._wishes, self._tell = open_gate, ask, wishes, tell
        self._source = _source(requests)
        self.progress = Progress(total=len(requests) if isinstance(requests, Sized) else None)
        self._window: deque[Ending] = deque()
        self._running: set[Ending] = set()
        self._under_way = 0
        self._known: OrderedDict[bytes, Ending] = OrderedDict()
        self._changed, self._fed = asyncio.Event(), asyncio.Event()
        self._kinds: OrderedDict[tuple[str, ...], Request] = OrderedDict()
        self._takes_s: Seconds | None = None
        self._until = 0.0
        self._is_over = False

    async def answers(self) -> AsyncGenerator[Outcome, None]:
        """In order. What the source raises is raised when everything before it has been given out."""
        gateway = await self._open()
        self._until = gateway.now() + self._wishes.within_s
        feeding = asyncio.create_task(self._feed(gateway), name="chat_many")
        try:
            while self._window or not self._is_over:
                if self._window:
                    answer = await self._window[0]
                    self._window.popleft()
                    self._changed.set()
                    yield answer
                else:
                    self._fed.clear()
                    await self._fed.wait()
            await feeding
        finally:
            for task in (feeding, *self._running):
                task.cancel()
            await asyncio.gather(feeding, *self._running, return_exceptions=True)
            await self._source.aclose()
            if isinstance(self._tell, Bar):
                self._tell.close()

    # Letting in ------------------------------------------------------------------------------------------------------

    async def _feed(self, gateway: Gateway) -> None:
        """Begin request after request, each when it may; then the request has its turn, so that it is seen whether it
        waits."""
        try:
            while True:
                while not self._may_begin(gateway):
                    self._changed.clear()
                    await self._changed.wait()
                asked = await anext(self._source, None)
                if asked is None:
                    return
                self._begin(gateway, asked)
                self._fed.set()
                await asyncio.sleep(0)
        finally:
            self._is_over = True
            self._fed.set()

    def _may_begin(self, gateway: Gateway) -> bool:
        under_way, most = self._under_way, self._wishes.concurrency
        if len(self._window) >= min(MOST_AHEAD, max(LEAST_AHEAD, 4 * self.progress.most_at_once)):
            return False
        if most != "auto":
            return under_way < most
        if not under_way or not self._kinds:
            return not under_way
        gate, kinds = gateway.driver.gate, self._kinds.values()
        return gate.room.waiting() < MOST_WAITING and under_way < at_once(gate, kinds, gateway.now(), self._takes_s)

    def _begin(self, gateway: Gateway, asked: Asked) -> None:
        try:
            body = _body(asked, self._wishes.options)
        except HeadgateError as error:
            self._put(_given(error))
            return
        name = hashlib.blake2b(body, digest_size=16).digest()
        known = self._known.get(name) if self._wishes.asks_repeats_once else None
        if known is not None and not _has_failed(known):
            self._known.move_to_end(name)
            self._window.append(known)
            self._count(done=1, repeated=1)
            return
        self._known[name] = self._put(self._ask(gateway, body))
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _put(self, work: Coroutine[Any, Any, Outcome]) -> Ending:
        task = asyncio.create_task(self._counted(work))
        self._window.append(task)
        self._running.add(task)
        task.add_done_callback(self._ended)
        self._under_way += 1
        self._count()
        return task

    def _ended(self, task: Ending) -> None:
        self._running.discard(task)
        self._changed.set()

    async def _counted(self, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        outcome = await work
        self._under_way -= 1
        self._count(done=1, failed=int(not isinstance(outcome, Answer)))
        return outcome

    def _count(self, *, done: int = 0, failed: int = 0, repeated: int = 0) -> None:
        now, before = self._under_way, self.progress
        self.progress = Progress(
            before.done + done,
            before.failed + failed,
            before.repeated + repeated,
            now,
            max(before.most_at_once, now),
            before.total,
        )
        if self._tell is not None and done:
            self._tell(self.progress)

    # One request -----------------------------------------------------------------------------------------------------

    async def _ask(self, gateway: Gateway, body: bytes) -> Outcome:
        """Ask until there is an answer, an error that will stay one, or no time."""
        clock, tries = gateway.clock, 0
        while True:
            began_at: list[float] = []
            tries += 1
            try:
                answer = await self._ask_door(gateway, body, self._errands(gateway, began_at))
            except HeadgateError as error:
                pause_s = _pause_s(error, tries)
                if pause_s is None or clock.now() + pause_s > self._until:
                    return error
                await asyncio.sleep(pause_s)
                continue
            if began_at:
                self._took(clock.now() - began_at[-1])
            return answer

    def _errands(self, gateway: Gateway, began_at: list[float]) -> MakeErrand:
        """Errands that tell what kind of request is asked, and when it left the waiting room."""

        def began() -> None:
            began_at.append(gateway.now())
            self._changed.set()

        def make(request: Request, chat: Chat, handling: HandlingSettings) -> ChatErrand:
            self._kinds[request.candidates] = request
            if len(self._kinds) > MOST_KINDS:
                self._kinds.popitem(last=False)
            self._changed.set()
            return _Errand(chat, handling, began)

        return make

    def _took(self, took_s: Seconds) -> None:
        before = self._takes_s
        self._takes_s = took_s if before is None else before + LEARNED_SHARE * (took_s - before)


def _has_failed(task: Ending) -> bool:
    return task.done() and not isinstance(task.result(), Answer)


def _pause_s(error: HeadgateError, tries: int) -> Seconds | None:
    """How long to wait before a request is asked again; None where that cannot help."""
    if not isinstance(error, Refused) or error.retry_after_s is None:
        return None
    if error.code not in _NO_ROOM and tries >= MOST_TRIES:
        return None
    return min(error.retry_after_s, LONGEST_PAUSE_S)


def _body(asked: Asked, options: Mapping[str, object]) -> bytes:
    """The body of one request. Raises InvalidRequest."""
    own: dict[str, Any] = dict(asked) if isinstance(asked, Mapping) else {"messages": asked}
    messages = own.pop("messages", None)
    if not isinstance(messages, str | list | tuple):
        text = "A request is a text, a list of messages, or a mapping with `messages` and other arguments of `chat`."
        raise InvalidRequest(text, "messages")
    merged = {**options, **own}
    model = merged.pop("model", None)
    if model is not None and not isinstance(model, str):
        raise InvalidRequest("`model` is the name of one.", "model")
    return body_of(messages, model, merged, stream=False)


async def _given(problem: HeadgateError) -> Outcome:
    return problem


async def _source(requests: Asks) -> AsyncGenerator[Asked, None]:
    """The requests one by one, from wherever they come."""
    if isinstance(requests, AsyncIterable):
        async for each in requests:
            yield each
    else:
        for one in requests:
            yield one
