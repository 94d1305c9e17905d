from pathlib import Path

from headgate.store.contract import Store
from headgate.store.rows import MeterRow, StateRow
from headgate.store.sqlite import SqliteStore


async def test_kept_state_after_a_restart(path: Path) -> None:
    """The newest of each name comes back as it was given, with its time and version."""
    store = SqliteStore.open(path)
    store.state.keep_meters([MeterRow("groq/one/m", b"old", 1.0), MeterRow("groq/two/m", bytes(range(256)), 2.0, 7)])
    await store.flush()
    store.state.keep_meters([MeterRow("groq/one/m", b"new", 3.5, 2)])
    store.state.keep(StateRow("circuits", b"{}", 4.0))
    store.state.keep(StateRow("pool", b"", 5.0, 3))
    await store.close()
    again = SqliteStore.open(path)
    assert await again.state.meters() == (
        MeterRow("groq/one/m", b"new", 3.5, 2),
        MeterRow("groq/two/m", bytes(range(256)), 2.0, 7),
    )
    assert await again.state.find("circuits") == StateRow("circuits", b"{}", 4.0)
    assert await again.state.find("pool") == StateRow("pool", b"", 5.0, 3)
    assert await again.state.find("learned") is None
    await again.close()


async def test_same_name_many_times_in_a_window(path: Path) -> None:
    """A thousand states of one deployment become one write, of the last of them."""
    store = SqliteStore.open(path)
    await store.flush()
    _, writing = store._connections
    before = writing.total_changes
    for count in range(1_000):
        store.state.keep_meters([MeterRow("groq/one/m", str(count).encode(), float(count))])
    await store.flush()
    assert writing.total_changes - before < 10
    assert (await store.state.meters())[0].state == b"999"
    await store.close()


async def test_more_deployments_than_a_statement_takes(store: Store) -> None:
    """Every one is kept, and a later state of some of them changes only those."""
    store.state.keep_meters([MeterRow(f"groq/{n:04}/m", b"old", 1.0) for n in range(1_345)])
    await store.flush()
    store.state.keep_meters([MeterRow(f"groq/{n:04}/m", b"new", 2.0) for n in range(300)])
    await store.flush()
    meters = await store.state.meters()
    assert [meter.state for meter in meters] == [b"new"] * 300 + [b"old"] * 1_045


async def test_meters_of_long_ago(store: Store) -> None:
    """Deployments that were not kept since are forgotten."""
    store.state.keep_meters([MeterRow("groq/old/m", b"", 1.0), MeterRow("groq/new/m", b"", 2.0)])
    await store.flush()
    assert await store.state.forget_meters_before(2.0) == 1
    assert [meter.deployment_id for meter in await store.state.meters()] == ["groq/new/m"]
