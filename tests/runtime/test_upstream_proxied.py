"""Upstreams behind a proxy: the same interface, chosen by the environment."""

import asyncio
import contextlib
import gzip
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator

import msgspec
import pytest
import trustme
from tests.runtime.upstream_script import OK, SHORT, Peer, Script, chunked, reply, scripted, settled

from headgate.runtime.upstream import Endpoint, ReplyLimits, Timeouts, UpstreamError, UpstreamErrorKind
from headgate.runtime.upstream_aiohttp import ProxiedUpstream
from headgate.runtime.upstream_http1 import Http1Upstream
from headgate.runtime.upstream_proxy import open_upstream, proxy_for

GROQ = Endpoint.parse("https://api.groq.com/openai/v1")


@pytest.mark.parametrize(
    "url, environment, proxy",
    [
        ("https://api.groq.com", {}, None),
        ("https://api.groq.com", {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ("https://api.groq.com", {"https_proxy": "p:3128"}, "http://p:3128"),
        ("https://api.groq.com", {"HTTP_PROXY": "http://p:3128"}, None),
        ("http://vllm.test", {"HTTP_PROXY": "http://p:3128"}, "http://p:3128"),
        ("https://api.groq.com", {"ALL_PROXY": "http://p:3128"}, "http://p:3128"),
        ("https://api.groq.com", {"HTTPS_PROXY": ""}, None),
        ("https://api.groq.com", {"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, None),
        ("https://api.groq.com", {"HTTPS_PROXY": "http://p", "no_proxy": "a.test, .groq.com"}, None),
        ("https://api.groq.com", {"HTTPS_PROXY": "http://p", "NO_PROXY": "api.groq.com:443"}, None),
        ("https://api.groq.com", {"HTTPS_PROXY": "http://p", "NO_PROXY": "roq.com"}, "http://p"),
        ("http://127.0.0.1:9", {"HTTP_PROXY": "http://p"}, None),
        ("http://localhost:9", {"HTTP_PROXY": "http://p"}, None),
        ("http://[::1]:9", {"HTTP_PROXY": "http://p"}, None),
    ],
)
def test_which_proxy(url: str, environment: dict[str, str], proxy: str | None) -> None:
    """The variables mean what other programs take them for; this machine is never asked for through a proxy."""
    assert proxy_for(Endpoint.parse(url), environment) == proxy


def test_proxy_that_is_not_http() -> None:
    """A SOCKS proxy is refused in words, not ignored."""
    with pytest.raises(ValueError, match="http"):
        proxy_for(GROQ, {"HTTPS_PROXY": "socks5://p:1080"})


def test_client_fits_the_environment() -> None:
    """No proxy: our own client, and aiohttp is not even imported."""
    code = (
        "import sys; from headgate.runtime.upstream import Endpoint; from headgate.runtime.upstream_proxy import *;"
        "open_upstream(Endpoint.parse('https://api.groq.com'), environment={}); assert 'aiohttp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert isinstance(open_upstream(GROQ, environment={}), Http1Upstream)
    assert isinstance(open_upstream(GROQ, environment={"HTTPS_PROXY": "http://p"}), ProxiedUpstream)


@contextlib.asynccontextmanager
async def through_proxy(script: Script, *, limits: ReplyLimits | None = None) -> AsyncIterator[ProxiedUpstream]:
    """A client of `http://upstream.test` whose proxy answers every request itself, by the script."""
    async with scripted(script) as proxy:
        endpoint = Endpoint.parse("http://upstream.test/v1")
        address = f"http://127.0.0.1:{proxy.port}"
        upstream = ProxiedUpstream(endpoint, address, reply_limits=limits)
        try:
            yield upstream
        finally:
            await upstream.close()
        gauges = upstream.gauges()
        assert (gauges.open, gauges.in_flight) == (0, 0)


async def test_exchange_through_a_proxy() -> None:
    """The proxy sees the absolute address, identity encoding and our headers only; the connection is kept."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        while True:
            seen.append(await peer.request())
            peer.send(reply(b"ok", "X-Thing: a", "x-thing: b", status="429 Too Many"))

    async with through_proxy(script) as upstream:
        path = upstream.endpoint.path("/chat/completions")
        first = await upstream.request("POST", path, [(b"authorization", b"Bearer k")], b"{}", SHORT)
        second = await upstream.request("POST", path, [], b"{}", SHORT)
    assert (first.status, first.body, first.headers["x-thing"], first.reused) == (429, b"ok", "a, b", False)
    assert second.reused
    head = seen[0].lower()
    assert head.startswith(b"post http://upstream.test/v1/chat/completions http/1.1\r\n")
    assert b"\r\naccept-encoding: identity\r\n" in head
    assert b"\r\nauthorization: bearer k\r\n" in head
    assert head.endswith(b"\r\n\r\n{}")


async def test_proxy_with_a_password() -> None:
    """Credentials in the proxy's address become its authorization header and appear nowhere else."""
    seen: list[bytes] = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.request())
        peer.send(reply(b"ok"))

    async with scripted(script) as proxy:
        upstream = ProxiedUpstream(Endpoint.parse("http://upstream.test"), f"http://me:pw@127.0.0.1:{proxy.port}")
        await upstream.request("POST", "/", [], b"{}", SHORT)
        await upstream.close()
    assert b"Proxy-Authorization: Basic bWU6cHc=\r\n" in seen[0]
    assert b"pw@" not in seen[0]


async def test_stream_through_a_proxy() -> None:
    """Chunks come as they are sent; closing early closes the connection."""
    more, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(b"one", end=b""))
        await more.wait()
        peer.send(chunked(b"two", end=b""))
        await peer.gone()
        gone.set()

    async with through_proxy(script) as upstream:
        stream = await upstream.open("POST", "/", [], b"{}", SHORT)
        assert await stream.read_chunk() == b"one"
        assert (stream.complete, upstream.gauges().in_flight) == (False, 1)
        more.set()
        assert await stream.read_chunk() == b"two"
        stream.close()
        await asyncio.wait_for(gone.wait(), 2)
        with pytest.raises(UpstreamError):
            await stream.read_chunk()


BAD = {
    "bomb": (reply(gzip.compress(bytes(1_000_000)), "content-encoding: gzip"), UpstreamErrorKind.TOO_LARGE),
    "body": (reply(bytes(100_001)), UpstreamErrorKind.TOO_LARGE),
    "brotli": (reply(b"abc", "content-encoding: br"), UpstreamErrorKind.MALFORMED),
    "cut gzip": (reply(gzip.compress(b"abc")[:9], "content-encoding: gzip"), UpstreamErrorKind.MALFORMED),
    "both lengths": (
        OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        UpstreamErrorKind.MALFORMED,
    ),
    "nonsense": (b"<html></html>\r\n\r\n", UpstreamErrorKind.MALFORMED),
    "cut": (OK + b"content-length: 5\r\n\r\nabc", UpstreamErrorKind.RESET),
    "nothing": (b"", UpstreamErrorKind.RESET),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_reply_through_a_proxy(name: str) -> None:
    """The limits and rules of the direct client hold here too."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(BAD[name][0])

    async with through_proxy(script, limits=ReplyLimits(max_body_bytes=100_000)) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], b"{}", SHORT)
        assert caught.value.kind is BAD[name][1]
        assert caught.value.written


async def test_redirect_through_a_proxy() -> None:
    """A redirect is an answer with a status; it is not followed."""
    asked = 0

    async def script(peer: Peer) -> None:
        nonlocal asked
        while await peer.request():
            asked += 1
            peer.send(reply(b"", "location: http://elsewhere.test/", status="302 Found"))

    async with through_proxy(script) as upstream:
        response = await upstream.request("POST", "/", [(b"authorization", b"Bearer k")], b"{}", SHORT)
    assert (response.status, asked) == (302, 1)


async def test_gzip_through_a_proxy() -> None:
    """Content that was compressed uninvited is decoded."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(reply(gzip.compress(b"hello"), "content-encoding: gzip"))

    async with through_proxy(script) as upstream:
        response = await upstream.request("POST", "/", [], b"{}", SHORT)
        assert response.body == b"hello"
        assert not {"content-encoding", "content-length"} & set(response.headers)


@pytest.mark.parametrize(
    "data, timeouts, kind",
    [
        (b"", Timeouts(0.02, 0.02, 0.02, 2, 2), UpstreamErrorKind.FIRST_BYTE_TIMEOUT),
        (b"", msgspec.structs.replace(SHORT, total_s=0.05), UpstreamErrorKind.TOTAL_TIMEOUT),
        (
            OK + b"content-length: 5\r\n\r\na",
            msgspec.structs.replace(SHORT, idle_s=0.05),
            UpstreamErrorKind.IDLE_TIMEOUT,
        ),
        (
            OK + b"content-length: 5\r\n\r\na",
            msgspec.structs.replace(SHORT, total_s=0.05),
            UpstreamErrorKind.TOTAL_TIMEOUT,
        ),
    ],
)
async def test_silence_through_a_proxy(data: bytes, timeouts: Timeouts, kind: UpstreamErrorKind) -> None:
    """Timeouts have the same names as without a proxy."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.send(data)
        await peer.gone()

    async with through_proxy(script) as upstream:
        with pytest.raises(UpstreamError) as caught:
            await upstream.request("POST", "/", [], b"{}", timeouts)
        assert caught.value.kind is kind


async def test_proxy_that_is_not_there() -> None:
    """A dead proxy refuses; nothing was written."""
    upstream = ProxiedUpstream(Endpoint.parse("http://upstream.test"), "http://127.0.0.1:1")
    with pytest.raises(UpstreamError) as caught:
        await upstream.request("POST", "/", [], b"{}", SHORT)
    assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.REFUSED, False)
    await upstream.close()


async def test_cancelled_through_a_proxy() -> None:
    """A cancelled call closes its connection to the proxy."""
    asked, gone = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.gone()
        gone.set()

    async with through_proxy(script) as upstream:
        caller = asyncio.create_task(upstream.request("POST", "/", [], b"{}", SHORT))
        await asked.wait()
        caller.cancel()
        await asyncio.wait([caller])
        await asyncio.wait_for(gone.wait(), 2)
        await settled(lambda: upstream.gauges().in_flight == 0)


async def tunnel(peer: Peer, port: int) -> None:
    """A CONNECT proxy that leads every tunnel to one port."""
    await peer.request()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)

    try:
        async with asyncio.TaskGroup() as pumps:
            pumps.create_task(pump(peer.reader, writer))
            pumps.create_task(pump(reader, peer.writer))
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("name", ["upstream.test", "other.test"])
async def test_tls_through_a_tunnel(name: str) -> None:
    """TLS is between us and the upstream, and the upstream must prove its name through the proxy."""
    authority = trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def script(peer: Peer) -> None:
        peer.send(reply((await peer.request()).partition(b"\r\n\r\n")[2]))

    async with scripted(script, tls=serving) as server, scripted(lambda peer: tunnel(peer, server.port)) as proxy:
        upstream = ProxiedUpstream(
            Endpoint.parse("https://upstream.test"), f"http://127.0.0.1:{proxy.port}", tls=trusting
        )
        if name == "upstream.test":
            assert (await upstream.request("POST", "/", [], b"{}", SHORT)).body == b"{}"
        else:
            with pytest.raises(UpstreamError) as caught:
                await upstream.request("POST", "/", [], b"{}", SHORT)
            assert caught.value.kind is UpstreamErrorKind.TLS
        await upstream.close()
