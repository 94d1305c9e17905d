from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.store.stored import asked, killed_after, reopened, writing
from tests.store.writing_process import LINES

from headgate.store.batch_rows import BatchChange, BatchStatus, LineCounts, LineResult
from headgate.store.migrate import Migration, migrate, schema_version
from headgate.store.rows import MeterRow, StateRow
from headgate.store.sqlite import SqliteStore, contents_of
from headgate.store.sqlite_opening import connect


@pytest.mark.parametrize("lines", [1, 40, 400, 2_000])
def test_kill_while_twenty_writers_wait(path: Path, lines: int) -> None:
    """Every row whose write was acknowledged is there, with the rows that were appended before it; nothing is torn."""
    acknowledged = [line.split() for line in killed_after("usage", path, lines)]
    opened = reopened(path)
    assert opened.left_by
    assert opened.was_checked
    assert opened.set_aside is None
    kept = {name for (name,) in asked(path, "SELECT request_id FROM usage")}
    assert {f"written-{number}-{count}" for number, count in acknowledged} <= kept
    assert {f"appended-{number}-{count}" for number, count in acknowledged} <= kept


@pytest.mark.parametrize("lines", [30, 900])
def test_rows_come_in_order(path: Path, lines: int) -> None:
    """What a kill takes of the rows that nobody awaited is the end of each writer's rows, never a gap."""
    killed_after("usage", path, lines)
    kept: dict[str, set[int]] = {}
    reopened(path)
    for (name,) in asked(path, "SELECT request_id FROM usage WHERE request_id LIKE 'appended-%'"):
        _, number, count = name.split("-")
        kept.setdefault(number, set()).add(int(count))
    assert kept
    assert all(counts == set(range(len(counts))) for counts in kept.values())


async def test_kill_when_nobody_awaited_anything(path: Path) -> None:
    """Rows and quota are written by themselves: a kill that comes later than a window takes none of them."""
    killed_after("appended", path, 1)
    store = SqliteStore.open(path)
    assert [row.request_id for n in range(100) if (row := await store.usage.find("acme", f"appended-{n}"))] == [
        f"appended-{n}" for n in range(100)
    ]
    assert await store.state.meters() == (MeterRow("groq/one/m", b"level 99", 99.0),)
    assert await store.state.find("circuits") == StateRow("circuits", b"open", 1.0)
    await store.close()


@pytest.mark.parametrize("lines", [1, 25, 500])
async def test_kill_while_levels_change(path: Path, lines: int) -> None:
    """Quota is as it was kept last before the kill, and what was kept together comes back together."""
    last = int(killed_after("state", path, lines)[-1])
    store = SqliteStore.open(path)
    one, two = await store.state.meters()
    assert one.state == two.state
    assert int(one.state.split()[1]) in {last, last + 1}
    await store.close()


async def test_kill_during_uploads(path: Path) -> None:
    """Every file that was acknowledged is whole; of the others neither a row nor a content is left."""
    said = [line.split() for line in killed_after("files", path, 5)]
    left_behind = {entry.name for entry in contents_of(path).iterdir()}
    store = SqliteStore.open(path)
    page = await store.files.page("acme", limit=1000)
    rows = {row.id: row.size_bytes for row in page.rows}
    assert {name: int(size) for name, _, size in said}.items() <= rows.items()
    for name, first, _ in said:
        content = await store.files.read("acme", name)
        assert content is not None
        parts = b"".join([chunk async for chunk in content])
        assert parts == b"".join(bytes([int(first), part]) * (len(parts) // 16) for part in range(8))
    contents = {entry.name for entry in contents_of(path).iterdir()}
    assert contents == set(rows)
    assert store.opened.removed_orphans == len(left_behind - contents)
    await store.close()


async def test_kills_during_a_batch(path: Path) -> None:
    """Three kills and a fourth start: every line has exactly one result, and none that was acknowledged ran again."""
    acknowledged: list[str] = []
    for _ in range(3):
        acknowledged += killed_after("batch", path, 40)
    with writing("batch", path) as (_, printed):
        for line in iter(printed.readline, "finished\n"):
            acknowledged.append(line.strip())
    assert "finished" not in acknowledged
    assert len(acknowledged) == len(set(acknowledged))
    store = SqliteStore.open(path)
    found = [result async for result in _results(store)]
    assert [result.line for result in found] == list(range(LINES))
    assert [result.is_done for result in found] == [line % 10 > 0 for line in range(LINES)]
    assert len({result.body for result in found}) == 4
    assert await store.batches.count("batch_1") == LineCounts(0, 0, LINES - LINES // 10, LINES // 10)
    row = await store.batches.find("acme", "batch_1")
    assert row is not None
    assert (row.total, row.completed, row.failed) == (LINES, LINES - LINES // 10, LINES // 10)
    await store.close()


async def test_lines_that_ran_when_the_process_died(path: Path) -> None:
    """They are pending again and say that they were claimed before; their results are taken once."""
    killed_after("batch", path, 20)
    running = {line for (line,) in asked(path, "SELECT line FROM batch_lines WHERE state = 1")}
    results = {line for (line,) in asked(path, "SELECT line FROM batch_results")}
    store = SqliteStore.open(path)
    assert store.opened.released_lines == len(running)
    claimed = await store.batches.claim("batch_1", LINES)
    assert {line.line for line in claimed} == set(range(LINES)) - results
    assert {line.line for line in claimed if line.claims == 2} == running
    assert all(await store.batches.record("batch_1", [LineResult(line.line, True, b"") for line in claimed]))
    assert not any(await store.batches.record("batch_1", [LineResult(line, True, b"2") for line in range(LINES)]))
    assert await store.batches.change("acme", "batch_1", BatchChange(3, BatchStatus.FINALIZING)) is not None
    await store.close()


def test_kill_in_the_middle_of_a_migration(path: Path) -> None:
    """The version that was there is whole, and the next start migrates it."""
    with writing("migrating", path) as (process, printed):
        assert printed.readline() == "version 1\n"
        assert process.wait() == -9
    connection = connect(path)
    assert schema_version(connection) == 1
    assert [name for _, name, *_ in connection.execute("PRAGMA table_info(one)")] == ["a"]
    steps = [Migration(1, ""), Migration(2, "ALTER TABLE one ADD COLUMN b INTEGER;")]
    assert migrate(connection, steps) == (1, 2)
    connection.close()


async def _results(store: SqliteStore) -> AsyncIterator[LineResult]:
    after = -1
    while page := await store.batches.results("batch_1", after_line=after, limit=37):
        for result in page:
            yield result
        after = page[-1].line
