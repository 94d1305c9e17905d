"""Networks that fail: each kind of failure has its own name, and `written` says the truth about the request."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import msgspec
import pytest
from tests.runtime.upstream_script import OK, SHORT, TICK_S, Peer, chunked, reply, scripted, upstream_at

from headgate.domain.time import NEVER
from headgate.runtime.upstream import Endpoint, PoolLimits, Timeouts, UpstreamError, UpstreamErrorKind
from headgate.runtime.upstream_dial import Address
from headgate.runtime.upstream_http1 import Http1Upstream

BIG = bytes(20_000_000)
"""More than the kernel buffers of one connection hold."""


def within(**seconds: float) -> Timeouts:
    return msgspec.structs.replace(SHORT, **seconds)


async def failure_of(upstream: Http1Upstream, timeouts: Timeouts = SHORT, body: bytes = b"{}") -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await upstream.request("POST", "/", [], body, timeouts)
    assert upstream.gauges().open == 0
    return caught.value


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_closed_port() -> None:
    """Nobody listens: refused, at once, nothing written."""
    async with upstream_at(free_port()) as upstream:
        error = await failure_of(upstream)
    assert (error.kind, error.written, error.received) == (UpstreamErrorKind.REFUSED, False, 0)


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port that answers no SYN: its queue of connections that wait to be accepted is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


async def test_connection_that_never_comes() -> None:
    """The connect timeout ends it, long before the timeouts of reading."""
    with black_hole() as port:
        async with upstream_at(port) as upstream:
            error = await failure_of(upstream, within(connect_s=0.05))
            assert (error.kind, error.written) == (UpstreamErrorKind.CONNECT_TIMEOUT, False)
            error = await failure_of(upstream, within(total_s=0.05))
            assert (error.kind, error.written) == (UpstreamErrorKind.TOTAL_TIMEOUT, False)


async def test_first_address_is_dead() -> None:
    """The next address of the host is tried within the same connect timeout."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(reply(b"ok"))

    async def resolver(_host: str, _port: int) -> list[Address]:
        return [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")]

    async with scripted(script) as server:
        upstream = Http1Upstream(Endpoint("http", "upstream.test", server.port), resolver=resolver)
        assert (await upstream.request("POST", "/", [], b"{}", SHORT)).body == b"ok"
        await upstream.close()


class Names:
    """A resolver whose answers the test chooses: an address, nothing, an error, or silence."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)

    async def __call__(self, _host: str, _port: int) -> list[Address]:
        answer = self._answers.pop(0)
        if answer == "silence":
            await asyncio.get_running_loop().create_future()
        if answer == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, answer)] if answer else []


class HandClock:
    """Monotonic time that a test can push forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return time.monotonic() + self.ahead_s

    def wall(self) -> float:
        return time.time()


@pytest.mark.parametrize("answer", ["unknown", "silence", ""])
async def test_name_that_does_not_resolve(answer: str) -> None:
    """No answer, an empty one and none in time are all failures of DNS."""
    upstream = Http1Upstream(Endpoint("http", "upstream.test", 80), resolver=Names(answer))
    error = await failure_of(upstream, within(connect_s=0.03))
    assert (error.kind, error.written) == (UpstreamErrorKind.DNS, False)
    await upstream.close()


@pytest.mark.parametrize("answer", ["unknown", "silence", ""])
async def test_last_good_address(answer: str) -> None:
    """For five minutes the last good address stands in for an answer that does not come."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(reply(b"ok", "connection: close"))

    clock = HandClock()
    async with scripted(script) as server:
        upstream = Http1Upstream(
            Endpoint("http", "upstream.test", server.port), resolver=Names("127.0.0.1", answer, answer), clock=clock
        )
        for _ in range(2):
            assert (await upstream.request("POST", "/", [], b"{}", within(connect_s=0.5))).body == b"ok"
        clock.ahead_s = 301.0
        assert (await failure_of(upstream, within(connect_s=0.03))).kind is UpstreamErrorKind.DNS
        await upstream.close()


SILENCES = [
    (b"", "first_byte_s", UpstreamErrorKind.FIRST_BYTE_TIMEOUT),
    (b"", "total_s", UpstreamErrorKind.TOTAL_TIMEOUT),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n", "first_byte_s", UpstreamErrorKind.FIRST_BYTE_TIMEOUT),
    (b"HTTP/1.1 200 O", "idle_s", UpstreamErrorKind.IDLE_TIMEOUT),
    (OK + b"content-length: 10\r\n\r\nabc", "idle_s", UpstreamErrorKind.IDLE_TIMEOUT),
    (OK + b"content-length: 10\r\n\r\nabc", "total_s", UpstreamErrorKind.TOTAL_TIMEOUT),
]


@pytest.mark.parametrize("data, limit, kind", SILENCES)
async def test_upstream_falls_silent(data: bytes, limit: str, kind: UpstreamErrorKind) -> None:
    """Silence before the reply, within it, and beyond the deadline are three things; the upstream sees us leave."""
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(data)
        await peer.gone()
        left.set()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        error = await failure_of(upstream, within(**{limit: 0.06}))
        assert (error.kind, error.written, error.received) == (kind, True, len(data))
        await asyncio.wait_for(left.wait(), 2)


async def test_slow_drip() -> None:
    """A reply that drips is not idle: only the deadline ends it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send_slowly(OK + b"content-length: 1000\r\n\r\n" + bytes(1000), gap_s=0.005)

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        error = await failure_of(upstream, within(idle_s=0.08, total_s=0.3))
        assert error.kind is UpstreamErrorKind.TOTAL_TIMEOUT
        assert error.received > 10


async def test_stream_stalls_midway() -> None:
    """What came before the stall is delivered, then the idle timeout is raised; a paused reader does not cause it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(b"token", end=b""))
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        stream = await upstream.open("POST", "/", [], b"{}", within(idle_s=0.06))
        got = []
        with pytest.raises(UpstreamError) as caught:  # noqa: PT012 (the stream breaks on the way)
            async for chunk in stream:
                got.append(chunk)
        assert got == [b"token"]
        assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.IDLE_TIMEOUT, True)
        assert not stream.complete


async def test_reader_that_pauses() -> None:
    """Silence that our own slow reader causes is not the upstream's: the idle timeout waits for the reader."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(reply(bytes(8_000_000)))
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        stream = await upstream.open("POST", "/", [], b"{}", within(idle_s=0.05))
        for _ in range(4):
            await asyncio.sleep(0.04)
        assert sum([len(chunk) async for chunk in stream]) == 8_000_000


async def test_peer_that_does_not_read() -> None:
    """A request that the kernel could not take in full was not written."""

    async def script(_peer: Peer) -> None:
        await asyncio.get_running_loop().create_future()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        error = await failure_of(upstream, within(first_byte_s=0.1), BIG)
        assert (error.kind, error.written) == (UpstreamErrorKind.FIRST_BYTE_TIMEOUT, False)


async def test_peer_that_reads_and_does_not_answer() -> None:
    """Once the last byte is with the kernel the request was written, however late that was."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        error = await failure_of(upstream, within(first_byte_s=0.2), BIG)
        assert (error.kind, error.written) == (UpstreamErrorKind.FIRST_BYTE_TIMEOUT, True)


async def test_peer_that_reads_slowly() -> None:
    """A peer that is still taking the request is not late with its reply, however long that takes."""
    clock = HandClock()
    body = bytes(40_000_000)

    async def script(peer: Peer) -> None:
        taken = 0
        while taken < 28_000_000:  # then the kernel may have the rest, and the wait for the reply begins
            before = taken
            while taken < before + 2_000_000:
                taken += len(await peer.reader.read(1_000_000))
            clock.ahead_s += 1.5
            await asyncio.sleep(2 * TICK_S)
        while taken < len(body):
            taken += len(await peer.reader.read(1_000_000))
        peer.send(reply(b"ok", "connection: close"))

    async with scripted(script) as server:
        pool = PoolLimits(tick_s=TICK_S)
        upstream = Http1Upstream(Endpoint("http", "127.0.0.1", server.port), clock=clock, pool_limits=pool)
        response = await upstream.request("POST", "/", [], body, within(first_byte_s=5.0, total_s=100.0))
        assert (response.body, response.written) == (b"ok", True)
        assert clock.ahead_s > 10.0
        await upstream.close()


async def test_reset_before_the_request_was_taken() -> None:
    """A connection that breaks with the request half in the kernel: not written."""

    async def script(peer: Peer) -> None:
        await peer.reader.read(1000)
        peer.reset()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        error = await failure_of(upstream, SHORT, BIG)
        assert (error.kind, error.written, error.received) == (UpstreamErrorKind.RESET, False, 0)


async def test_write_that_fails_at_once() -> None:
    """A write that the kernel refuses, because the peer broke the connection a moment ago, was no write."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        async with upstream_at(listener.getsockname()[1]) as upstream:
            caller = asyncio.create_task(upstream.request("POST", "/", [], b"{}", SHORT))
            peer, _ = await asyncio.get_running_loop().sock_accept(listener)
            with peer:
                await asyncio.get_running_loop().sock_recv(peer, 1000)
                peer.send(reply(b"ok"))
                await caller
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # The RST is there, and the loop has had no turn in which to see it.
            (connection,) = upstream._connections
            exchange = connection.begin(b"POST / HTTP/1.1\r\n\r\n", SHORT, NEVER, buffered=True)
            with pytest.raises(UpstreamError) as caught:
                await exchange.arrival
            assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.RESET, False)


@pytest.mark.parametrize("politely", [False, True], ids=["RST", "FIN"])
async def test_reset_before_the_reply(*, politely: bool) -> None:
    """A new connection that breaks after the request was written is an error with `written`, and not tried again."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if not politely:
            peer.reset()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        error = await failure_of(upstream)
        assert (error.kind, error.written, error.received) == (UpstreamErrorKind.RESET, True, 0)
        assert server.connections == 1


async def test_reply_before_the_request_was_taken() -> None:
    """An early refusal is a reply, marked as not written; its connection is not used again."""

    async def script(peer: Peer) -> None:
        await peer.reader.read(1000)
        peer.send(reply(b"too large", status="413 Too Large"))
        await asyncio.get_running_loop().create_future()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        response = await upstream.request("POST", "/", [], BIG, SHORT)
        assert (response.status, response.body, response.written) == (413, b"too large", False)
        assert upstream.gauges().open == 0


async def test_refused_header_touches_no_connection() -> None:
    """A header that must not be sent is refused before anything is opened."""
    async with upstream_at(free_port()) as upstream:
        with pytest.raises(ValueError, match="CR, LF or NUL"):
            await upstream.request("POST", "/", [(b"x", b"a\r\nb: c")], b"{}", SHORT)


async def test_large_bodies_both_ways() -> None:
    """Megabytes go and come unharmed, and the connection is kept."""

    async def script(peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            peer.send(reply(body[::-1]))

    body = bytes(range(256)) * 20_000
    async with scripted(script) as server, upstream_at(server.port) as upstream:
        for _ in range(2):
            response = await upstream.request("POST", "/", [], body, SHORT)
            assert response.body == body[::-1]
        assert upstream.gauges().idle == 1
