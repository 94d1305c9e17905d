"""Clients that leave, whenever they leave: nothing stays behind, and nothing is freed twice."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.remedies.house import BIG, CHAT, SMALL, House, chat, one_after_another, open_house, pretend

from headgate.decide.events import ClientGone
from headgate.decide.policy import Policy
from headgate.domain.answer import Refusal
from headgate.domain.limits import Deployment
from headgate.protocol.chat import parse_chat
from headgate.runtime.errand import ChatErrand
from headgate.server.controls import NO_CONTROLS
from headgate.server.watch import READING_GRACE_S
from headgate.simulator.faults import Fault, FaultKind
from headgate.simulator.settings import Lengths, Pace, SimulatorSettings

CAP = 5000
AT_A = Deployment.of("groq", "org_a", BIG)
EVENTS = 22


class Client:
    """A raw connection that has asked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def events(self, count: int) -> bytes:
        """Read until so many events have come."""
        seen = b""
        while seen.count(b"\n\n") < count and (more := await self.reader.read(4096)):
            seen += more
        return seen

    def hang_up(self, *, hard: bool = False) -> None:
        """FIN, or RST."""
        if hard:
            raw = self.writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.writer.transport.abort()
        self.writer.close()


async def asking(house: House, body: dict[str, Any], **headers: str) -> Client:
    """Connect and ask, and wait for nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=2**12)
    data = msgspec.json.encode(body)
    lines = [f"POST {CHAT} HTTP/1.1", f"host: 127.0.0.1:{house.port}", "content-type: application/json"]
    lines += [f"content-length: {len(data)}", *(f"{name}: {text}" for name, text in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + data)
    await writer.drain()
    return Client(reader, writer)


async def until(true: Callable[[], object], within_s: float = 2.0) -> None:
    """Wait for the system to come to something."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110 - the system has no event for a test
            await asyncio.sleep(0.002)


def left_behind(house: House) -> dict[str, int]:
    """What is held for somebody: all of it must be nothing once nobody is there."""
    gate, driver = house.gate, house.gateway.driver
    for simulator in house.simulators:
        simulator.groq.advance(simulator.now())
    gauges = [each.upstream.gauges() for group in driver._connections.values() for each in group]
    held = {
        "reservations": sum(gate.ledger.open_count(d) for m in (BIG, SMALL) for d in gate.pool.deployments(m)),
        "tickets": gate.room.waiting(),
        "waiting": driver.waiting,
        "in flight": house.gateway.in_flight,
        "upstream in flight": sum(gauge.in_flight for gauge in gauges),
        "upstream waiting": sum(gauge.waiting for gauge in gauges),
        "server tasks": len(house.server.server_state.tasks),
        "calls at Groq": sum(len(groq.limiter.calls) for groq in house.groqs),
    }
    return {name: count for name, count in held.items() if count}


async def assert_rests(house: House) -> None:
    """Everything is given back, exactly once, and the house still answers."""
    with contextlib.suppress(TimeoutError):
        await until(lambda: not left_behind(house))
    assert left_behind(house) == {}
    for meter in house.gate.ledger._meters.values():
        assert meter.granted == meter.settled + meter.released
        assert meter.open == 0
    house.gate.ledger.check(house.gateway.clock.now())
    assert (await house.ask(chat("still there?", model=SMALL))).label("source") == "upstream"


@asynccontextmanager
async def house_at_rest_after(simulated: SimulatorSettings | None = None, **more: Any) -> AsyncIterator[House]:
    """A house that must be at rest when the test is done with it."""
    async with open_house(simulated or one_after_another(), **{"models": (), **more}) as house:
        yield house
        await assert_rests(house)
        connections = house.server.server_state.connections
        await until(lambda: len(connections) <= 1)  # the one that has just asked


@pytest.mark.parametrize("hard", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("stream", [False, True], ids=["buffered", "stream"])
async def test_client_leaves_before_any_answer(*, stream: bool, hard: bool) -> None:
    """The upstream call is aborted within 200 ms and its reservation booked whole: what it used is not known."""
    silent = Fault(FaultKind.SLOW, delay_s=30.0, model=BIG)
    async with house_at_rest_after(one_after_another(silent), route="deadline_s = 9") as house:
        client = await asking(house, chat(cap=CAP, stream=stream))
        await until(lambda: house.groqs[0].limiter.calls)
        room = house.gate.ledger.room(AT_A, 0, house.gateway.clock.now())
        client.hang_up(hard=hard)
        await until(lambda: not house.groqs[0].limiter.calls, within_s=0.2)
        await until(lambda: not left_behind(house))
        after = house.gate.ledger.room(AT_A, 0, house.gateway.clock.now())
        assert after - room < CAP / 2, "the reservation was given back although the call was written"


async def test_client_leaves_while_it_waits_for_quota() -> None:
    """Its place in the waiting room is free at once, and whoever stands behind it is let in."""
    tight = f'[organisations.org_a.limits."{BIG}"]\nRPM = 60'
    route = "patience_s = 9\ndeadline_s = 9"
    async with house_at_rest_after(models=(BIG,), route=route, toml=tight) as house:
        await asyncio.gather(*(house.ask(chat(f"{n}", stream=True), connection="close") for n in range(60)))
        clients = [await asking(house, chat(f"waits {n}", stream=bool(n % 2))) for n in range(6)]
        await until(lambda: house.gate.room.waiting() == 6)
        for client in clients[:5]:
            client.hang_up()
        await until(lambda: house.gate.room.waiting() <= 1, within_s=0.2)
        assert b"200 OK" in await clients[5].reader.read(200)
        clients[5].hang_up()
        house.gate.ledger._meters[AT_A.id].buckets[0].level = 0.0  # for the one who asks last


async def test_client_leaves_at_every_event_of_a_stream() -> None:
    """Wherever a stream is left, slot, call and reservation are given back once and for all."""
    async with house_at_rest_after() as house:

        async def leaves_after(events: int) -> None:
            client = await asking(house, chat(f"until event {events}", cap=200, stream=True))
            await client.events(events)
            client.hang_up(hard=bool(events % 2))

        await asyncio.gather(*(leaves_after(events) for events in range(EVENTS)))


async def test_client_leaves_mid_stream_and_groq_is_told() -> None:
    """The upstream connection is aborted within 200 ms, not drained."""
    async with house_at_rest_after() as house:
        client = await asking(house, chat(cap=CAP, stream=True))
        await client.events(3)
        assert house.groqs[0].limiter.calls
        client.hang_up()
        await until(lambda: not house.simulators[0].connections, within_s=0.2)


async def test_client_leaves_while_it_waits_for_a_connection() -> None:
    """Its place in the line for an upstream connection is free at once, and Groq never hears of it."""
    silent = Fault(FaultKind.SLOW, delay_s=30.0, containing="silent")
    one = "[upstream]\nmax_connections = 1"
    async with house_at_rest_after(one_after_another(silent), models=(BIG,), route="deadline_s = 9", toml=one) as house:
        first = await asking(house, chat("silent"))
        await until(lambda: house.seen)
        second = await asking(house, chat("in line", stream=True))
        await until(lambda: left_behind(house).get("upstream waiting"))
        second.hang_up()
        await until(lambda: not left_behind(house).get("upstream waiting"), within_s=0.2)
        first.hang_up()
        await until(lambda: not left_behind(house))
        assert len(house.seen) == 1


async def test_client_leaves_during_a_backoff() -> None:
    """Nobody wakes up to repeat a call for somebody who has left."""
    broken = Fault(FaultKind.SERVER_ERROR, containing="broken")
    policy = Policy(backoff_s=(30.0,))
    async with house_at_rest_after(one_after_another(broken), models=(BIG,), policy=policy) as house:
        client = await asking(house, chat("broken"))
        await until(lambda: house.seen)
        assert house.gateway.in_flight == 1
        client.hang_up()
        await until(lambda: not left_behind(house), within_s=0.2)
        assert len(house.seen) == 1


async def test_client_half_closes_its_connection() -> None:
    """A FIN cannot be told from a client that has left: its request is given up like that of any other."""
    async with house_at_rest_after() as house:
        client = await asking(house, chat(cap=CAP, stream=True))
        await client.events(2)
        client.writer.write_eof()
        await until(lambda: not house.groqs[0].limiter.calls, within_s=0.2)
        rest = await client.reader.read()
        assert b"[DONE]" not in rest
        client.hang_up()


async def test_client_half_closes_before_it_asked_everything() -> None:
    """Half a request is no request: the connection ends, and nobody was asked."""
    async with house_at_rest_after() as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n".encode())
        writer.write(b'content-length: 900\r\n\r\n{"model": "')
        await asyncio.sleep(0.02)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert house.seen == []


async def test_client_does_not_read() -> None:
    """A stream that nobody takes is given up a little after its deadline, so it cannot hold quota and a place."""
    endless = pretend(
        lengths=Lengths(median_tokens=60_000.0, sigma=0.0, longest_tokens=65_000, reasoning_medium_tokens=0),
        pace=Pace(network_s=0.002, queue_median_s=0.002, output_speed_factor=1000.0),
        tokens_per_chunk=1,
    )
    async with open_house(endless, models=(), route="deadline_s = 0.6") as house:
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=64)
        data = msgspec.json.encode(chat(cap=60_000, stream=True))
        head = (
            f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
        )
        writer.write(head.replace("host: x", f"host: 127.0.0.1:{house.port}").encode() + data)
        await until(lambda: house.gateway.in_flight == 1)
        assert await reader.read(12) == b"HTTP/1.1 200"
        try:
            await until(lambda: not left_behind(house), within_s=0.6 + READING_GRACE_S + 1)
        finally:
            writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_client_who_never_reads_is_cut_off() -> None:
    """What it was told lies in memory for as long as its connection is there: a while, not for ever."""
    endless = pretend(
        lengths=Lengths(median_tokens=60_000.0, sigma=0.0, longest_tokens=65_000, reasoning_medium_tokens=0),
        pace=Pace(network_s=0.002, queue_median_s=0.002, output_speed_factor=1000.0),
        tokens_per_chunk=1,
    )
    server = "[server]\nkeep_alive_s = 0.4"
    async with open_house(endless, models=(), route="deadline_s = 0.6", toml=server) as house:
        client = await asking(house, chat(cap=60_000, stream=True))
        try:
            await until(lambda: house.gateway.in_flight == 1)
            await until(lambda: not house.server.server_state.connections, within_s=0.6 + READING_GRACE_S + 3)
        finally:
            client.hang_up(hard=True)


async def test_slow_reader_gets_the_whole_stream() -> None:
    """Who reads slowly, but reads, gets every byte; the pretend Groq is slowed down instead of buffering for them."""
    long = pretend(lengths=Lengths(median_tokens=4000.0, sigma=0.0, reasoning_medium_tokens=0), tokens_per_chunk=1)
    async with house_at_rest_after(long) as house:
        client = await asking(house, chat(cap=CAP, stream=True), connection="close")
        got = b""
        while more := await client.reader.read(3000):
            got += more
            await asyncio.sleep(0)
        assert b"data: [DONE]" in got
        client.hang_up()


async def test_stream_is_closed_before_it_is_read() -> None:
    """A door that could not even send the head closes the stream unread: its call ends and is settled all the same."""
    async with house_at_rest_after() as house:
        gateway = house.gateway
        parsed = parse_chat(msgspec.json.encode(chat(cap=CAP, stream=True)))
        request = gateway.intake.request(parsed, NO_CONTROLS, request_id="r1", tenant="local", now=gateway.clock.now())
        assert not isinstance(request, Refusal)
        answered = await gateway.driver.ask(request, ChatErrand(parsed, gateway.handling))
        assert left_behind(house)["reservations"] == 1
        assert answered.stream is not None
        await answered.stream.aclose()
        assert "reservations" not in left_behind(house)
        await until(lambda: not house.groqs[0].limiter.calls, within_s=0.2)
        await answered.stream.aclose()


async def test_storm_of_hang_ups() -> None:
    """Two hundred clients who leave at any moment leave nothing behind, and each is told as gone at most once."""
    moments = [0.0, 0.001, 0.005, 0.02, 0.05, 0.06, 0.1, 0.15]
    steps: list[tuple[str, object]] = []

    class Recorder:
        def record(self, journey_id: str, event: object, now: float, actions: object) -> None:  # noqa: ARG002
            steps.append((journey_id, event))

    faults = (Fault(FaultKind.RATE_LIMITED, probability=0.2), Fault(FaultKind.SERVER_ERROR, probability=0.2))
    async with house_at_rest_after(one_after_another(*faults), keys="ab", route="patience_s = 1") as house:
        house.gateway.driver.recorder = Recorder()

        async def leaves(number: int) -> None:
            client = await asking(house, chat(f"number {number}", stream=bool(number % 2)))
            await asyncio.sleep(moments[number % len(moments)])
            client.hang_up(hard=bool(number % 3))

        for start in range(0, 200, 40):
            await asyncio.gather(*(leaves(number) for number in range(start, start + 40)))
        await until(lambda: not left_behind(house))
        gone = [journey for journey, event in steps if isinstance(event, ClientGone)]
        assert len(gone) >= 20
        assert len(gone) == len(set(gone))
