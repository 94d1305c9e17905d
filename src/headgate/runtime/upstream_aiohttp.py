"""The `Upstream` that goes through an HTTP proxy, over aiohttp. Import it only when a proxy applies.

aiohttp does not tell when the kernel has taken a request, so here `written` is True from the moment there is a
connection: rather an attempt too many is counted than one too few. Only an upload is known to be unwritten for as long
as not all of it was asked for. Speed does not matter here.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from types import SimpleNamespace
from typing import Final

import aiohttp
from yarl import URL

from headgate.domain.time import Instant
from headgate.runtime.clock import Clock, MonotonicClock
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
from headgate.runtime.upstream_decode import IDENTITY, BadContentError, Inflater
from headgate.runtime.upstream_request import USER_AGENT, check_headers, check_target
from headgate.runtime.upstream_tls import check_context, describe, verifying_context

READ_BYTES: Final = 64 * 1024
_BODILESS: Final = frozenset({204, 304})


class _Progress:
    """How far a call got; aiohttp's tracing fills it in."""

    __slots__ = ("connected", "given", "reused")

    def __init__(self, body: Body) -> None:
        self.connected = False
        self.reused = False
        self.given = isinstance(body, bytes)

    @property
    def written(self) -> bool:
        return self.connected and self.given


class ProxiedUpstream:
    """One endpoint behind one proxy."""

    def __init__(
        self,
        endpoint: Endpoint,
        proxy: str,
        *,
        tls: ssl.SSLContext | None = None,
        reply_limits: ReplyLimits | None = None,
        pool_limits: PoolLimits | None = None,
        clock: Clock | None = None,
    ) -> None:
        if tls is not None:
            check_context(tls)
        self._endpoint = endpoint
        self._proxy = URL(proxy)
        self._tls = tls
        self._limits = reply_limits or ReplyLimits()
        self._pool_limits = pool_limits or PoolLimits()
        self._now = (clock or MonotonicClock()).now
        self._session: aiohttp.ClientSession | None = None
        self._streams: set[ProxiedStream] = set()
        self._beginning = 0
        self._closed = False

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    async def request(self, method: str, path: str, headers: Headers, body: Body, timeouts: Timeouts) -> Response:
        stream = await self._send(method, path, headers, body, timeouts)
        chunks = []
        try:
            while (chunk := await stream.read_chunk()) is not None:
                chunks.append(chunk)
        finally:
            stream.close()
        return Response(
            status=stream.status,
            headers=stream.headers,
            body=b"".join(chunks),
            reused=stream.reused,
            written=stream.written,
            first_byte_at=stream.first_byte_at,
            eof_framed=stream.eof_framed,
        )

    async def open(self, method: str, path: str, headers: Headers, body: Body, timeouts: Timeouts) -> Stream:
        return await self._send(method, path, headers, body, timeouts)

    def gauges(self) -> Gauges:
        """What we hold; aiohttp keeps its idle connections and its queue to itself."""
        busy = len(self._streams) + self._beginning
        return Gauges(open=busy, idle=0, in_flight=busy, waiting=0)

    async def close(self) -> None:
        self._closed = True
        for stream in tuple(self._streams):
            stream.close()
        if self._session is not None:
            await self._session.close()

    async def _send(self, method: str, path: str, headers: Headers, body: Body, timeouts: Timeouts) -> "ProxiedStream":
        check_target(method, path)
        check_headers(headers)
        total_at = self._now() + timeouts.total_s
        progress = _Progress(body)
        self._beginning += 1
        try:
            try:
                reply = await self._head(method, path, headers, body, timeouts, total_at, progress)
            except UpstreamError as error:
                if not (progress.reused and error.kind is UpstreamErrorKind.RESET):
                    raise
                progress = _Progress(body)
                reply = await self._head(method, path, headers, body, timeouts, total_at, progress)
        finally:
            self._beginning -= 1
        stream = ProxiedStream(reply, self._limits, self._now, timeouts, total_at, self._streams.discard)
        stream.reused, stream.written = progress.reused, progress.given
        self._streams.add(stream)
        try:
            stream.check_head()
        except BaseException:
            stream.close()
            raise
        return stream

    async def _head(
        self,
        method: str,
        path: str,
        headers: Headers,
        body: Body,
        timeouts: Timeouts,
        total_at: Instant,
        progress: _Progress,
    ) -> aiohttp.ClientResponse:
        if self._closed:
            raise UpstreamError(UpstreamErrorKind.RESET, detail="the upstream client is closed")
        if self._session is None:
            self._session = self._make_session()
        connect_s = timeouts.connect_s + timeouts.tls_s
        left_s = total_at - self._now()
        late = UpstreamErrorKind.FIRST_BYTE_TIMEOUT
        if left_s <= connect_s + timeouts.first_byte_s:
            late = UpstreamErrorKind.TOTAL_TIMEOUT
        try:
            async with asyncio.timeout(min(left_s, connect_s + timeouts.first_byte_s)):
                return await self._session.request(
                    method,
                    URL(self._endpoint.origin + path, encoded=True),
                    headers=_sent(headers, body),
                    data=(body or None) if isinstance(body, bytes) else _pieces(body, progress),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(sock_connect=connect_s),
                    trace_request_ctx=progress,
                )
        except (aiohttp.ClientError, OSError) as error:  # OSError has TimeoutError below it
            raise mapped(error, late, written=progress.written) from None

    def _make_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._pool_limits.max_connections,
                keepalive_timeout=self._pool_limits.idle_expiry_s,
                ssl=self._tls or verifying_context(),
            ),
            proxy=self._proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept-encoding": "identity", "user-agent": USER_AGENT},
            skip_auto_headers=("accept", "content-type"),
            auto_decompress=False,
            max_line_size=self._limits.max_head_bytes,
            max_field_size=self._limits.max_head_bytes,
            max_headers=self._limits.max_headers,
            read_bufsize=READ_BYTES,
            trace_configs=[_tracing()],
        )


def _sent(headers: Headers, body: Body) -> list[tuple[str, str]]:
    """The headers as text; aiohttp would send a body of unknown length in chunks."""
    sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    return sent if isinstance(body, bytes) else [*sent, ("content-length", str(body.size_bytes))]


async def _pieces(body: Upload, progress: _Progress) -> AsyncGenerator[bytes, None]:
    async with aclosing(body.chunks()) as chunks:
        async for chunk in chunks:
            yield chunk
    progress.given = True


class ProxiedStream:
    """The `Stream` over one aiohttp reply."""

    def __init__(
        self,
        reply: aiohttp.ClientResponse,
        limits: ReplyLimits,
        now: Callable[[], Instant],
        timeouts: Timeouts,
        total_at: Instant,
        ended: "Callable[[ProxiedStream], None]",
    ) -> None:
        self._reply = reply
        self._limits = limits
        self._now = now
        self._timeouts = timeouts
        self._total_at = total_at
        self._ended = ended
        self._inflater: Inflater | None = None
        self._received = 0
        self._decoded = 0
        self._error: UpstreamError | None = None
        self._finished = False
        self.status = reply.status
        self.headers: dict[str, str] = {}
        self.reused = False
        self.written = True
        self.first_byte_at: Instant = now()
        self.eof_framed = False
        for name, value in reply.headers.items():
            key = name.lower()
            self.headers[key] = value if key not in self.headers else f"{self.headers[key]}, {value}"

    def check_head(self) -> None:
        """Raise UpstreamError for a head that must not be believed."""
        headers = self.headers
        coding = headers.get("transfer-encoding")
        if self.status < 200:
            raise self._broken(UpstreamErrorKind.MALFORMED, "an upgrade")
        if coding is not None and (coding.lower() != "chunked" or "content-length" in headers):
            raise self._broken(UpstreamErrorKind.MALFORMED, "the length of the body is ambiguous")
        if sum(len(name) + len(value) for name, value in headers.items()) > self._limits.max_head_bytes:
            raise self._broken(UpstreamErrorKind.TOO_LARGE, "the header block is larger than the limit")
        self.eof_framed = coding is None and "content-length" not in headers and self.status not in _BODILESS
        encoding = headers.pop("content-encoding", "").lower()
        if encoding not in IDENTITY:
            headers.pop("content-length", None)
            try:
                self._inflater = Inflater(encoding, self._limits)
            except BadContentError as bad:
                raise self._broken(bad.kind, bad.detail) from None

    @property
    def complete(self) -> bool:
        return self._error is None and (self._finished or self._reply.content.is_eof())

    async def read_chunk(self) -> bytes | None:
        while True:
            if self._error is not None:
                raise self._error
            if self._finished:
                return None
            try:
                encoded = await self._read()
                decoded = encoded if self._inflater is None else self._inflater.feed(encoded)
                self._count(encoded, decoded)
            except BadContentError as bad:
                self._break(self._broken(bad.kind, bad.detail))
            except UpstreamError as error:
                self._break(error)
            except BaseException:
                self.close()
                raise
            else:
                if decoded:
                    return decoded

    def close(self) -> None:
        if not self._finished and self._error is None:
            self._break(self._broken(UpstreamErrorKind.RESET, "closed by its reader"))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self.read_chunk()) is not None:
            yield chunk

    async def _read(self) -> bytes:
        left_s = self._total_at - self._now()
        late = UpstreamErrorKind.IDLE_TIMEOUT if self._timeouts.idle_s < left_s else UpstreamErrorKind.TOTAL_TIMEOUT
        try:
            async with asyncio.timeout(min(left_s, self._timeouts.idle_s)):
                data = await self._reply.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise mapped(error, late, written=True, received=self._received) from None
        return data

    def _count(self, encoded: bytes, decoded: bytes) -> None:
        self._received += len(encoded)
        self._decoded += len(decoded)
        if self._decoded > self._limits.max_body_bytes:
            raise self._broken(UpstreamErrorKind.TOO_LARGE, "the body is larger than the limit")
        if not encoded and self._reply.content.at_eof():
            if self._inflater is not None and not self._inflater.is_whole:
                raise self._broken(UpstreamErrorKind.MALFORMED, "compressed content ends too early")
            self._finished = True
            self._reply.release()
            self._ended(self)

    def _break(self, error: UpstreamError) -> None:
        self._error = error
        self._reply.close()
        self._ended(self)

    def _broken(self, kind: UpstreamErrorKind, detail: str) -> UpstreamError:
        return UpstreamError(kind, written=True, received=self._received, detail=detail)


def mapped(error: Exception, late: UpstreamErrorKind, *, written: bool, received: int = 0) -> UpstreamError:
    """An exception of aiohttp's in our words. `late` is what a plain timeout means here."""
    kind, detail = UpstreamErrorKind.RESET, "the connection broke"
    match error:
        case aiohttp.ConnectionTimeoutError():
            kind, detail = UpstreamErrorKind.CONNECT_TIMEOUT, "no connection in time"
        case TimeoutError():
            kind, detail = late, "the time for this step ran out"
        case aiohttp.ClientConnectorDNSError():
            kind, detail = UpstreamErrorKind.DNS, "the proxy's address is unknown"
        case aiohttp.ClientConnectorCertificateError():
            cause = error.certificate_error
            kind, detail = UpstreamErrorKind.TLS, describe(cause) if isinstance(cause, ssl.SSLError) else "TLS failed"
        case aiohttp.ClientSSLError():
            kind, detail = UpstreamErrorKind.TLS, "TLS failed"
        case aiohttp.ClientHttpProxyError():
            kind, detail = UpstreamErrorKind.REFUSED, f"the proxy answered {error.status}"
        case aiohttp.ClientConnectorError():
            kind, detail = UpstreamErrorKind.REFUSED, "the proxy does not accept connections"
        case aiohttp.ClientResponseError():
            kind, detail = UpstreamErrorKind.MALFORMED, "the reply is not HTTP/1.1 as we accept it"
        case _:
            pass
    return UpstreamError(kind, written=written, received=received, detail=detail)


def _tracing() -> aiohttp.TraceConfig:
    tracing = aiohttp.TraceConfig()

    async def made(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.connected = True

    async def reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
        context.trace_request_ctx.connected = context.trace_request_ctx.reused = True

    tracing.on_connection_create_end.append(made)
    tracing.on_connection_reuseconn.append(reused)
    return tracing
