"""Joins a gateway and the runner of its batches: they start and stop together, and lines are asked for at its doors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headgate.batch.handing import Handing
from headgate.batch.remote import GroqBatches
from headgate.batch.runner import BatchRunner
from headgate.catalog import GROQ
from headgate.protocol.batches import CHAT
from headgate.runtime.driver import Connection
from headgate.runtime.settings import BatchExecution, Settings
from headgate.server.gateway import Gateway
from headgate.server.lines import LineDoor, intake_for_lines
from headgate.store.sqlite import SqliteStore

AT_GROQ: Final = frozenset({CHAT})
"""Where lines go that Groq's batches are trusted with."""


def add_batches(gateway: Gateway, settings: Settings, connections: Mapping[str, Sequence[Connection]]) -> None:
    """Give the gateway its runner, if it has a store."""
    store = gateway.store
    if store is None:
        return
    intake = intake_for_lines(gateway, settings.routes, substitute=settings.batch.substitute)
    runner = BatchRunner(
        store,
        LineDoor(gateway.beside(intake)),
        gateway.clock,
        settings.batch,
        max_line_bytes=settings.server.max_body_bytes,
        handing=_handing(gateway, store, settings, connections),
    )
    gateway.batches = runner
    start, stop = gateway.start, gateway.stop

    async def start_both() -> None:
        await start()
        await runner.start()

    async def stop_both() -> None:
        try:
            await runner.stop()
        finally:
            await stop()

    gateway.start, gateway.stop = start_both, stop_both


def _handing(
    gateway: Gateway, store: SqliteStore, settings: Settings, connections: Mapping[str, Sequence[Connection]]
) -> Callable[[], Handing] | None:
    keys = settings.groq.keys
    if not keys or not connections.get(GROQ):
        return None
    connection = connections[GROQ][0]
    remote = GroqBatches(connection.upstream, connection.prefix, keys[0].secret, keys[0].name)

    def serves(model: str, url: str) -> bool:
        found = gateway.catalog.model(model)
        return url in AT_GROQ and found is not None and found.provider == GROQ and found in gateway.catalog.current()

    begins = settings.batch.execute is BatchExecution.GROQ
    return lambda: Handing(remote, store, gateway.clock, serves, begins=begins)
