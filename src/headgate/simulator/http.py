"""The pretend Groq over real sockets: plays its scripts in real time, byte for byte, on a server of its own.

Written on `asyncio.Protocol` because faults need what frameworks forbid: bodies cut anywhere, resets, silence.
The only file of the simulator that knows sockets and clocks. Faults are set in-process; over HTTP one can only look.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections import deque
from typing import Final, cast

import httptools
import msgspec

from headgate.catalog import Catalog, default_catalog
from headgate.domain.time import Instant, Seconds
from headgate.simulator import errors
from headgate.simulator.groq import DEFAULT_ORIGIN_S, PretendGroq
from headgate.simulator.profiles import PROFILES, Asked, Dresser
from headgate.simulator.script import Ending, Headers, Script
from headgate.simulator.settings import SimulatorSettings

MOST_BODY_BYTES: Final = 210 * 1024 * 1024
"""The largest upload with its framing; `groq` bounds each endpoint below that."""

MOST_PIPELINED: Final = 32
STATE_PATH: Final = "/sim/state"
FLUSH_S: Final[Seconds] = 0.002
"""How long bytes get to leave before a reset, which would throw them away."""

_LINGER_NONE: Final = struct.pack("ii", 1, 0)
_REASONS: Final = {200: b"OK", 400: b"Bad Request", 429: b"Too Many Requests", 413: b"Payload Too Large"}


class SimulatorServer:
    """A listening pretend Groq. `groq` may be used in-process; `now()` is its time, `speed` times faster than real."""

    def __init__(self, groq: PretendGroq, host: str, speed: float, tls: ssl.SSLContext | None) -> None:
        self.groq = groq
        self.host = host
        self.port = 0
        self.speed = speed
        self.dresser = _dresser(groq)
        self.connections: set[Connection] = set()
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._born = self._loop.time()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """The host root, as the Groq SDK wants it."""
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    def now(self) -> Instant:
        """The pretend Groq's time."""
        return (self._loop.time() - self._born) * self.speed

    def real_time(self, at: Instant) -> float:
        """The loop's time of an instant."""
        return self._born + at / self.speed

    async def listen(self, port: int = 0) -> None:
        """Accept connections, on the port that was had before where there was one."""
        self._server = await self._loop.create_server(
            lambda: Connection(self), self.host, port or self.port, ssl=self._tls, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop_listening(self) -> None:
        """New connections are refused from now on; open ones go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Stop, and end every connection."""
        await self.stop_listening()
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.sleep(0)


async def serve_simulator(
    settings: SimulatorSettings,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    catalog: Catalog | None = None,
    speed: float = 1.0,
    tls: ssl.SSLContext | None = None,
) -> SimulatorServer:
    """Start a pretend Groq on a port (0: any). Raises OSError where the port is taken."""
    if settings.unix_origin_s is None:
        settings = msgspec.structs.replace(settings, unix_origin_s=time.time())
    server = SimulatorServer(PretendGroq(settings, catalog or default_catalog()), host, speed, tls)
    await server.listen(port)
    return server


class _Incoming:
    """A request while it is read."""

    __slots__ = ("body", "headers", "size", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.size = 0


class Connection(asyncio.Protocol):
    """One client connection: requests one after another, each played to its end before the next is looked at."""

    def __init__(self, server: SimulatorServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._incoming = _Incoming()
        self._waiting: deque[tuple[str, _Incoming, bool]] = deque()
        self._playing: _Player | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        self._server.connections.add(self)
        if self._server.groq.faults.refuses(self._server.now()):
            self.reset()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.abort()
        except httptools.HttpParserError:
            self.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.close()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, _exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None
        playing, self._playing = self._playing, None
        if playing is not None:
            playing.stop()
            self._server.groq.abandon(playing.script.id, self._server.now())

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        if self._playing is not None:
            self._playing.step()

    # httptools calls these while it parses.

    def on_message_begin(self) -> None:
        self._incoming = _Incoming()

    def on_url(self, url: bytes) -> None:
        self._incoming.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._incoming.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        incoming = self._incoming
        incoming.size += len(body)
        if incoming.size <= MOST_BODY_BYTES:
            incoming.body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode("latin-1")
        self._waiting.append((method, self._incoming, self._parser.should_keep_alive()))
        if len(self._waiting) > MOST_PIPELINED:
            self.abort()
        elif self._playing is None:
            self._next()

    # The connection as players use it.

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_paused(self) -> bool:
        """Whether the client reads too slowly for more bytes now."""
        return self._paused

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Send what is buffered, then FIN."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Let written bytes leave, then RST."""
        if self._transport is None:
            return
        raw = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
        self._loop.call_later(FLUSH_S, self.abort)

    def finished(self, *, keep_alive: bool) -> None:
        """The reply is complete; the next request may be answered."""
        self._playing = None
        if not keep_alive:
            self.close()
        elif self._waiting:
            self._next()

    def _next(self) -> None:
        method, incoming, keep_alive = self._waiting.popleft()
        path = incoming.url.decode("latin-1")
        if method == "GET" and path == STATE_PATH:
            self._send_whole(200, _state(self._server), keep_alive=keep_alive)
        elif incoming.size > MOST_BODY_BYTES:
            self._send_whole(errors.BODY_TOO_LARGE.status, errors.BODY_TOO_LARGE.body, keep_alive=False)
        else:
            script = self._script(method, path, incoming)
            self._playing = _Player(self, self._server, script, keep_alive=keep_alive)
            self._playing.step()

    def _script(self, method: str, path: str, incoming: _Incoming) -> Script:
        """The reply, in another provider's clothes where the settings name one."""
        now, body, dresser = self._server.now(), b"".join(incoming.body), self._server.dresser
        asked = Asked(path, body, "") if dresser is None else dresser.asked(method, path, body, now)
        if isinstance(asked, Script):
            return asked
        script = self._server.groq.handle(method, asked.path, incoming.headers, asked.body, now)
        return script if dresser is None else dresser.dress(script, asked)

    def _send_whole(self, status: int, body: bytes, *, keep_alive: bool) -> None:
        headers = (("content-type", "application/json"), ("content-length", str(len(body))))
        self.write(_head(status, headers, chunked=False) + body)
        self.finished(keep_alive=keep_alive)


class _Player:
    """One script being played: sends what is due, then sleeps until the next part."""

    __slots__ = ("_chunked", "_connection", "_head_sent", "_index", "_keep_alive", "_server", "_timer", "script")

    def __init__(self, connection: Connection, server: SimulatorServer, script: Script, *, keep_alive: bool) -> None:
        self.script = script
        self._connection = connection
        self._server = server
        self._keep_alive = keep_alive
        self._chunked = not any(name == "content-length" for name, _ in script.headers)
        self._head_sent = False
        self._index = 0
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def step(self) -> None:
        """Send everything that is due now; come back when the next thing is."""
        self.stop()
        if self._connection.is_paused or not self._connection.is_open:
            return
        due: list[bytes] = []
        elapsed_s = self._server.now() - self.script.arrived_at
        parts = self.script.parts
        if not self._head_sent and self.script.status and self.script.first_at_s <= elapsed_s:
            due.append(self._opening())
        while self._index < len(parts) and parts[self._index].at_s <= elapsed_s:
            due.append(self._framed(parts[self._index].data))
            self._index += 1
        next_s = parts[self._index].at_s if self._index < len(parts) else self.script.ends_at_s
        over = self._index == len(parts) and next_s <= elapsed_s
        if over and self.script.ending is Ending.CLEAN and self._chunked:
            due.append(b"0\r\n\r\n")
        if due:
            self._connection.write(b"".join(due))
        if over:
            self._end()
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._server.real_time(self.script.arrived_at + next_s), self.step)

    def _opening(self) -> bytes:
        self._head_sent = True
        headers = self._server.groq.opening(self.script, self._server.now())
        if self._server.dresser is not None:
            headers = self._server.dresser.headers(self.script, headers)
        return _head(self.script.status, headers, chunked=self._chunked)

    def _framed(self, data: bytes) -> bytes:
        if not self._chunked or not data:
            return data
        return b"%x\r\n%b\r\n" % (len(data), data)

    def _end(self) -> None:
        match self.script.ending:
            case Ending.CLEAN:
                self._connection.finished(keep_alive=self._keep_alive)
            case Ending.CUT:
                self._connection.close()
            case Ending.RESET | Ending.REFUSED:
                self._connection.reset()
            case Ending.STALL:
                pass


def _dresser(groq: PretendGroq) -> Dresser | None:
    """None for a pretend Groq in its own clothes."""
    profile = PROFILES.get(groq.settings.profile)
    origin_s = groq.settings.unix_origin_s
    return (
        None if profile is None else Dresser(profile, groq.catalog, DEFAULT_ORIGIN_S if origin_s is None else origin_s)
    )


def _head(status: int, headers: Headers, *, chunked: bool) -> bytes:
    lines = [b"HTTP/1.1 %d %b" % (status, _REASONS.get(status, b"Status"))]
    lines += [f"{name}: {value}".encode("latin-1", "replace") for name, value in headers]
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _state(server: SimulatorServer) -> bytes:
    """The levels of every account, as JSON: organisation -> model -> dimension -> [level, limit]."""
    now = server.now()
    limiter = server.groq.limiter
    limiter.advance(now)
    shown: dict[str, dict[str, dict[str, tuple[float, int]]]] = {}
    for (organisation, model), account in limiter.accounts.items():
        account.touch(now)
        levels = zip(account.dimensions, account.levels, account.limits, strict=True)
        shown.setdefault(organisation, {})[model] = {str(d): (round(level, 3), limit) for d, level, limit in levels}
    return msgspec.json.encode({"now": now, "open_calls": len(limiter.calls), "levels": shown})
