"""Drives journeys with real sockets: the machine decides, this does.

A request's own task makes its calls; nothing is done in tasks of its own. Cancelling that task is how a client leaves:
the call is aborted and, in the same tick, settled. Settlement in memory never waits, so it needs nobody to wait for it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import Recorder, advance
from headgate.decide.gate import Gate
from headgate.decide.journey import Journey, Phase
from headgate.decide.machine import extended
from headgate.domain.answer import Reply, Source
from headgate.domain.fact import Fact
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.request import Check, Request
from headgate.domain.time import NEVER, Instant
from headgate.local.skills import NO_SUPPLIES, Supplies
from headgate.local.template import LocalAnswer
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.dialect import Dialect
from headgate.protocol.dialects import DIALECTS
from headgate.protocol.sse import DONE
from headgate.protocol.stream import StreamReader
from headgate.runtime import exchange
from headgate.runtime.cache import Found, tokens_of
from headgate.runtime.clock import Clock
from headgate.runtime.errand import JSON, Errand, mended, screened, watched
from headgate.runtime.json_stream import JsonStream
from headgate.runtime.outcome import Answered, Committed, one_chunk
from headgate.runtime.screening import Screening
from headgate.runtime.settings_model import UpstreamSettings
from headgate.runtime.settings_secret import Secret
from headgate.runtime.text_threads import TextThreads
from headgate.runtime.upstream import Headers, Stream, Timeouts, Upload, Upstream, UpstreamError
from headgate.runtime.upstream_request import PreparedHeaders

GROQ_DIALECT: Final = DIALECTS["groq"]
AFTER_DONE_S: Final = 0.25
"""How long the end of a stream's body may follow its `[DONE]`."""
CACHE: Final = Source.CACHE
CACHED: Final = 0
"""The number under which an answer of the cache lies among those of calls."""
ANSWER: Final = a.Ending.ANSWER  # looking up a member of an enum costs as much as a call
LEAST_S: Final = 0.01
"""The least time that any call is given."""
LONG_TEXT_CHARS: Final = 4_000
"""Prompts from here on are given to local skills in a thread."""
LONG_MEND_BYTES: Final = 20_000
"""Longer answers are mended in a thread."""


Recall = Callable[[], Awaitable[Found | None]]
"""Asks the cache for an answer of any age."""


class Connection(msgspec.Struct, frozen=True):
    """One endpoint of a provider: the client, what stands before every path, and how the provider speaks."""

    upstream: Upstream
    prefix: str
    dialect: Dialect


class Driver:
    """All journeys of one process, over one gate."""

    def __init__(
        self,
        *,
        gate: Gate,
        clock: Clock,
        connections: Mapping[str, Sequence[Connection]],
        secrets: Mapping[str, Secret],
        observe: Callable[[Fact], None],
        recorder: Recorder | None = None,
        limits: UpstreamSettings,
        mends: bool = True,
        relays_errors: bool = False,
        screening: Screening | None = None,
        supplies: Supplies = NO_SUPPLIES,
    ) -> None:
        self.gate = gate
        self.clock = clock
        self.now = clock.now
        self.observe = observe
        self.recorder = recorder
        self._connections = connections
        self._authorization = {name: PreparedHeaders.of(_headers(secret)) for name, secret in secrets.items()}
        self.limits = limits
        self.mends = mends
        self.relays_errors = relays_errors
        self.screening = screening
        self.supplies = supplies
        self.threads = TextThreads()
        self.loaded_skills: set[tuple[str, Check]] = set()
        self._waiting: dict[str, Run] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: Instant = NEVER

    def ask(
        self, request: Request, errand: Errand, own_key: Secret | None = None, recall: Recall | None = None
    ) -> Coroutine[Any, Any, Answered]:
        """Answer one request, as `request` and the gate allow. Cancel the task to leave early. `recall` asks the cache
        for an old answer, for a request that says that it is `recallable`.

        A streamed answer is returned at its first token; whoever has it must read `stream` to its end or `aclose` it.
        """
        return self.begin(request, errand, own_key, recall).go()

    def begin(
        self, request: Request, errand: Errand, own_key: Secret | None = None, recall: Recall | None = None
    ) -> "Run":
        """The same in two steps: `go` is what `ask` awaits, and until it is over others may `extend` it."""
        return Run(self, Journey(request), errand, own_key, recall=recall)

    @property
    def waiting(self) -> int:
        """Requests in the waiting room."""
        return len(self._waiting)

    # Turns -----------------------------------------------------------------------------------------------------------

    def turn(self, run: "Run", event: e.Event) -> list[a.Action]:
        """Feed one event, then let in whoever can be let in now."""
        now = self.now()
        actions = advance(self.gate, run.journey, event, now, self.observe, self.recorder)
        if actions and type(actions[-1]) is a.Enqueue:
            run.wakes = asyncio.get_running_loop().create_future()
            self._waiting[run.journey.request.id] = run
        if self._waiting:
            self.admit(now)
        return actions

    def forget(self, run: "Run") -> None:
        self._waiting.pop(run.journey.request.id, None)

    def admit(self, now: Instant) -> None:
        """Wake every journey whose wait is over, in fair order, and set the one timer for the next."""
        while (due := self.gate.next_wake(now)) is not None:
            name, woke = due
            run = self._waiting.pop(name)
            actions = advance(self.gate, run.journey, woke, now, self.observe, self.recorder)
            if actions and type(actions[-1]) is a.Enqueue:
                self._waiting[name] = run
                continue
            assert run.wakes is not None
            if not run.wakes.done():  # a cancelled run settles what it was just given when its task gets its turn
                run.wakes.set_result(actions)
        self._set_timer(self.gate.wakes_at(now) if self._waiting else NEVER)

    def _set_timer(self, at: Instant) -> None:
        if at == self._timer_at:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if at < NEVER:
            in_s = max(0.0, at - self.now())
            self._timer = asyncio.get_running_loop().call_later(in_s, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer, self._timer_at = None, NEVER
        self.admit(self.now())

    # Calls -----------------------------------------------------------------------------------------------------------

    def connection(self, call: a.Call) -> Connection:
        endpoints = self._connections[call.deployment.provider]
        return endpoints[call.endpoint % len(endpoints)]

    def headers(self, call: a.Call, errand: Errand, own_key: Secret | None) -> Headers:
        if own_key is not None and call.key.startswith("own:"):
            headers: Headers = _headers(own_key)
        else:
            headers = self._authorization[call.key]
        return headers if errand.content_type is JSON else _for(errand.content_type, headers)

    def timeouts(self, call: a.Call, now: Instant, *, stream: bool) -> Timeouts:
        """`first_s` bounds the first token of a stream, or the whole of a buffered reply; the deadline everything."""
        total_s, first_s, limits = call.deadline_at - now, call.first_s, self.limits
        if first_s < total_s and not stream:
            total_s = first_s
        if total_s < LEAST_S:
            total_s = LEAST_S
        if total_s < first_s:
            first_s = total_s
        return Timeouts(limits.connect_s, limits.tls_s, first_s, limits.idle_s, total_s)


def _headers(secret: Secret) -> Headers:
    key = secret.reveal().encode()
    authorization = ((b"authorization", b"Bearer " + key),) if key else ()
    return (*authorization, (b"content-type", JSON), (b"accept", b"application/json, text/event-stream"))


def _for(content_type: bytes, headers: Headers) -> Headers:
    """The headers of an errand that does not speak JSON."""
    kept = [header for header in headers if header[0] == b"authorization"]
    return (*kept, (b"content-type", content_type), (b"accept", b"*/*"))


class Run(msgspec.Struct, eq=False):
    """One journey under way: what its decisions do not need to know, and what they lead to."""

    driver: Driver
    journey: Journey
    errand: Errand
    own_key: Secret | None
    bodies: dict[int, bytes] = {}
    local: LocalAnswer | None = None
    wakes: asyncio.Future[list[a.Action]] | None = None
    stream: Stream | None = None
    reader: StreamReader | None = None
    watch: JsonStream | None = None
    dialect: Dialect = GROQ_DIALECT
    started: bool = False
    upload: Upload | None = None
    recall: Recall | None = None
    found: Found | None = None
    upstream_s: float = 0.0

    async def go(self) -> Answered:
        """Follow the machine until the request has its outcome, or its stream has its first token."""
        turn = self.driver.turn
        try:
            actions = turn(self, e.Arrived(self.journey.request))
            while type(action := actions[-1]) is not a.Finish:
                if type(action) is a.Call:
                    event = await (self.open if self.journey.request.stream else self.call)(action)
                    if event is None:
                        return self.streaming(action)
                    actions = turn(self, event)
                elif type(action) is a.Enqueue:
                    assert self.wakes is not None
                    actions = await self.wakes
                else:
                    actions = turn(self, await self.done(action))
            return self.answered(action)
        except BaseException:
            self.leave()
            raise

    def extend(self, deadline_at: Instant, patience_until: Instant) -> None:
        """Somebody with more time waits for this too. Nothing once it is over."""
        journey, longer = self.journey, e.Extended(deadline_at, patience_until)
        if journey.phase is Phase.NEW:  # it arrives with it
            journey.request = extended(journey.request, longer)
        else:
            self.driver.turn(self, longer)

    async def done(self, action: a.Action) -> e.Event:
        """What came of an action that is no call."""
        match action:
            case a.Sleep():
                await asyncio.sleep(max(0.0, action.until - self.driver.now()))
                return e.Woke()
            case a.Verify():
                return e.Verified(self.errand.check(self.bodies[action.call]))
            case a.Mend():
                return await self.mend(action)
            case a.LookUp():
                return await self.look_up()
            case a.AnswerLocally():
                return await self.answer_locally(action)
            case a.Screen():
                return e.Screened(screened(self.errand, self.driver.screening))
            case _:
                raise AssertionError(f"{action} is not for a driver")

    async def look_up(self) -> e.Event:
        """Ask the cache for an answer of any age."""
        found = None if self.recall is None else await self.recall()
        if found is None:
            return e.CacheMissed()
        entry, self.found = found.entry, found
        self.bodies[CACHED] = entry.body
        return e.CacheHit(entry.provider, entry.model, found.age_s, tokens_of(entry))

    def answered(self, finish: a.Finish) -> Answered:
        body, stream = None, None
        if finish.source is CACHE:
            assert self.found is not None
            label, body = f"hit-{self.found.tier}", self.bodies[CACHED]
            return Answered(finish, self.journey, body, upstream_s=self.upstream_s, cache=label, age_s=self.found.age_s)
        if finish.ending is ANSWER:
            body = self.bodies.get(finish.call)
            if self.journey.request.stream:
                stream, body = Committed(one_chunk(body or b""), self.leave), None
        return Answered(finish, self.journey, body, stream, self.local, self.upstream_s)

    async def answer_locally(self, action: a.AnswerLocally) -> e.AnsweredLocally:
        """By the skill that the request names, in a thread where that may take long, or by the template."""
        request, supplies = self.journey.request, self.driver.supplies
        skill, loaded = request.skill, self.driver.loaded_skills
        is_cold = skill is not None and (skill.name, request.check) not in loaded  # its first use imports what it needs
        if skill is not None and (is_cold or request.prompt.characters > LONG_TEXT_CHARS):
            self.local = await self.driver.threads.run(self.errand.answer_locally, request, action.reason, supplies)
            loaded.add((skill.name, request.check))
        else:
            self.local = self.errand.answer_locally(request, action.reason, supplies)
        return e.AnsweredLocally(self.local is not None)

    async def mend(self, action: a.Mend) -> e.Mended:
        if not self.driver.mends and action.how is not a.Mending.RESCUE:
            return e.Mended(ok=False)
        parts = (self.errand, action, self.journey, self.bodies, self.driver.clock.wall())
        if sum(map(len, self.bodies.values())) > LONG_MEND_BYTES:  # hostile texts cost seconds: not those of all others
            made = await self.driver.threads.run(mended, *parts)
        else:
            made = mended(*parts)
        if made is None:
            return e.Mended(ok=False)
        self.bodies[made.call] = made.body
        return e.Mended(ok=True, call=made.call)

    # Buffered --------------------------------------------------------------------------------------------------------

    async def call(self, action: a.Call) -> e.Event:
        """Make a buffered call; the reply's body is kept for its answer."""
        driver, errand, started_at = self.driver, self.errand, self.driver.now()
        connection = driver.connection(action)
        try:
            body = errand.write(action, driver.gate.models[action.deployment.model], connection.dialect)
        except InvalidBody as problem:
            return exchange.unwritable(action.number, problem)
        self.started, self.upload = True, None if isinstance(body, bytes) else body
        try:
            response = await connection.upstream.request(
                "POST",
                connection.prefix + errand.path,
                driver.headers(action, errand, self.own_key),
                body,
                driver.timeouts(action, started_at, stream=False),
            )
        except UpstreamError as error:
            self.started = False
            return e.Failed(action.number, exchange.broken(error.kind, written=error.written))
        finally:
            self.upstream_s += driver.now() - started_at
        self.started = False
        event, self.bodies[action.number] = exchange.whole(
            errand, action, connection.dialect, response.status, response.headers, response.body, driver.clock.wall
        )
        return event

    # Streamed --------------------------------------------------------------------------------------------------------

    async def open(self, action: a.Call) -> e.Event | None:
        """Open a stream and read to its first token. None: it began; otherwise how the call ended without one."""
        driver, errand, started_at = self.driver, self.errand, self.driver.now()
        connection = driver.connection(action)
        try:
            body = errand.write(action, driver.gate.models[action.deployment.model], connection.dialect)
        except InvalidBody as problem:
            return exchange.unwritable(action.number, problem)
        self.started, self.dialect = True, connection.dialect
        try:
            async with asyncio.timeout(min(action.first_s, action.deadline_at - started_at)):
                self.stream = stream = await connection.upstream.open(
                    "POST",
                    connection.prefix + errand.path,
                    driver.headers(action, errand, self.own_key),
                    body,
                    driver.timeouts(action, started_at, stream=True),
                )
                return await self._to_first_token(action, stream)
        except UpstreamError as error:
            return self._ended(
                action, exchange.broken(error.kind, written=error.written, streaming=self.stream is not None)
            )
        except TimeoutError:
            return self._ended(action, Failure(FailureKind.TOO_SLOW, message="no token in time"))
        finally:
            self.upstream_s += driver.now() - started_at

    async def _to_first_token(self, action: a.Call, stream: Stream) -> e.Event | None:
        if stream.status != exchange.OK or not stream.headers.get("content-type", "").startswith("text/event-stream"):
            body = b"".join([chunk async for chunk in stream])
            event, self.bodies[action.number] = exchange.whole(
                self.errand, action, self.dialect, stream.status, stream.headers, body, self.driver.clock.wall
            )
            self.stream, self.started = None, False
            if isinstance(event, e.Replied):  # a whole body where a stream was asked for
                return e.Failed(action.number, Failure(FailureKind.MALFORMED_BODY, status=stream.status), event.limits)
            return event
        most = self.driver.limits.max_event_bytes
        self.reader = reader = StreamReader(
            drop_usage_chunk=not self.errand.include_usage,
            max_event_bytes=most,
            relays_errors=self.driver.relays_errors,
        )
        self.watch = watch = watched(self.errand, self.journey.request, most)
        held = bytearray()
        while (chunk := await stream.read_chunk()) is not None:
            held += reader.feed(chunk) if watch is None else watch.feed(reader.feed(chunk))
            if reader.failure is not None and not (reader.began and reader.relayed_error):
                return self._ended(action, exchange.early(reader.failure))
            if watch is not None and watch.problem:
                return self._ended(action, exchange.off_form(watch.problem, began=False))
            if reader.began:
                self.bodies[action.number] = bytes(held)
                return None
            if reader.done:
                break
        self.bodies[action.number] = bytes(held)
        outcome = reader.end()
        return self._ended(action, outcome) if isinstance(outcome, Failure) else self._completed(action, outcome)

    def _completed(self, action: a.Call, reply: Reply) -> e.Event:
        assert self.stream is not None
        limits = self.dialect.read_limits(self.stream.headers)
        if self.reader is not None and not self.reader.done:
            self.bodies[action.number] += DONE
        self._close()
        return e.Replied(action.number, reply, limits)

    def _ended(self, action: a.Call, failure: Failure) -> e.Event:
        limits = None if self.stream is None else self.dialect.read_limits(self.stream.headers)
        self._close()
        return e.Failed(action.number, failure, limits)

    def _close(self) -> None:
        if self.stream is not None:
            self.stream.close()
        self.stream, self.started = None, False

    def streaming(self, action: a.Call) -> Answered:
        """The stream has begun: commit to it."""
        assert self.stream is not None
        self.driver.turn(self, e.Began(action.number, self.dialect.read_limits(self.stream.headers)))
        finish = a.Finish(a.Ending.ANSWER, None, "", call=action.number)
        stream = Committed(self.relay(action), self.leave)
        return Answered(finish, self.journey, stream=stream, upstream_s=self.upstream_s)

    async def relay(self, action: a.Call) -> AsyncGenerator[bytes, None]:
        """The committed stream, byte for byte; at its end the error event or the `[DONE]` that upstream left out."""
        stream, reader, watch = self.stream, self.reader, self.watch
        assert stream is not None
        assert reader is not None
        try:
            yield self.bodies.pop(action.number)
            outcome: Reply | Failure
            try:
                while reader.failure is None and (chunk := await stream.read_chunk()) is not None:
                    out = reader.feed(chunk) if watch is None else watch.feed(reader.feed(chunk))
                    if out:
                        yield out
                    if reader.done or (watch is not None and watch.problem):
                        break
                outcome = exchange.outcome_of(reader, watch)
                if isinstance(outcome, Reply) and reader.done and not stream.complete:
                    await _finish_reading(stream)
            except UpstreamError as error:
                outcome = exchange.broken(error.kind, written=True, began=True)
            self._close()
            finish = self.driver.turn(self, exchange.ended(action.number, exchange.late(outcome), None))[-1]
            assert isinstance(finish, a.Finish)
            if finish.ending is a.Ending.BREAK:
                assert finish.failure is not None
                if not reader.relayed_error:
                    yield exchange.break_event(finish.failure)
            elif not reader.done:
                yield DONE
        except BaseException:
            self.leave()
            raise

    # Leaving ---------------------------------------------------------------------------------------------------------

    def leave(self) -> None:
        """The client is gone, or this run cannot go on: give up the place, end the call and settle it, in this tick."""
        journey = self.journey
        self.driver.forget(self)
        written = self.stream is not None or (self.started and (self.upload is None or self.upload.is_given))
        if not journey.is_over and journey.phase not in {Phase.NEW, Phase.RESERVING, Phase.FAILED}:
            self.driver.turn(self, e.ClientGone())
        self._close()
        if journey.phase is Phase.LEAVING:
            assert journey.open is not None
            self.driver.turn(self, e.Failed(journey.open.number, exchange.cancelled(written=written)))


async def _finish_reading(stream: Stream) -> None:
    """Read what may follow `[DONE]`, which is the end of the body as a rule: then the connection can be used again."""
    try:
        async with asyncio.timeout(AFTER_DONE_S):
            while await stream.read_chunk() is not None:
                pass
    except (TimeoutError, UpstreamError):
        pass
