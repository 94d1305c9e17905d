"""A real `headgate serve` in front of a pretend Groq, stopped in every way there is, and started again on its store."""

import asyncio
import contextlib
import re
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.cli.commands import ROOT, environment

from headgate.domain.limits import Dimension
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.settings import Lengths, Organisation, Pace, SimulatorSettings
from headgate.store.kept import VERSION, KeptMeter, decode
from headgate.store.rows import UsageFilter
from headgate.store.sqlite import SqliteStore

MODEL = "openai/gpt-oss-20b"
ORGANISATION = "org_restarted"
KEY = {"GROQ_API_KEY": "gsk_one"}
STARTS_WITHIN_S = 30.0
WINDOW_S = 0.25
"""What may be lost, with all the time that a busy machine takes for a window of 25 ms and a commit."""
ASK_TOKENS = 400
PROMPT_AT_MOST_TOKENS = 400
"""What the gateway reserves at most for the short prompt of these requests."""


def pretend(plan: str, pace: Pace, **limits: int) -> SimulatorSettings:
    """A pretend Groq with one organisation."""
    own = {"*": {Dimension(name): limit for name, limit in limits.items()}} if limits else {}
    return SimulatorSettings(
        keys={"gsk_one": ORGANISATION},
        organisations={ORGANISATION: Organisation(plan, own)},
        pace=pace,
        lengths=Lengths(median_tokens=60.0, sigma=0.2, longest_tokens=100, reasoning_medium_tokens=0.0),
    )


@contextlib.asynccontextmanager
async def upstream(settings: SimulatorSettings) -> AsyncIterator[SimulatorServer]:
    """The pretend Groq, in this process: it lives on while gateways come and go."""
    server = await serve_simulator(settings)
    try:
        yield server
    finally:
        await server.close()


class Served:
    """One life of a gateway."""

    def __init__(self, process: asyncio.subprocess.Process, root: str, client: aiohttp.ClientSession) -> None:
        self.process = process
        self.root = root
        self._client = client

    async def ask(self, tokens: int = ASK_TOKENS) -> int:
        """One request; its status, 0 when the gateway died on it."""
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "Tell me of headgates."}],
            "max_completion_tokens": tokens,
            "headgate": {"local": "off", "patience-ms": 200},
        }
        try:
            async with self._client.post(f"{self.root}/v1/chat/completions", json=body) as answer:
                await answer.read()
                return answer.status
        except aiohttp.ClientError:
            return 0

    async def get(self, path: str) -> Any:
        async with self._client.get(f"{self.root}{path}") as answer:
            return await answer.json()

    async def deployment(self) -> dict[str, Any]:
        """What it thinks of the one deployment's quota."""
        found = [each for each in (await self.get("/v1/limits"))["data"] if each["model"] == MODEL]
        assert len(found) == 1, found
        shown: dict[str, Any] = found[0]
        return shown

    async def levels(self) -> dict[str, float]:
        return {bucket["dimension"]: bucket["level"] for bucket in (await self.deployment())["buckets"]}

    async def stop(self, number: int) -> str:
        """End it by a signal; what it said after its greeting."""
        self.process.send_signal(number)
        _, said = await self.process.communicate()
        return said.decode()


async def greeting(process: asyncio.subprocess.Process) -> str:
    """What a gateway says until it has named its address."""
    assert process.stderr is not None
    said = ""
    while "Groq SDK:" not in said:
        line = await process.stderr.readline()
        assert line, said
        said += line.decode()
    return said


@contextlib.asynccontextmanager
async def served(environ: Mapping[str, str], store: Path, *more: str) -> AsyncIterator[Served]:
    """A gateway that is ready, as a process of its own; killed in the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headgate", "serve", "--port", "0", "--store", str(store), *more),
        env=environment({**environ, "HEADGATE_STORE__ENABLED": "true"}),
        cwd=ROOT / "tests",
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(STARTS_WITHIN_S), aiohttp.ClientSession() as client:
            said = await greeting(process)
            found = re.search(r"listens on (http://\S+)", said)
            assert found is not None
            gateway = Served(process, found[1], client)
            await gateway.get("/readyz")
            yield gateway
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Watched:
    """The provider's own account, read all the time: the measure that knows nothing of the gateway."""

    def __init__(self, server: SimulatorServer, *dimensions: Dimension) -> None:
        self._server = server
        self._dimensions = dimensions
        self.seen: list[tuple[float, dict[str, float]]] = []

    def look(self) -> dict[str, float]:
        now = self._server.now()
        levels = {d.value: self._server.groq.level(ORGANISATION, MODEL, d, now) for d in self._dimensions}
        self.seen.append((time.monotonic(), levels))
        return levels

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.005)

    def around(self, at: float, dimension: str) -> list[tuple[float, float]]:
        """When and what, from a window before the moment on, to the moment."""
        return [(when, levels[dimension]) for when, levels in self.seen if at - WINDOW_S <= when <= at + 0.01]


async def test_kill_amid_a_hundred_requests(tmp_path: Path) -> None:
    """Levels after the restart are no lower than what the provider had counted, less what drained, and no higher than
    that and the reservations that were open; usage of what was answered is there but for the last window."""
    store = tmp_path / "headgate.sqlite3"
    slow = Pace(network_s=0.0, queue_median_s=0.8, queue_sigma=0.4, output_speed_factor=20.0)
    rates = {"TPM": 250_000 / 60.0, "RPD": 500_000 / 86_400.0}
    async with upstream(pretend("developer", slow)) as server:
        environ = {**KEY, "GROQ_BASE_URL": server.base_url}
        watched = Watched(server, Dimension.TPM, Dimension.RPD)
        async with served(environ, store) as gateway:
            assert await gateway.ask() == 200  # the headers of its answer show the plan
            watching = asyncio.create_task(watched.watch())
            asked = [asyncio.create_task(gateway.ask()) for _ in range(100)]
            answered: list[float] = []
            for task in asked:
                task.add_done_callback(lambda _: answered.append(time.monotonic()))
            async with asyncio.timeout(STARTS_WITHIN_S):
                while len(answered) < 40:  # noqa: ASYNC110 - counts what other tasks do
                    await asyncio.sleep(0.005)
            gateway.process.kill()
            killed_at = time.monotonic()
            statuses = await asyncio.gather(*asked)
            await gateway.process.wait()
            watching.cancel()
        assert statuses.count(200) >= 40
        assert statuses.count(0) >= 10, "the kill came after the last answer"
        async with served(environ, store) as gateway:
            before, counted_requests = time.monotonic(), watched.look()["RPD"]
            levels = await gateway.levels()
            after = time.monotonic()
            used = (await gateway.get("/v1/usage?by=outcome"))["data"]
        still_open = 100 - sum(at < killed_at - WINDOW_S for at in answered)
        for name, ask in (("TPM", ASK_TOKENS + PROMPT_AT_MOST_TOKENS), ("RPD", 1)):
            counted = watched.around(killed_at, name)
            lowest = min(level - rates[name] * (after - when) for when, level in counted)
            highest = max(level - rates[name] * (before - when) for when, level in counted)
            assert levels[name] >= lowest - 0.01 * lowest, name
            assert levels[name] <= max(0.0, highest) + ask * still_open, name
        assert levels["RPD"] == pytest.approx(counted_requests, abs=1.0)
        in_time = 1 + sum(at < killed_at - WINDOW_S for at in answered)
        assert in_time <= sum(row["requests"] for row in used) <= 1 + statuses.count(200) + 1


async def test_announced_cooldown(tmp_path: Path) -> None:
    """It holds over a kill to the second that the provider named, and nothing is sent there meanwhile."""
    store = tmp_path / "headgate.sqlite3"
    quick = Pace(network_s=0.0, queue_median_s=0.001, queue_sigma=0.1, output_speed_factor=50.0)
    async with upstream(pretend("free", quick, RPD=3)) as server:
        environ = {**KEY, "GROQ_BASE_URL": server.base_url, "HEADGATE_DEFAULTS__SUBSTITUTE": "false"}
        async with served(environ, store) as gateway:
            statuses = [await gateway.ask() for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
            told = await gateway.deployment()
            ends_at = time.time() + told["cooldown"]["seconds"]
            assert told["cooldown"]["source"] == "announced"
            assert told["cooldown"]["seconds"] > 3_600.0
            async with asyncio.timeout(STARTS_WITHIN_S):
                while not keeps_a_cooldown(store):  # noqa: ASYNC110 - another process writes it
                    await asyncio.sleep(0.01)
            gateway.process.kill()
            await gateway.process.wait()
        counted = server.groq.level(ORGANISATION, MODEL, Dimension.RPD, server.now())
        async with served(environ, store) as gateway:
            told = await gateway.deployment()
            assert time.time() + told["cooldown"]["seconds"] == pytest.approx(ends_at, abs=0.5)
            assert told["cooldown"]["source"] == "announced"
            assert await gateway.ask() == 429
        assert server.groq.level(ORGANISATION, MODEL, Dimension.RPD, server.now()) <= counted


def keeps_a_cooldown(store: Path) -> bool:
    """What the file says, past the gateway that owns it."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        states = [state for (state,) in connection.execute("SELECT state FROM meters")]
    return any(decode(state, VERSION, KeptMeter).meter.cooldown is not None for state in states)


async def test_graceful_stop(tmp_path: Path) -> None:
    """Everything is kept, the file is closed as a whole, and the next start has nothing to complain of."""
    store = tmp_path / "headgate.sqlite3"
    quick = Pace(network_s=0.0, queue_median_s=0.001, queue_sigma=0.1, output_speed_factor=50.0)
    async with upstream(pretend("free", quick)) as server:
        environ = {**KEY, "GROQ_BASE_URL": server.base_url}
        async with served(environ, store) as gateway:
            assert [await gateway.ask(50) for _ in range(5)] == [200] * 5
            await gateway.stop(signal.SIGTERM)
            assert gateway.process.returncode == 0
        kept = SqliteStore.open(store)
        assert kept.opened.left_by == ""
        rows = (await kept.usage.page(UsageFilter())).rows
        await kept.close()
        assert [(row.outcome, row.provider, row.model_served) for row in rows] == [("answered", "groq", MODEL)] * 5
        assert all(row.prompt_tokens and row.completion_tokens and row.cost_nanousd for row in rows)
        async with served(environ, store) as gateway:
            levels = await gateway.levels()
            said = await gateway.stop(signal.SIGTERM)
        assert levels["RPD"] == pytest.approx(5, abs=0.1)
        assert "Going on with the quota of 1 deployment of the last run, 0 cooling down." in said


async def test_store_of_another_gateway(tmp_path: Path) -> None:
    """The second one that names the file is refused with 78, told whose it is and what to do; the first goes on."""
    store = tmp_path / "headgate.sqlite3"
    async with served({}, store) as first:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "headgate", "serve", "--port", "0", "--store", str(store)),
            env=environment({"HEADGATE_STORE__ENABLED": "true"}),
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 78
        assert f"in use by process {first.process.pid}" in said.decode()
        assert "--store PATH" in said.decode()
        assert "Traceback" not in said.decode()
        assert await first.ask(20) == 200


async def test_simulator_twice(tmp_path: Path) -> None:
    """`./run` beside a running one: where nobody named a file the second one makes do with a passing one."""
    environ = {"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)}
    command = (sys.executable, "-m", "headgate", "serve", "--port", "0")
    env = {name: text for name, text in environment(environ).items() if name != "HEADGATE_STORE__ENABLED"}
    greetings = []
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(2):
            process = await asyncio.create_subprocess_exec(*command, env=env, stderr=asyncio.subprocess.PIPE)
            stack.push_async_callback(process.wait)
            stack.callback(process.terminate)
            greetings.append(await greeting(process))
    assert "Another gateway" not in greetings[0]
    assert "keeps files and usage until it ends" in greetings[1]


async def test_nowhere_to_write(tmp_path: Path) -> None:
    """Where nobody named a file and the usual folder cannot be made, the gateway serves and says that nothing stays."""
    (tmp_path / "home").write_text("no folder", encoding="utf-8")
    environ = {"XDG_DATA_HOME": str(tmp_path / "home"), "HOME": str(tmp_path / "home")}
    env = {name: text for name, text in environment(environ).items() if name != "HEADGATE_STORE__ENABLED"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headgate", "serve", "--port", "0"), env=env, stderr=asyncio.subprocess.PIPE
    )
    said = await greeting(process)
    process.terminate()
    await process.communicate()
    assert "Nothing is kept over a restart" in said


async def test_simulator_starts_empty(tmp_path: Path) -> None:
    """The built-in one forgets its own levels, so none are brought back; usage stays, and is told apart."""
    store = tmp_path / "headgate.sqlite3"
    async with served({}, store) as gateway:
        assert await gateway.ask(20) == 200
        await gateway.stop(signal.SIGTERM)
    async with served({}, store) as gateway:
        assert (await gateway.get("/v1/limits"))["data"] == []
        (row,) = (await gateway.get("/v1/usage?by=provider"))["data"]
    assert (row["provider"], row["requests"]) == ("simulator", 1)


async def test_damaged_store(tmp_path: Path) -> None:
    """It is moved aside and said so; the gateway serves with a new one."""
    store = tmp_path / "headgate.sqlite3"
    store.write_bytes(b"SQLite format 3\x00" + bytes(range(256)) * 40)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headgate", "serve", "--port", "0", "--store", str(store)),
        env=environment({"HEADGATE_STORE__ENABLED": "true"}),
        stderr=asyncio.subprocess.PIPE,
    )
    said = await greeting(process)
    process.terminate()
    await process.communicate()
    assert "The store was damaged" in said
    assert damaged_in(tmp_path)


def damaged_in(folder: Path) -> list[Path]:
    """What was set aside."""
    return list(folder.glob("headgate.sqlite3.damaged-*"))
