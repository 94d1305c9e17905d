"""The pretend Groq over real sockets: the real SDKs at its door, and every fault as bytes on the wire."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import groq
import msgspec
import openai
import pytest
from tests.simulator.asking import KEY, MODEL, body, rich, settings

from headgate.domain.limits import Dimension
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.settings import Organisation, Pace

Serve = Callable[..., Awaitable[SimulatorServer]]
FAST = Pace(network_s=0.0, queue_median_s=0.001, output_speed_factor=20.0)
MESSAGES: Any = [{"role": "user", "content": "hello [[tokens=30]]"}]
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start simulators on ports of their own; all are closed at the end."""
    servers: list[SimulatorServer] = []

    async def start(*faults: Fault, organisation: Organisation | None = None, **more: Any) -> SimulatorServer:
        told = settings(*faults, organisation=organisation or rich(), **({"pace": FAST} | more))
        servers.append(await serve_simulator(told))
        return servers[-1]

    yield start
    for server in servers:
        await server.close()


def groq_sdk(server: SimulatorServer, key: str = KEY) -> groq.AsyncGroq:
    return groq.AsyncGroq(api_key=key, base_url=server.base_url, max_retries=0)


def openai_sdk(server: SimulatorServer, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=key, base_url=f"{server.base_url}/openai/v1", max_retries=0)


async def raw(server: SimulatorServer, **fields: Any) -> bytes:
    """One request on a fresh socket; everything that comes back until the end. Raises ConnectionResetError."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    data = msgspec.json.encode(body("x [[tokens=30]]", **fields))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}content-length: {len(data)}\r\nconnection: close\r\n\r\n".encode() + data)
    received = b""
    try:
        while chunk := await reader.read(65536):
            received += chunk
    except ConnectionResetError as reset:
        raise Reset(received) from reset
    finally:
        writer.close()
    return received


async def first_byte(server: SimulatorServer) -> bytes:
    """The first byte of the reply to one request."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    data = msgspec.json.encode(body())
    head = f"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    try:
        return await reader.readexactly(1)
    finally:
        writer.close()


class Reset(ConnectionError):
    """The connection was reset after these bytes."""

    def __init__(self, received: bytes) -> None:
        super().__init__(received[-40:])
        self.received = received


async def test_groq_sdk_chats_and_streams(serve: Serve) -> None:
    """The Groq SDK with the host root: a buffered answer with times, a stream with x_groq and reasoning."""
    async with groq_sdk(await serve()) as client:
        whole = await client.chat.completions.create(model=MODEL, messages=MESSAGES)
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 30
        assert whole.usage.queue_time is not None
        assert whole.x_groq is not None
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert chunks[-1].x_groq is not None
    assert chunks[-1].x_groq.usage is not None
    assert chunks[-1].x_groq.usage.total_tokens == whole.usage.total_tokens


async def test_openai_sdk_chats_and_streams(serve: Serve) -> None:
    """The OpenAI SDK with /openai/v1: a buffered answer, and a stream with include_usage."""
    async with openai_sdk(await serve()) as client:
        whole = await client.chat.completions.create(model=MODEL, messages=MESSAGES)
        stream = await client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        models = await client.models.list()
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage is not None
    assert MODEL in {model.id for model in models.data}


async def test_sdk_tools_and_json_schema(serve: Serve) -> None:
    """A required tool is called with arguments, and a strict schema gives its instance."""
    tool: Any = {"type": "function", "function": {"name": "find", "parameters": CITY}}
    form: Any = {"type": "json_schema", "json_schema": {"name": "City", "strict": True, "schema": CITY}}
    async with groq_sdk(await serve()) as client:
        called = await client.chat.completions.create(
            model=MODEL, messages=MESSAGES, tools=[tool], tool_choice="required"
        )
        formed = await client.chat.completions.create(model=MODEL, messages=MESSAGES, response_format=form)
    calls = called.choices[0].message.tool_calls
    assert calls is not None
    assert set(msgspec.json.decode(calls[0].function.arguments)) == {"city"}
    assert set(msgspec.json.decode(formed.choices[0].message.content or "")) == {"city"}


@pytest.mark.parametrize(
    "fields, fault, wanted",
    [
        ({"model": "nope"}, None, "NotFoundError"),
        ({"temperature": 9}, None, "BadRequestError"),
        ({"max_completion_tokens": 60000}, None, "APIStatusError"),
        ({}, FaultKind.RATE_LIMITED, "RateLimitError"),
        ({}, FaultKind.INVALID_KEY, "AuthenticationError"),
        ({}, FaultKind.ACCESS_DENIED, "PermissionDeniedError"),
        ({}, FaultKind.OVER_CAPACITY, "InternalServerError"),
        ({}, FaultKind.BAD_GATEWAY, "InternalServerError"),
        ({}, FaultKind.FLEX_FULL, "APIStatusError"),
        ({}, FaultKind.REFUSED, "APIConnectionError"),
    ],
)
@pytest.mark.parametrize("sdk", ["groq", "openai"])
async def test_errors_become_the_sdks_exceptions(
    serve: Serve, fields: dict[str, Any], fault: FaultKind | None, wanted: str, sdk: str
) -> None:
    """Each refusal raises the class that the SDK has for it."""
    server = await serve(*([Fault(fault)] if fault else []), organisation=Organisation())
    client: Any = groq_sdk(server) if sdk == "groq" else openai_sdk(server)
    expected = getattr(groq if sdk == "groq" else openai, wanted)
    async with client:
        with pytest.raises(expected):
            await client.chat.completions.create(**{"model": MODEL, "messages": MESSAGES} | fields)


async def test_sdk_sees_error_events_in_streams(serve: Serve) -> None:
    """An error event in a stream raises the SDK's APIError."""
    async with groq_sdk(await serve(Fault(FaultKind.STREAM_ERROR_EVENT))) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True)
        with pytest.raises(groq.APIError):
            _ = [chunk async for chunk in stream]


async def test_client_who_leaves_stops_the_generation(serve: Serve) -> None:
    """Closing a stream early settles the call for less than its natural length."""
    server = await serve(pace=Pace(network_s=0.0, queue_median_s=0.001, output_speed_factor=0.01))
    long: Any = [{"role": "user", "content": "x [[tokens=5000]]"}]
    async with groq_sdk(server) as client:
        stream = await client.chat.completions.create(model=MODEL, messages=long, stream=True)
        await anext(aiter(stream))
        assert len(server.groq.limiter.calls) == 1
        await stream.close()
    await settled(server)
    (account,) = server.groq.limiter.accounts.values()
    assert account.levels[account.dimensions.index(Dimension.TPM)] < 1000


async def settled(server: SimulatorServer) -> None:
    """Come back when no call is open; give the loop its turns, at most a few hundred."""
    for _ in range(500):
        if not server.groq.limiter.calls:
            return
        await asyncio.sleep(0.002)
    raise AssertionError("a call stays open")


async def test_buffered_bytes_and_keep_alive(serve: Serve) -> None:
    """Two requests on one socket get two replies in order, each with its length."""
    server = await serve()
    reader, writer = await asyncio.open_connection(server.host, server.port)
    request = f"GET /v1/models/{MODEL} HTTP/1.1\r\nauthorization: Bearer {KEY}\r\n\r\n".encode()
    writer.write(request * 2)
    for _ in range(2):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        assert msgspec.json.decode(await reader.readexactly(length))["id"] == MODEL
    writer.close()


async def test_state_shows_the_levels(serve: Serve) -> None:
    """GET /sim/state tells level and limit of every bucket that was touched, and nothing can be set."""
    server = await serve()
    await raw(server)
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"GET /sim/state HTTP/1.1\r\nconnection: close\r\n\r\n")
    received = await reader.read()
    state = msgspec.json.decode(received.partition(b"\r\n\r\n")[2])
    assert state["levels"]["org_test"][MODEL]["TPM"][1] == 1_000_000_000
    assert state["open_calls"] == 0
    writer.close()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.RESET_MIDWAY])
async def test_body_breaks_off_on_the_wire(serve: Serve, kind: FaultKind, stream: bool) -> None:
    """A cut ends in FIN, a reset in RST, both before the promised end and after the bytes before the fault."""
    server = await serve(Fault(kind))
    reset = False
    try:
        received = await raw(server, stream=stream)
    except Reset as found:
        reset, received = True, found.received
    assert reset is (kind is FaultKind.RESET_MIDWAY)
    head, _, sent = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert sent
    if stream:
        assert not sent.endswith(b"0\r\n\r\n")
    else:
        assert len(sent) < int(head.partition(b"content-length: ")[2].partition(b"\r")[0])


async def test_resets_around_the_headers(serve: Serve) -> None:
    """Refused and reset before headers give no byte; reset after headers gives only the head."""
    for kind, got in (
        (FaultKind.REFUSED, b""),
        (FaultKind.RESET_BEFORE_HEADERS, b""),
        (FaultKind.RESET_AFTER_HEADERS, b"\r\n\r\n"),
    ):
        server = await serve(Fault(kind))
        with pytest.raises(ConnectionError) as found:
            await raw(server)
        if isinstance(found.value, Reset):
            assert found.value.received.endswith(got)
            assert bool(found.value.received) is bool(got)


async def test_stall_is_silence_on_an_open_connection(serve: Serve) -> None:
    """After the bytes before the fault nothing comes, and nobody closes."""
    server = await serve(Fault(FaultKind.STALLED))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(raw(server, stream=True), timeout=0.05)
    await settled(server)


@pytest.mark.parametrize(
    "kind, stream, text",
    [
        (FaultKind.HTML, False, b"content-type: text/html"),
        (FaultKind.EMPTY_BODY, False, b"content-length: 0"),
        (FaultKind.EMPTY_CHOICES, False, b'"choices":[]'),
        (FaultKind.USAGE_NEGATIVE, False, b'"completion_tokens":-30'),
        (FaultKind.USAGE_STRING, False, b'"completion_tokens":"30"'),
        (FaultKind.USAGE_HUGE, False, b'"completion_tokens":9007199254740992'),
        (FaultKind.MALFORMED_JSON, False, b'{"id";'),
        (FaultKind.LIMITS_GARBAGE, False, b"x-ratelimit-remaining-tokens: soon"),
        (FaultKind.LIMITS_TOO_LOW, True, b"x-ratelimit-remaining-tokens: 0"),
        (FaultKind.CRLF, True, b"data: [DONE]\r\n\r\n"),
        (FaultKind.FOREIGN_CHUNK_ID, True, b"chatcmpl-00000000-dead"),
        (FaultKind.STREAM_ERROR_EVENT, True, b"event: error\ndata: "),
        (FaultKind.X_GROQ_ERROR, True, b'"error":"over_capacity"'),
        (FaultKind.SERVER_ERROR, False, b"HTTP/1.1 500 "),
        (FaultKind.FLEX_FULL, False, b"HTTP/1.1 498 "),
        (FaultKind.SAFETY, False, b"HTTP/1.1 400 "),
        (FaultKind.RATE_LIMITED, False, b"retry-after: 2"),
    ],
)
async def test_fault_is_visible_on_the_wire(serve: Serve, kind: FaultKind, stream: bool, text: bytes) -> None:
    """What the fault changes stands in the bytes of the reply."""
    assert text in await raw(await serve(Fault(kind)), stream=stream)


@pytest.mark.parametrize(
    "kind, stream, text",
    [
        (FaultKind.USAGE_MISSING, True, b'"usage"'),
        (FaultKind.TRUNCATED_JSON, False, b"service_tier"),
        (FaultKind.NO_DONE, True, b"[DONE]"),
        (FaultKind.LIMITS_ABSENT, True, b"x-ratelimit"),
    ],
)
async def test_fault_takes_bytes_away(serve: Serve, kind: FaultKind, stream: bool, text: bytes) -> None:
    """What a fault removes stands in the healthy reply and not in the struck one."""
    assert text in await raw(await serve(), stream=stream)
    assert text not in await raw(await serve(Fault(kind)), stream=stream)


async def test_slow_reply_takes_its_time(serve: Serve) -> None:
    """Not even the head comes before the delay is over."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(first_byte(await serve(Fault(FaultKind.SLOW, delay_s=30.0))), timeout=0.03)
    server = await serve(Fault(FaultKind.SLOW, delay_s=0.04))
    begun = server.now()
    await raw(server)
    assert server.now() - begun >= 0.04


async def test_listener_can_close_and_open_again(serve: Serve) -> None:
    """While it does not listen, connecting is refused; afterwards the same port answers."""
    server = await serve()
    await server.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        await raw(server)
    await server.listen()
    assert b"200 OK" in await raw(server)


async def test_nonsense_on_the_socket_closes_it(serve: Serve) -> None:
    """What is not HTTP is answered 400 and closed."""
    server = await serve()
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"\x00\x01 nonsense\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()
