"""Owns the shortest way to an answer: the bytes of a request that was answered from the cache before, and the bytes
that answered it. Nothing of the request is parsed; who asks and with which controls is part of what is compared.

An answer is put here when it was found in memory the usual way, and holds until its time is over, anything is declared
void or any answer is renewed. It lies in the memory tier and counts against its bound.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from headgate.cache.tier import TierName
from headgate.domain.answer import Source
from headgate.domain.fact import Fact, RequestFinished
from headgate.domain.time import Instant
from headgate.runtime.answers import HITS
from headgate.runtime.cache import Cache, tokens_of
from headgate.runtime.outcome import Answered
from headgate.server.auth import Identity
from headgate.server.controls import BEHIND_PREFIX, PREFIX

SPACES_REMEMBERED: Final = 4_096
READY_BYTES: Final = 700
"""What one takes beside its head and body."""
MOST_BODY_BYTES: Final = 256 * 1024
"""A longer request is not compared by its bytes: reading it costs little beside hashing it."""
MEMORY_HIT: Final = HITS[TierName.MEMORY]
_MEMORY: Final = TierName.MEMORY
_CACHE: Final = Source.CACHE


class Ready(msgspec.Struct, frozen=True, gc=False):
    """An answer that is ready: lines of its head that do not change, its body, until when, and the fact of giving it
    again. `made_at` and `until` are instants of the gate's clock."""

    lines: bytes
    body: bytes
    made_at: Instant
    until: Instant
    generation: int
    tokens: int
    tenant: str
    model_asked: str
    model_served: str
    provider: str
    reason: str
    agent: str | None
    task: str | None
    route: str | None
    session: str | None

    @property
    def size_bytes(self) -> int:
        return READY_BYTES + len(self.lines) + len(self.body)


class ReadyAnswers:
    """All of one gateway."""

    def __init__(self, cache: Cache, observe: Callable[[Fact], None]) -> None:
        self._cache = cache
        self._find = cache.memory.find_ready
        self._counts = cache.counts
        self._clock = cache.clock
        self._now = cache.clock.now
        self._observe = observe
        self._spaces: dict[tuple[str, bool, str], bytes] = {}

    def is_empty(self) -> bool:
        """Whether there is nothing to look for."""
        return self._cache.memory.entries == 0

    def digest(
        self, headers: Iterable[tuple[bytes, bytes]], identity: Identity, path: str, body: bytes
    ) -> bytes | None:
        """What a request is known by: everything that its answer may depend on, and whatever its key is allowed. None
        for one that never has a ready answer. About 1.5 µs for 700 bytes."""
        if identity.own_key is not None or len(body) > MOST_BODY_BYTES:
            return None
        who = (identity.tenant, identity.admin, path)
        space = self._spaces.get(who)
        if space is None:
            space = self._new_space(who)
        controls = [header for header in headers if PREFIX <= header[0] < BEHIND_PREFIX]
        if not controls:
            return hashlib.sha256(b"%b\0%b" % (space, body)).digest()
        told = hashlib.sha256(b"\n".join([b"%d:%b:%b" % (len(name), name, value) for name, value in controls]))
        return hashlib.sha256(b"%b\1%b%b" % (space, told.digest(), body)).digest()

    def _new_space(self, who: tuple[str, bool, str]) -> bytes:
        if len(self._spaces) >= SPACES_REMEMBERED:
            self._spaces.clear()
        space = self._spaces[who] = hashlib.sha256(msgspec.json.encode(who)).digest()
        return space

    def take(self, digest: bytes, name: str, started_at: Instant) -> tuple[bytes, bytes] | None:
        """The head's lines and the body for the request of this id, with its fact told and counted; None where nothing
        is ready."""
        ready: Any = self._find(digest)
        if ready is None:
            return None
        now = self._now()
        if now >= ready.until or ready.generation != self._cache.generation:
            return None
        self._counts.hit(_MEMORY, ready.tokens, now)
        self._observe(
            RequestFinished(
                now,
                name,
                ready.tenant,
                ready.model_asked,
                ready.model_served,
                _CACHE,
                ready.provider,
                ready.reason,
                0,
                0,
                0.0,
                now - started_at,
                None,
                0,
                None,
                (),
                None,
                ready.agent,
                ready.task,
                ready.route,
                ready.session,
                "",
                0,
                MEMORY_HIT,
                ready.tokens,
            )
        )
        lines = b"x-request-id: %b\r\n%bage: %d\r\nx-headgate-overhead-ms: %.2f\r\n" % (
            name.encode(),
            ready.lines,
            now - ready.made_at,
            (now - started_at) * 1000,
        )
        return lines, ready.body

    def keep(self, digest: bytes, answered: Answered, lines: bytes, body: bytes) -> None:
        """Have an answer that was found in memory ready for the next time that the same bytes ask. `lines` are those of
        its head that are the same each time."""
        entry = answered.entry
        if entry is None or answered.cache != MEMORY_HIT:
            return
        request, wall_s, now = answered.journey.request, self._clock.wall(), self._now()
        age_s = entry.age_s(wall_s)
        ready = Ready(
            lines,
            body,
            now - age_s,
            now + min(entry.ttl_s - age_s, self._cache.memory_ttl_s),
            self._cache.generation,
            tokens_of(entry),
            request.tenant,
            request.model_asked,
            entry.model,
            entry.provider,
            request.reason,
            request.agent,
            request.task,
            request.route,
            request.session,
        )
        self._cache.memory.keep_ready(digest, ready)
