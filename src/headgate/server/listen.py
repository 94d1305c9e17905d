"""Owns the listening socket and the HTTP server under the doors: its limits, its signals and its drain.

uvicorn parses and frames; this adds what it has no setting for: how large the head of a request may be.
"""

import asyncio
import errno
import socket
import weakref
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from headgate.protocol.openai import error_body
from headgate.runtime.cork import Cork, corked
from headgate.runtime.settings_model import ServerSettings
from headgate.server.app import App
from headgate.server.labels import WHOLE

BACKLOG: Final = 2048
HEAD_TOO_LARGE: Final = (
    431,
    b"Request Header Fields Too Large",
    "The request's headers are too large or too many (settings server.max_header_bytes and server.max_headers).",
)
URI_TOO_LONG: Final = (414, b"URI Too Long", "The request's address is too long (setting server.max_uri_bytes).")
MALFORMED: Final = (400, b"Bad Request", "This is no valid HTTP/1.1 request.")


class CannotListen(OSError):
    """The address is taken, not ours or not allowed; the message says which, and what to do."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens as soon as a server takes it; port 0 takes any free one. Raises CannotListen."""
    bare = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}: {error.strerror or error}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)  # now, so that a second gateway is told and not left to share
    except OSError as error:
        bound.close()
        raise CannotListen(_why(error, host, port)) from None
    bound.setblocking(False)
    return bound


def _why(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} on {host} is in use by another program. "
                "Choose another with --port or HEADGATE_PORT; --port 0 takes any free one"
            )
        case errno.EACCES:
            return f"port {port} needs rights that this user has not. Choose one above 1023 with --port"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine. Listen on 127.0.0.1, or on 0.0.0.0 for all addresses"
        case _:
            return f"cannot listen on {host} port {port}: {error.strerror or error}"


def make_server(app: App, settings: ServerSettings) -> "Server":
    """The server for one application in the running loop; `await server.serve(sockets=[bind(...)])`."""
    config = uvicorn.Config(
        app,
        http=_limited(settings),
        ws="none",
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=max(1, round(settings.keep_alive_s)),
        timeout_graceful_shutdown=max(1, round(settings.drain_s)),
    )
    return Server(config)


class Server(uvicorn.Server):
    """uvicorn without its signals: whoever runs the process owns those and calls `stop`."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Take no more requests, end those that run within `drain_s`; called again, end at once."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _limited(settings: ServerSettings) -> type[HttpToolsProtocol]:
    class Limited(LimitedProtocol):
        max_head_bytes = settings.max_header_bytes + settings.max_uri_bytes
        max_uri_bytes = settings.max_uri_bytes
        max_headers = settings.max_headers

    return Limited


class Whole:
    """Writes a whole answer of ours at once. uvicorn's own way looks through every header twice with regular
    expressions for what cannot be in ours, and waits twice; for thirteen headers that is a tenth of a request.

    There is one for each connection; it answers the request whose scope is handed to it, if that is the latest.
    """

    __slots__ = ("_protocol",)

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self._protocol = weakref.ref(protocol)  # which holds this: a ring would be left to the garbage collector

    def __call__(self, scope: MutableMapping[str, Any], status: int, lines: bytes, body: bytes) -> bool:
        """Answer, if nothing stands in the way; False when the answer must go the usual way."""
        protocol = self._protocol()
        cycle = None if protocol is None else protocol.cycle
        if (
            cycle is None
            or cycle.scope is not scope
            or cycle.response_started
            or cycle.disconnected
            or cycle.flow.write_paused
        ):
            return False
        parts = [STATUS_LINE[status], *[b"%b: %b\r\n" % header for header in cycle.default_headers], lines]
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join(parts))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


class LimitedProtocol(HttpToolsProtocol):
    """Counts what comes before a body. Raising in a parser's callback ends the connection with `send_400_response`."""

    max_head_bytes = 40 * 1024
    max_uri_bytes = 8 * 1024
    max_headers = 100
    cork: ClassVar[Cork | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers = []
        self.url = b""
        self._in_head = True
        self._head_bytes = 0
        self._refusal = MALFORMED
        self._extensions: dict[str, Any] = {WHOLE: Whole(self)}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A head and its body leave in one write, at the end of the loop's turn."""
        kind = type(self)
        if kind.cork is None:
            kind.cork = Cork(self.loop)
        super().connection_made(corked(transport, kind.cork))

    def data_received(self, data: bytes) -> None:
        """A head may come in pieces that the parser hoards until a line is whole, so pieces are counted too."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes and self._is_endless(data):
                self._refuse(URI_TOO_LONG if len(self.url) > self.max_uri_bytes else HEAD_TOO_LARGE)
                return
        super().data_received(data)
        if len(self.headers) > self.max_headers and not self.transport.is_closing():
            self._refuse(HEAD_TOO_LARGE)  # trailers that go on and on

    def _is_endless(self, data: bytes) -> bool:
        """Whether these bytes are still head; a body behind the head's end in the same piece does not count."""
        end = data.find(b"\r\n\r\n")
        return end < 0 or self._head_bytes - len(data) + end > self.max_head_bytes

    def on_headers_complete(self) -> None:
        """What came is counted once it is all here; until then its bytes are."""
        if len(self.url) > self.max_uri_bytes:
            self._refusal = URI_TOO_LONG
            raise ValueError("URI too long")
        if len(self.headers) > self.max_headers:
            self._refusal = HEAD_TOO_LARGE
            raise ValueError("too many headers")
        self._in_head, self._head_bytes = False, 0
        self.scope["extensions"] = self._extensions
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True

    def _refuse(self, refusal: tuple[int, bytes, str]) -> None:
        self._refusal = refusal
        self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own text says less
        """Refuse what is no request, in the shape that clients read, and close."""
        if self.transport.is_closing():
            return
        status, phrase, text = self._refusal
        body = error_body(text, code="invalid_request")
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, phrase, len(body)) + body)
        self.transport.close()
