"""A load of a fixed number of requests over raw connections, and the CPU time that it costs a process tree.

Each connection sends its next request as soon as the last reply is whole. CPU time is read from /proc (Linux), in ticks
of 10 ms, so use enough requests that it comes to a second or so.

    python -m bench.load --port 9002 --requests 40000 --connections 64 --pid PID [--stream] [--rounds 5]
"""

import argparse
import asyncio
import os
import statistics
import time
from pathlib import Path
from typing import Final, cast

import httptools
import msgspec
import uvloop

BODY_BYTES: Final = 779
PATH: Final = "/openai/v1/chat/completions"
EVENT_MARK: Final = b"data: "


class Load(msgspec.Struct, frozen=True):
    """What to send and where."""

    port: int
    requests: int
    connections: int = 64
    streamed: bool = False
    path: str = PATH
    headers: tuple[str, ...] = ()
    """Further header lines, such as an authorization."""
    fields: str = ""
    """Further fields of the body, as `,"temperature":0`."""


class Outcome(msgspec.Struct, frozen=True):
    """What one load cost and brought. `cpu_us` is per request and covers the whole process tree, all its cores."""

    requests: int
    failed: int
    events: int
    wall_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.wall_s


def request_bytes(load: Load) -> bytes:
    """The one request that is sent again and again."""
    stream = b',"stream":true' if load.streamed else b""
    start = b'{"model":"llama-3.1-8b-instant","messages":[{"role":"user","content":"'
    end = b'"}],"max_tokens":64' + load.fields.encode() + stream + b"}"
    body = start + b"w" * (BODY_BYTES - len(start) - len(end)) + end
    lines = "".join(f"{line}\r\n" for line in load.headers)
    head = (
        f"POST {load.path} HTTP/1.1\r\nhost: 127.0.0.1:{load.port}\r\ncontent-type: application/json\r\n"
        f"{lines}content-length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


class Caller(asyncio.Protocol):
    """One connection of the load."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._parser = httptools.HttpResponseParser(self)
        self._waits = False
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        if self._run.load.streamed:
            self._run.events += data.count(EVENT_MARK)
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._waits = False
        self._run.took_s.append(time.perf_counter() - self._sent_at)
        if self._parser.get_status_code() != 200:
            self._run.failed += 1
        self._next()

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._waits:
            self._run.failed += 1
        self._run.ended()

    def _next(self) -> None:
        if not self._run.left:
            self._transport.close()
            return
        self._run.left -= 1
        self._waits = True
        self._sent_at = time.perf_counter()
        self._transport.write(self._run.request)


class Run:
    """The state that the connections of one load share."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.request = request_bytes(load)
        self.left = load.requests
        self.failed = 0
        self.events = 0
        self.took_s: list[float] = []
        self._open = load.connections
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ended(self) -> None:
        self._open -= 1
        if not self._open:
            self.done.set_result(None)


async def put(load: Load, pid: int) -> Outcome:
    """Put one load on a server and measure the process tree below `pid`."""
    run = Run(load)
    loop = asyncio.get_running_loop()
    cpu_before, started = tree_cpu_s(pid), time.perf_counter()
    for _ in range(load.connections):
        await loop.create_connection(lambda: Caller(run), "127.0.0.1", load.port)
    await run.done
    wall_s, cpu_s = time.perf_counter() - started, tree_cpu_s(pid) - cpu_before
    took_ms = sorted(took * 1000 for took in run.took_s) or [0.0]
    return Outcome(
        requests=load.requests,
        failed=run.failed,
        events=run.events,
        wall_s=wall_s,
        cpu_us=cpu_s / load.requests * 1e6,
        p50_ms=took_ms[len(took_ms) // 2],
        p99_ms=took_ms[len(took_ms) * 99 // 100],
    )


def tree_cpu_s(pid: int) -> float:
    """CPU seconds, user and system, that a process and its living descendants have used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    used_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            used_s += tree_cpu_s(int(child))
    return used_s


def main() -> None:
    """Read the command line, put the load, print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pid", type=int, required=True, help="the server whose CPU time counts")
    parser.add_argument("--requests", type=int, default=40_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--rounds", type=int, default=1, help="how often; the median counts")
    parser.add_argument("--header", action="append", default=[], help="a further header line")
    options = parser.parse_args()
    load = Load(
        options.port, options.requests, options.connections, streamed=options.stream, headers=tuple(options.header)
    )
    outcomes = [uvloop.run(put(load, options.pid)) for _ in range(options.rounds)]
    for outcome in outcomes:
        events = f", {outcome.cpu_us * outcome.requests / outcome.events:.1f} µs per event" if outcome.events else ""
        print(
            f"{outcome.cpu_us:.1f} µs per request{events}, {outcome.per_second:.0f}/s, "
            f"p50 {outcome.p50_ms:.2f} ms, p99 {outcome.p99_ms:.2f} ms, {outcome.failed} failed"
        )
    print(f"median {statistics.median(outcome.cpu_us for outcome in outcomes):.1f} µs of CPU per request")


if __name__ == "__main__":
    main()
