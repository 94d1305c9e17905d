"""The pool: which connection serves whom, and that nothing is ever lost, neither a slot nor a byte nor a socket."""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from tests.runtime.upstream_script import OK, SHORT, Peer, chunked, reply, scripted, settled, upstream_at

from headgate.runtime.upstream import Gauges, Timeouts, UpstreamError, UpstreamErrorKind
from headgate.runtime.upstream_http1 import Http1Upstream

WITHIN_S = 10.0


async def echo(peer: Peer) -> None:
    """Answers every request with its own body."""
    while True:
        body = (await peer.request()).partition(b"\r\n\r\n")[2]
        peer.send(reply(body))


async def ask(upstream: Http1Upstream, body: bytes, timeouts: Timeouts = SHORT) -> bytes:
    return (await upstream.request("POST", "/", [], body, timeouts)).body


class Gate:
    """Lets a script answer one request at a time, when the test says so."""

    def __init__(self) -> None:
        self._answers = asyncio.Semaphore(0)
        self.asked: list[bytes] = []

    def open(self, times: int = 1) -> None:
        for _ in range(times):
            self._answers.release()

    async def script(self, peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            self.asked.append(body)
            await self._answers.acquire()
            peer.send(reply(body))


async def test_connections_are_used_last_in_first_out() -> None:
    """The connection used last is used next, so that those not needed grow old."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            peer.send(reply(b"%d" % peer.number))

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        first, second = await asyncio.gather(ask(upstream, b""), ask(upstream, b""))
        assert {first, second} == {b"1", b"2"}
        assert upstream.gauges() == Gauges(open=2, idle=2, in_flight=0, waiting=0)
        last = await ask(upstream, b"")
        assert [await ask(upstream, b"") for _ in range(3)] == [last] * 3


async def test_idle_connections_expire() -> None:
    """An idle connection is closed after its time, without anyone asking."""
    async with scripted(echo) as server, upstream_at(server.port, idle_expiry_s=0.05) as upstream:
        await asyncio.gather(ask(upstream, b"a"), ask(upstream, b"b"))
        assert upstream.gauges().idle == 2
        await settled(lambda: upstream.gauges().open == 0)


async def test_idle_connections_are_bounded() -> None:
    """No more connections stay idle than the setting allows."""
    async with scripted(echo) as server, upstream_at(server.port, max_idle=1) as upstream:
        await asyncio.gather(*[ask(upstream, b"%d" % number) for number in range(4)])
        assert upstream.gauges() == Gauges(open=1, idle=1, in_flight=0, waiting=0)


async def test_server_closes_an_idle_connection() -> None:
    """A connection that the upstream closed while it was idle is dropped at once and never offered."""

    async def script(peer: Peer) -> None:
        peer.send(reply(await peer.request()))

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        for number in (1, 2):
            await ask(upstream, b"")
            await settled(lambda: upstream.gauges().open == 0)
            assert server.connections == number


@pytest.mark.parametrize("politely", [False, True], ids=["RST", "FIN"])
async def test_stale_connection(*, politely: bool) -> None:
    """An idle connection that breaks as we write to it is replaced by a fresh one, once, unseen by the caller."""

    async def script(peer: Peer) -> None:
        peer.send(reply(await peer.request()))
        await peer.request()
        if peer.number == 1:
            if not politely:
                peer.reset()
            return
        peer.send(reply(b"never asked for"))

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        await ask(upstream, b"")
        response = await upstream.request("POST", "/", [], b"again", SHORT)
        assert response.body.endswith(b"again")
        assert not response.reused
        assert server.connections == 2
        assert upstream.gauges() == Gauges(open=1, idle=1, in_flight=0, waiting=0)


async def test_stale_connection_and_then_a_dead_upstream() -> None:
    """The second try on a fresh connection is the last one."""

    async def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.send(reply(await peer.request()))
        await peer.request()

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        await ask(upstream, b"")
        with pytest.raises(UpstreamError) as caught:
            await ask(upstream, b"")
        assert caught.value.kind is UpstreamErrorKind.RESET
        assert server.connections == 2
        assert upstream.gauges().open == 0


async def test_reused_connection_breaks_within_the_reply() -> None:
    """After the first byte of a reply nothing is tried again: the request may have been carried out."""

    async def script(peer: Peer) -> None:
        peer.send(reply(await peer.request()))
        await peer.request()
        peer.send(b"H")

    async with scripted(script) as server, upstream_at(server.port) as upstream:
        await ask(upstream, b"")
        with pytest.raises(UpstreamError) as caught:
            await ask(upstream, b"")
        assert (caught.value.kind, caught.value.received) == (UpstreamErrorKind.RESET, 1)
        assert server.connections == 1


async def test_stale_connection_with_a_full_pool() -> None:
    """The fresh connection takes the place of a stale one even when others wait for it, and gets its turn."""

    async def script(peer: Peer) -> None:
        peer.send(reply((await peer.request()).partition(b"\r\n\r\n")[2]))
        if peer.number > 1:
            await echo(peer)
        await peer.request()

    async with scripted(script) as server, upstream_at(server.port, max_connections=1) as upstream:
        await ask(upstream, b"0")
        callers = [upstream.request("POST", "/", [], b"%d" % number, SHORT) for number in range(5)]
        responses = await asyncio.gather(*callers)
        assert [response.body for response in responses] == [b"%d" % number for number in range(5)]
        assert [response.reused for response in responses] == [False, False, True, True, True]
        assert server.connections == 3  # the stale one, the one of those in line, the fresh one
        assert upstream.gauges() == Gauges(open=1, idle=1, in_flight=0, waiting=0)


async def test_callers_wait_in_order() -> None:
    """With all connections taken callers stand in line, first come first served, newcomers last."""
    gate = Gate()
    async with scripted(gate.script) as server, upstream_at(server.port, max_connections=1) as upstream:
        callers = [asyncio.create_task(ask(upstream, b"%d" % number)) for number in range(5)]
        await settled(lambda: len(gate.asked) == 1 and upstream.gauges().waiting == 4)
        gate.open()
        await callers[0]
        callers.append(asyncio.create_task(ask(upstream, b"5")))
        gate.open(5)
        await asyncio.gather(*callers)
        assert gate.asked == [b"%d" % number for number in range(6)]
        assert server.connections == 1


async def test_caller_waits_in_vain() -> None:
    """The total timeout bounds the wait; nothing was written."""
    gate = Gate()
    async with scripted(gate.script) as server, upstream_at(server.port, max_connections=1) as upstream:
        first = asyncio.create_task(ask(upstream, b"first"))
        await settled(lambda: len(gate.asked) == 1)
        with pytest.raises(UpstreamError) as caught:
            await ask(upstream, b"second", msgspec.structs.replace(SHORT, total_s=0.05))
        assert (caught.value.kind, caught.value.written) == (UpstreamErrorKind.TOTAL_TIMEOUT, False)
        gate.open(2)
        assert await first == b"first"
        assert await ask(upstream, b"third") == b"third"


async def test_cancelled_caller_leaves_the_line() -> None:
    """A caller that stops waiting is stepped over."""
    gate = Gate()
    async with scripted(gate.script) as server, upstream_at(server.port, max_connections=1) as upstream:
        callers = [asyncio.create_task(ask(upstream, b"%d" % number)) for number in range(3)]
        await settled(lambda: len(gate.asked) == 1 and upstream.gauges().waiting == 2)
        callers[1].cancel()
        gate.open(2)
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert [results[0], results[2]] == [b"0", b"2"]
        assert isinstance(results[1], asyncio.CancelledError)
        assert upstream.gauges() == Gauges(open=1, idle=1, in_flight=0, waiting=0)


async def test_caller_is_cancelled_in_the_step_of_its_turn() -> None:
    """A connection handed to a caller that was cancelled at that very moment goes to the next in line."""
    gate = Gate()
    async with scripted(gate.script) as server, upstream_at(server.port, max_connections=1) as upstream:

        async def ask_and_cancel() -> None:
            await ask(upstream, b"0")
            assert not second.done()
            second.cancel()  # its turn has come with the end of our reply, but it has not run since

        first = asyncio.create_task(ask_and_cancel())
        await settled(lambda: len(gate.asked) == 1)
        second = asyncio.create_task(ask(upstream, b"1"))
        third = asyncio.create_task(ask(upstream, b"2"))
        await settled(lambda: upstream.gauges().waiting == 2)
        gate.open(3)
        await first
        assert await third == b"2"
        assert second.cancelled()
        assert gate.asked == [b"0", b"2"]
        assert server.connections == 1


async def test_connection_breaks_in_the_step_of_its_turn() -> None:
    """A connection that dies between the caller's turn and the caller's next step is replaced, with its place kept."""
    gate = Gate()
    async with scripted(gate.script) as server, upstream_at(server.port, max_connections=1) as upstream:

        async def ask_and_break() -> None:
            await ask(upstream, b"0")
            next(iter(upstream._connections)).abort()

        first = asyncio.create_task(ask_and_break())
        await settled(lambda: len(gate.asked) == 1)
        others = [asyncio.create_task(ask(upstream, b"%d" % number)) for number in (1, 2, 3)]
        await settled(lambda: upstream.gauges().waiting == 3)
        gate.open(4)
        await first
        assert await asyncio.gather(*others) == [b"1", b"2", b"3"]
        assert gate.asked == [b"0", b"2", b"1", b"3"]  # the slot of the dead one went to the next; then back in order
        assert upstream.gauges() == Gauges(open=1, idle=1, in_flight=0, waiting=0)


async def test_slot_of_a_failed_dial_goes_to_the_next() -> None:
    """A connection that could not be made frees its slot for those who wait."""

    async def script(peer: Peer) -> None:
        await peer.request()
        peer.reset()

    async with scripted(script) as server, upstream_at(server.port, max_connections=1) as upstream:
        results = await asyncio.gather(*[ask(upstream, b"") for _ in range(5)], return_exceptions=True)
        assert all(isinstance(result, UpstreamError) for result in results)
        assert server.connections == 5
        assert upstream.gauges() == Gauges(open=0, idle=0, in_flight=0, waiting=0)


async def test_line_is_bounded() -> None:
    """A line that is full refuses at once."""
    gate = Gate()
    async with scripted(gate.script) as server, upstream_at(server.port, max_connections=1) as upstream:
        upstream._pool_limits = msgspec.structs.replace(upstream._pool_limits, max_waiting=1)
        callers = [asyncio.create_task(ask(upstream, b"%d" % number)) for number in range(2)]
        await settled(lambda: upstream.gauges().waiting == 1)
        with pytest.raises(UpstreamError) as caught:
            await ask(upstream, b"2")
        assert caught.value.kind is UpstreamErrorKind.POOL_FULL
        gate.open(2)
        await asyncio.gather(*callers)


async def test_close_tells_everyone() -> None:
    """Closing ends the calls under way, those in line, and refuses new ones."""
    gate = Gate()
    async with scripted(gate.script) as server, upstream_at(server.port, max_connections=1) as upstream:
        callers = [asyncio.create_task(ask(upstream, b"%d" % number)) for number in range(3)]
        await settled(lambda: len(gate.asked) == 1 and upstream.gauges().waiting == 2)
        await upstream.close()
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert all(isinstance(result, UpstreamError) for result in results)
        with pytest.raises(UpstreamError):
            await ask(upstream, b"more")


async def test_closed_by_two_at_once() -> None:
    """Each of them goes on when all connections are gone."""
    async with scripted(echo) as server, upstream_at(server.port) as upstream:
        await ask(upstream, b"one")
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(upstream.close(), upstream.close())
        assert upstream.gauges().open == 0


STEPS = range(14)
"""More turns of the loop than a request over a fresh connection takes."""


@pytest.mark.parametrize("fresh", [False, True], ids=["kept connection", "new connection"])
async def test_cancelled_at_every_step(*, fresh: bool) -> None:
    """Cancelled after any number of turns of the loop, a request leaves no slot taken and no reply for another."""
    async with scripted(echo) as server, upstream_at(server.port, max_connections=1) as upstream:
        for steps in STEPS:
            if not fresh:
                await ask(upstream, b"warm")
            caller = asyncio.create_task(ask(upstream, b"cancelled %d" % steps))
            for _ in range(steps):
                await asyncio.sleep(0)
            caller.cancel()
            await asyncio.wait([caller])
            assert upstream.gauges().in_flight == 0
            assert await ask(upstream, b"next %d" % steps) == b"next %d" % steps
            if fresh:
                for connection in tuple(upstream._connections):
                    connection.abort()


async def test_coroutine_is_thrown_away() -> None:
    """A request that is dropped without being cancelled aborts its connection, and nothing complains later."""
    complaints: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    async with scripted(echo) as server, upstream_at(server.port) as upstream:
        await ask(upstream, b"")
        dropped = upstream.request("POST", "/", [], b"dropped", SHORT)
        dropped.send(None)
        assert upstream.gauges().in_flight == 1
        dropped.close()
        assert upstream.gauges().open == 0
    gc.collect()
    assert not complaints


class Storm:
    """Callers with random habits against an upstream with random habits; every reply must be the caller's own."""

    def __init__(self, upstream: Http1Upstream, dice: random.Random) -> None:
        self._upstream = upstream
        self._dice = dice
        self.right = 0
        self.broken = 0

    async def call(self, number: int) -> None:
        body = b"<%d>" % number * self._dice.randint(1, 50)
        ways: list[Callable[[bytes], Awaitable[bytes]]] = [self._buffered, self._streamed]
        try:
            got = await self._dice.choice(ways)(body)
        except UpstreamError:
            self.broken += 1
            return
        assert got == body, "somebody else's reply"
        self.right += 1

    async def _buffered(self, body: bytes) -> bytes:
        return await ask(self._upstream, body)

    async def _streamed(self, body: bytes) -> bytes:
        stream = await self._upstream.open("POST", "/", [], body, SHORT)
        try:
            return b"".join([chunk async for chunk in stream])
        finally:
            stream.close()


def open_files() -> int:
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def moody(dice: random.Random, calm: asyncio.Event) -> Callable[[Peer], Awaitable[None]]:
    """An echo that answers late, in pieces, chunked or not, and sometimes breaks off until it is calm."""

    async def script(peer: Peer) -> None:
        while True:
            body = (await peer.request()).partition(b"\r\n\r\n")[2]
            await asyncio.sleep(dice.choice([0, 0, 0.001, 0.003]))
            cut = dice.randint(0, len(body))
            pieces = [piece for piece in (body[:cut], body[cut:]) if piece]
            data = dice.choice([reply(body), OK + b"transfer-encoding: chunked\r\n\r\n" + chunked(*pieces)])
            at = dice.randint(0, len(data))
            peer.send(data[:at])
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
            if dice.random() < 0.02 and not calm.is_set():
                peer.reset()
                return
            peer.send(data[at:])

    return script


@pytest.mark.parametrize("seed", [1, 2])
async def test_storm_of_cancelled_requests(seed: int) -> None:
    """Hundreds of requests cancelled at random moments: no foreign byte, no slot, task or socket left behind."""
    dice = random.Random(seed)
    calm = asyncio.Event()
    tasks_before = len(asyncio.all_tasks())
    files_before = open_files()
    async with scripted(moody(dice, calm)) as server:
        async with upstream_at(server.port, max_connections=8) as upstream:
            storm = Storm(upstream, dice)
            callers = [asyncio.create_task(storm.call(number)) for number in range(600)]
            for caller in callers:
                if dice.random() < 0.6:
                    asyncio.get_running_loop().call_later(dice.random() * 0.08, caller.cancel)
            await asyncio.wait(callers)
            assert not [caller for caller in callers if not caller.cancelled() and caller.exception()]
            cancelled = sum(caller.cancelled() for caller in callers)
            assert cancelled > 50
            assert storm.right > 100
            assert storm.right + storm.broken + cancelled == 600
            gauges = upstream.gauges()
            assert (gauges.in_flight, gauges.waiting, gauges.open) == (0, 0, gauges.idle)
            assert gauges.open <= 8
            calm.set()
            await asyncio.gather(*[storm.call(number) for number in range(8)])
        assert upstream.gauges() == Gauges(open=0, idle=0, in_flight=0, waiting=0)
    await settled(lambda: len(asyncio.all_tasks()) == tasks_before)
    await settled(lambda: open_files() <= files_before + 1)
