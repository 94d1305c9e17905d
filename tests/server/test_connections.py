"""What a connection of a client may do, written byte by byte: bodies in pieces, expectations, addresses, idleness."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
import pytest
from tests.remedies.house import CHAT, House, chat, one_after_another, open_house, pretend
from tests.server.test_hang_ups import until
from tests.server.test_raw_requests import AHEAD, BODY, HEAD, WHOLE, answer, connected

from headgate.runtime.settings import ServerSettings
from headgate.server.connection import Shared
from headgate.server.listen import bind, make_server
from headgate.server.visit import send_whole
from headgate.simulator.faults import Fault, FaultKind

SHORT = "[server]\nkeep_alive_s = 0.4"
LENGTH = b"content-length: %d\r\n" % len(BODY)


async def test_a_body_in_pieces_is_read_whole() -> None:
    """However many pieces a body comes in, it is one request."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(HEAD + LENGTH + b"\r\n")
        for at in range(0, len(BODY), 40):
            writer.write(BODY[at : at + 40])
            await writer.drain()
            await asyncio.sleep(0.001)  # both ends run in this loop: each piece travels alone
        assert (await answer(reader))[0] == 200
        assert house.seen[0].body["messages"] == chat()["messages"]


async def test_a_long_body_in_one_write_is_read_whole() -> None:
    """More than the server holds for one request at a time: it reads on as the door takes it."""
    body = msgspec.json.encode(chat("word " * 100_000))
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        status, _, told = await answer(reader)
        assert status in {200, 413}  # no model takes as much, but it was read: the answer says so
        writer.write(WHOLE)
        assert (await answer(reader))[0] == 200
        assert told


async def test_a_client_that_expects_to_be_told_to_go_on_is_told() -> None:
    """`Expect: 100-continue` is answered before the body, and the body then read."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(HEAD + LENGTH + b"expect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert (await answer(reader))[0] == 200


async def test_an_old_client_is_told_nothing_before_its_answer() -> None:
    """HTTP/1.0 knows no `100 Continue`: it would be read as the answer."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + LENGTH + b"expect: 100-continue\r\n\r\n")
        await asyncio.sleep(0.05)  # both ends run in this loop: the head is read by then
        writer.write(BODY)
        assert (await answer(reader))[0] == 200


async def test_another_protocol_is_not_taken_up() -> None:
    """A request that offers an upgrade is answered as what it is."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        assert (await answer(reader))[0] == 200


async def test_an_old_client_is_answered_and_let_go() -> None:
    """HTTP/1.0 keeps no connection."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n")
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert await reader.read() == b""


@pytest.mark.parametrize(
    "address, status",
    [
        (b"/v1/models/openai%2Fgpt-oss-120b", 200),
        (b"/v1/models/openai/gpt-oss-120b?x=1", 200),
        (b"/v1/models/openai%2fnothing", 404),
        (b"/V1/models", 404),
    ],
)
async def test_an_address_means_the_same_each_time(address: bytes, status: int) -> None:
    """Escapes and queries are taken apart the first time and every time after it alike."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET " + address + b" HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert (await answer(reader))[0] == status


async def test_many_addresses_are_not_all_remembered() -> None:
    """Whoever asks for ever new addresses fills no memory, and is answered each time."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        for number in range(600):
            writer.write(b"GET /v1/models?%d HTTP/1.1\r\nhost: localhost\r\n\r\n" % number)
            assert (await answer(reader))[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\n", WHOLE], ids=["silent", "half a head", "answered"])
async def test_an_idle_connection_is_closed(sent: bytes) -> None:
    """After `server.keep_alive_s`, whether it never spoke, speaks too slowly, or was answered."""
    async with open_house(pretend(), toml=SHORT) as house, connected(house.port) as (reader, writer):
        writer.write(sent)
        if sent is WHOLE:
            assert (await answer(reader))[0] == 200
        assert await reader.read() == b""


async def test_a_body_that_never_comes_is_not_waited_for() -> None:
    """What came of it lies in memory meanwhile. One that comes slowly is read."""
    async with open_house(pretend(), toml=SHORT) as house:
        async with connected(house.port) as (reader, writer):
            writer.write(HEAD + LENGTH + b"\r\n" + BODY[:20])
            assert (await answer(reader))[0] == 408
            assert await reader.read() == b""
        async with connected(house.port) as (reader, writer):
            writer.write(HEAD + LENGTH + b"\r\n")
            for at in range(5):
                await asyncio.sleep(0.2)
                writer.write(BODY[at * 5 : at * 5 + 5])
            writer.write(BODY[25:])
            assert (await answer(reader))[0] == 200
        assert not house.server.server_state.tasks


async def trickled(port: int, first: bytes, pieces: Iterable[bytes]) -> tuple[bytes, int]:
    """What is said to a client who sends another piece now and then, and how many it could send. It stops when it is
    told something; a reset can overtake what it was told, and then it comes again."""
    for _ in range(5):
        async with connected(port) as (reader, writer):
            writer.write(first)
            told, count = asyncio.create_task(reader.read()), 0
            for piece in pieces:
                if (await asyncio.wait({told}, timeout=0.05))[0]:
                    break
                writer.write(piece)
                count += 1
            with contextlib.suppress(ConnectionResetError):
                return await told, count
    raise AssertionError("each time the connection was reset")


async def test_a_head_that_trickles_is_not_waited_for() -> None:
    """`server.keep_alive_s` bounds all of it, however often another byte of it comes."""
    async with open_house(pretend(), toml=SHORT) as house:
        told, count = await trickled(house.port, b"", [bytes([each]) for each in HEAD])
        assert told == b""
        assert count < len(HEAD)


LONG = msgspec.json.encode(chat("word " * 4_000))
LONG_LENGTH = b"content-length: %d\r\n" % len(LONG)


@pytest.mark.parametrize("first", [10, 15_000], ids=["from its start", "after a good start"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
async def test_a_body_that_trickles_is_refused(first: int, is_chunked: bool) -> None:
    """It is never idle and yet holds a place and memory: under `server.min_body_bytes_per_s` it is a 408, and its
    request is over."""
    pieces = [LONG[:first], *(LONG[at : at + 10] for at in range(first, len(LONG), 10))]
    head = HEAD + LONG_LENGTH + b"\r\n"
    if is_chunked:
        pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
        head = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    toml = "[server]\nbody_grace_s = 0.4\nmin_body_bytes_per_s = 1000"
    async with open_house(pretend(), toml=toml) as house:
        told, count = await trickled(house.port, head, pieces)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in told
        assert b"min_body_bytes_per_s" in told
        assert 2 <= count < len(pieces)
        assert not house.server.server_state.tasks


@pytest.mark.parametrize("least, piece", [(200, 2_000), (0, 1_000)], ids=["fast enough", "any will do"])
async def test_a_body_over_a_slow_line_is_read(least: int, piece: int) -> None:
    """However long it takes in all, if enough of it comes all the time, or the setting is 0."""
    toml = f"[server]\nbody_grace_s = 0.2\nmin_body_bytes_per_s = {least}"
    async with open_house(pretend(), toml=toml) as house, connected(house.port) as (reader, writer):
        writer.write(HEAD + LONG_LENGTH + b"\r\n")
        for at in range(0, len(LONG), piece):
            writer.write(LONG[at : at + piece])
            await asyncio.sleep(0.1)
        assert (await answer(reader))[0] == 200
        assert house.seen[0].body["messages"] == chat("word " * 4_000)["messages"]


async def test_a_connection_that_waits_for_its_answer_is_not_idle() -> None:
    """An answer that takes longer than `server.keep_alive_s` arrives, and the connection can be used again."""
    slow = Fault(FaultKind.SLOW, delay_s=1.2)
    async with open_house(pretend(slow), toml=SHORT) as house, connected(house.port) as (reader, writer):
        asked_at = asyncio.get_running_loop().time()
        for _ in range(2):
            writer.write(WHOLE)
            assert (await answer(reader))[0] == 200
        assert asyncio.get_running_loop().time() - asked_at > 2 * house.settings.server.keep_alive_s


@contextlib.asynccontextmanager
async def narrow(port: int) -> AsyncIterator[socket.socket]:
    """A connection of a client in whose kernel little lies of what it has not read."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        yield client


def writing_waits(house: House) -> bool:
    """Whether some client does not take what is said to it."""
    connections: Any = house.server.server_state.connections
    return any(each.flow.write_paused for each in connections)


@pytest.mark.parametrize("behind", [b"", HEAD + b"content-length: 9\r\n\r\n"], ids=["whole", "half a request behind"])
async def test_who_sends_ahead_and_never_reads_is_cut_off(behind: bytes) -> None:
    """Its answers wait to be taken, and so hold a place and memory: for `server.keep_alive_s`, not for ever."""
    async with open_house(pretend(), toml=SHORT) as house, narrow(house.port) as client:
        state = house.server.server_state
        sending = asyncio.ensure_future(asyncio.get_running_loop().sock_sendall(client, AHEAD * 3_000 + behind))
        await until(lambda: writing_waits(house), within_s=5.0)
        await until(lambda: not state.connections and not state.tasks, within_s=5.0)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sending


async def test_who_reads_slowly_gets_every_answer() -> None:
    """Cut off is who takes nothing, not who takes little: for much longer than `server.keep_alive_s`."""
    async with open_house(pretend(), toml=SHORT) as house, narrow(house.port) as client:
        loop, answers, waits = asyncio.get_running_loop(), 0, 0
        sending = asyncio.ensure_future(loop.sock_sendall(client, AHEAD * 3_000))
        begun_at = loop.time()
        while answers < 3_000 and (told := await loop.sock_recv(client, 65_536)):
            answers += told.count(b"HTTP/1.1 200 OK")
            waits += writing_waits(house)
            await asyncio.sleep(0.005)
        await sending
        assert loop.time() - begun_at > 2 * house.settings.server.keep_alive_s
        assert waits > 10


async def test_nonsense_behind_the_beginning_of_an_answer_is_no_part_of_it() -> None:
    """A refusal in the midst of a stream would be read as some of its text: the connection ends instead."""
    async with open_house(one_after_another(), models=()) as house, connected(house.port) as (reader, writer):
        body = msgspec.json.encode(chat(cap=5_000, stream=True))
        writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        await reader.readuntil(b"\n\n")
        writer.write(b"what is this\r\n\r\n")
        rest = await reader.read()
        assert b"HTTP/1.1" not in rest
        assert not rest.endswith(b"0\r\n\r\n")


async def test_a_defect_behind_a_whole_answer_takes_no_other() -> None:
    """What is done behind an answer may fail; the requests that were sent ahead are answered all the same."""

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send_whole(scope, send, 200, b"", scope["path"].encode())
            raise ValueError("behind the answer")

    server, listening = make_server(app, ServerSettings(drain_s=1.0)), bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        async with connected(listening.getsockname()[1]) as (reader, writer):
            writer.write(b"".join(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % number for number in range(3)))
            assert [(await answer(reader))[2] for _ in range(3)] == [b"/0", b"/1", b"/2"]
            assert server.server_state.total_requests == 3
    finally:
        server.stop()
        await serving


async def test_a_client_that_asks_to_be_let_go_is() -> None:
    """`Connection: close` ends the connection behind the answer."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n".encode())
        writer.write(b"content-type: application/json\r\n" + LENGTH + b"\r\n" + BODY)
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (200, "close")
        assert await reader.read() == b""


class Open:
    """Of a connection only that there is nothing to do about it."""

    def look_after(self, _now: float, _before: float) -> None:
        pass


class Counted(Shared):
    """Counts how often it looks for idle connections."""

    looked = 0

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self.looked += 1
        super()._sweep(loop)


async def test_connections_that_come_and_go_leave_no_timers_behind() -> None:
    """One timer looks after all of them, also when there was none for a moment, again and again."""
    loop, shared = asyncio.get_running_loop(), Counted(ServerSettings(keep_alive_s=0.5))
    connection: Any = Open()
    for _ in range(100):
        shared.opened(connection, loop)
        shared.closed(connection)
    shared.opened(connection, loop)
    await asyncio.sleep(0.12)
    shared.closed(connection)
    assert 1 <= shared.looked <= 3
