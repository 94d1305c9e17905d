"""What comes back over a real socket: good replies, bad replies, and how the connection fares afterwards."""

import asyncio
import gzip

import pytest
from tests.runtime.upstream_script import OK, SHORT, Peer, chunked, reply, scripted, settled, upstream_at

from headgate.runtime.upstream import ReplyLimits, UpstreamError, UpstreamErrorKind


async def test_buffered_reply() -> None:
    """Status, headers in lower case, body, and the facts about the exchange."""

    async def script(peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            peer.send(reply(body[::-1], "X-Thing: a ", "x-thing: b", status="429 Too Many"))

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        first = await upstream.request("POST", "/v1/x", [(b"a", b"b")], b"abc", SHORT)
        second = await upstream.request("POST", "/v1/x", [], b"xyz", SHORT)
    assert (first.status, first.body, first.headers["x-thing"]) == (429, b"cba", "a, b")
    assert (first.reused, second.reused, second.body) == (False, True, b"zyx")
    assert first.written
    assert not first.eof_framed
    assert first.first_byte_at > 0
    assert server.connections == 1


GOOD = {
    "chunked with trailers": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        chunked(b"ab", b"c", end=b"0\r\nx-t: 1\r\n\r\n"),
    ),
    "chunk extensions": (OK + b"transfer-encoding: Chunked\r\n\r\n", b"3;a=b\r\nabc\r\n0\r\n\r\n"),
    "after hints": (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 10 + OK + b"content-length: 3\r\n\r\n", b"abc"),
    "gzip": (OK + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n", chunked(gzip.compress(b"abc"))),
    "identity": (OK + b"content-encoding: identity\r\ncontent-length: 3\r\n\r\n", b"abc"),
}


@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("name", GOOD)
async def test_good_reply(name: str, *, slowly: bool) -> None:
    """Every legal framing gives the same body, however it is cut, and leaves the connection fit for the next."""
    data = b"".join(GOOD[name])

    async def script(peer: Peer) -> None:
        while await peer.request():
            if slowly:
                await peer.send_slowly(data, gap_s=0)
            else:
                peer.send(data)

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        for _ in range(2):
            response = await upstream.request("POST", "/", [], b"{}", SHORT)
            assert (response.status, response.body) == (200, b"abc")
            assert not {"content-encoding", "x-t", "link"} & set(response.headers)
        assert server.connections == 1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_redirect(status: str) -> None:
    """A redirect is an answer with a status: nothing is sent to where it points."""

    async def elsewhere(peer: Peer) -> None:
        await peer.gone()

    async with scripted(elsewhere) as other:

        async def script(peer: Peer) -> None:
            await peer.request()
            peer.send(reply(b"", f"location: http://127.0.0.1:{other.port}/", status=status))

        async with scripted(script) as server, upstream_at(server.port) as upstream:
            response = await upstream.request("POST", "/", [(b"authorization", b"Bearer k")], b"{}", SHORT)
        assert response.status == int(status[:3])
        assert other.connections == 0


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", OK + b"connection: close\r\n\r\n"], ids=["1.0", "1.1"])
async def test_body_that_ends_with_the_connection(head: bytes) -> None:
    """EOF framing is accepted and marked, because nobody can know whether the body is whole."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(head + b"abc")

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        response = await upstream.request("POST", "/", [], b"{}", SHORT)
        assert (response.body, response.eof_framed) == (b"abc", True)
        assert upstream.gauges().open == 0


@pytest.mark.parametrize(
    "data",
    [reply(b"ok", "connection: close"), b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok"],
    ids=["connection: close", "HTTP/1.0"],
)
async def test_peer_that_does_not_keep_connections(data: bytes) -> None:
    """The connection is closed by us as soon as the reply is whole."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(data)
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        assert (await upstream.request("POST", "/", [], b"{}", SHORT)).body == b"ok"
        assert upstream.gauges().open == 0


MALFORMED = {
    "both lengths": OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, other order": OK + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "negative length": OK + b"content-length: -1\r\n\r\n",
    "length in words": OK + b"content-length: three\r\n\r\nabc",
    "bad chunk size": OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
    "chunk longer than its size": OK + b"transfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    "endless chunk size": OK + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
    "unknown transfer coding": OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "NUL in a header": OK + b"x: a\0b\r\ncontent-length: 0\r\n\r\n",
    "bare CR in a header": OK + b"x: a\rb\r\ncontent-length: 0\r\n\r\n",
    "folded header": OK + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "blank before the colon": OK + b"content-length : 0\r\n\r\n",
    "no HTTP": b"<html>captive portal</html>\r\n\r\n",
    "status of four digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
    "upgrade": b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nabc",
    "hint storm": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 11 + reply(b"ok"),
    "brotli": OK + b"content-encoding: br\r\ncontent-length: 3\r\n\r\nabc",
    "broken gzip": OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
    "gzip cut short": OK + b"content-encoding: gzip\r\ncontent-length: 10\r\n\r\n" + gzip.compress(b"abc")[:10],
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_reply(name: str) -> None:
    """What is not HTTP as we accept it is an error, and the connection is closed at once."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(MALFORMED[name])
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], b"{}", SHORT)
        assert caught.value.kind is UpstreamErrorKind.MALFORMED
        assert caught.value.written
        assert caught.value.received > 0
        assert upstream.gauges().open == 0


LIMITS = ReplyLimits(max_head_bytes=4096, max_headers=20, max_body_bytes=10_000)
TOO_LARGE = {
    "one long header": OK + b"x: " + b"a" * 5000 + b"\r\ncontent-length: 0\r\n\r\n",
    "header without end": OK + b"x: " + b"a" * 50_000,
    "many headers": OK + b"x: a\r\n" * 21 + b"content-length: 0\r\n\r\n",
    "headers of the limit in one read": OK + (b"x: " + b"a" * 300 + b"\r\n") * 15 + b"content-length: 0\r\n\r\n",
    "trailer without end": OK + b"transfer-encoding: chunked\r\n\r\n0\r\nx: " + b"a" * 50_000,
    "trailers": OK + b"transfer-encoding: chunked\r\n\r\n0\r\n" + b"x: a\r\n" * 21 + b"\r\n",
    "body with length": reply(bytes(10_001)),
    "body in chunks": OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(*[bytes(100)] * 101),
    "body to the end": OK + b"\r\n" + bytes(10_001),
    "gzip bomb": reply(gzip.compress(bytes(1_000_000)), "content-encoding: gzip"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_too_large_reply(name: str) -> None:
    """Each part of a reply has a limit, and passing it closes the connection."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for at in range(0, len(TOO_LARGE[name]), 3000):
            peer.send(TOO_LARGE[name][at : at + 3000])
            await asyncio.sleep(0)
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port, limits=LIMITS) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], b"{}", SHORT)
        assert caught.value.kind is UpstreamErrorKind.TOO_LARGE
        assert upstream.gauges().open == 0


CUT = OK + b"content-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n" + chunked(b"hello", b" ", b"world")


@pytest.mark.parametrize("streamed", [False, True], ids=["buffered", "streamed"])
async def test_reply_cut_at_every_byte(*, streamed: bool) -> None:
    """A reply that stops early is never taken for a whole one, wherever it stops."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(CUT[: peer.number - 1])

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        for cut in range(len(CUT)):
            with pytest.raises(UpstreamError) as caught:  # noqa: PT012 (a stream breaks at its end, not when opened)
                if streamed:
                    stream = await upstream.open("POST", "/", [], b"{}", SHORT)
                    assert all([b"hello world".find(chunk) >= 0 async for chunk in stream])
                else:
                    await upstream.request("POST", "/", [], b"{}", SHORT)
            assert caught.value.kind is UpstreamErrorKind.RESET
            assert caught.value.received == cut
        assert upstream.gauges().open == 0


@pytest.mark.parametrize("extra", [b"H", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"\0"])
@pytest.mark.parametrize("later", [False, True])
async def test_bytes_after_the_reply(extra: bytes, *, later: bool) -> None:
    """Bytes that nobody asked for never become the next caller's reply: the connection is dropped."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(reply(b"%d" % peer.number) + (b"" if later else extra))
        if later:
            await asyncio.sleep(0.01)
            peer.send(extra)
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        for number in (b"1", b"2"):
            assert (await upstream.request("POST", "/", [], b"{}", SHORT)).body == number
            await settled(lambda: upstream.gauges().open == 0)


async def test_stream_is_passed_on_as_it_comes() -> None:
    """The head comes before the body, each chunk before the next is sent, then None; then the connection is free."""
    step = asyncio.Event()

    async def script(peer: Peer) -> None:
        while await peer.request():
            peer.send(OK + b"transfer-encoding: chunked\r\n\r\n")
            for piece in (b"one", b"two"):
                await step.wait()
                step.clear()
                peer.send(chunked(piece, end=b""))
            peer.send(b"0\r\n\r\n")

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        for reused in (False, True):
            stream = await upstream.open("POST", "/", [], b"{}", SHORT)
            assert (stream.status, stream.reused, stream.complete, upstream.gauges().in_flight) == (
                200,
                reused,
                False,
                1,
            )
            for piece in (b"one", b"two"):
                step.set()
                assert await stream.read_chunk() == piece
            assert await stream.read_chunk() is None
            assert await stream.read_chunk() is None
            assert stream.complete
            stream.close()
            assert upstream.gauges().idle == 1


async def test_slow_reader_holds_the_upstream_back() -> None:
    """What waits for a reader is bounded by the buffer and one read of the socket, and nothing is lost."""
    sent = 0
    piece = bytes(range(256)) * 64

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        peer.send(OK + b"content-length: %d\r\n\r\n" % (len(piece) * 1000))
        for _ in range(1000):
            peer.send(piece)
            await peer.writer.drain()
            sent += len(piece)
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        stream = await upstream.open("POST", "/", [], b"{}", SHORT)
        seen = -1
        while seen != sent:  # until the upstream can send no more
            seen = sent
            await asyncio.sleep(0.03)
        assert sent < 16_000_000
        assert not stream.complete
        got = 0
        longest = 0
        async for chunk in stream:
            got += len(chunk)
            longest = max(longest, len(chunk))
        assert got == len(piece) * 1000
        assert longest <= 64 * 1024 + 256 * 1024


async def test_cancelled_reader_closes_its_connection() -> None:
    """A reader that is cancelled while it waits takes the connection along, even if it forgets to close the stream."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"transfer-encoding: chunked\r\n\r\n")
        await peer.gone()
        gone.set()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        stream = await upstream.open("POST", "/", [], b"{}", SHORT)
        reader = asyncio.create_task(stream.read_chunk())
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait([reader])
        await asyncio.wait_for(gone.wait(), 2)
        assert upstream.gauges().open == 0


async def test_closed_stream_closes_its_connection() -> None:
    """A reader that stops early takes the connection along, and is told so if it reads on."""
    gone = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(b"one", end=b""))
        await peer.gone()
        gone.set()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        stream = await upstream.open("POST", "/", [], b"{}", SHORT)
        assert await stream.read_chunk() == b"one"
        stream.close()
        stream.close()
        await asyncio.wait_for(gone.wait(), 2)
        with pytest.raises(UpstreamError):
            await stream.read_chunk()
        assert upstream.gauges().open == 0
