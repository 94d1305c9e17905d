"""Bodies that are read while they are sent: in order, no faster than they are taken, and honest about the last byte."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import msgspec
import pytest
import trustme
from tests.runtime.upstream_script import SHORT, Peer, reply, scripted, settled, upstream_at

from headgate.runtime.upstream import Endpoint, Upload, Upstream, UpstreamError, UpstreamErrorKind
from headgate.runtime.upstream_aiohttp import ProxiedUpstream

MIB = 1024 * 1024
BIG_BYTES = 30 * MIB
"""More than the kernel's buffers of one connection hold."""
PIECE = bytes(range(256)) * 256


class Pieces:
    """An upload that counts what was asked of it, and looks around at each step."""

    def __init__(self, size_bytes: int, look: Callable[[], object] = lambda: None) -> None:
        self.size_bytes = size_bytes
        self.given_bytes = 0
        self.is_given = False
        self.readings = 0
        self.open = 0
        self._look = look

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        self.readings += 1
        self.open += 1
        self.given_bytes, self.is_given = 0, False
        try:
            while self.given_bytes < self.size_bytes:
                self._look()
                piece = PIECE[: self.size_bytes - self.given_bytes]
                self.given_bytes += len(piece)
                yield piece
            self.is_given = True
        finally:
            self.open -= 1

    def whole(self) -> bytes:
        return (PIECE * (self.size_bytes // len(PIECE) + 1))[: self.size_bytes]


class Held:
    """An upload that stops after its first piece until it is released."""

    def __init__(self) -> None:
        self.size_bytes = 2 * len(PIECE)
        self.is_given = False
        self.begun, self.released = asyncio.Event(), asyncio.Event()
        self.open = 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        self.open += 1
        try:
            yield PIECE
            self.begun.set()
            await self.released.wait()
            yield PIECE
        finally:
            self.open -= 1


async def head_of(peer: Peer) -> bytes:
    return await peer.reader.readuntil(b"\r\n\r\n")


Making = Callable[[int], contextlib.AbstractAsyncContextManager[Upstream]]


@contextlib.asynccontextmanager
async def proxied_at(port: int) -> AsyncIterator[ProxiedUpstream]:
    """The client behind a proxy, which here is the upstream itself."""
    upstream = ProxiedUpstream(Endpoint.parse("http://upstream.test"), f"http://127.0.0.1:{port}")
    try:
        yield upstream
    finally:
        await upstream.close()
    assert upstream.gauges().open == 0


CLIENTS = pytest.mark.parametrize("client_at", [upstream_at, proxied_at], ids=["direct", "proxied"])


@CLIENTS
async def test_upload_arrives_whole_and_the_connection_is_kept(client_at: Making) -> None:
    """Head and pieces make one request with a length; afterwards the connection serves the next one."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            seen.append(await peer.request())
            peer.send(reply(b"heard"))

    upload = Pieces(300_001)
    async with scripted(script) as server, client_at(server.port) as upstream:
        first = await upstream.request("POST", "/", [(b"content-type", b"audio/wav")], upload, SHORT)
        second = await upstream.request("POST", "/", [], b"{}", SHORT)
        assert server.connections == 1
    assert (first.status, first.body, first.written, first.reused) == (200, b"heard", True, False)
    assert second.reused
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert b"\r\ncontent-length: 300001" in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert body == upload.whole()
    assert upload.open == 0


@CLIENTS
async def test_slow_reader_holds_the_upload_back(client_at: Making) -> None:
    """A large upload is asked for as it is taken: what is held and not yet with the kernel is two pieces at most."""
    most_unsent = 0
    taken = asyncio.Event()

    async def script(peer: Peer) -> None:
        await head_of(peer)
        await taken.wait()
        assert upload.given_bytes < BIG_BYTES / 2
        await peer.reader.readexactly(BIG_BYTES)
        peer.send(reply(b"heard"))

    async with scripted(script) as server, client_at(server.port) as upstream:

        def look() -> None:
            nonlocal most_unsent
            most_unsent = max(most_unsent, upstream.gauges().unsent_bytes)

        upload = Pieces(BIG_BYTES, look)
        asking = asyncio.ensure_future(upstream.request("POST", "/", [], upload, SHORT))
        before = -1
        while upload.given_bytes != before or not before:  # until nothing moves any more
            before = upload.given_bytes
            await asyncio.sleep(0.02)
        taken.set()
        assert (await asking).body == b"heard"
    assert upload.given_bytes == BIG_BYTES
    assert most_unsent <= 2 * len(PIECE) + 1024


async def test_upload_over_tls() -> None:
    """Pieces are encrypted one by one, and none waits for another in memory."""
    authority = trustme.CA()
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    authority.configure_trust(trusting)
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        got.append((await peer.request()).partition(b"\r\n\r\n")[2])
        peer.send(reply(b"heard"))

    upload = Pieces(3 * MIB)
    async with scripted(script, tls=serving) as server, upstream_at(server.port, tls=trusting) as upstream:
        response = await upstream.request("POST", "/", [], upload, SHORT)
    assert (response.body, response.written) == (b"heard", True)
    assert got == [upload.whole()]


@CLIENTS
@pytest.mark.parametrize("status", ["413 Too Large", "401 Unauthorized"])
async def test_refusal_before_the_end_of_the_upload(client_at: Making, status: str) -> None:
    """The refusal is the reply; the rest is not sent, nothing counts as written, the connection is not used again."""
    over = asyncio.Event()

    async def script(peer: Peer) -> None:
        await head_of(peer)
        peer.send(reply(b"no", status=status))
        await over.wait()

    upload = Pieces(BIG_BYTES)
    async with scripted(script) as server, client_at(server.port) as upstream:
        response = await upstream.request("POST", "/", [], upload, SHORT)
        over.set()
        assert (response.status, response.body, response.written) == (int(status[:3]), b"no", False)
        assert upload.given_bytes < BIG_BYTES
        await settled(lambda: upstream.gauges().open == 0)
        await settled(lambda: upload.open == 0)


@CLIENTS
async def test_connection_that_breaks_mid_upload(client_at: Making) -> None:
    """A reset before the last byte was taken: the request was never whole at the upstream."""

    async def script(peer: Peer) -> None:
        await head_of(peer)
        await peer.reader.readexactly(len(PIECE))
        peer.reset()

    upload = Pieces(BIG_BYTES)
    async with scripted(script) as server, client_at(server.port) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], upload, SHORT)
        assert upload.open == 0 or isinstance(upstream, ProxiedUpstream)  # there the exception still holds it
    assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.RESET, False)


async def test_connection_that_breaks_after_the_upload() -> None:
    """A reset once everything was taken is an attempt."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], Pieces(100_000), SHORT)
    assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.RESET, True)


@CLIENTS
async def test_caller_that_leaves_mid_upload(client_at: Making) -> None:
    """Cancelling ends the connection and the reading of the body; the upstream sees the request torn off."""
    torn = asyncio.Event()

    async def script(peer: Peer) -> None:
        await head_of(peer)
        await peer.gone()
        torn.set()

    upload = Held()
    async with scripted(script) as server, client_at(server.port) as upstream:
        asking = asyncio.ensure_future(upstream.request("POST", "/", [], upload, SHORT))
        await upload.begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(torn.wait(), 2)
        await settled(lambda: upload.open == 0)


async def test_caller_that_leaves_while_the_upstream_takes_nothing() -> None:
    """Waiting for room is as easy to leave as waiting for a reply."""

    async def script(peer: Peer) -> None:
        await head_of(peer)
        await asyncio.Event().wait()

    upload = Pieces(BIG_BYTES)
    async with scripted(script) as server, upstream_at(server.port) as upstream:
        asking = asyncio.ensure_future(upstream.request("POST", "/", [], upload, SHORT))
        await settled(lambda: upstream.gauges().unsent_bytes > 0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert upload.open == 0


async def test_upstream_that_takes_nothing() -> None:
    """No progress within the time for a first byte ends the call, and the request was not written."""

    async def script(peer: Peer) -> None:
        await head_of(peer)
        await asyncio.Event().wait()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request(
                "POST", "/", [], Pieces(BIG_BYTES), msgspec.structs.replace(SHORT, first_byte_s=0.05)
            )
    assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.FIRST_BYTE_TIMEOUT, False)


async def test_failure_while_the_body_is_being_read() -> None:
    """A call that fails while the next piece is awaited from elsewhere raises once the piece is there, not before."""

    async def script(peer: Peer) -> None:
        await head_of(peer)
        await upload.begun.wait()
        peer.reset()

    upload = Held()
    async with scripted(script) as server, upstream_at(server.port) as upstream:
        asking = asyncio.ensure_future(upstream.request("POST", "/", [], upload, SHORT))
        await settled(lambda: upload.begun.is_set() and upstream.gauges().open == 0)
        assert not asking.done()
        upload.released.set()
        with pytest.raises(UpstreamError):
            await asking
    assert upload.open == 0


@CLIENTS
async def test_kept_connection_that_was_closed_meanwhile(client_at: Making) -> None:
    """The body is read again from its beginning for the fresh connection."""
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await peer.request()
            peer.send(reply(b"one"))
            await head_of(peer)
            peer.reset()
            return
        got.append((await peer.request()).partition(b"\r\n\r\n")[2])
        peer.send(reply(b"two"))

    upload = Pieces(200_000)
    async with scripted(script) as server, client_at(server.port) as upstream:
        await upstream.request("POST", "/", [], b"{}", SHORT)
        response = await upstream.request("POST", "/", [], upload, SHORT)
    assert response.body == b"two"
    assert got == [upload.whole()]
    assert upload.readings == 2


def accepts(upload: Upload) -> int:
    return upload.size_bytes


def test_the_doubles_are_uploads() -> None:
    """What these tests send is what the client says it takes."""
    assert accepts(Pieces(1)) == 1
