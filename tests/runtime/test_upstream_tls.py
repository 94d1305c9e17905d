"""TLS to the upstream: who it is must be proved, nothing is ever downgraded, and `written` stays honest."""

import asyncio
import datetime
import ssl

import msgspec
import pytest
import trustme
from tests.runtime.upstream_script import OK, SHORT, Peer, chunked, reply, scripted, upstream_at

from headgate.runtime.upstream import Endpoint, UpstreamError, UpstreamErrorKind
from headgate.runtime.upstream_http1 import Http1Upstream

NOW = datetime.datetime.now(datetime.UTC)
AUTHORITY = trustme.CA()
STRANGER = trustme.CA()
GOOD = AUTHORITY.issue_cert("127.0.0.1")
BAD = {
    "expired": AUTHORITY.issue_cert("127.0.0.1", not_after=NOW - datetime.timedelta(days=1)),
    "not valid yet": AUTHORITY.issue_cert("127.0.0.1", not_before=NOW + datetime.timedelta(days=1)),
    "another name": AUTHORITY.issue_cert("upstream.test"),
    "unknown authority": STRANGER.issue_cert("127.0.0.1"),
}


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def test_exchanges_over_tls() -> None:
    """Buffered and streamed replies, small and large, come over one connection."""

    async def script(peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            peer.send(OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(body, body))

    async with scripted(script, tls=serving(GOOD)) as server, upstream_at(server.port, tls=trusting()) as upstream:
        for size in (10, 1_000_000):
            body = b"x" * size
            assert (await upstream.request("POST", "/", [], body, SHORT)).body == body * 2
            stream = await upstream.open("POST", "/", [], body, SHORT)
            assert b"".join([chunk async for chunk in stream]) == body * 2
        assert server.connections == 1
        assert upstream.gauges().idle == 1


@pytest.mark.parametrize("name", BAD)
async def test_certificate_that_proves_nothing(name: str) -> None:
    """A bad certificate is a TLS error; not one byte of the request is sent."""
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        got.append(await peer.request())

    async with scripted(script, tls=serving(BAD[name])) as server, upstream_at(server.port, tls=trusting()) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [(b"authorization", b"Bearer secret")], b"{}", SHORT)
        assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.TLS, False)
        assert caught.value.detail
        assert upstream.gauges().open == 0
    assert not got


async def test_old_protocol() -> None:
    """An upstream that speaks no protocol of ours says so with an alert: a TLS error, and no second, weaker hello."""
    hellos = 0

    async def script(peer: Peer) -> None:
        nonlocal hellos
        await peer.reader.read(1)
        hellos += 1
        peer.send(b"\x15\x03\x01\x00\x02\x02\x46")  # fatal alert: protocol_version
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port, tls=trusting()) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], b"{}", SHORT)
        assert (caught.value.kind, hellos) == (UpstreamErrorKind.TLS, 1)


async def test_no_tls_there() -> None:
    """A plain HTTP server behind an https address is a TLS error, and never sees the request."""

    async def script(peer: Peer) -> None:
        await peer.reader.read(100)
        peer.send(reply(b"plain"))
        await peer.gone()

    async with scripted(script) as server, upstream_at(server.port, tls=trusting()) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], b"{}", SHORT)
        assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.TLS, False)


async def test_handshake_that_stalls() -> None:
    """The handshake has a timeout of its own, and the deadline stands above it."""
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.gone()
        left.set()

    async with scripted(script) as server, upstream_at(server.port, tls=trusting()) as upstream:
        for limit, kind in (("tls_s", UpstreamErrorKind.TLS_TIMEOUT), ("total_s", UpstreamErrorKind.TOTAL_TIMEOUT)):
            with pytest.raises(UpstreamError) as caught:
                await upstream.request("POST", "/", [], b"{}", msgspec.structs.replace(SHORT, **{limit: 0.05}))
            assert (caught.value.kind, caught.value.written) == (kind, False)
            await asyncio.wait_for(left.wait(), 2)
            left.clear()


async def test_peer_leaves_during_the_handshake() -> None:
    """A connection that breaks in the handshake is a reset with nothing written."""

    async def script(peer: Peer) -> None:
        await peer.reader.read(10)
        peer.reset()

    async with scripted(script) as server, upstream_at(server.port, tls=trusting()) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], b"{}", SHORT)
        assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.RESET, False)


async def test_caller_leaves_during_the_handshake() -> None:
    """A cancelled handshake leaves no slot taken and no socket open."""
    arrived, left = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.reader.read(10)
        arrived.set()
        await peer.gone()
        left.set()

    async with scripted(script) as server, upstream_at(server.port, tls=trusting()) as upstream:
        caller = asyncio.create_task(upstream.request("POST", "/", [], b"{}", SHORT))
        await arrived.wait()
        caller.cancel()
        await asyncio.wait([caller])
        assert upstream.gauges().open == 0
        await asyncio.wait_for(left.wait(), 2)


async def test_peer_that_does_not_read_over_tls() -> None:
    """Encrypted bytes that wait in our own process are not written."""

    async def script(_peer: Peer) -> None:
        await asyncio.get_running_loop().create_future()

    async with scripted(script, tls=serving(GOOD)) as server, upstream_at(server.port, tls=trusting()) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], bytes(20_000_000), msgspec.structs.replace(SHORT, first_byte_s=0.2))
        assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.FIRST_BYTE_TIMEOUT, False)


@pytest.mark.parametrize("goodbye", [False, True], ids=["bare FIN", "close_notify"])
async def test_body_that_ends_with_a_tls_connection(*, goodbye: bool) -> None:
    """Only a close_notify ends a body without length: a bare FIN may be anybody's."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"connection: close\r\n\r\nabc")
        await peer.writer.drain()
        if goodbye:
            peer.writer.close()
            await peer.gone()

    async with scripted(script, tls=serving(GOOD)) as server, upstream_at(server.port, tls=trusting()) as upstream:
        if goodbye:
            response = await upstream.request("POST", "/", [], b"{}", SHORT)
            assert (response.body, response.eof_framed) == (b"abc", True)
        else:
            with pytest.raises(UpstreamError) as caught:
                await upstream.request("POST", "/", [], b"{}", SHORT)
            assert caught.value.kind is UpstreamErrorKind.RESET


def blind() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


def blinder() -> ssl.SSLContext:
    context = blind()
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("context", [blind(), blinder()], ids=["no host name", "no certificate"])
def test_context_that_verifies_nothing(context: ssl.SSLContext) -> None:
    """A context that would talk to anybody is refused when the client is made."""
    with pytest.raises(ValueError, match="verify"):
        Http1Upstream(Endpoint("https", "upstream.test", 443), tls=context)
