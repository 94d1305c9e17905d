"""Owns what a request comes to, ready for a door: a body, a begun stream, a local answer, or why there is none."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable

import msgspec

from headgate.cache.entry import Entry
from headgate.cache.likeness import Likeness
from headgate.decide import actions as a
from headgate.decide.journey import Journey
from headgate.domain.time import Seconds
from headgate.local.template import LocalAnswer


class Committed:
    """A stream that has begun. Whoever has it reads it to its end or calls `aclose`, which alone ends one unread."""

    __slots__ = ("_leave", "_relay")

    def __init__(self, relay: AsyncGenerator[bytes, None], leave: Callable[[], None]) -> None:
        self._relay = relay
        self._leave = leave

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._relay

    async def aclose(self) -> None:
        """Stop, and settle what is open; nothing when the stream has ended. A generator that was never begun would
        be closed without its `except`, so leaving is not left to it."""
        await self._relay.aclose()
        self._leave()


class Answered(msgspec.Struct):
    """The outcome of a request, ready for a door. Exactly one of `body`, `stream`, `local`, or an error in `finish`.

    `body` from the cache is a whole completion also where a stream was asked for. `cache` is what its label says,
    `age_s` how old an answer of the cache is, `entry` what was found there; `likeness` is of a search for similar ones.
    """

    finish: a.Finish
    journey: Journey
    body: bytes | None = None
    stream: Committed | None = None
    local: LocalAnswer | None = None
    upstream_s: float = 0.0
    cache: str = "off"
    age_s: Seconds | None = None
    entry: Entry | None = None
    likeness: Likeness | None = None


async def one_chunk(data: bytes) -> AsyncGenerator[bytes, None]:
    """A stream of one piece."""
    yield data
