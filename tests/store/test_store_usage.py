import asyncio
from pathlib import Path

import pytest
from tests.store.stored import DAY_S, fields, usage

from headgate.store.contract import Store
from headgate.store.problems import StoreError, StoreFault
from headgate.store.rows import GroupBy, UsageFilter, UsageRow, UsageSum
from headgate.store.sqlite import SqliteStore

FULL_ROW = UsageRow(
    at=1_790_000_000.25,
    request_id="req_1",
    tenant="acme",
    outcome="answered",
    user="u",
    session="s",
    agent="a",
    task="t",
    route="r",
    endpoint="chat",
    provider="groq",
    organisation="one",
    model_asked="llama",
    model_served="openai/gpt-oss-20b",
    source="upstream",
    reason="mended",
    prompt_tokens=1,
    completion_tokens=2,
    cached_tokens=3,
    reasoning_tokens=4,
    audio_s=5.5,
    characters=6,
    cost_nanousd=7_000_000_000_000,
    duration_s=8.5,
    calls=9,
    attempts=10,
    saved_tokens=11,
)


async def test_written_row_comes_back(store: Store) -> None:
    """Every field is as it was given, for its own tenant only."""
    await store.usage.write(FULL_ROW)
    assert await store.usage.find("acme", "req_1") == FULL_ROW
    assert await store.usage.find("other", "req_1") is None


async def test_appended_rows_are_there_after_a_flush(store: Store) -> None:
    """More rows than one commit takes arrive all, in their order."""
    for number in range(3_001):
        store.usage.append(usage(number))
    await store.flush()
    page = await store.usage.page(UsageFilter(), limit=1_000)
    assert [row.request_id for row in page.rows] == [f"req_{number}" for number in range(3_000, 2_000, -1)]
    (total,) = await store.usage.add_up(UsageFilter())
    assert total.requests == 3_001
    assert store.health().written_rows == 3_001


async def test_appended_rows_are_there_before_a_row_that_is_awaited(store: Store) -> None:
    """A write brings everything with it that was appended before."""
    for number in range(2_000):
        store.usage.append(usage(number))
    await store.usage.write(usage(2_000))
    (total,) = await store.usage.add_up(UsageFilter())
    assert total.requests == 2_001


async def test_many_rows_together(store: Store) -> None:
    """All of them arrive, in their order among others, also more than one commit takes; of nothing comes nothing."""
    store.usage.append(usage(0))
    store.usage.append_all([fields(number) for number in range(1, 3_001)])
    store.usage.append_all([])
    store.usage.append(usage(3_001))
    await store.usage.write(usage(3_002))
    (total,) = await store.usage.add_up(UsageFilter())
    assert total.requests == 3_003
    page = await store.usage.page(UsageFilter(), limit=1_000)
    assert [row.request_id for row in page.rows] == [f"req_{number}" for number in range(3_002, 2_002, -1)]
    assert (store.health().written_rows, store.health().queued_rows) == (3_003, 0)


async def test_one_of_many_rows_that_cannot_be_stored(store: Store) -> None:
    """It alone is refused, and counted; those that came with it are written."""
    unfit = fields(5, prompt_tokens=1 << 64)
    store.usage.append_all([*map(fields, range(5)), unfit, *map(fields, range(6, 10))])
    await store.flush()
    page = await store.usage.page(UsageFilter())
    assert [row.request_id for row in page.rows] == [f"req_{number}" for number in (9, 8, 7, 6, 4, 3, 2, 1, 0)]
    assert (store.health().unfit_rows, store.health().fault) == (1, None)


async def test_fifty_writers_share_commits(store: Store) -> None:
    """Everybody's row is there, after far fewer commits than rows."""

    async def write(first: int) -> None:
        for number in range(first, first + 40):
            await store.usage.write(usage(number))

    await asyncio.gather(*(write(first) for first in range(0, 2_000, 40)))
    (total,) = await store.usage.add_up(UsageFilter())
    assert total.requests == 2_000
    assert store.health().commits < 1_000


async def test_same_request_twice(store: Store) -> None:
    """A request is written once: a second row of its id changes nothing and is no error."""
    await store.usage.write(usage(1, cost_nanousd=5))
    await store.usage.write(usage(1, cost_nanousd=6))
    store.usage.append(usage(1, cost_nanousd=7))
    await store.flush()
    assert (await store.usage.add_up(UsageFilter()))[0].cost_nanousd == 5
    assert store.health().unfit_rows == 0


async def test_pages_go_through_all_rows(store: Store) -> None:
    """Newest first, each row once, also when rows come while somebody reads."""
    for number in range(25):
        store.usage.append(usage(number, tenant="acme" if number % 2 else "other"))
    await store.flush()
    seen: list[str] = []
    before: int | None = None
    for _ in range(4):
        page = await store.usage.page(UsageFilter(tenant="acme"), limit=4, before=before)
        seen += [row.request_id for row in page.rows]
        before = page.before
        await store.usage.write(usage(100 + len(seen)))
        if before is None:
            break
    assert seen == [f"req_{number}" for number in range(23, 0, -2)]


async def test_rows_that_come_late(store: Store) -> None:
    """Pages go by time, whenever a row was written; rows of the same moment are not repeated or skipped."""
    for number, minute in enumerate((5, 1, 3, 3, 3, 4, 2, 3)):
        store.usage.append(usage(number, at=60.0 * minute))
    await store.flush()
    seen: list[str] = []
    before: int | None = None
    while len(seen) < 8:
        page = await store.usage.page(UsageFilter(tenant="acme"), limit=3, before=before)
        seen += [row.request_id for row in page.rows]
        before = page.before
    assert before is None
    assert seen == [f"req_{number}" for number in (0, 5, 7, 4, 3, 2, 6, 1)]


async def test_limit_beyond_reason(store: Store) -> None:
    """A page has between one and a thousand rows, whatever is asked for."""
    for number in range(1_100):
        store.usage.append(usage(number))
    await store.flush()
    assert len((await store.usage.page(UsageFilter(), limit=10**9)).rows) == 1_000
    assert len((await store.usage.page(UsageFilter(), limit=-1)).rows) == 1


@pytest.mark.parametrize(
    "where, by, expected",
    [
        (UsageFilter(), (), [((), 6)]),
        (UsageFilter(tenant="nobody"), (), [((), 0)]),
        (UsageFilter(tenant="nobody"), (GroupBy.TENANT,), []),
        (UsageFilter(), (GroupBy.TENANT,), [(("acme",), 4), (("other",), 2)]),
        (UsageFilter(), (GroupBy.DAY,), [(("20000",), 3), (("20001",), 3)]),
        (UsageFilter(tenant="acme"), (GroupBy.DAY, GroupBy.MODEL_SERVED), [(("20000", "m"), 2), (("20001", "m"), 2)]),
        (UsageFilter(since=20_001 * DAY_S), (), [((), 3)]),
        (UsageFilter(until=20_001 * DAY_S), (), [((), 3)]),
        (UsageFilter(model_served="m", outcome="answered", user="u"), (), [((), 6)]),
        (UsageFilter(session="none"), (), [((), 0)]),
        (UsageFilter(tenant="acme' OR '1'='1"), (), [((), 0)]),
    ],
)
async def test_sums(store: Store, where: UsageFilter, by: tuple[GroupBy, ...], expected: list[object]) -> None:
    """Filters narrow, groups split, and the parts add up to integers exactly."""
    for number in range(6):
        at = (20_000 + number % 2) * DAY_S
        tenant = "acme" if number < 4 else "other"
        store.usage.append(usage(number, at=at, tenant=tenant, model_served="m", user="u", cost_nanousd=2**53 + 1))
    await store.flush()
    sums = await store.usage.add_up(where, by)
    assert [(one.group, one.requests) for one in sums] == expected
    assert all(one.cost_nanousd == one.requests * (2**53 + 1) for one in sums)


async def test_a_sum_has_everything(store: Store) -> None:
    """Each column is added up under its own name."""
    for number in range(2):
        store.usage.append(
            usage(number, cached_tokens=1, reasoning_tokens=2, audio_s=0.5, characters=3, calls=4, saved_tokens=5)
        )
    await store.flush()
    assert await store.usage.add_up(UsageFilter()) == (
        UsageSum(
            group=(),
            requests=2,
            prompt_tokens=200,
            completion_tokens=20,
            cached_tokens=2,
            reasoning_tokens=4,
            audio_s=1.0,
            characters=6,
            cost_nanousd=14,
            attempts=0,
            calls=8,
            saved_tokens=10,
        ),
    )


async def test_old_rows_are_forgotten(store: Store) -> None:
    """Rows of before go, in more than one commit where there are many; the others stay."""
    for number in range(5_000):
        store.usage.append(usage(number))
    await store.flush()
    assert await store.usage.forget_before(usage(4_990).at) == 4_990
    assert len((await store.usage.page(UsageFilter())).rows) == 10


@pytest.mark.parametrize(
    "unfit",
    [usage(1, prompt_tokens=1 << 64), usage(1, session="half \ud800"), usage(1, audio_s=float("nan"))],
    ids=["too large", "half a character", "no number"],
)
async def test_row_that_cannot_be_stored(store: Store, unfit: UsageRow) -> None:
    """It alone is refused, and counted; the rows of the same group are written."""
    store.usage.append(usage(2))
    store.usage.append(unfit)
    wrote = await asyncio.gather(store.usage.write(usage(3)), store.usage.write(unfit), return_exceptions=True)
    assert wrote[0] is None
    assert isinstance(wrote[1], StoreError)
    assert wrote[1].fault is StoreFault.UNFIT
    await store.flush()
    assert (await store.usage.add_up(UsageFilter()))[0].requests == 2
    assert store.health().unfit_rows == 2
    assert store.health().fault is None


async def test_queue_is_full(path: Path) -> None:
    """Later rows are dropped and counted, nothing is raised, and what was taken is written."""
    store = SqliteStore.open(path, most_queued_rows=10)
    for number in range(15):
        store.usage.append(usage(number))
    await store.flush()
    (total,) = await store.usage.add_up(UsageFilter())
    health = store.health()
    assert health.dropped_rows > 0
    assert total.requests + health.dropped_rows == 15
    assert total.requests == health.written_rows
    await store.close()


async def test_more_rows_together_than_the_queue_holds(path: Path) -> None:
    """The first are taken as far as there is room; the rest is dropped and counted, and so is what comes to a closed
    store."""
    store = SqliteStore.open(path, most_queued_rows=10)
    store.usage.append_all([fields(number) for number in range(15)])
    assert store.health().dropped_rows == 5
    await store.flush()
    page = await store.usage.page(UsageFilter())
    assert [row.request_id for row in page.rows] == [f"req_{number}" for number in range(9, -1, -1)]
    await store.close()
    store.usage.append_all([fields(20), fields(21)])
    assert store.health().dropped_rows == 7


async def test_writer_that_is_cancelled(store: Store) -> None:
    """Whoever stops waiting is not missed, and the row is written all the same."""
    task = asyncio.create_task(store.usage.write(usage(1)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.flush()
    assert await store.usage.find("acme", "req_1") is not None


async def test_loop_that_is_never_idle(store: Store) -> None:
    """Rows that are awaited one after the other get through, although the loop always has something else to do."""
    is_over = False
    turns = 0

    async def burn() -> None:
        nonlocal turns
        while not is_over and turns < 16_000:
            turns += 1
            sum(range(20_000))
            await asyncio.sleep(0)

    burning = [asyncio.create_task(burn()) for _ in range(2)]
    for number in range(200):
        await store.usage.write(usage(number))
    is_over = True
    await asyncio.gather(*burning)
    assert turns < 16_000


async def test_everything_after_closing(path: Path) -> None:
    """Closing writes what was queued; afterwards awaiting is refused and appending is counted."""
    store = SqliteStore.open(path)
    store.usage.append(usage(1))
    await store.close()
    await store.close()
    store.usage.append(usage(2))
    assert store.health().dropped_rows == 1
    with pytest.raises(StoreError, match="closed"):
        await store.usage.write(usage(3))
    with pytest.raises(StoreError, match="closed"):
        await store.usage.find("acme", "req_1")
    again = SqliteStore.open(path)
    assert again.opened.left_by == ""
    assert not again.opened.was_checked
    assert await again.usage.find("acme", "req_1") is not None
    await again.close()
