"""Making a connection: the address, the TCP connection, the TLS handshake, each with its own timeout and error."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from headgate.domain.time import NEVER, Instant, Seconds
from headgate.runtime.upstream import Endpoint, Timeouts, UpstreamError, UpstreamErrorKind
from headgate.runtime.upstream_connection import Connection
from headgate.runtime.upstream_tls import check_context, verifying_context

LAST_GOOD_ADDRESS_S: Final[Seconds] = 300.0
"""How long the last good answer of the resolver stands in for one that does not come."""

Address = tuple[int, str]
"""Address family and numeric host."""

Resolver = Callable[[str, int], Awaitable[list[Address]]]


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of a host in the order that the system prefers. Raises OSError."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(info[0]), str(info[4][0])) for info in infos]


class Dialer:
    """Makes connections to one endpoint."""

    __slots__ = ("_endpoint", "_good_until", "_known", "_now", "_resolve", "_tls")

    def __init__(
        self, endpoint: Endpoint, tls: ssl.SSLContext | None, resolver: Resolver, now: Callable[[], Instant]
    ) -> None:
        self._endpoint = endpoint
        self._tls = None
        if endpoint.is_tls:
            self._tls = tls if tls is not None else verifying_context()
            check_context(self._tls)
        self._resolve = resolver
        self._now = now
        self._known: list[Address] = []
        self._good_until: Instant = -NEVER

    async def dial(self, make: Callable[[], Connection], timeouts: Timeouts, total_at: Instant) -> Connection:
        """A connection that is ready for a request. Raises UpstreamError; a cancelled call leaves no socket behind."""
        addresses = await self._addresses(timeouts.connect_s, total_at)
        connection = await self._connect(addresses, make, timeouts.connect_s, total_at)
        if self._tls is None:
            return connection
        try:
            async with self._within(timeouts.tls_s, total_at, UpstreamErrorKind.TLS_TIMEOUT):
                await connection.start_tls(self._tls, self._endpoint.host)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _addresses(self, limit_s: Seconds, total_at: Instant) -> list[Address]:
        try:
            async with self._within(limit_s, total_at, UpstreamErrorKind.DNS):
                found = await self._resolve(self._endpoint.host, self._endpoint.port)
        except OSError as error:
            return self._last_good(UpstreamError(UpstreamErrorKind.DNS, detail=error.strerror or "no answer"))
        except UnicodeError:
            return self._last_good(UpstreamError(UpstreamErrorKind.DNS, detail="the host name cannot be looked up"))
        except UpstreamError as error:
            return self._last_good(error)
        if not found:
            return self._last_good(UpstreamError(UpstreamErrorKind.DNS, detail="the host has no address"))
        self._known = found
        self._good_until = self._now() + LAST_GOOD_ADDRESS_S
        return found

    def _last_good(self, error: UpstreamError) -> list[Address]:
        if error.kind is UpstreamErrorKind.DNS and self._now() < self._good_until:
            return self._known
        raise error

    async def _connect(
        self, addresses: list[Address], make: Callable[[], Connection], limit_s: Seconds, total_at: Instant
    ) -> Connection:
        """Try the addresses in turn; each gets an equal part of the time that is left."""
        give_up_at = self._now() + limit_s
        error = UpstreamError(UpstreamErrorKind.REFUSED)
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            share_s = max(give_up_at - self._now(), 0.0) / left
            try:
                async with self._within(share_s, total_at, UpstreamErrorKind.CONNECT_TIMEOUT):
                    return await self._connect_one(address, make)
            except OSError as failed:
                late_by_kernel = isinstance(failed, TimeoutError)
                kind = UpstreamErrorKind.CONNECT_TIMEOUT if late_by_kernel else UpstreamErrorKind.REFUSED
                error = UpstreamError(kind, detail=failed.strerror or "the connection failed")
            except UpstreamError as late:
                if late.kind is not UpstreamErrorKind.CONNECT_TIMEOUT:
                    raise
                error = late
        raise error

    async def _connect_one(self, address: Address, make: Callable[[], Connection]) -> Connection:
        loop = asyncio.get_running_loop()
        family, host = address
        sock = socket.socket(family, socket.SOCK_STREAM)
        connection: Connection | None = None
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, (host, self._endpoint.port))
            connection = made = make()
            await loop.create_connection(lambda: made, sock=sock)
        except BaseException:
            if connection is not None:
                connection.abandon()
            if connection is None or not connection.has_socket:
                sock.close()
            raise
        return connection

    def _within(self, limit_s: Seconds, total_at: Instant, kind: UpstreamErrorKind) -> "_Within":
        left_s = total_at - self._now()
        if left_s < limit_s:
            return _Within(left_s, UpstreamErrorKind.TOTAL_TIMEOUT)
        return _Within(limit_s, kind)


class _Within:
    """A time limit that ends in an UpstreamError of the given kind."""

    __slots__ = ("_kind", "_timeout")

    def __init__(self, limit_s: Seconds, kind: UpstreamErrorKind) -> None:
        self._timeout = asyncio.timeout(limit_s)
        self._kind = kind

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            await self._timeout.__aexit__(*exc_info)  # type: ignore[arg-type]
        except TimeoutError:
            raise UpstreamError(self._kind, detail="the time for this step ran out") from None
