"""An upstream that plays a script: what a test writes as a coroutine is what each connection does, byte for byte.

`upstream_at` gives a client for it and, when the test is over, checks that nothing is left: no connection, no caller.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from headgate.runtime.upstream import Endpoint, PoolLimits, ReplyLimits, Timeouts
from headgate.runtime.upstream_http1 import Http1Upstream

OK: Final = b"HTTP/1.1 200 OK\r\n"
SHORT: Final = Timeouts(connect_s=2.0, tls_s=2.0, first_byte_s=2.0, idle_s=2.0, total_s=5.0)
"""For tests in which no timeout is to fire."""
TICK_S: Final = 0.01


def reply(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    """A reply with a length."""
    extra = "".join(f"{line}\r\n" for line in lines)
    return f"HTTP/1.1 {status}\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


class Peer:
    """The upstream's end of one connection."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """The next whole request. Raises EOFError when the client is gone."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                return head + await self.reader.readexactly(int(line.split(b":")[1]))
        return head

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def send_slowly(self, data: bytes, gap_s: float = 0.002) -> None:
        """Byte by byte."""
        for at in range(len(data)):
            self.writer.write(data[at : at + 1])
            await asyncio.sleep(gap_s)

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    def reset(self) -> None:
        """Break the connection with an RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class Scripted:
    """A listening upstream."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._script(Peer(self.connections, reader, writer))
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)


@contextlib.asynccontextmanager
async def scripted(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    server = Scripted(script)
    listener = await asyncio.start_server(server.accept, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await server.end()
        await listener.wait_closed()


@contextlib.asynccontextmanager
async def upstream_at(
    port: int,
    *,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    limits: ReplyLimits | None = None,
    max_connections: int = 16,
    max_idle: int = 16,
    idle_expiry_s: float = 60.0,
) -> AsyncIterator[Http1Upstream]:
    """A client, closed and found empty at the end."""
    pool = PoolLimits(max_connections=max_connections, max_idle=max_idle, idle_expiry_s=idle_expiry_s, tick_s=TICK_S)
    scheme = "https" if tls is not None else "http"
    upstream = Http1Upstream(
        Endpoint(scheme=scheme, host=host, port=port), tls=tls, reply_limits=limits, pool_limits=pool
    )
    try:
        yield upstream
    finally:
        await upstream.close()
    left = upstream.gauges()
    assert (left.open, left.idle, left.in_flight, left.waiting) == (0, 0, 0, 0)


async def settled(condition: Callable[[], bool], limit_s: float = 2.0) -> None:
    """Let the loop go on until the condition holds."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110 (the condition is about sockets, which set no event)
            await asyncio.sleep(0.001)
