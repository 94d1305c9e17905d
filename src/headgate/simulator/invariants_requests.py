"""The invariants of requests, streams, resources and liveness: 11, 12, 14 to 16, 18, 26 to 28, 39 of `faults.md` 5.1,
and 41, which is about what was asked for.

36 (jumps of the wall clock) and 40 (same seed, same trace) compare whole runs: the worlds' tests do that.
"""

import re
from collections import Counter
from typing import Final

import msgspec

from headgate.decide import actions as a
from headgate.decide import events as e
from headgate.decide.giving_up import STALE
from headgate.decide.remedies import ROWS
from headgate.domain.answer import Source
from headgate.domain.fact import CallEnded, Fact, RequestFinished
from headgate.domain.failure import FailureKind
from headgate.domain.request import Check
from headgate.domain.time import Instant
from headgate.local.check import check_answer
from headgate.protocol.reply import answer_text
from headgate.protocol.sse import DONE
from headgate.quota.room import MAX_WAITING
from headgate.runtime.driver import CACHED
from headgate.simulator.invariants import Invariant, Scene
from headgate.simulator.script import Ending, Script
from headgate.simulator.virtual_run import Run

GRACE_S: Final = 0.25
LAST_EVENT: Final = re.compile(rb"data: \[DONE\](?:\r\n|\n){2}")
BLOCK: Final = re.compile(rb"(?:\r\n|\n){2}")
REFUSED_STATUSES: Final = frozenset({401, 403, 404, 413, 429, 498})
MAYBE_GENERATED: Final = re.compile(
    rb'"code":"(?:json_validate_failed|output_parse_failed|tool_use_failed|content_policy_violation)"'
)
CAPS_BYTES: Final = 64 * 1024 * 1024
MOST_SLOTS: Final = 22
MADE_HERE: Final = frozenset(a.Mending)
"""The reasons of answers that were made of what a model wrote, and are not its own bytes."""


class OneOutcomeInTime(Invariant):
    """11. Every accepted request has exactly one terminal outcome, not later than its deadline + 250 ms."""

    number = 11

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.outcomes: dict[str, int] = {}

    def told(self, fact: Fact) -> None:
        if isinstance(fact, RequestFinished):
            self.outcomes[fact.request_id] = self.outcomes.get(fact.request_id, 0) + 1
            self.require(self.outcomes[fact.request_id] == 1, "a second outcome", fact.at, fact.request_id)

    def finished(self, run: Run, now: Instant) -> None:
        late_s = now - run.request.deadline_at
        name = run.request.id
        self.require(self.outcomes.get(name) == 1, "ended for its client without a fact", now, name)
        self.require(late_s <= GRACE_S, f"ended {late_s:.3f} s after its deadline", now, name)
        self.scene.runs.pop(name, None)

    def audit(self, now: Instant) -> None:
        for name, run in self.scene.runs.items():
            late_s = now - run.request.deadline_at
            self.require(late_s <= GRACE_S, f"goes on {late_s:.3f} s after its deadline", now, name)

    def at_rest(self, now: Instant) -> None:
        self.require(not self.scene.runs, lambda: f"without outcome: {list(self.scene.runs)[:3]}", now)


class AttemptsInBounds(Invariant):
    """12. No attempt starts after the deadline, after client loss, or above the caps; deadlines shrink downstream.

    The caps: attempts, calls, the failed row's own limit, and the client's own maximum of tokens.
    """

    number = 12

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.attempts: dict[str, int] = {}
        self.calls: dict[str, int] = {}
        self.kinds: dict[str, Counter[FailureKind]] = {}
        self.failed: dict[str, tuple[FailureKind, int]] = {}

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:
        request = run.request
        name = request.id
        self.calls[name] = self.calls.get(name, 0) + 1
        self.require(not run.gone, "a call for a client who has left", now, name)
        self.require(run.finish is None, "a call for a request that has its outcome", now, name)
        self.require(now < request.deadline_at, "a call after the deadline", now, name)
        self.require(action.deadline_at <= request.deadline_at, "a deadline that grew", now, name)
        attempts = self.attempts.get(name, 0)
        self.require(attempts < request.max_attempts, f"a call after {attempts} attempts", now, name)
        self.require(self.calls[name] <= request.max_calls, f"call {self.calls[name]}", now, name)
        kind, times = self.failed.get(name, (None, 0))
        limit = None if kind is None else ROWS[kind].limit
        self.require(limit is None or times <= limit, f"a call after {times} failures of kind {kind}", now, name)
        most = request.ask_tokens
        self.require(most is None or action.cap_tokens <= most, f"{action.cap_tokens} of {most} tokens", now, name)

    def call_ended(self, run: Run, event: e.Event, script: Script | None, now: Instant) -> None:  # noqa: ARG002
        name = run.request.id
        if isinstance(event, e.Replied) or (isinstance(event, e.Failed) and _was_attempt(event, script)):
            self.attempts[name] = self.attempts.get(name, 0) + 1
        if isinstance(event, e.Failed):
            kinds = self.kinds.setdefault(name, Counter())
            kinds[event.failure.kind] += 1
            self.failed[name] = (event.failure.kind, kinds[event.failure.kind])

    def told(self, fact: Fact) -> None:
        if isinstance(fact, RequestFinished):
            name = fact.request_id
            counted = (self.attempts.pop(name, 0), self.calls.pop(name, 0))
            self.failed.pop(name, None)
            self.kinds.pop(name, None)
            if fact.reason != "client_gone":  # its last call is still to end
                text = f"{fact.attempts} attempts and {fact.calls} calls are told, {counted} were made"
                self.require((fact.attempts, fact.calls) == counted, text, fact.at, name)


def _was_attempt(event: e.Failed, script: Script | None) -> bool:
    """Whether the call was written and not refused before generation, by what the wire showed."""
    if script is None or script.ending is Ending.REFUSED:
        return event.failure.written
    if script.status in REFUSED_STATUSES:
        return event.failure.status != script.status
    if script.status != 400 or event.failure.status != 400 or MAYBE_GENERATED.search(script.body):
        return True
    try:
        return not msgspec.json.decode(script.body)["error"]["message"]
    except (msgspec.DecodeError, LookupError, TypeError):
        return True  # it cannot be read, so it proves nothing


class OneStream(Invariant):
    """14. After the first content byte, all bytes of that answer come from one upstream response."""

    number = 14

    def calling(self, run: Run, action: a.Call, now: Instant) -> None:  # noqa: ARG002
        self.require(not run.committed, "a call after the first token", now, run.request.id)


class TextIsPrefix(Invariant):
    """15. Text delivered is a prefix of upstream's, bytewise; equal if and only if a clean end is signalled."""

    number = 15

    def finished(self, run: Run, now: Instant) -> None:
        finish, name = run.finish, run.request.id
        assert finish is not None
        delivered = b"".join(data for _, data in run.received)
        if run.committed:
            self._stream(run, delivered, now)
        elif finish.source is Source.CACHE:
            self.require(delivered == run.bodies[CACHED], "an old answer is not what was kept", now, name)
        elif finish.ending is a.Ending.ANSWER and finish.reason not in MADE_HERE:
            body = run.scripts[finish.call].body
            if not run.request.stream:
                self.require(delivered == body, "the body is not upstream's", now, name)

    def _stream(self, run: Run, delivered: bytes, now: Instant) -> None:
        finish, script = run.finish, run.scripts[run.committed]
        assert finish is not None
        relayable = script.body if run.chat.include_usage else _without_usage_chunk(script.body)
        end = LAST_EVENT.search(relayable)
        if end is not None:
            relayable = relayable[: end.end()]
        if finish.ending is a.Ending.BREAK:
            delivered = delivered[: delivered.rindex(b"event: error\n")]
        elif finish.ending is a.Ending.ANSWER and DONE not in relayable and b"data: [DONE]" not in relayable:
            self.require(delivered.endswith(DONE), "a clean end without [DONE]", now, run.request.id)
            delivered = delivered.removesuffix(DONE)
        self.require(relayable.startswith(delivered), "the stream is not upstream's", now, run.request.id)
        if finish.ending is a.Ending.ANSWER:
            self.require(relayable == delivered, "a clean end before all of the text", now, run.request.id)


def _without_usage_chunk(body: bytes) -> bytes:
    """A stream without the chunks that have usage and no choices, which the client did not ask for."""
    if b'"choices":[]' not in body:
        return body
    kept, start = [], 0
    for end in [*(found.end() for found in BLOCK.finditer(body)), len(body)]:
        block, start = body[start:end], end
        if not (b'"choices":[]' in block and b'"usage":{' in block):
            kept.append(block)
    return b"".join(kept)


class BrokenLooksBroken(Invariant):
    """16. A cut, stalled or failed stream never looks complete."""

    number = 16
    FINISHED: Final = re.compile(rb'"finish_reason":"(?:stop|length|tool_calls)"')

    def finished(self, run: Run, now: Instant) -> None:
        finish = run.finish
        assert finish is not None
        if not run.request.stream or run.scripts.get(finish.call) is None or not run.committed:
            return
        delivered, name = b"".join(data for _, data in run.received), run.request.id
        looks_complete = b"data: [DONE]" in delivered
        whole = self.FINISHED.search(run.scripts[run.committed].body) is not None
        if finish.ending is a.Ending.ANSWER:
            self.require(looks_complete and whole, "an answer whose stream did not finish", now, name)
        elif finish.ending is a.Ending.BREAK:
            self.require(not delivered.endswith(DONE), "a broken stream that ends in [DONE]", now, name)
            self.require(b"event: error" in delivered, "a broken stream without an error event", now, name)


class Labelled(Invariant):
    """18. Fallbacks, local answers, mended answers, shrunk maxima and estimated usage are always marked."""

    number = 18

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.last: dict[str, CallEnded] = {}
        self.facts: dict[str, RequestFinished] = {}

    def told(self, fact: Fact) -> None:
        if isinstance(fact, CallEnded):
            self.last[fact.request_id] = fact
        elif isinstance(fact, RequestFinished):
            self.facts[fact.request_id] = fact

    def finished(self, run: Run, now: Instant) -> None:
        finish, name = run.finish, run.request.id
        fact, last = self.facts.pop(name, None), self.last.pop(name, None)
        assert finish is not None
        if fact is None:
            return
        if finish.ending is a.Ending.LOCAL:
            self.require(fact.source is Source.LOCAL, "a local answer without its label", now, name)
            self.require(fact.model_served == "headgate/local", "a local answer under a model's name", now, name)
            self.require(run.request.local and fact.reason, "a local answer that was not wanted", now, name)
        if finish.ending is not a.Ending.ANSWER:
            return
        if finish.source is Source.CACHE:
            is_marked = fact.source is Source.CACHE and fact.reason == STALE
            self.require(is_marked and run.request.recallable, "an old answer unmarked or unwanted", now, name)
            return
        self.require(fact.source is Source.UPSTREAM, "an upstream answer without its label", now, name)
        script = run.scripts[finish.call]
        if finish.reason in MADE_HERE:
            return
        if run.request.stream or b'"model":' in script.body:
            served = re.search(rb'"model":"([^"]+)"', script.body)
            text = f"served by {served and served[1].decode()}, labelled {fact.model_served}"
            self.require(served is not None and served[1].decode() == fact.model_served, text, now, name)
        if last is not None and fact.tried:
            self.require(fact.reason, "a fallback without a reason", now, name)
        self._shrunk(run, fact, finish, script, now)

    def _shrunk(self, run: Run, fact: RequestFinished, finish: a.Finish, script: Script, now: Instant) -> None:
        if b'"finish_reason":"length"' not in script.body or run.request.stream:
            return
        used = re.search(rb'"completion_tokens":(\d+)', script.body)
        ask = run.request.ask_tokens
        if used is not None and ask is not None and int(used[1]) < ask:
            text = f"cut at {used[1].decode()} of {ask} without a label ({finish.reason}, {fact.fitted})"
            self.require(fact.fitted is not None, text, now, run.request.id)


class Bounded(Invariant):
    """26. Buffered bytes, queues, maps and loops are at or under their caps."""

    number = 26

    def audit(self, now: Instant) -> None:
        gate, scene = self.gate, self.scene
        self.require(gate.room.waiting() <= MAX_WAITING, "the waiting room is over its cap", now)
        self.require(len(gate.learned.outputs) <= 2000, "too many tasks are remembered", now)
        for name, budget in gate.repeats.items():
            self.require(len(budget.slots) <= MOST_SLOTS, f"{len(budget.slots)} slots of repeats at {name}", now)
        buffered = sum(len(run.exchange.body) for run in scene.runs.values() if run.exchange is not None)
        self.require(buffered <= CAPS_BYTES, f"{buffered} bytes are buffered", now)
        for name, run in scene.runs.items():
            tried = len(run.journey.tried)
            self.require(tried <= run.request.max_calls, f"{tried} calls are remembered", now, name)


class NothingLeft(Invariant):
    """27. At rest, exchanges, places and probes are at their baseline."""

    number = 27

    def at_rest(self, now: Instant) -> None:
        scene, gate = self.scene, self.gate
        driver = scene.driver
        assert driver is not None
        self.require(not driver.live, lambda: f"live: {list(driver.live)[:3]}", now)
        self.require(not driver.waiting, lambda: f"waiting: {list(driver.waiting)[:3]}", now)
        self.require(gate.room.waiting() == 0, f"{gate.room.waiting()} tickets", now)
        scene.groq.advance(now)
        open_calls = list(scene.groq.limiter.calls)
        self.require(not open_calls, f"{len(open_calls)} exchanges are open upstream", now)
        for name, circuit in gate.circuits.items():
            self.require(not circuit.probing, f"{name} is being probed by {circuit.probing}", now)


class Gauges(Invariant):
    """28. In-flight gauge = live calls, never negative; a place is freed exactly once."""

    number = 28

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.in_flight = 0

    def watches(self) -> tuple[type, ...]:
        return (a.Reserve, a.Settle, a.Release)

    def acted(self, action: a.Action, answer: e.Event | None, now: Instant) -> None:
        if isinstance(action, a.Reserve):
            self.in_flight += isinstance(answer, e.Granted)
        else:
            self.in_flight -= 1
        self.require(self.in_flight >= 0, "fewer than no calls in flight", now)

    def settled_down(self, now: Instant) -> None:
        driver = self.scene.driver
        assert driver is not None
        waiting = self.gate.room.waiting()
        self.require(waiting == len(driver.waiting), f"{waiting} tickets for {len(driver.waiting)} who wait", now)

    def audit(self, now: Instant) -> None:
        live = sum(run.journey.open is not None for run in self.scene.runs.values())
        self.require(self.in_flight == live, f"{self.in_flight} reservations for {live} calls", now)


class Recovers(Invariant):
    """39. Within 60 s of the end of all faults, success is at least 99.99 % and queues empty."""

    number = 39

    def finished(self, run: Run, now: Instant) -> None:
        if run.request.id not in self.scene.must_answer:
            return
        finish = run.finish
        assert finish is not None
        good = finish.ending in {a.Ending.ANSWER, a.Ending.LOCAL}
        text = f"after recovery: {finish.ending} ({finish.reason}) {finish.refusal}"
        self.require(good, text, now, run.request.id)


class AsAskedFor(Invariant):
    """41. Whoever asked for JSON is given it, whole or streamed and of its schema; else it is flagged, or no answer."""

    number = 41
    FLAGGED: Final = frozenset({a.Mending.EXTRACT.value, "cut"})

    def finished(self, run: Run, now: Instant) -> None:
        finish, chat = run.finish, run.chat
        assert finish is not None
        if chat.check is Check.NONE or finish.ending is not a.Ending.ANSWER or finish.reason in self.FLAGGED:
            return
        delivered = b"".join(data for _, data in run.received)
        text = _streamed_text(delivered) if run.request.stream else answer_text(delivered)
        if text is not None:
            problem = check_answer(text, chat.check, chat.schema)
            self.require(problem is None, lambda: f"asked for {chat.check}: {problem}", now, run.request.id)


def _streamed_text(stream: bytes) -> str | None:
    """The text of all deltas; None for a stream of tool calls."""
    if b'"tool_calls":[' in stream:
        return None
    blocks = BLOCK.split(stream)
    events = [msgspec.json.decode(block[6:]) for block in blocks if block.startswith(b"data: {")]
    deltas = [choice.get("delta", {}) for event in events for choice in event.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


ALL: Final = (
    OneOutcomeInTime,
    AttemptsInBounds,
    OneStream,
    TextIsPrefix,
    BrokenLooksBroken,
    Labelled,
    Bounded,
    NothingLeft,
    Gauges,
    Recovers,
    AsAskedFor,
)
