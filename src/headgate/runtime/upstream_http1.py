"""Our own HTTP/1.1 client for one endpoint: a pool of connections and the exchanges over them.

A slot is the right to hold one connection. It is taken in the same step in which it is found free, and it is handed
over, alone or with an idle connection in it, to the caller that has waited longest. So no lock is needed, nobody
overtakes, and a caller that is cancelled in the step in which it was served passes on what it was given.

One ticker watches all deadlines while there is something to watch; no request has a task or a timer of its own.
"""

import asyncio
import ssl
from collections import deque
from typing import Final

from headgate.domain.time import Instant
from headgate.runtime.clock import Clock, MonotonicClock
from headgate.runtime.cork import Cork
from headgate.runtime.upstream import (
    Body,
    Endpoint,
    Gauges,
    Headers,
    PoolLimits,
    ReplyLimits,
    Response,
    Stream,
    Timeouts,
    Upload,
    UpstreamError,
    UpstreamErrorKind,
)
from headgate.runtime.upstream_connection import Connection
from headgate.runtime.upstream_dial import Dialer, Resolver, resolve
from headgate.runtime.upstream_exchange import Exchange
from headgate.runtime.upstream_request import RequestEncoder

_CLOSED: Final = "the upstream client is closed"


class _Waiter:
    """A caller in line. Its turn brings an idle connection, or None: a slot to fill."""

    __slots__ = ("total_at", "turn")

    def __init__(self, turn: "asyncio.Future[Connection | None]", total_at: Instant) -> None:
        self.turn = turn
        self.total_at = total_at


class Http1Upstream:
    """The `Upstream` that talks straight to its endpoint. It belongs to the event loop that first uses it."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        tls: ssl.SSLContext | None = None,
        reply_limits: ReplyLimits | None = None,
        pool_limits: PoolLimits | None = None,
        clock: Clock | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        self._endpoint = endpoint
        self._reply_limits = reply_limits or ReplyLimits()
        self._pool_limits = pool_limits or PoolLimits()
        self._now = (clock or MonotonicClock()).now
        self._encoder = RequestEncoder(endpoint)
        self._dialer = Dialer(endpoint, tls, resolver, self._now)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cork: Cork | None = None
        self._slots = 0
        self._connections: set[Connection] = set()
        self._idle: deque[Connection] = deque()
        self._waiters: deque[_Waiter] = deque()
        self._sockets: set[Connection] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._all_gone = asyncio.Event()

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    async def request(self, method: str, path: str, headers: Headers, body: Body, timeouts: Timeouts) -> Response:
        data = self._encoder.encode(method, path, headers, body)
        upload = None if isinstance(body, bytes) else body
        return (await self._exchange(data, upload, timeouts, buffered=True)).response()

    async def open(self, method: str, path: str, headers: Headers, body: Body, timeouts: Timeouts) -> Stream:
        data = self._encoder.encode(method, path, headers, body)
        upload = None if isinstance(body, bytes) else body
        return await self._exchange(data, upload, timeouts, buffered=False)

    def gauges(self) -> Gauges:
        return Gauges(
            open=self._slots,
            idle=len(self._idle),
            in_flight=sum(connection.busy for connection in self._connections),
            waiting=sum(not waiter.turn.done() for waiter in self._waiters),
            unsent_bytes=sum(connection.unsent_bytes for connection in self._connections),
        )

    async def close(self) -> None:
        self._closed = True
        for timer in (self._ticker, self._sweeper):
            if timer is not None:
                timer.cancel()
        self._ticker = self._sweeper = None
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.turn.done():
                waiter.turn.set_exception(UpstreamError(UpstreamErrorKind.RESET, detail=_CLOSED))
        for connection in tuple(self._sockets):
            connection.shut(_CLOSED)
        if self._sockets:
            await self._all_gone.wait()

    # -------------------------------------------------------------------------------------------------- one exchange

    async def _exchange(self, data: bytes, upload: Upload | None, timeouts: Timeouts, *, buffered: bool) -> Exchange:
        now = self._now()
        total_at = now + timeouts.total_s
        connection = self._take(now) or await self._acquire(timeouts, total_at, fresh=False)
        exchange = connection.begin(data, timeouts, total_at, buffered=buffered, more=upload is not None)
        try:
            await self._arrival(exchange, upload)
        except UpstreamError as error:
            if not (exchange.reused and error.kind is UpstreamErrorKind.RESET and error.received == 0):
                raise
        else:
            return exchange
        # The upstream closed the connection while we wrote to it: that says nothing about the upstream, so try anew.
        connection = await self._acquire(timeouts, total_at, fresh=True)
        exchange = connection.begin(data, timeouts, total_at, buffered=buffered, more=upload is not None)
        await self._arrival(exchange, upload)
        return exchange

    async def _arrival(self, exchange: Exchange, upload: Upload | None) -> None:
        if self._ticker is None:
            self._start_ticker()
        try:
            if upload is not None:
                await exchange.upload(upload)
            await exchange.arrival
        except UpstreamError:
            raise
        except BaseException:
            exchange.close()
            raise

    # ------------------------------------------------------------------------------------------ taking a connection

    def _take(self, now: Instant) -> Connection | None:
        """The idle connection that was used last, if there is one."""
        idle = self._idle
        expired_at = now - self._pool_limits.idle_expiry_s
        while idle:
            connection = idle.pop()
            if connection.idle_since > expired_at:
                return connection
            connection.abort()
        return None

    async def _acquire(self, timeouts: Timeouts, total_at: Instant, *, fresh: bool) -> Connection:
        """A connection of our own: a new one if there is a free slot, else whatever comes when it is our turn."""
        if self._closed:
            raise UpstreamError(UpstreamErrorKind.RESET, detail=_CLOSED)
        if self._slots < self._pool_limits.max_connections:
            self._slots += 1
        else:
            connection = await self._wait(total_at)
            if connection is not None and not fresh:
                return connection
            if connection is not None:
                self._empty_slot(connection)
        return await self._fill_slot(timeouts, total_at)

    async def _wait(self, total_at: Instant, *, in_front: bool = False) -> Connection | None:
        """Stand in line. What comes back is ours: a live connection, or a slot without one."""
        if len(self._waiters) >= self._pool_limits.max_waiting:
            raise UpstreamError(UpstreamErrorKind.POOL_FULL, detail="too many callers wait for a connection")
        waiter = _Waiter(self._running_loop().create_future(), total_at)
        if in_front:
            self._waiters.appendleft(waiter)
        else:
            self._waiters.append(waiter)
        if self._ticker is None:
            self._start_ticker()
        try:
            connection = await waiter.turn
        except UpstreamError:
            raise
        except BaseException:
            self._give_back(waiter)
            raise
        if connection is not None and connection.closed:
            # It died between our turn and now, and its slot went to whoever was next.
            if self._slots < self._pool_limits.max_connections:
                self._slots += 1
                return None
            return await self._wait(total_at, in_front=True)
        return connection

    def _give_back(self, waiter: _Waiter) -> None:
        """The caller left the line; perhaps in the very step in which its turn came."""
        if not waiter.turn.done() or waiter.turn.cancelled():
            waiter.turn.cancel()
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return
        if waiter.turn.exception() is not None:
            return
        connection = waiter.turn.result()
        if connection is None:
            self._free_slot()
        elif not connection.closed:
            self.released(connection)

    async def _fill_slot(self, timeouts: Timeouts, total_at: Instant) -> Connection:
        """Dial for a slot that is ours, and free it if that fails."""
        try:
            connection = await self._dialer.dial(self._make, timeouts, total_at)
        except BaseException:
            self._free_slot()
            raise
        self._connections.add(connection)
        if connection.closed or self._closed:
            connection.abort()
            raise UpstreamError(UpstreamErrorKind.RESET, detail="closed as soon as it was connected")
        return connection

    def _make(self) -> Connection:
        connection = Connection(self, self._reply_limits, self._now, self._running_loop(), self._running_cork())
        self._sockets.add(connection)
        return connection

    def _empty_slot(self, connection: Connection) -> None:
        """Throw a connection away but keep its slot."""
        self._connections.discard(connection)
        connection.abort()

    def _free_slot(self) -> None:
        """Hand a slot to whoever has waited longest, or give it up."""
        waiter = self._next_waiter()
        if waiter is None:
            self._slots -= 1
        else:
            waiter.turn.set_result(None)

    def _next_waiter(self) -> _Waiter | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.turn.done():
                return waiter
        return None

    # --------------------------------------------------------------------------------------- called by a connection

    def released(self, connection: Connection) -> None:
        waiter = self._next_waiter() if self._waiters else None
        if waiter is not None:
            waiter.turn.set_result(connection)
        elif len(self._idle) < self._pool_limits.max_idle:
            connection.idle_since = self._now()
            self._idle.append(connection)
            if self._sweeper is None:
                self._sweeper = self._running_loop().call_later(self._pool_limits.idle_expiry_s, self._sweep)
        else:
            connection.abort()

    def lost(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()

    def gone(self, connection: Connection) -> None:
        self._sockets.discard(connection)
        if self._closed and not self._sockets:
            self._all_gone.set()

    # ------------------------------------------------------------------------------------------------------- timers

    def _running_cork(self) -> Cork:
        if self._cork is None:
            self._cork = Cork(self._running_loop())
        return self._cork

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def _start_ticker(self) -> None:
        self._ticker = self._running_loop().call_later(self._pool_limits.tick_s, self._tick)

    def _tick(self) -> None:
        """Fail what is late. Goes on for as long as there is anything that could become late."""
        self._ticker = None
        now = self._now()
        busy = False
        for connection in tuple(self._connections):
            busy |= connection.watch(now)
        late = [waiter for waiter in self._waiters if now >= waiter.total_at]
        for waiter in late:
            self._waiters.remove(waiter)
            if not waiter.turn.done():
                waiter.turn.set_exception(
                    UpstreamError(UpstreamErrorKind.TOTAL_TIMEOUT, detail="no connection came free in time")
                )
        if (busy or self._waiters) and not self._closed:
            self._start_ticker()

    def _sweep(self) -> None:
        """Close the connections that were idle for too long; the longest idle one stands first."""
        self._sweeper = None
        idle = self._idle
        expired_at = self._now() - self._pool_limits.idle_expiry_s
        while idle and idle[0].idle_since <= expired_at:
            idle[0].abort()
        if idle and not self._closed:
            wait_s = max(idle[0].idle_since - expired_at, self._pool_limits.tick_s)
            self._sweeper = self._running_loop().call_later(wait_s, self._sweep)
