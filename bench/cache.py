"""What the cache costs: a look-up in memory, the key of a request, and a whole cached answer over HTTP.

    python -m bench.cache                     # about a minute; on a quiet machine

The whole answer is compared with bare uvicorn that answers as many bytes without looking at anything: both at the same
time behind the same load, round by round, medians. The first request of each kind makes the entry, the second finds it
by its key, all others by their bytes.
"""

import argparse
import http.client
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from bench.canned_upstream import BODY
from bench.load import PATH, Load, Outcome, put, request_bytes, tree_cpu_s
from bench.overhead import Server, free_port, headgate, module, process

from headgate.cache.entry import Entry, encode_entry
from headgate.cache.key import canonical, key_of, space_of
from headgate.cache.rules import CacheScope
from headgate.domain.answer import Usage
from headgate.protocol.chat import parse_chat
from headgate.runtime.cache import Cache, Ticket
from headgate.runtime.clock import MonotonicClock
from headgate.runtime.memory_tier import MemoryTier
from headgate.server.auth import ANYBODY
from headgate.server.ready import ReadyAnswers

ROUNDS: Final = 5
REQUESTS: Final = 20_000
REPEATS: Final = 5
SETTLES_S: Final = 1.0
"""How long after a load its CPU is still counted."""
DETERMINISTIC: Final = ',"temperature":0'
MODEL: Final = "llama-3.1-8b-instant"


def cost_us(work: Callable[[], object], times: int) -> float:
    """CPU microseconds of one, the best of some repeats."""
    best_s = float("inf")
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(times):
            work()
        best_s = min(best_s, time.process_time() - started)
    return best_s / times * 1e6


def body_of(size: int) -> bytes:
    """A request at temperature 0 of about so many bytes."""
    told = {"model": MODEL, "messages": [{"role": "user", "content": "w" * (size - 120)}], "temperature": 0}
    return msgspec.json.encode(told)


def parts() -> None:
    """Print what each part costs by itself."""
    clock = MonotonicClock()
    memory = MemoryTier(64 * 1024 * 1024, clock)
    cache = Cache(memory=memory, memory_ttl_s=600.0, far=(), stale_s=3600.0, clock=clock, observe=lambda _fact: None)
    space = space_of(b"root", CacheScope.TENANT, "local", None)
    assert space is not None
    for number in range(20_000):
        memory.keep(f"{number:040x}", bytes(800), 600.0)
    entry = Entry("chat", "k", space.name, MODEL, "groq", clock.wall(), 600.0, (), Usage(48, 44), BODY)
    kept, ticket = encode_entry(entry, space), Ticket("k", space, (MODEL,))
    memory.keep("k", kept, 600.0)
    ready = ReadyAnswers(cache, lambda _fact: None)
    rows = [
        ("memory, get an entry of 0.8 kB", cost_us(lambda: memory.find("k"), 100_000)),
        ("memory, put one", cost_us(lambda: memory.keep("k", kept, 600.0), 100_000)),
        ("hit: get, prove and read it", cost_us(lambda: cache.look_near(ticket), 20_000)),
        ("keep an answer: write, sign, put", cost_us(lambda: cache.keep(entry, ticket), 20_000)),
    ]
    for size, name in ((600, "600 B"), (20_000, "20 kB")):
        body = body_of(size)
        fields = parse_chat(body).fields

        def key(fields: dict[str, msgspec.Raw] = fields) -> str:
            form = canonical(fields, (MODEL,), None)
            assert form is not None
            return key_of(space, form)

        rows.append((f"key of a request of {name}", cost_us(key, 5_000)))
        rows.append(
            (
                f"digest of its raw bytes, {name}",
                cost_us(lambda body=body: ready.digest((), ANYBODY, "/v1/chat/completions", body), 20_000),  # type: ignore[misc]
            )
        )
    print("| part | µs |\n| --- | --- |")
    for name, us in rows:
        print(f"| {name} | {us:.2f} |")
    print(flush=True)


def servers(stack: ExitStack, folder: Path) -> list[Server]:
    """Everything that is compared."""
    port = free_port()
    bare = stack.enter_context(process(module("bench.bare_uvicorn", "--port", str(port)), port))
    return [
        Server("bare uvicorn", port, bare),
        headgate(stack, folder, stores=False),
        headgate(stack, folder, stores=True),
    ]


def settled(load: Load, pid: int) -> Outcome:
    """One load, with the CPU of what it leaves to be done afterwards: rows that are still to be written."""
    before_s = tree_cpu_s(pid)
    outcome = uvloop.run(put(load, pid))
    time.sleep(SETTLES_S)
    return msgspec.structs.replace(outcome, cpu_us=(tree_cpu_s(pid) - before_s) / load.requests * 1e6)


def measure(compared: list[Server], rounds: int, requests: int) -> dict[str, list[Outcome]]:
    """Load every server in turn, round by round."""
    outcomes: dict[str, list[Outcome]] = {server.name: [] for server in compared}
    for round_ in range(rounds + 1):
        for server in compared:
            load = Load(server.port, requests if round_ else requests // 10, fields=DETERMINISTIC)
            outcome = settled(load, server.pid)
            if outcome.failed:
                raise SystemExit(f"{server.name}: {outcome.failed} of {outcome.requests} requests failed")
            if round_:  # the first round only warms up
                outcomes[server.name].append(outcome)
    return outcomes


def check(server: Server) -> None:
    """What was measured was the cache."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    _, _, body = request_bytes(Load(server.port, 1, fields=DETERMINISTIC)).partition(b"\r\n\r\n")
    connection.request("POST", PATH, body, {"content-type": "application/json"})
    response = connection.getresponse()
    label = response.getheader("x-headgate-cache")
    if response.read() != BODY or (server.name != "bare uvicorn" and label != "hit-memory"):
        raise SystemExit(f"{server.name}: {response.status} with x-headgate-cache: {label}")
    connection.close()


def report(outcomes: dict[str, list[Outcome]]) -> None:
    """Print the table."""
    medians = {name: statistics.median(o.cpu_us for o in each) for name, each in outcomes.items()}
    floor = medians["bare uvicorn"]
    print(
        "| cached answer of 600 bytes | CPU µs, median | lowest to highest | times bare uvicorn | per second | p99 ms |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for name, each in outcomes.items():
        costs = [o.cpu_us for o in each]
        per_second, p99_ms = (
            statistics.median(values) for values in zip(*((o.per_second, o.p99_ms) for o in each), strict=True)
        )
        print(
            f"| {name} | {medians[name]:.1f} | {min(costs):.1f} to {max(costs):.1f} | {medians[name] / floor:.2f} "
            f"| {per_second:,.0f} | {p99_ms:.1f} |"
        )
    print(flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    options = parser.parse_args()
    parts()
    with ExitStack() as stack:
        compared = servers(stack, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        outcomes = measure(compared, options.rounds, options.requests)
        for server in compared:
            check(server)
        report(outcomes)


if __name__ == "__main__":
    main()
