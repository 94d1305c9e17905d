"""A server while it lives and when it is told to end."""

import asyncio

import msgspec
from tests.remedies.house import open_house, pretend
from tests.server.test_raw_requests import answer, connected

from headgate.runtime.settings import ServerSettings
from headgate.server.listen import Server, bind, make_server
from headgate.server.visit import Receive, Scope, Send

WITHIN_S = 10.0
LONG_S = 600.0


class NeverDone:
    """An application that begins with every request and is never done. `heard` is what became of each."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.heard: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                what = (await receive())["type"]
                self.heard.append(what)
                await send({"type": f"{what}.complete"})
            return
        self.begun.set()
        try:
            await asyncio.sleep(LONG_S)
        except asyncio.CancelledError:
            self.heard.append("given up")
            raise


async def ended(app: NeverDone, server: Server, stops: int) -> None:
    """Have it serve one request that is never done, tell it to end, and wait until it has."""
    listening = bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with asyncio.timeout(WITHIN_S), connected(listening.getsockname()[1]) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await app.begun.wait()
        for _ in range(stops):
            server.stop()
        await serving


async def test_dates_of_answers_go_on() -> None:
    """A server that has nothing to do still knows what time it is."""
    async with open_house(pretend()) as house:
        first = (await house.fetch("GET", "/healthz")).headers["date"]
        async with asyncio.timeout(WITHIN_S):
            while (await house.fetch("GET", "/healthz")).headers["date"] == first:  # noqa: ASYNC110 - a second goes by
                await asyncio.sleep(0.05)


async def test_who_is_not_done_in_time_is_given_up() -> None:
    """After `server.drain_s` requests that still run are cancelled, and then the application is told of the end."""
    app = NeverDone()
    await ended(app, make_server(app, ServerSettings(drain_s=1.0)), 1)
    assert app.heard == ["lifespan.startup", "given up", "lifespan.shutdown"]


async def test_who_was_told_nothing_yet_may_ask_again() -> None:
    """At the end of a drain: 503 with `retry-after`, which SDKs repeat by themselves, and not a broken gateway."""
    app = NeverDone()
    server, listening = make_server(app, ServerSettings(drain_s=1.0)), bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with asyncio.timeout(WITHIN_S), connected(listening.getsockname()[1]) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await app.begun.wait()
        server.stop()
        status, headers, body = await answer(reader)
        await serving
    assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
    assert "x-should-retry" not in headers
    assert "stopping" in msgspec.json.decode(body)["error"]["message"]


async def test_told_twice_it_waits_for_nobody() -> None:
    """The second time is for somebody who cannot wait: neither for requests nor for the application."""
    app = NeverDone()
    server = make_server(app, ServerSettings(drain_s=LONG_S))
    await ended(app, server, 2)
    assert app.heard == ["lifespan.startup"]
    for task in server.server_state.tasks:
        task.cancel()


async def test_defect_is_told_in_the_shape_of_errors() -> None:
    """A client that reads errors as JSON can read this one too; what was broken stays in the log."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await send({"type": f"{(await receive())['type']}.complete"})
            await receive()
        else:
            raise ValueError("gsk_something")

    server, listening = make_server(broken, ServerSettings(drain_s=1.0)), bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with asyncio.timeout(WITHIN_S), connected(listening.getsockname()[1]) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        status, headers, body = await answer(reader)
    server.stop()
    await serving
    assert (status, headers["content-type"], headers["connection"]) == (500, "application/json", "close")
    assert msgspec.json.decode(body)["error"]["code"] == "internal_error"
    assert b"gsk_" not in body
