"""Owns the cache tier in Redis or Valkey: one string for each entry with its time to live, one hash of marks.

It knows no time-out of its own: whoever is out of patience cancels, and then the connection is closed, since an answer
that nobody read would be taken for the next one's. Nothing here is imported before a tier is made.
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeVar, cast

from headgate.cache.tier import TierDown, TierName
from headgate.domain.time import Seconds
from headgate.store.extras import MissingExtra

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

PREFIX: Final = "hg:v1:"
ENTRIES: Final = f"{PREFIX}cache:"
MARKS: Final = f"{PREFIX}marks"
MAX_CONNECTIONS: Final = 128
MAX_ENTRY_BYTES: Final = 8 * 1024 * 1024
"""Longer values are no entries of ours; no more of one is ever read."""
MARKS_MATTER_S: Final[Seconds] = 31 * 86_400.0
"""No entry is kept for longer, so older marks void nothing. A day more than the longest time to live."""
WRONG_TYPE: Final = "WRONGTYPE"

_FORWARD: Final = """
for i = 1, #ARGV - 1, 2 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  if not old or tonumber(old) < tonumber(ARGV[i + 1]) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
local least = tonumber(ARGV[#ARGV])
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if (tonumber(all[i + 1]) or 0) < least then redis.call('HDEL', KEYS[1], all[i]) end
end
return 1
"""
"""Marks move forward only, in one step; those that matter no more go on the way."""


class RedisTier:
    """Implements `Tier` at a URL: `redis://`, `rediss://` (TLS) or `unix://`, with a password perhaps.

    Marks that were seen once are remembered and written again where the server has lost them: an eviction must not make
    void entries valid. `wall` gives seconds since 1970. Raises `MissingExtra` without the redis extra, `ValueError` for
    a URL that is none.
    """

    name = TierName.REDIS

    def __init__(self, url: str, *, wall: Callable[[], float], max_connections: int = MAX_CONNECTIONS) -> None:
        self._client = _client(url, max_connections)
        self._wall = wall
        self._forward = self._client.register_script(_FORWARD)
        self._known: dict[str, float] = {}
        self.poisoned = 0

    async def get(self, key: str) -> bytes | None:
        """The entry, or None; a value of another type or beyond all bounds is counted and is None."""
        try:
            found = await self._client.getrange(ENTRIES + key, 0, MAX_ENTRY_BYTES)
        except self._problems as problem:
            if str(problem).startswith(WRONG_TYPE):
                self.poisoned += 1
                return None
            raise await self._down(problem) from None
        value = cast("bytes", found)
        if len(value) > MAX_ENTRY_BYTES:
            self.poisoned += 1
            return None
        return value or None

    async def put(self, key: str, entry: bytes, ttl_s: Seconds) -> None:
        ttl_ms = int(ttl_s * 1000)
        if 0 < len(entry) <= MAX_ENTRY_BYTES and ttl_ms > 0:
            await self._do(lambda: self._client.set(ENTRIES + key, entry, px=ttl_ms))

    async def delete(self, key: str) -> bool:
        return bool(await self._do(lambda: self._client.unlink(ENTRIES + key)))

    async def mark_void(self, mark: str, before_wall_s: float) -> None:
        self._known[mark] = max(before_wall_s, self._known.get(mark, before_wall_s))
        await self._write({mark: before_wall_s})

    async def marks(self) -> Mapping[str, float]:
        told = cast("dict[bytes, bytes]", await self._do(lambda: self._client.hgetall(MARKS)))
        there = {mark.decode(errors="replace"): _number(value) for mark, value in told.items()}
        least = self._wall() - MARKS_MATTER_S
        both = {mark: max(there.get(mark, 0.0), self._known.get(mark, 0.0)) for mark in (*there, *self._known)}
        self._known = {mark: at for mark, at in both.items() if at >= least}
        lost = {mark: at for mark, at in self._known.items() if there.get(mark, -1.0) < at}
        if lost:
            await self._write(lost)
        return dict(self._known)

    async def close(self) -> None:
        await self._client.aclose()

    async def _write(self, marks: Mapping[str, float]) -> None:
        args = [part for mark, at in marks.items() for part in (mark, repr(at))]
        await self._do(lambda: self._forward(keys=[MARKS], args=[*args, repr(self._wall() - MARKS_MATTER_S)]))

    async def _do(self, command: Callable[[], Awaitable[object]]) -> object:
        try:
            return await command()
        except self._problems as problem:
            raise await self._down(problem) from None

    @property
    def _problems(self) -> tuple[type[Exception], ...]:
        from redis.exceptions import RedisError

        return (RedisError, OSError)

    async def _down(self, problem: Exception) -> TierDown:
        """What it means that a command failed. One that became a replica keeps saying so: its connections are closed,
        so that the next one may reach the primary."""
        from redis import exceptions as known

        text = str(problem)  # an error within a script is of no type of its own
        if isinstance(problem, known.OutOfMemoryError) or "OOM " in text:
            return TierDown("full")
        if isinstance(problem, known.ReadOnlyError) or "READONLY " in text:
            await self._client.connection_pool.disconnect(inuse_connections=False)
            return TierDown("read only")
        match problem:
            case known.BusyLoadingError():
                return TierDown("loading")
            case known.AuthenticationError() | known.NoPermissionError():
                return TierDown("access denied")
            case known.ConnectionError() | known.TimeoutError() | OSError():
                return TierDown("unreachable")
            case _:
                return TierDown("at fault")  # its own words may quote a command, and so a key


def _client(url: str, max_connections: int) -> "Redis":
    try:
        from redis.asyncio import ConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as LostConnection
    except ImportError:
        raise MissingExtra("redis", "a cache tier in Redis") from None
    once_more = Retry(NoBackoff(), 1, supported_errors=(LostConnection,))  # a connection that died while it was idle
    pool = ConnectionPool.from_url(
        url,
        max_connections=max_connections,
        protocol=2,
        retry=once_more,
        socket_timeout=None,
        socket_connect_timeout=None,
        health_check_interval=0,
    )
    return Redis.from_pool(pool)


def _number(text: bytes) -> float:
    """What a foreign hand may have written there voids nothing."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
