"""Owns the listening socket and the HTTP server under the doors: its signals and its drain."""

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import uvicorn

from headgate.runtime.settings_model import ServerSettings
from headgate.server.connection import Connection, Shared
from headgate.server.visit import Receive, Scope, Send

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""What ASGI calls one."""

BACKLOG: Final = 2048
LAST_WORDS_S: Final = 0.5
"""How long before the end of a drain what still runs is broken off, so that its clients are told."""
DATE_S: Final = 1.0
"""How long the date of answers stays."""
LOOK_S: Final = 0.005
"""How often a server that ends looks whether all have gone."""

_log: Final = logging.getLogger("uvicorn.error")


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


def make_server(
    app: Application, settings: ServerSettings, hang_up: Callable[[], Awaitable[None]] | None = None
) -> "Server":
    """The server for one application in the running loop; `await server.serve(sockets=[bind(...)])`. `hang_up` breaks
    off what still runs shortly before the drain is over."""
    config = uvicorn.Config(
        app,
        http=_connections(settings),
        ws="none",
        interface="asgi3",
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
    return Server(config, hang_up)


class Server(uvicorn.Server):
    """uvicorn without its signals: whoever runs the process owns those and calls `stop`.

    It is woken to end, and ends as soon as the last client has gone; uvicorn looks for either ten times a second, and
    waits a tenth of a second for clients that are not there.
    """

    def __init__(self, config: uvicorn.Config, hang_up: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(config)
        self._hang_up = hang_up
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Take no more requests, end those that run within `drain_s`; called again, end at once. From any thread."""
        self.force_exit = self.should_exit
        self.should_exit = True
        with suppress(RuntimeError):  # the loop is closed: it has ended
            self._loop.call_soon_threadsafe(self._woken.set)

    async def main_loop(self) -> None:
        """Until `stop`."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(DATE_S):
                    await self._woken.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nobody, let those finish who have begun, break off what does not end in time, say that it is over."""
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        ending = asyncio.ensure_future(self._end_in_time())
        try:
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                await self._drained()
        except TimeoutError:
            _log.error("%d requests were not over in time and are given up", len(self.server_state.tasks))
            for task in self.server_state.tasks:
                task.cancel()
        finally:
            ending.cancel()
        if not self.force_exit:
            await self.lifespan.shutdown()

    async def _end_in_time(self) -> None:
        if self._hang_up is not None:
            await asyncio.sleep((self.config.timeout_graceful_shutdown or 0) - LAST_WORDS_S)
            await self._hang_up()

    async def _drained(self) -> None:
        state = self.server_state
        while (state.connections or state.tasks) and not self.force_exit:  # noqa: ASYNC110 - sets that say nothing
            await asyncio.sleep(LOOK_S)
        for server in self.servers:
            await server.wait_closed()


def _connections(settings: ServerSettings) -> type[Connection]:
    class Ours(Connection):
        shared = Shared(settings)

    return Ours
