"""Owns one client's connection: how large the head of a request may be, how long it may be idle, and how one request
after the other gets its task (`cycle.py`). uvicorn (0.54 and its kin) parses, frames and drains.

What uvicorn does anew for every request and a gateway need not is left out here: an address that was seen is not taken
apart again, no timer is made for each answer (one looks after all connections), nothing is made to be waited for before
somebody waits, and a task says itself that it is over. Together that is a tenth of the CPU of a proxied request.
"""

import asyncio
import math
import urllib.parse
from typing import Any, Final, TypeAlias

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from headgate.domain.time import NEVER, Instant
from headgate.protocol.openai import error_body
from headgate.runtime.cork import Cork, corked
from headgate.runtime.settings_model import ServerSettings
from headgate.server.cycle import Cycle, OldCycle
from headgate.server.labels import DIRECT
from headgate.server.watch import untaken_bytes

HEAD_TOO_LARGE: Final = (
    431,
    b"Request Header Fields Too Large",
    "The request's headers are too large or too many (settings server.max_header_bytes and server.max_headers).",
)
URI_TOO_LONG: Final = (414, b"URI Too Long", "The request's address is too long (setting server.max_uri_bytes).")
TOO_SLOW: Final = (408, b"Request Timeout", "Nothing more came of the request's body (setting server.keep_alive_s).")
TRICKLING: Final = (
    408,
    b"Request Timeout",
    "The request's body comes too slowly (settings server.min_body_bytes_per_s and server.body_grace_s).",
)
MALFORMED: Final = (400, b"Bad Request", "This is no valid HTTP/1.1 request.")

READ_AHEAD: Final = 16
"""From so many requests that wait for their turn on no more is read; those that came with them wait too."""
MOST_AHEAD: Final = 1_000
"""More than so many end the connection."""
ADDRESSES_MAX: Final = 256
"""Addresses of requests that are remembered taken apart, before all are forgotten; each of at most as many bytes."""
SWEEPS: Final = 10
"""How often idle connections, and bodies that trickle, are looked for within the time that they may be so."""

TASK_NAME: Final = "request"
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}

Address: TypeAlias = tuple[str, bytes, bytes]
"""Path, raw path and query."""


class Shared:
    """What all connections of one server have in common."""

    def __init__(self, settings: ServerSettings) -> None:
        self.max_head_bytes = settings.max_header_bytes + settings.max_uri_bytes
        self.max_uri_bytes = settings.max_uri_bytes
        self.max_headers = settings.max_headers
        self.cork: Cork | None = None
        self.body_grace_s = settings.body_grace_s
        self.min_body_bytes_per_s = settings.min_body_bytes_per_s
        self._keep_alive_s = settings.keep_alive_s
        self._sweep_s = min(settings.keep_alive_s, settings.body_grace_s) / SWEEPS
        self._open: set[Connection] = set()
        self._looks = False
        self._addresses: dict[bytes, Address] = {}
        self._default: list[tuple[bytes, bytes]] = []
        self._default_lines = b""

    def opened(self, connection: "Connection", loop: asyncio.AbstractEventLoop) -> None:
        """One more; the first begins the looking for idle ones, which one timer does however many come and go."""
        if not self._looks:
            self._looks = True
            loop.call_later(self._sweep_s, self._sweep, loop)
        self._open.add(connection)

    def closed(self, connection: "Connection") -> None:
        self._open.discard(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what has been idle for too long: no request there, or none whose head would ever end, or nobody who
        reads; and what has a body that trickles. Connections that wait for an answer are passed over."""
        now = loop.time()
        before = now - self._keep_alive_s
        for connection in tuple(self._open):
            connection.look_after(now, before)
        self._looks = bool(self._open)
        if self._looks:
            loop.call_later(self._sweep_s, self._sweep, loop)

    def address(self, url: bytes) -> Address:
        """An address taken apart; usual ones are remembered."""
        found = self._addresses.get(url)
        if found is not None:
            return found
        parsed = httptools.parse_url(url)
        raw = parsed.path
        path = raw.decode("ascii")
        found = (urllib.parse.unquote(path) if "%" in path else path, raw, parsed.query or b"")
        if len(url) <= ADDRESSES_MAX:
            if len(self._addresses) >= ADDRESSES_MAX:
                self._addresses.clear()
            self._addresses[url] = found
        return found

    def default_lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The lines that uvicorn puts before all others, anew each second: the date."""
        if headers is not self._default:
            self._default, self._default_lines = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._default_lines


class Connection(HttpToolsProtocol):
    """Counts what comes before a body. Raising in a parser's callback ends the connection with `send_400_response`."""

    shared: Shared
    """Set for the class; each has it as its own too, where it is found sooner."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shared = self.shared
        self.headers = []
        self.url = b""
        self.idle_since: Instant = NEVER
        self._in_head = True
        self._head_bytes = 0
        self._refusal = MALFORMED
        self._running: Cycle | None = None
        self._untaken = math.inf
        self._untaken_since: Instant = NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A head and its body leave in one write, at the end of the loop's turn."""
        shared = self.shared
        if shared.cork is None:
            shared.cork = Cork(self.loop)
        super().connection_made(corked(transport, shared.cork))
        self.idle_since = self.loop.time()
        shared.opened(self, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for an answer is gone, also one whose successor was sent ahead."""
        self.shared.closed(self)
        super().connection_lost(exc)
        cycle, self._running = self._running, None
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.set()
            if cycle.watch is not None:
                cycle.watch.left()

    # What the client sends -------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """A head may come in pieces that the parser hoards until a line is whole, so pieces are counted too."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.shared.max_head_bytes and self._is_endless(data):
                self._refuse(URI_TOO_LONG if len(self.url) > self.shared.max_uri_bytes else HEAD_TOO_LARGE)
                return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # no other protocol is spoken here; the request itself is answered
        except httptools.HttpParserError:
            self.send_400_response("")
        if len(self.headers) > self.shared.max_headers and not self.transport.is_closing():
            self._refuse(HEAD_TOO_LARGE)  # trailers that go on and on

    def _is_endless(self, data: bytes) -> bool:
        """Whether these bytes are still head; a body behind the head's end in the same piece does not count."""
        end = data.find(b"\r\n\r\n")
        return end < 0 or self._head_bytes - len(data) + end > self.shared.max_head_bytes

    def on_message_begin(self) -> None:
        self.url = b""
        if self.headers:
            self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """What came is counted once it is all here; until then its bytes are. The request begins, with the headers that
        stand before its body: what may follow it, and was read with it, is no part of them."""
        url, headers, parser, shared = self.url, self.headers, self.parser, self.shared
        if len(url) > shared.max_uri_bytes:
            self._refusal = URI_TOO_LONG
            raise ValueError("URI too long")
        if len(headers) > shared.max_headers:
            self._refusal = HEAD_TOO_LARGE
            raise ValueError("too many headers")
        self._in_head, self._head_bytes, self.idle_since = False, 0, self.loop.time()
        self.headers = []
        path, raw_path, query = shared.address(url)
        version = parser.get_http_version()
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "method": parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
        }
        before: RequestResponseCycle | None = self.cycle
        is_old = version == "1.0"
        kind = OldCycle if is_old else Cycle
        self.cycle = cycle = kind(self, scope, keep_alive=not is_old and parser.should_keep_alive())
        scope[DIRECT] = cycle
        if before is None or before.response_complete:
            self._begin(cycle)
        elif len(self.pipeline) < MOST_AHEAD:  # requests that are sent ahead wait for their turn
            self.pipeline.appendleft((cycle, self.app))
            if len(self.pipeline) >= READ_AHEAD:
                self.flow.pause_reading()
        else:
            self.transport.close()
            raise ValueError("too many requests sent ahead")

    def resume_reading(self) -> None:
        """Read on, unless there is enough that waits."""
        if len(self.pipeline) < READ_AHEAD:
            self.flow.resume_reading()

    def _begin(self, cycle: Cycle) -> None:
        self._running = cycle
        # Without a name of its own a number would be written for each, and by way of the loop its factory is asked for.
        cycle.task = task = asyncio.Task(cycle.run_asgi(self.app), loop=self.loop, name=TASK_NAME)
        self.tasks.add(task)

    def on_body(self, body: bytes) -> None:
        cycle = self.cycle
        if cycle.response_complete:
            return
        assert isinstance(cycle, Cycle)
        self.idle_since = self.loop.time()
        cycle.chunks.append(body)
        cycle.waiting_bytes += len(body)
        if cycle.waiting_bytes > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        if cycle.waiter is not None:
            cycle.set()

    def on_message_complete(self) -> None:
        self._in_head = True
        cycle = self.cycle
        if not cycle.response_complete:
            assert isinstance(cycle, Cycle)
            cycle.more_body, self.idle_since = False, NEVER
            if cycle.waiter is not None:
                cycle.set()

    # What goes out ---------------------------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """The next request that waits begins; without one the connection is idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.pipeline:
            cycle, _ = self.pipeline.pop()
            self.resume_reading()
            assert isinstance(cycle, Cycle)
            self._begin(cycle)
        else:
            self.flow.resume_reading()
            self.idle_since = self.loop.time()

    def look_after(self, now: Instant, before: Instant) -> None:
        """Close it, or refuse what it sends, if nothing has come or been taken since `before`, or too little."""
        if self.flow.write_paused or self.transport.is_closing():
            self._look_at_untaken(now, before)
        elif self.idle_since <= before:
            self.timeout_keep_alive_handler()
        elif self.idle_since < NEVER:
            self._look_at_pace(now)

    def timeout_keep_alive_handler(self) -> None:
        """Close what was idle for its time, or refuse a body of which nothing more came."""
        running = self._running
        if running is None or running.response_complete:
            self.transport.close()
        elif running.more_body and not self.flow.read_paused:
            self._refuse(TOO_SLOW)

    def _look_at_untaken(self, now: Instant, before: Instant) -> None:
        """Cut off who has taken nothing of what was said since `before`: it holds a place while more is to be said, and
        a transport that closes still waits for it."""
        untaken = untaken_bytes(self.transport)
        if untaken != self._untaken:
            self._untaken, self._untaken_since = untaken, now
        elif self._untaken_since <= before:
            self.transport.abort()

    def _look_at_pace(self, now: Instant) -> None:
        """Refuse a body that trickles: it holds a place and memory. What nobody here reads is waited for."""
        running, shared = self._running, self.shared
        if running is None or running is not self.cycle or not running.more_body or running.response_started:
            return
        if self.flow.read_paused:
            running.paced_at = NEVER
        elif not running.keeps_pace(now, shared.body_grace_s, shared.min_body_bytes_per_s):
            self._refuse(TRICKLING)

    def _refuse(self, refusal: tuple[int, bytes, str]) -> None:
        self._refusal = refusal
        self.send_400_response("")

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own text says less
        """Refuse what is no request, in the shape that clients read, and close. Behind the beginning of an answer that
        would be a part of it."""
        if self.transport.is_closing():
            return
        running = self._running
        if running is not None and running.response_started and not running.response_complete:
            self.transport.close()
            return
        status, phrase, text = self._refusal
        body = error_body(text, code="invalid_request")
        head = b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, phrase, len(body)) + body)
        self.transport.close()
