"""A gateway on a thread of its own over a pretend Groq, for tests whose client blocks or runs in another process.

Tests that await find the same parts in the loop of the test in `tests/remedies/house.py`.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from headgate.assembly import make_gateway
from headgate.runtime.loop import new_event_loop
from headgate.runtime.settings import load_settings
from headgate.server.app import App
from headgate.server.gateway import Gateway
from headgate.server.listen import Server, bind, make_server
from headgate.simulator.groq import PretendGroq
from headgate.simulator.http import SimulatorServer, serve_simulator
from headgate.simulator.settings import Lengths, Pace, SimulatorSettings
from headgate.store.sqlite import SqliteStore

T = TypeVar("T")

QUICK = Pace(network_s=0.0, queue_median_s=0.001, queue_sigma=0.1, output_speed_factor=50.0)
"""Answers within some milliseconds."""
SHORT = Lengths(median_tokens=20.0, sigma=0.2, longest_tokens=60, reasoning_medium_tokens=0.0)
KEYS = {"GROQ_API_KEY": "gsk_first", "GROQ_API_KEY_2": "gsk_second"}
STARTS_WITHIN_S = 20.0


class RunningGateway:
    """One that listens. `root` is what the Groq SDK wants, `v1` what the OpenAI SDK wants."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, gateway: Gateway, simulator: SimulatorServer, port: int
    ) -> None:
        self.gateway = gateway
        self.simulator = simulator
        self.root = f"http://127.0.0.1:{port}"
        self.v1 = f"{self.root}/v1"
        self._loop = loop

    @property
    def groq(self) -> PretendGroq:
        return self.simulator.groq

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await something where the gateway runs."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STARTS_WITHIN_S)

    def eventually(self, question: Callable[[], bool]) -> bool:
        """Whether the answer becomes yes; asked between the turns of the gateway's loop, for at most some seconds."""

        async def ask() -> bool:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    while not question():  # noqa: ASYNC110 - what is asked announces nothing
                        await asyncio.sleep(0.005)
            return question()

        return self.run(ask())

    def open_reservations(self) -> int:
        """How many are held and not settled; the ledger is audited on the way."""
        gate = self.gateway.driver.gate
        gate.ledger.check(self.gateway.clock.now())
        running = (deployment for model in gate.catalog.current() for deployment in gate.pool.deployments(model.id))
        return sum(gate.ledger.open_count(deployment) for deployment in running)


@contextlib.contextmanager
def running_gateway(
    *,
    simulator: SimulatorSettings | None = None,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
    flags: Mapping[str, object] | None = None,
    store: Path | None = None,
) -> Iterator[RunningGateway]:
    """Start both on free ports and stop both. `environ` is all of the environment but the address of the upstream;
    `store` is a database that is to be used."""
    ready = threading.Event()
    made: list[tuple[RunningGateway, Server]] = []
    problems: list[BaseException] = []

    async def serve() -> None:
        pretend = await serve_simulator(simulator or SimulatorSettings(pace=QUICK, lengths=SHORT))
        try:
            named = {"GROQ_BASE_URL": pretend.base_url, **(KEYS if environ is None else environ)}
            settings = load_settings(config, named, flags={"server.port": 0, "server.drain_s": 1.0, **(flags or {})})
            opened = None if store is None else SqliteStore.open(store)
            gateway = make_gateway(settings, environment={}, store=opened)
            bound = bind(settings.server.host, settings.server.port)
            app = App(gateway)
            server = make_server(app, settings.server, app.hang_up)
            running = RunningGateway(asyncio.get_running_loop(), gateway, pretend, bound.getsockname()[1])
            made.append((running, server))
            asyncio.get_running_loop().call_soon(ready.set)
            await server.serve(sockets=[bound])
        finally:
            await pretend.close()

    def live() -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(serve())
        except BaseException as problem:  # noqa: BLE001 - the test's own thread shall raise it
            problems.append(problem)
        finally:
            ready.set()

    thread = threading.Thread(target=live, name="gateway under test", daemon=True)
    thread.start()
    assert ready.wait(STARTS_WITHIN_S)
    if problems:
        raise problems[0]
    running, server = made[0]
    try:
        yield running
    finally:
        server.stop()
        thread.join(STARTS_WITHIN_S)
        assert not thread.is_alive()
        assert not problems, problems
