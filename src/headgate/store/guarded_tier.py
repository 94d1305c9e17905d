"""Owns what keeps a remote tier from costing a request more than it gives: patience, a breaker, a queue for writes.

A look-up waits for the operation's time-out at most. A tier that keeps failing is left alone (`cache/breaker.py`), and
every look-up that waits for it at that moment is let go; while it rests nobody asks it, and the probe that ends a rest
is nobody's request. Entries are written behind the requests, from a queue with a bound. So a tier that is down, slow or
coming and going costs requests a few time-outs for each time that it is given up, and never an answer.

What must not be forgotten while a tier is down, marks and deletions, is owed to it: it is done before the tier is
asked again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Protocol, TypeVar

import msgspec

from headgate.cache.breaker import Breaker
from headgate.cache.patience import Patience
from headgate.cache.tier import Tier, TierDown, TierName
from headgate.cache.tier_health import TierHealth, TierState
from headgate.domain.time import Instant, Seconds

T = TypeVar("T")

MAX_OWED: Final = 10_000
"""Deletions, and as many marks, that are remembered for a tier that is down."""
FLUSH_S: Final[Seconds] = 2.0
"""How long closing waits for entries that are still to be written."""
PROBE_KEY: Final = "probe"
RESTING: Final = "resting after failures"
REDIS_LOOK_UP_S: Final[Seconds] = 0.05
OBJECT_LOOK_UP_S: Final[Seconds] = 0.3


class GuardLimits(msgspec.Struct, frozen=True):
    """How much of a tier's trouble is borne. `look_up_s` is the longest that a request waits, less where the tier is
    usually quick (`cache/patience.py`); `write_s` that of writes, which nobody waits for, and of deletions and marks,
    which an operator does. At most `concurrent` look-ups are under way."""

    look_up_s: Seconds
    write_s: Seconds
    concurrent: int = 64
    writers: int = 4
    max_queued: int = 1_000
    max_queued_bytes: int = 16 * 1024 * 1024


class CountedTier(Tier, Protocol):
    """A tier that counts what it found and did not believe."""

    poisoned: int


class GuardedTier:
    """Implements `Tier` around another one. `now` is the clock of the breaker. Belongs to the loop it is used in."""

    def __init__(self, tier: CountedTier, limits: GuardLimits, now: Callable[[], Instant]) -> None:
        self.name: TierName = tier.name
        self._tier = tier
        self._limits = limits
        self._now = now
        self._reading, self._writing = Breaker(), Breaker()
        self._patience = Patience()
        self._places = asyncio.Semaphore(limits.concurrent)
        self._waits: set[asyncio.Timeout] = set()
        self._queue: dict[str, tuple[bytes, Seconds]] = {}
        self._queued_bytes = 0
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._probe: asyncio.Task[None] | None = None
        self._owed_marks: dict[str, float] = {}
        self._owed_deletes: dict[str, None] = {}
        self._hits = self._misses = self._failures = self._timeouts = 0
        self._unasked = self._written = self._dropped = 0
        self._fault = ""

    # Look-ups --------------------------------------------------------------------------------------------------------

    async def get(self, key: str) -> bytes | None:
        """The entry, or None. Raises `TierDown` at once while the tier rests, else within the time-out."""
        self._ask()
        if key in self._owed_deletes:
            return None
        found = await self._look_up(lambda: self._tier.get(key))
        if found is None:
            self._misses += 1
        else:
            self._hits += 1
        return found

    async def marks(self) -> Mapping[str, float]:
        """All marks. No request waits for them, so they may take as long as a write."""
        return await self._tell(self._tier.marks)

    def _ask(self) -> None:
        """Raise for a tier that rests; where its rest is over, let somebody who is no request look after it."""
        if self._reading.is_open:
            now = self._now()
            if self._reading.wants_probe(now):
                self._reading.probe()
                self._probe = asyncio.create_task(self._probe_tier(), name=f"probe of the {self.name} tier")
            self._unasked += 1
            raise TierDown(RESTING)

    async def _look_up(self, work: Callable[[], Awaitable[T]]) -> T:
        started_at = self._now()
        wait = asyncio.timeout(self._patience.within_s(self._limits.look_up_s))
        self._waits.add(wait)
        try:
            async with wait, self._places:
                found = await work()
        except (TimeoutError, TierDown) as problem:
            self._waits.discard(wait)
            raise self._failed_look_up(problem, self._now() - started_at) from None
        finally:
            self._waits.discard(wait)
        self._reading.succeeded()
        self._patience.took(self._now() - started_at)
        return found

    def _failed_look_up(self, problem: TimeoutError | TierDown, waited_s: Seconds) -> TierDown:
        if self._reading.is_open:
            return TierDown(RESTING)  # let go when it opened
        down = self._count(problem)
        if self._reading.failed(waited_s, self._now()):
            at_once = asyncio.get_running_loop().time()
            for wait in self._waits:
                if not wait.expired():
                    wait.reschedule(at_once)
        return down

    def _count(self, problem: TimeoutError | TierDown) -> TierDown:
        if isinstance(problem, TierDown):
            self._failures += 1
            down = problem
        else:
            self._timeouts += 1
            down = TierDown("no answer in time")
        self._fault = str(down)
        return down

    async def _probe_tier(self) -> None:
        """Pay what is owed, then see whether a look-up works."""
        ok = False
        try:
            async with asyncio.timeout(self._limits.write_s):
                await self._pay()
            started_at = self._now()
            async with asyncio.timeout(self._limits.look_up_s):
                await self._tier.get(PROBE_KEY)
            self._patience.begin(self._now() - started_at)
            ok = True
        except (TimeoutError, TierDown) as problem:
            self._count(problem)
        finally:
            self._reading.probed(self._now(), ok=ok)

    async def _pay(self) -> None:
        for mark, before in list(self._owed_marks.items()):
            await self._tier.mark_void(mark, before)
            if self._owed_marks.get(mark) == before:
                del self._owed_marks[mark]
        for key in list(self._owed_deletes):
            await self._tier.delete(key)
            self._owed_deletes.pop(key, None)

    # Writes ----------------------------------------------------------------------------------------------------------

    async def put(self, key: str, entry: bytes, ttl_s: Seconds) -> None:
        """Write the entry soon, behind the request; it is dropped, and counted, where the tier is down or behind."""
        limits = self._limits
        self._unqueue(key)
        full = len(self._queue) >= limits.max_queued or self._queued_bytes + len(entry) > limits.max_queued_bytes
        if full or self._reading.is_open or key in self._owed_deletes or not self._may_write():
            self._dropped += 1
            return
        self._queue[key] = (entry, ttl_s)
        self._queued_bytes += len(entry)
        self._start_writers()

    def _may_write(self) -> bool:
        return self._writing.is_closed or self._writing.wants_probe(self._now())

    def _unqueue(self, key: str) -> tuple[bytes, Seconds] | None:
        waiting = self._queue.pop(key, None)
        if waiting is not None:
            self._queued_bytes -= len(waiting[0])
        return waiting

    def _start_writers(self) -> None:
        while self._queue and len(self._under_way) < self._limits.writers:
            key = next((key for key in self._queue if key not in self._under_way), None)
            if key is None:
                return
            waiting = self._unqueue(key)
            assert waiting is not None
            task = asyncio.create_task(self._write(key, *waiting), name=f"write to the {self.name} tier")
            self._under_way[key] = task
            task.add_done_callback(partial(self._wrote, key))

    def _wrote(self, key: str, _task: asyncio.Task[None]) -> None:
        del self._under_way[key]
        self._start_writers()

    async def _write(self, key: str, entry: bytes, ttl_s: Seconds) -> None:
        if self._reading.is_open or not self._may_write():
            self._dropped += 1
            return
        probes = self._writing.is_open
        if probes:
            self._writing.probe()
        started_at, ok = self._now(), False
        try:
            async with asyncio.timeout(self._limits.write_s):
                await self._tier.put(key, entry, ttl_s)
            ok = True
            self._written += 1
        except (TimeoutError, TierDown) as problem:
            self._dropped += 1
            self._count(problem)
        finally:
            if probes:
                self._writing.probed(self._now(), ok=ok)
            elif ok:
                self._writing.succeeded()
            else:
                self._writing.failed(self._now() - started_at, self._now())

    async def delete(self, key: str) -> bool:
        """Forget one entry, wherever it is on its way. Raises `TierDown` where the tier could not be told: it is owed,
        and until it is done the entry is not given out here."""
        queued = self._unqueue(key) is not None
        if key in self._under_way:
            await asyncio.wait([self._under_way[key]])
        if len(self._owed_deletes) < MAX_OWED:
            self._owed_deletes[key] = None
        gone = await self._tell(lambda: self._tier.delete(key))
        self._owed_deletes.pop(key, None)
        return gone or queued

    async def mark_void(self, mark: str, before_wall_s: float) -> None:
        """Void what bears the mark. Raises `TierDown` where the tier could not be told; it is owed then."""
        if mark in self._owed_marks or len(self._owed_marks) < MAX_OWED:
            self._owed_marks[mark] = max(before_wall_s, self._owed_marks.get(mark, before_wall_s))
        await self._tell(lambda: self._tier.mark_void(mark, before_wall_s))
        if self._owed_marks.get(mark) == before_wall_s:
            del self._owed_marks[mark]

    async def _tell(self, work: Callable[[], Awaitable[T]]) -> T:
        """What an operator waits for."""
        self._ask()
        try:
            async with asyncio.timeout(self._limits.write_s):
                return await work()
        except (TimeoutError, TierDown) as problem:
            raise self._count(problem) from None

    async def trouble(self) -> str:
        """Look at the tier before anybody needs it, as at a start: what keeps it from being used; "" for nothing. The
        first connection may take as long as a write. A tier that cannot be used rests from now on."""
        try:
            async with asyncio.timeout(self._limits.write_s):
                await self._tier.get(PROBE_KEY)
            started_at = self._now()
            async with asyncio.timeout(self._limits.look_up_s):
                await self._tier.get(PROBE_KEY)
        except (TimeoutError, TierDown) as problem:
            if self._reading.is_closed:
                self._reading.open(self._now())
            return str(self._count(problem))
        self._patience.begin(self._now() - started_at)
        return ""

    # Ends ------------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Write what is queued, within bounds; then let go."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                while self._under_way:
                    await asyncio.wait(list(self._under_way.values()))
                    await asyncio.sleep(0)  # the next ones begin
        left = [*self._under_way.values(), *(() if self._probe is None else (self._probe,))]
        self._queue.clear()
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        await self._tier.close()

    def health(self) -> TierHealth:
        """What it is doing, and did."""
        return TierHealth(
            self.name,
            TierState.RESTING if self._reading.is_open else TierState.READY,
            hits=self._hits,
            misses=self._misses,
            poisoned=self._tier.poisoned,
            failures=self._failures,
            timeouts=self._timeouts,
            unasked=self._unasked,
            written=self._written,
            dropped=self._dropped,
            queued=len(self._queue) + len(self._under_way),
            queued_bytes=self._queued_bytes,
            openings=self._reading.openings,
            fault=self._fault,
        )
