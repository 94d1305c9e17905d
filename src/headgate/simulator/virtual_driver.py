"""Drives journeys in virtual time against the pretend Groq: what `runtime.driver` does, with a heap instead of sockets.

The same machine, the same readers of replies, the same timeouts and the same order of turns; only the waiting is not
real. Replies are played part by part at their instants. It keeps what every client received, for the invariants.
"""

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import Any, Final

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.advance import Observer, Recorder, advance
from headgate.decide.gate import Gate
from headgate.decide.journey import Phase
from headgate.domain.answer import Reply
from headgate.domain.failure import Failure, FailureKind
from headgate.domain.time import NEVER, Instant, Seconds
from headgate.local.skills import NO_SUPPLIES
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.dialects import DIALECTS
from headgate.protocol.errors import redact
from headgate.protocol.limits import read_limit_headers
from headgate.protocol.sse import DONE, MAX_EVENT_BYTES
from headgate.protocol.stream import StreamReader
from headgate.runtime import exchange
from headgate.runtime.driver import CACHED
from headgate.runtime.errand import mended, watched
from headgate.runtime.upstream import UpstreamErrorKind
from headgate.simulator.groq import PretendGroq
from headgate.simulator.script import Ending, Script
from headgate.simulator.virtual_run import WIRE_S, Exchange, Run, Wire, Witness

CHAT_URL: Final = "/openai/v1/chat/completions"
GROQ_DIALECT: Final = DIALECTS["groq"]
IDLE_S: Final[Seconds] = 15.0
OLD_ANSWER: Final = b"an answer of an hour ago"
OLD_S: Final[Seconds] = 3_600.0
MOST_EVENTS_AT_ONCE: Final = 20_000
"""Events at one instant: more means that time stands still."""


class VirtualDriver:
    """All journeys of one world, over one gate, in the time of one heap."""

    def __init__(
        self,
        *,
        gate: Gate,
        groq: PretendGroq,
        secrets: Mapping[str, str],
        wire: Wire,
        observe: Observer,
        recorder: Recorder,
        witness: Witness,
        wall: Callable[[Instant], float],
        start: Instant,
    ) -> None:
        self.gate = gate
        self.groq = groq
        self.wire = wire
        self.now = start
        self.calls = 0
        self.waiting: dict[str, Run] = {}
        self.live: dict[str, Run] = {}
        self._observe = observe
        self._recorder = recorder
        self._witness = witness
        self._wall = wall
        self._authorization = {name: {"authorization": f"Bearer {secret}"} for name, secret in secrets.items()}
        self._heap: list[tuple[Instant, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self._timer_at: Instant = NEVER
        self._timer = 0

    # Time ------------------------------------------------------------------------------------------------------------

    def at(self, when: Instant, do: Callable[..., None], *args: Any) -> None:
        """Have something done at an instant; what was asked first is done first."""
        self._sequence += 1
        heappush(self._heap, (when, self._sequence, do, args))

    def play(self, until: Instant) -> None:
        """Let everything happen that is due by `until`."""
        heap, at_once = self._heap, 0
        while heap and heap[0][0] <= until:
            when, _, do, args = heappop(heap)
            at_once = at_once + 1 if when == self.now else 0
            assert when >= self.now, "time went back"
            assert at_once < MOST_EVENTS_AT_ONCE, "time stands still"
            self.now = when
            do(*args)
            self._witness.settled_down(when)
        self.now = max(self.now, until)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing more will happen."""
        return not self._heap

    # Turns -----------------------------------------------------------------------------------------------------------

    def ask(self, run: Run) -> None:
        """A client asks now."""
        self.live[run.request.id] = run
        self._witness.arrived(run, self.now)
        self._follow(run, self._turn(run, e.Arrived(run.request)))

    def _turn(self, run: Run, event: e.Event) -> list[a.Action]:
        now = self.now
        actions = advance(self.gate, run.journey, event, now, self._observe, self._recorder)
        if actions and type(actions[-1]) is a.Enqueue:
            self.waiting[run.request.id] = run
        if self.waiting:
            self._admit()
        return actions

    def _admit(self) -> None:
        now = self.now
        while (due := self.gate.next_wake(now)) is not None:
            name, woke = due
            run = self.waiting.pop(name)
            actions = advance(self.gate, run.journey, woke, now, self._observe, self._recorder)
            if actions and type(actions[-1]) is a.Enqueue:
                self.waiting[name] = run
            else:
                self.at(now, self._go_on, run, actions)
        self._set_timer(self.gate.wakes_at(now) if self.waiting else NEVER)

    def _go_on(self, run: Run, actions: list[a.Action]) -> None:
        """A woken request gets its turn; one that left meanwhile has been settled by its leaving."""
        if not run.gone:
            self._follow(run, actions)

    def _set_timer(self, when: Instant) -> None:
        if when == self._timer_at:
            return
        self._timer_at = when
        self._timer += 1
        if when < NEVER:
            self.at(max(when, self.now), self._timer_fired, self._timer)

    def _timer_fired(self, timer: int) -> None:
        if timer == self._timer:
            self._timer_at = NEVER
            self._admit()

    def _follow(self, run: Run, actions: list[a.Action]) -> None:
        """Do what the machine wants until something must be waited for."""
        while True:
            action = actions[-1]
            match action:
                case a.Finish():
                    return self._finish(run, action)
                case a.Call():
                    return self._call(run, action)
                case a.Enqueue():
                    return None
                case a.Sleep():
                    run.sleeping = action
                    return self.at(max(self.now, action.until), self._slept, run, action)
                case a.Verify():
                    actions = self._turn(run, e.Verified(run.errand.check(run.bodies[action.call])))
                case a.Mend():
                    actions = self._turn(run, self._mend(run, action))
                case a.AnswerLocally():
                    run.local = run.errand.answer_locally(run.request, action.reason, NO_SUPPLIES)
                    actions = self._turn(run, e.AnsweredLocally(run.local is not None))
                case a.LookUp():
                    actions = self._turn(run, _remembered(run))
                case a.Screen():
                    actions = self._turn(run, e.Screened(("violence",) if _is_chosen(run) else ()))
                case _:
                    raise AssertionError(f"{action} is not for a driver")

    def _slept(self, run: Run, sleep: a.Sleep) -> None:
        if run.sleeping is sleep:
            run.sleeping = None
            self._follow(run, self._turn(run, e.Woke()))

    def _mend(self, run: Run, action: a.Mend) -> e.Mended:
        made = mended(run.errand, action, run.journey, run.bodies, self._wall(self.now))
        if made is None:
            return e.Mended(ok=False)
        run.bodies[made.call] = made.body
        return e.Mended(ok=True, call=made.call)

    def _finish(self, run: Run, finish: a.Finish) -> None:
        request = run.request
        match finish.ending:
            case a.Ending.ANSWER if not run.committed:
                self._deliver(run, run.bodies[finish.call])
            case a.Ending.LOCAL:
                assert run.local is not None
                self._deliver(run, run.local.text.encode())
            case a.Ending.RELAY:
                assert finish.failure is not None
                self._deliver(run, redact(finish.failure.body))
            case _:
                pass
        run.finish, run.ended_at = finish, self.now
        self.live.pop(request.id, None)
        self._witness.finished(run, self.now)

    def _deliver(self, run: Run, data: bytes) -> None:
        run.received.append((self.now, data))

    # Calls -----------------------------------------------------------------------------------------------------------

    def _call(self, run: Run, action: a.Call) -> None:
        self.calls += 1
        now = self.now
        run.exchange = under_way = Exchange(action, now)
        limit = min(now + action.first_s, action.deadline_at)
        kind = self.wire.trouble(now, action.endpoint)
        if kind is None:
            arrives_at = now + self.wire.latency_s()
            if arrives_at < limit:
                return self.at(arrives_at, self._arrive, run, under_way)
            kind, broken_at = UpstreamErrorKind.FIRST_BYTE_TIMEOUT, limit
        else:
            broken_at = now + WIRE_S.get(kind, 0.001)
            if broken_at > limit:
                kind, broken_at = UpstreamErrorKind.TOTAL_TIMEOUT, limit
        return self.at(max(now, broken_at), self._never_sent, run, under_way, kind)

    def _never_sent(self, run: Run, under_way: Exchange, kind: UpstreamErrorKind) -> None:
        if run.exchange is not under_way:
            return
        if run.request.stream and kind in exchange.SLOW:
            self._ended(run, under_way, Failure(FailureKind.TOO_SLOW, message="no token in time"))
        else:
            written = kind is UpstreamErrorKind.FIRST_BYTE_TIMEOUT
            self._ended(run, under_way, exchange.broken(kind, written=written))

    def _arrive(self, run: Run, under_way: Exchange) -> None:
        """The request reaches the provider."""
        if run.exchange is not under_way:
            return None
        action = under_way.action
        own = run.own_secret if action.key.startswith("own:") else None
        headers = self._authorization[action.key] if own is None else {"authorization": f"Bearer {own}"}
        try:
            body = run.errand.write(action, self.gate.models[action.deployment.model], GROQ_DIALECT)
        except InvalidBody as problem:
            return self._close(run, under_way, exchange.unwritable(action.number, problem))
        under_way.script = script = self.groq.handle("POST", CHAT_URL, headers, body, self.now)
        run.scripts[action.number] = script
        self._witness.heard(run, script, self.now)
        if script.ending is Ending.REFUSED:
            return self._ended(run, under_way, exchange.broken(UpstreamErrorKind.REFUSED, written=False))
        return self._schedule(run, under_way)

    def _schedule(self, run: Run, under_way: Exchange) -> None:
        """Come back for the next part of the script, or when patience with it ends."""
        script, index = under_way.script, under_way.index
        assert script is not None
        if index < len(script.parts):
            due = script.arrived_at + script.parts[index].at_s
        elif script.ending is Ending.STALL and under_way.headers is not None:
            due = NEVER
        else:
            due = script.arrived_at + script.ends_at_s
        limit, kind = self._patience(run, under_way)
        if limit < due:
            self.at(max(limit, self.now), self._timed_out, run, under_way, kind)
        else:
            self.at(max(due, self.now), self._played, run, under_way)

    def _patience(self, run: Run, under_way: Exchange) -> tuple[Instant, UpstreamErrorKind]:
        action = under_way.action
        first_at, idle_at = under_way.started_at + action.first_s, under_way.last_at + IDLE_S
        waits_for_first = not (run.request.stream and run.committed)
        limit, kind = action.deadline_at, UpstreamErrorKind.TOTAL_TIMEOUT
        if waits_for_first and first_at < limit:
            limit, kind = first_at, UpstreamErrorKind.FIRST_BYTE_TIMEOUT
        if under_way.headers is not None and idle_at < limit:
            limit, kind = idle_at, UpstreamErrorKind.IDLE_TIMEOUT
        return limit, kind

    def _timed_out(self, run: Run, under_way: Exchange, kind: UpstreamErrorKind) -> None:
        if run.exchange is under_way:
            if run.request.stream and not run.committed and kind is not UpstreamErrorKind.IDLE_TIMEOUT:
                self._ended(run, under_way, Failure(FailureKind.TOO_SLOW, message="no token in time"))
            else:
                self._broken(run, under_way, kind)

    def _broken(self, run: Run, under_way: Exchange, kind: UpstreamErrorKind) -> None:
        streaming = run.request.stream and under_way.headers is not None
        self._ended(run, under_way, exchange.broken(kind, written=True, streaming=streaming, began=bool(run.committed)))

    def _played(self, run: Run, under_way: Exchange) -> None:
        """Take every part that is due now; then the end, if that is due."""
        script = under_way.script
        if run.exchange is not under_way or script is None:
            return
        elapsed = self.now
        if under_way.headers is None and script.status:
            self._head(run, under_way, script)
        parts = script.parts
        while under_way.index < len(parts) and script.arrived_at + parts[under_way.index].at_s <= elapsed:
            data = parts[under_way.index].data
            under_way.index += 1
            under_way.last_at = elapsed
            if under_way.reader is None:
                under_way.body += data
            elif self._read(run, under_way, data):
                return
        over = under_way.index == len(parts) and script.arrived_at + script.ends_at_s <= elapsed
        if not over or script.ending is Ending.STALL:
            self._schedule(run, under_way)
        elif script.ending is Ending.CLEAN:
            self._complete(run, under_way, script)
        else:
            self._broken(run, under_way, UpstreamErrorKind.RESET)

    def _head(self, run: Run, under_way: Exchange, script: Script) -> None:
        under_way.headers = headers = dict(self.groq.opening(script, self.now))
        under_way.limits = read_limit_headers(headers)
        under_way.last_at = self.now
        is_stream = script.status == exchange.OK and headers.get("content-type", "").startswith("text/event-stream")
        if run.request.stream and is_stream:
            under_way.reader = StreamReader(drop_usage_chunk=not run.errand.include_usage)
            under_way.watch = watched(run.errand, run.request, MAX_EVENT_BYTES)

    def _read(self, run: Run, under_way: Exchange, data: bytes) -> bool:
        """Feed one chunk of a stream; whether the stream is over with it."""
        reader, number = under_way.reader, under_way.action.number
        assert reader is not None
        out, watch = reader.feed(data), under_way.watch
        if watch is not None:
            out = watch.feed(out)
        if run.committed and out:
            self._deliver(run, out)
        if watch is not None and watch.problem and (run.committed or reader.failure is None):
            self._ended(run, under_way, exchange.off_form(watch.problem, began=bool(run.committed)))
            return True
        if not run.committed:
            under_way.body += out
            if reader.failure is not None:
                self._ended(run, under_way, exchange.early(reader.failure))
                return True
            if reader.began:
                run.committed = number
                actions = self._turn(run, e.Began(number, under_way.limits))
                assert not actions, "nothing is to be done when a stream begins"
                self._deliver(run, bytes(under_way.body))
                return False
        if reader.failure is None and not reader.done:
            return False
        self._complete_stream(run, under_way, reader)
        return True

    def _complete(self, run: Run, under_way: Exchange, script: Script) -> None:
        if under_way.reader is not None:
            return self._complete_stream(run, under_way, under_way.reader)
        assert under_way.headers is not None
        number, body = under_way.action.number, bytes(under_way.body)
        event, run.bodies[number] = exchange.whole(
            run.errand,
            under_way.action,
            GROQ_DIALECT,
            script.status,
            under_way.headers,
            body,
            lambda: self._wall(self.now),
        )
        if run.request.stream and isinstance(event, e.Replied):
            event = e.Failed(number, Failure(FailureKind.MALFORMED_BODY, status=script.status), event.limits)
        return self._close(run, under_way, event)

    def _complete_stream(self, run: Run, under_way: Exchange, reader: StreamReader) -> None:
        outcome = reader.end()
        if not run.committed:
            run.bodies[under_way.action.number] = bytes(under_way.body) + (b"" if reader.done else DONE)
            return self._close(run, under_way, exchange.ended(under_way.action.number, outcome, under_way.limits))
        return self._ended(run, under_way, outcome)

    def _ended(self, run: Run, under_way: Exchange, outcome: Reply | Failure) -> None:
        number = under_way.action.number
        if not run.committed:
            return self._close(run, under_way, exchange.ended(number, outcome, under_way.limits))
        return self._close(run, under_way, exchange.ended(number, exchange.late(outcome), None))

    def _close(self, run: Run, under_way: Exchange, event: e.Event) -> None:
        """The call is over: give back what it held at the provider, tell the machine, go on."""
        run.exchange = None
        script = under_way.script
        if script is not None:
            self.groq.abandon(script.id, self.now)
        self._witness.call_ended(run, event, script, self.now)
        actions = self._turn(run, event)
        if run.committed:
            finish, reader = actions[-1], under_way.reader
            assert isinstance(finish, a.Finish), "a stream that began ends with its call"
            assert reader is not None
            if finish.ending is a.Ending.BREAK:
                assert finish.failure is not None
                self._deliver(run, exchange.break_event(finish.failure))
            elif not reader.done:
                self._deliver(run, DONE)
        self._follow(run, actions)

    # Leaving ---------------------------------------------------------------------------------------------------------

    def leave(self, run: Run) -> None:
        """The client hangs up: give up the place, end the call and settle it, in this tick."""
        if run.finish is not None:
            return
        journey, under_way = run.journey, run.exchange
        run.gone, run.sleeping, run.exchange = True, None, None
        self.waiting.pop(run.request.id, None)
        if not journey.is_over and journey.phase not in {Phase.NEW, Phase.RESERVING, Phase.FAILED}:
            finish = self._turn(run, e.ClientGone())[-1]
            assert isinstance(finish, a.Finish)
            self._finish(run, finish)
        elif journey.is_over:  # decided in this very tick, and nobody is there to be told
            self._finish(run, a.Finish(a.Ending.ABANDONED, None, "client_gone"))
        if under_way is not None and under_way.script is not None:
            self.groq.abandon(under_way.script.id, self.now)
        if journey.phase is Phase.LEAVING:
            assert journey.open is not None
            written = under_way is not None
            event = e.Failed(journey.open.number, exchange.cancelled(written=written))
            self._witness.call_ended(run, event, None if under_way is None else under_way.script, self.now)
            self._turn(run, event)


def _is_chosen(run: Run) -> bool:
    """One of every two requests, the same ones each time a seed is played."""
    return int(run.request.id[1:]) % 4 < 2


def _remembered(run: Run) -> e.Event:
    """What a cache would say: for some requests it has an old answer. Worlds keep none of their own."""
    if not _is_chosen(run):
        return e.CacheMissed()
    run.bodies[CACHED] = OLD_ANSWER
    return e.CacheHit("groq", run.request.candidates[0], OLD_S, 100)
