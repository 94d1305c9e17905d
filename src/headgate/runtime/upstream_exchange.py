"""One exchange on one connection: what its caller waits on and reads from. It is the `Stream` of `upstream`.

The connection pushes the reply in; the caller pulls it out. Once the reply has ended, either way, the exchange holds no
connection any more, so nothing its caller does can touch the connection's next exchange.

An upload goes the other way: the caller's own task hands piece after piece down, each when the kernel has taken the one
before, so that no more than one piece is ever held.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Final, Protocol

from headgate.domain.time import Instant
from headgate.runtime.upstream import Response, Upload, UpstreamError, UpstreamErrorKind

if TYPE_CHECKING:
    from headgate.runtime.upstream_connection import Connection

REFUSED: Final = 300
"""From this status on the upstream does not want the rest of an upload."""


class Carrier(Protocol):
    """What an exchange may ask of the connection that carries it."""

    @property
    def written(self) -> bool: ...

    def send(self, data: bytes, *, last: bool) -> None: ...

    def abort(self) -> None: ...

    def resume(self) -> None: ...


class Owner(Protocol):
    """Who lends the connection out. Both calls come in the same step as their cause."""

    def released(self, connection: "Connection") -> None:
        """The connection is idle and clean."""
        ...

    def lost(self, connection: "Connection") -> None:
        """The connection carries nothing from now on. May be called more than once."""
        ...

    def gone(self, connection: "Connection") -> None:
        """The connection's socket is closed."""
        ...


class Exchange:
    """A reply on its way. `arrival` resolves at its end if the exchange is buffered, else at the end of its head."""

    __slots__ = (
        "_carrier",
        "_chunks",
        "_error",
        "_has_room",
        "_loop",
        "_reader",
        "_sender",
        "_written",
        "arrival",
        "buffered",
        "eof_framed",
        "first_byte_at",
        "headers",
        "held_bytes",
        "reused",
        "status",
    )

    def __init__(self, carrier: Carrier, loop: asyncio.AbstractEventLoop, *, buffered: bool, reused: bool) -> None:
        self._carrier: Carrier | None = carrier
        self._loop = loop
        self.buffered = buffered
        self.reused = reused
        self.arrival: asyncio.Future[None] = loop.create_future()
        self._reader: asyncio.Future[None] | None = None
        self._sender: asyncio.Future[None] | None = None
        self._has_room = True
        self._chunks: list[bytes] = []
        self._error: UpstreamError | None = None
        self._written = False
        self.held_bytes = 0
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.eof_framed = False
        self.first_byte_at: Instant = 0.0

    # ------------------------------------------------------------------------------------ pushed in by the connection

    def begin(self, status: int, headers: Mapping[str, str], first_byte_at: Instant, *, eof_framed: bool) -> None:
        """The head is here."""
        self.status = status
        self.headers = headers
        self.first_byte_at = first_byte_at
        self.eof_framed = eof_framed
        self._wake_sender()
        if not self.buffered and not self.arrival.done():
            self.arrival.set_result(None)

    def push(self, data: bytes) -> None:
        """Content is here; a waiting reader is told by `wake`, once for all that one read of the socket brought."""
        self._chunks.append(data)
        self.held_bytes += len(data)

    def wake(self) -> None:
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)

    def make_room(self) -> None:
        """The kernel has taken what was sent of an upload."""
        self._has_room = True
        self._wake_sender()

    def _wake_sender(self) -> None:
        sender = self._sender
        if sender is not None and not sender.done():
            sender.set_result(None)

    def finish(self, *, written: bool) -> None:
        """The reply is whole."""
        self._carrier = None
        self._written = written
        self._wake_sender()
        if self.buffered:
            if not self.arrival.done():
                self.arrival.set_result(None)
        else:
            self.wake()

    def fail(self, error: UpstreamError) -> None:
        """The reply ends here without being whole."""
        self._carrier = None
        self._written = error.written
        self._error = error
        self._wake_sender()
        if not self.arrival.done():
            self.arrival.set_exception(error)
        else:
            self.wake()

    # ----------------------------------------------------------------------------------------- pulled out by the caller

    def response(self) -> Response:
        """The whole reply of a buffered exchange whose `arrival` is done."""
        chunks = self._chunks
        return Response(
            self.status,
            self.headers,
            chunks[0] if len(chunks) == 1 else b"".join(chunks),
            self.reused,
            self._written,
            self.first_byte_at,
            self.eof_framed,
        )

    async def upload(self, body: Upload) -> None:
        """Send the body behind the head. Returns early, and silently, where the reply or its failure is there first."""
        left_bytes = body.size_bytes
        assert left_bytes > 0, "an upload is never empty"
        async with aclosing(body.chunks()) as chunks:
            async for chunk in chunks:
                carrier = await self._room()
                if carrier is None:
                    return
                left_bytes -= len(chunk)
                assert left_bytes >= 0, "an upload is as long as it says"
                self._has_room = False
                carrier.send(chunk, last=not left_bytes)
        assert not left_bytes, "an upload is as long as it says"

    async def _room(self) -> Carrier | None:
        """Wait until the kernel has taken what was sent; None once there is nothing to send for."""
        while not self._has_room and self._wants_more():
            self._sender = self._loop.create_future()
            try:
                await self._sender
            finally:
                self._sender = None
        return self._carrier if self._wants_more() else None

    def _wants_more(self) -> bool:
        return self._carrier is not None and self.status < REFUSED

    @property
    def written(self) -> bool:
        return self._written if self._carrier is None else self._carrier.written

    @property
    def complete(self) -> bool:
        return self._carrier is None and self._error is None

    async def read_chunk(self) -> bytes | None:
        while True:
            if self._chunks:
                return self._take()
            if self._error is not None:
                raise self._error
            if self._carrier is None:
                return None
            assert self._reader is None, "one reader at a time"
            self._reader = self._loop.create_future()
            try:
                await self._reader
            except BaseException:
                self.close()
                raise
            finally:
                self._reader = None

    def close(self) -> None:
        carrier = self._carrier
        if self.arrival.done() and not self.arrival.cancelled():
            self.arrival.exception()  # it came while an upload was under way: now it has been looked at
        if carrier is not None:
            self.arrival.cancel()  # nobody waits for it any more: an error set on it would never be looked at
            self.fail(UpstreamError(UpstreamErrorKind.RESET, written=carrier.written, detail="closed by its reader"))
            carrier.abort()
        self._chunks.clear()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self.read_chunk()) is not None:
            yield chunk

    def _take(self) -> bytes:
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self.held_bytes = 0
        if self._carrier is not None:
            self._carrier.resume()
        return data
