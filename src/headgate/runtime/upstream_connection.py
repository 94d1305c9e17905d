"""One connection to an upstream: parses replies, watches limits and deadlines, knows whether it may be used again.

It may be used again only if the reply was read to its end, the peer agrees, no byte followed the reply, and the request
had been written in full. In every other case it is aborted. It has no timer of its own: the pool calls `watch` now and
then. It does not decide who uses it next.

    connecting -> [TLS handshake] -> idle <-> carrying one exchange -> closed

`written` needs no polling: with a high-water mark of zero the transport writes at once, and says `resume_writing` when
the kernel has taken what it did not take then. The same two moments let an upload send its next piece.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Final

import httptools

from headgate.domain.time import Instant
from headgate.runtime.cork import Cork, corked
from headgate.runtime.upstream import ReplyLimits, Timeouts, UpstreamError, UpstreamErrorKind
from headgate.runtime.upstream_decode import IDENTITY, BadContentError, Inflater
from headgate.runtime.upstream_exchange import Exchange, Owner
from headgate.runtime.upstream_names import LOWER
from headgate.runtime.upstream_tls import TlsLayer, describe

_BODILESS: Final = frozenset({204, 304})


class _RefusedReplyError(Exception):
    """Raised inside a parser callback to stop the parser at once."""


class Connection(asyncio.Protocol):
    """The client's end of one HTTP/1.1 connection."""

    __slots__ = (
        "_body_bytes",
        "_complete",
        "_cork",
        "_ended",
        "_eof_framed",
        "_exchange",
        "_fault",
        "_first_byte_at",
        "_first_byte_by",
        "_handshake",
        "_head_done",
        "_headers",
        "_heard_at",
        "_inflater",
        "_interim_replies",
        "_keep_alive",
        "_limits",
        "_lines",
        "_loop",
        "_more",
        "_now",
        "_owner",
        "_parser",
        "_read_paused",
        "_received",
        "_silent_bytes",
        "_timeouts",
        "_tls",
        "_total_at",
        "_transport",
        "_unsent",
        "_used",
        "_written",
        "closed",
        "idle_since",
    )

    def __init__(
        self,
        owner: Owner,
        limits: ReplyLimits,
        now: Callable[[], Instant],
        loop: asyncio.AbstractEventLoop,
        cork: Cork,
    ) -> None:
        self._cork = cork
        self._owner = owner
        self._limits = limits
        self._now = now
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._tls: TlsLayer | None = None
        self._handshake: asyncio.Future[None] | None = None
        self._exchange: Exchange | None = None
        self._used = False
        self._read_paused = self._ended = self._more = False
        self._written = True
        self.closed = False
        self.idle_since: Instant = 0.0
        self._timeouts = Timeouts()
        self._total_at: Instant = 0.0
        self._first_byte_by: Instant = 0.0
        self._heard_at: Instant = 0.0
        self._unsent = 0
        self._reset()

    def _reset(self) -> None:
        """Forget the last reply."""
        self._headers: dict[str, str] = {}
        self._lines = 0
        self._head_done = False
        self._complete = False
        self._keep_alive = False
        self._eof_framed = False
        self._interim_replies = 0
        self._received = 0
        self._silent_bytes = 0
        self._body_bytes = 0
        self._first_byte_at: Instant = 0.0
        self._inflater: Inflater | None = None
        self._fault: UpstreamError | None = None

    # --------------------------------------------------------------------------------------------- called by the pool

    def begin(
        self, data: bytes, timeouts: Timeouts, total_at: Instant, *, buffered: bool, more: bool = False
    ) -> Exchange:
        """Write one request (its head, if there is `more` to `send`); carry its reply until `total_at`. If idle."""
        assert self._exchange is None
        exchange = Exchange(self, self._loop, buffered=buffered, reused=self._used)
        if self._used:
            self._reset()
        self._used = True
        self._exchange = exchange
        self._timeouts, self._total_at = timeouts, total_at
        self._heard_at = self._now()
        self._first_byte_by = self._heard_at + timeouts.first_byte_s
        self._more = more
        self._write(data)
        return exchange

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._unsent = len(data)
        self._written = False  # until the cork is drawn, at the end of this turn
        if self._tls is not None:
            try:
                data = self._tls.encrypt(data)
            except ssl.SSLError as error:
                self._fail(UpstreamErrorKind.RESET, describe(error))
                return
        self._transport.write(data)

    def start_tls(self, context: ssl.SSLContext, host: str) -> asyncio.Future[None]:
        """Shake hands. The future raises UpstreamError; whoever stops waiting for it must abort the connection."""
        self._handshake = self._loop.create_future()
        self._tls = TlsLayer(context, host)
        self._shake(b"")
        return self._handshake

    def watch(self, now: Instant) -> bool:
        """Fail the exchange if it is past a deadline; True if one is still being carried."""
        if self._exchange is None:
            return False
        if now >= self._total_at:
            self._fail(UpstreamErrorKind.TOTAL_TIMEOUT, "the deadline passed")
        elif not self._first_byte_at:
            if not self._written:
                self._watch_unsent(now)
            if now >= self._first_byte_by:
                self._fail(UpstreamErrorKind.FIRST_BYTE_TIMEOUT, "no reply began in time")
        elif now >= self._heard_at + self._timeouts.idle_s and not self._read_paused:
            self._fail(UpstreamErrorKind.IDLE_TIMEOUT, "the reply fell silent")
        return self._exchange is not None

    def shut(self, detail: str) -> None:
        """Drop the connection and tell whoever waits on it."""
        self._fail(UpstreamErrorKind.RESET, detail)

    def _watch_unsent(self, now: Instant) -> None:
        """A peer that still takes the request is not late with its reply."""
        assert self._transport is not None
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._unsent = unsent
            self._first_byte_by = now + self._timeouts.first_byte_s

    @property
    def unsent_bytes(self) -> int:
        return 0 if self._transport is None or self.closed else self._transport.get_write_buffer_size()

    @property
    def busy(self) -> bool:
        return self._exchange is not None

    @property
    def has_socket(self) -> bool:
        """True once closing the socket is the connection's own affair."""
        return self._transport is not None

    # ---------------------------------------------------------------------------------------- called by the exchange

    @property
    def written(self) -> bool:
        return self._written

    def send(self, data: bytes, *, last: bool) -> None:
        """The next piece of a request of which only the head is written; the exchange waits for room before it."""
        self._more = not last
        self._first_byte_by = self._now() + self._timeouts.first_byte_s
        self._write(data)

    def abort(self) -> None:
        """Drop the connection and whatever it carries, silently. The socket itself closes a moment later."""
        self._exchange = None
        self.closed = True
        if self._transport is not None:
            self._transport.abort()
        self._owner.lost(self)

    def abandon(self) -> None:
        """Abort before the connection was ever ready: then not every event loop tells of its end."""
        self.abort()
        self._owner.gone(self)

    def resume(self) -> None:
        """The reader has made room."""
        if self._read_paused:
            self._read_paused = False
            self._heard_at = self._now()
            assert self._transport is not None
            self._transport.resume_reading()

    # -------------------------------------------------------------------------------------------- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = corked(transport, self._cork, self._flushed)
        self._transport.set_write_buffer_limits(high=0)
        if self.closed:
            self._transport.abort()

    def _flushed(self) -> None:
        assert self._transport is not None
        if not self._transport.get_write_buffer_size():
            self._taken()

    def _taken(self) -> None:
        """The kernel has all that was written."""
        if not self._more:
            self._written = True
        elif self._exchange is not None:
            self._exchange.make_room()

    def resume_writing(self) -> None:
        self._taken()
        self._first_byte_by = self._now() + self._timeouts.first_byte_s

    def data_received(self, data: bytes) -> None:
        if self._handshake is not None:
            self._shake(data)
            return
        if self._tls is not None:
            data = self._decrypt(self._tls, data)
        if data:
            self._feed(data)
        if self._tls is not None and self._tls.is_ended and not self.closed:
            self._ended = True
            self._end(None)

    def eof_received(self) -> bool | None:
        # Under TLS only a close_notify is an honest end: a bare FIN may be a stranger's.
        self._ended = self._tls is None
        self._end(None)
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)
        self._owner.gone(self)

    def _end(self, exc: Exception | None) -> None:
        """The peer sends nothing more."""
        if self._handshake is not None:
            handshake, self._handshake = self._handshake, None
            if not handshake.done():
                handshake.set_exception(
                    UpstreamError(UpstreamErrorKind.RESET, detail="closed during the TLS handshake")
                )
        elif self._exchange is not None:
            if self._ended and exc is None and self._eof_framed and self._head_done and self._is_content_whole():
                self._complete = True
                self._keep_alive = False
                self._conclude()
            else:
                self._fail(UpstreamErrorKind.RESET, "the upstream closed the connection before the end of the reply")
        if not self.closed:
            self.abort()

    # ------------------------------------------------------------------------------------------------------------ TLS

    def _shake(self, data: bytes) -> None:
        assert self._transport is not None
        assert self._tls is not None
        assert self._handshake is not None
        try:
            done = self._tls.handshake(data)
        except ssl.SSLError as error:
            self._transport.write(self._tls.outgoing())
            self._transport.close()  # sends the alert that tells the peer why
            handshake, self._handshake = self._handshake, None
            if not handshake.done():
                handshake.set_exception(UpstreamError(UpstreamErrorKind.TLS, detail=describe(error)))
            self.abort()
            return
        self._transport.write(self._tls.outgoing())
        if done:
            handshake, self._handshake = self._handshake, None
            if not handshake.done():
                handshake.set_result(None)

    def _decrypt(self, tls: TlsLayer, data: bytes) -> bytes:
        assert self._transport is not None
        try:
            clear = tls.decrypt(data)
            if answer := tls.outgoing():
                self._transport.write(answer)
        except ssl.SSLError as error:
            self._fail(UpstreamErrorKind.RESET, describe(error))
            return b""
        return clear

    # -------------------------------------------------------------------------------------------------------- parsing

    def _feed(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            if not self.closed:  # bytes that nobody asked for
                self.abort()
            return
        self._heard_at = now = self._now()
        if not self._first_byte_at:
            self._first_byte_at = now
        self._received += len(data)
        body_bytes = self._body_bytes
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self._complete:
                self._refuse()
                return
            self._keep_alive = False  # a whole reply, and then bytes that do not belong to it
        if self._complete:
            self._conclude()
            return
        if self._body_bytes == body_bytes:
            self._silent_bytes += len(data)
            if self._silent_bytes > self._limits.max_head_bytes:
                self._fail(UpstreamErrorKind.TOO_LARGE, "too many bytes without content")
        else:
            self._silent_bytes = 0
            if not exchange.buffered:
                self._pass_on(exchange)

    def _pass_on(self, exchange: Exchange) -> None:
        """Tell the reader, and stop reading from the socket if it does not keep up."""
        exchange.wake()
        if exchange.held_bytes >= self._limits.stream_buffer_bytes and not self._read_paused:
            self._read_paused = True
            assert self._transport is not None
            self._transport.pause_reading()

    def on_message_begin(self) -> None:
        if self._complete:
            raise _RefusedReplyError

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines += 1
        if self._lines > self._limits.max_headers:
            self._stop(UpstreamErrorKind.TOO_LARGE, "too many headers")
        if self._head_done:
            return  # a trailer: nothing we read may change after the head
        key = LOWER[name]
        text = value.decode("latin-1").strip()
        headers = self._headers
        headers[key] = text if key not in headers else f"{headers[key]}, {text}"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        headers = self._headers
        if status < 200:
            self._skip_interim()
            return
        if self._received > self._limits.max_head_bytes:
            self._check_head_size()
        self._head_done = True
        self._keep_alive = self._parser.should_keep_alive()
        coding = headers.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            self._stop(UpstreamErrorKind.MALFORMED, "transfer-encoding is not chunked")
        self._eof_framed = coding is None and "content-length" not in headers and status not in _BODILESS
        if "content-encoding" in headers:
            self._expect_encoded(headers)
        assert self._exchange is not None
        first_byte_at = self._first_byte_at or self._heard_at  # it may have come in one piece with an interim reply
        self._first_byte_at = first_byte_at
        self._exchange.begin(status, headers, first_byte_at, eof_framed=self._eof_framed)

    def on_body(self, body: bytes) -> None:
        if self._inflater is not None:
            try:
                body = self._inflater.feed(body)
            except BadContentError as bad:
                self._stop(bad.kind, bad.detail)
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.max_body_bytes:
            self._stop(UpstreamErrorKind.TOO_LARGE, "the body is larger than the limit")
        if body and self._exchange is not None:
            self._exchange.push(body)

    def on_message_complete(self) -> None:
        if not self._head_done:
            return  # an interim reply
        if not self._is_content_whole():
            self._stop(UpstreamErrorKind.MALFORMED, "compressed content ends too early")
        self._complete = True

    def _skip_interim(self) -> None:
        """Forget a 1xx reply. After an upgrade (101) the parser refuses to go on by itself."""
        self._interim_replies += 1
        if self._interim_replies > self._limits.max_interim_replies:
            self._stop(UpstreamErrorKind.MALFORMED, "too many interim replies")
        self._headers = {}
        self._lines = 0
        self._first_byte_at = 0.0  # the reply itself has not begun

    def _check_head_size(self) -> None:
        size = sum(len(name) + len(value) for name, value in self._headers.items())
        if size > self._limits.max_head_bytes:
            self._stop(UpstreamErrorKind.TOO_LARGE, "the header block is larger than the limit")

    def _expect_encoded(self, headers: dict[str, str]) -> None:
        """Content will be decoded, so what describes its encoded form goes."""
        coding = headers.pop("content-encoding").lower()
        if coding in IDENTITY:
            return
        headers.pop("content-length", None)
        try:
            self._inflater = Inflater(coding, self._limits)
        except BadContentError as bad:
            self._stop(bad.kind, bad.detail)

    def _is_content_whole(self) -> bool:
        return self._inflater is None or self._inflater.is_whole

    # --------------------------------------------------------------------------------------------------------- ending

    def _stop(self, kind: UpstreamErrorKind, detail: str) -> None:
        """End the parse from within a callback."""
        self._fault = UpstreamError(kind, written=self._written, received=self._received, detail=detail)
        raise _RefusedReplyError

    def _refuse(self) -> None:
        if self._fault is None:
            self._fail(UpstreamErrorKind.MALFORMED, "the reply is not HTTP/1.1 as we accept it")
        else:
            self._fail(self._fault.kind, self._fault.detail)

    def _conclude(self) -> None:
        """The reply is whole: let go of it, and of the connection if it is clean."""
        exchange = self._exchange
        assert exchange is not None
        assert self._transport is not None
        self._exchange = None
        exchange.finish(written=self._written)
        clean = self._keep_alive and self._written and not self._read_paused
        if clean and not self.closed and not self._transport.is_closing():
            self._owner.released(self)
        else:
            self.abort()

    def _fail(self, kind: UpstreamErrorKind, detail: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.fail(UpstreamError(kind, written=self._written, received=self._received, detail=detail))
        self.abort()
