"""Requests that no client library writes: several at once, trailers, addresses in pieces."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.remedies.house import CHAT, House, chat, open_house, pretend

from headgate.runtime.keys import config_line, new_virtual_key

BODY = msgspec.json.encode(chat())
HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()
WHOLE = HEAD + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)
WITHIN_S = 10.0


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(WITHIN_S):
            yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
    headers = dict(line.split(": ", 1) for line in head[1:])
    return int(head[0].split(" ")[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def test_requests_that_come_at_once_are_answered_in_their_order() -> None:
    """Each by its own answer, of its own length, whatever stands in the others."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(WHOLE + b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n" + HEAD + b"\r\n" + WHOLE)
        answers = [await answer(reader) for _ in range(4)]
        assert [status for status, _, _ in answers] == [200, 200, 400, 200]
        assert [msgspec.json.decode(body).get("object") for _, _, body in answers] == [
            "chat.completion",
            "list",
            None,
            "chat.completion",
        ]
        assert len({headers["x-request-id"] for _, headers, _ in answers}) == 4


async def test_few_trailers_are_taken_and_endless_ones_refused() -> None:
    """What follows a chunked body is counted as headers are: there may be a hundred."""
    async with open_house(pretend()) as house:
        async with connected(house.port) as (reader, writer):
            writer.write(CHUNKED + b"x-sum: 1\r\n\r\n")
            assert (await answer(reader))[0] == 200
        async with connected(house.port) as (reader, writer):
            writer.write(CHUNKED + b"x-more: 1\r\n" * 102)
            assert (await answer(reader))[0] == 431
            assert await reader.read() == b""


async def test_trailers_say_nothing_of_who_asks_and_how() -> None:
    """What follows a body is no part of the head (RFC 9110, 6.5.1): a proxy before us may let it pass unseen."""
    key, row = new_virtual_key(random.Random(1).randbytes)
    async with open_house(pretend(), toml=config_line(row)) as house, connected(house.port) as (reader, writer):
        writer.write(CHUNKED + f"authorization: Bearer {key}\r\n\r\n".encode())
        assert (await answer(reader))[0] == 401
        with_key = CHUNKED.replace(b"host:", f"authorization: Bearer {key}\r\nhost:".encode(), 1)
        writer.write(with_key + b"authorization: Bearer nobody\r\nx-headgate-nonsense: 1\r\n\r\n")
        assert (await answer(reader))[0] == 200
        writer.write(WHOLE.replace(b"host:", f"authorization: Bearer {key}\r\nhost:".encode(), 1))
        assert (await answer(reader))[0] == 200


async def test_an_address_that_grows_in_pieces_is_refused() -> None:
    """Too long an address is 414 however slowly it comes."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        limits = house.settings.server
        writer.write(b"GET /v1/models?" + b"a" * (limits.max_uri_bytes + 1))
        await asyncio.sleep(0.02)  # both ends run in this loop: the first piece is read by then
        writer.write(b"a" * limits.max_header_bytes)
        status, headers, _ = await answer(reader)
        assert (status, headers["connection"]) == (414, "close")


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", CHAT, "/v1/nowhere"])
@pytest.mark.parametrize("key", ["", "authorization: Bearer nobody's\r\n"], ids=["open", "wrong key"])
async def test_an_answer_to_head_has_no_body(path: str, key: str) -> None:
    """Also where it is a refusal: a body would be read as the start of the next answer."""
    _, row = new_virtual_key(random.Random(1).randbytes)
    toml = config_line(row) if key else ""
    async with open_house(pretend(), toml=toml) as house, connected(house.port) as (reader, writer):
        writer.write(f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\n{key}\r\n".encode())
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert (await answer(reader))[0] == 200


AHEAD = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-long: %b\r\n\r\n" % (b"x" * 2_000)


def ahead(house: House) -> int:
    """Requests of all connections that wait for their turn."""
    connections: Any = house.server.server_state.connections
    return sum(len(each.pipeline) for each in connections)


async def test_many_requests_that_come_at_once_are_read_as_they_are_answered() -> None:
    """Megabytes of them are answered, and few at a time are held."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(AHEAD * 1_500)
        held = []
        for _ in range(1_500):
            assert (await answer(reader))[0] == 200
            held.append(ahead(house))
        assert max(held) < 400


async def test_who_sends_endless_requests_ahead_is_let_go() -> None:
    """So small that thousands come at once, each takes more room than it has bytes."""
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n" * 50_000)
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                assert ahead(house) <= 1_000
        assert not house.server.server_state.tasks


async def test_stream_to_a_client_that_knows_no_chunks() -> None:
    """HTTP/1.0: the events come as they are, and the end of the connection is theirs."""
    body = msgspec.json.encode(chat(stream=True))
    head = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"content-length: %d\r\n\r\n" % len(body)
    async with open_house(pretend()) as house, connected(house.port) as (reader, writer):
        writer.write(head + body)
        lines, _, events = (await reader.read()).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in lines
    assert b"connection: close" in lines
    assert events.startswith(b"data: {")
    assert events.endswith(b"data: [DONE]\n\n")
    assert all(event.startswith(b"data: ") for event in events.strip().split(b"\n\n"))
