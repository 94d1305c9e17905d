import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from headgate.store.contract import Store
from headgate.store.job_rows import (
    ClaimedJob,
    DeliveryState,
    JobCounts,
    JobEnd,
    JobStatus,
    NewDelivery,
    NewJob,
)
from headgate.store.problems import AlreadyExists, IllegalTransition, UnknownCursor
from headgate.store.sqlite import SqliteStore

S = JobStatus
DONE = JobEnd(200.0, S.DONE, b'{"value":1}')


def job(number: int, tenant: str = "acme", *, request_id: str = "", webhook: str = "") -> NewJob:
    return NewJob(f"job_{number}", tenant, "chat", 100.0 + number, b'{"n":%d}' % number, request_id, webhook)


@asynccontextmanager
async def reopened(store: SqliteStore, path: Path) -> AsyncIterator[SqliteStore]:
    """The next store over the same file."""
    await store.close()
    again = SqliteStore.open(path)
    yield again
    await again.close()


async def claimed_one(store: Store, now: float = 1_000.0) -> ClaimedJob:
    (claimed,) = await store.jobs.claim(now, 1)
    return claimed


async def test_job_from_queue_to_result(store: Store) -> None:
    """It comes back as it was given, runs once, and ends with the result of the attempt that ran it."""
    await store.jobs.add([job(1, request_id="req_1", webhook="ops")])
    row = await store.jobs.find("acme", "job_1")
    assert row is not None
    assert (row.status, row.attempts, row.request_id, row.webhook) == (S.QUEUED, 0, "req_1", "ops")
    claimed = await claimed_one(store)
    assert claimed == ClaimedJob("job_1", "acme", "chat", "req_1", "ops", 101.0, 1, 0, 0, b'{"n":1}')
    assert await store.jobs.claim(1_000.0, 5) == ()
    assert await store.jobs.finish("job_1", 1, DONE)
    row = await store.jobs.find("acme", "job_1")
    assert row is not None
    assert (row.status, row.result, row.started_at, row.ended_at) == (S.DONE, b'{"value":1}', 1_000.0, 200.0)


async def test_second_result(store: Store) -> None:
    """Only the attempt that runs may end a job: a second result, an older attempt's and a stranger's are not taken."""
    await store.jobs.add([job(1)])
    first = await claimed_one(store)
    assert await store.jobs.postpone("job_1", first.attempt, run_at=0.0, tries=1)
    second = await claimed_one(store)
    assert (second.attempt, second.tries) == (2, 1)
    late = JobEnd(300.0, S.FAILED, None, "late")
    assert not await store.jobs.finish("job_1", first.attempt, late)
    assert not await store.jobs.postpone("job_1", first.attempt, run_at=0.0, tries=9)
    assert await store.jobs.finish("job_1", second.attempt, DONE)
    assert not await store.jobs.finish("job_1", second.attempt, late)
    assert not await store.jobs.finish("job_none", 1, DONE)
    row = await store.jobs.find("acme", "job_1")
    assert row is not None
    assert (row.status, row.problem, row.result) == (S.DONE, "", b'{"value":1}')


async def test_results_that_race(store: Store) -> None:
    """Of many that end one job at once exactly one is taken, and only its deliveries are there."""
    await store.jobs.add([job(1)])
    await claimed_one(store)
    ends = [
        JobEnd(200.0, S.DONE, b"%d" % n, deliveries=(NewDelivery(f"msg_{n}", "ops", "job.done"),)) for n in range(20)
    ]
    taken = await asyncio.gather(*(store.jobs.finish("job_1", 1, end) for end in ends))
    assert taken.count(True) == 1
    row = await store.jobs.find("acme", "job_1")
    assert row is not None
    assert row.result == b"%d" % taken.index(True)
    assert [told.id for told in await store.jobs.deliveries("job_1")] == [f"msg_{taken.index(True)}"]


async def test_jobs_that_are_added_together(store: Store) -> None:
    """All or none: where one is there already nothing is added."""
    await store.jobs.add([job(1)])
    with pytest.raises(AlreadyExists):
        await store.jobs.add([job(2), job(1)])
    assert await store.jobs.find("acme", "job_2") is None


async def test_other_tenants(store: Store) -> None:
    """A tenant neither sees, lists, cancels nor counts another's jobs."""
    await store.jobs.add([job(1, request_id="req_1"), job(2, "other", request_id="req_1")])
    assert await store.jobs.find("other", "job_1") is None
    assert await store.jobs.cancel("other", "job_1", 1.0) is None
    assert [row.id for row in (await store.jobs.page("other")).rows] == ["job_2"]
    assert await store.jobs.of_request("other", "req_1") == ("job_2",)
    assert await store.jobs.count("other") == JobCounts(queued=1)
    assert await store.jobs.count() == JobCounts(queued=2)
    with pytest.raises(UnknownCursor):
        await store.jobs.page("other", after="job_1")


async def test_flood_of_one_tenant(store: Store) -> None:
    """Tenants take turns: a thousand jobs of one do not stand before the first of another."""
    await store.jobs.add([job(number) for number in range(1_000)])
    await store.jobs.add([job(2_000, "small"), job(2_001, "small")])
    assert [each.id for each in await store.jobs.claim(5_000.0, 4)] == ["job_0", "job_2000", "job_1", "job_2001"]


async def test_job_that_is_for_later(store: Store) -> None:
    """It is not claimed before its time, keeps nobody waiting, and the store says when it is due."""
    await store.jobs.add([job(1), job(2)])
    first = await claimed_one(store)
    await store.jobs.postpone(first.id, first.attempt, run_at=2_000.0, tries=0)
    assert (await claimed_one(store, 1_999.0)).id == "job_2"
    assert await store.jobs.next_at() == 2_000.0
    assert await store.jobs.claim(1_999.0, 5) == ()
    assert (await claimed_one(store, 2_000.0)).id == "job_1"
    assert await store.jobs.next_at() is None


@pytest.mark.parametrize("is_running", [False, True])
async def test_job_that_is_cancelled(store: Store, is_running: bool) -> None:
    """It takes no result any more; cancelling again changes nothing, and one that has ended cannot be."""
    await store.jobs.add([job(1), job(2)])
    if is_running:
        await claimed_one(store)
    row = await store.jobs.cancel("acme", "job_1", 150.0)
    assert row is not None
    assert (row.status, row.ended_at) == (S.CANCELLED, 150.0)
    assert not await store.jobs.finish("job_1", 1, DONE)
    assert (await claimed_one(store)).id == "job_2"
    assert await store.jobs.finish("job_2", 1, DONE)
    again = await store.jobs.cancel("acme", "job_1", 160.0)
    assert again is not None
    assert again.ended_at == 150.0
    with pytest.raises(IllegalTransition):
        await store.jobs.cancel("acme", "job_2", 160.0)


async def test_process_that_dies(store: SqliteStore, path: Path) -> None:
    """What ran is queued again and the crash is counted; what had ended, and what is to be told of it, stays."""
    await store.jobs.add([job(1), job(2)])
    await store.jobs.claim(1_000.0, 2)
    await store.jobs.finish(
        "job_2", 1, JobEnd(200.0, S.DONE, b"1", deliveries=(NewDelivery("msg_2", "ops", "job.done"),))
    )
    async with reopened(store, path) as again:
        row = await again.jobs.find("acme", "job_1")
        assert row is not None
        assert (row.status, row.attempts, row.crashes) == (S.QUEUED, 1, 1)
        assert not await again.jobs.finish("job_1", 1, DONE)
        assert (await claimed_one(again)).attempt == 2
        assert [due.delivery.id for due in await again.jobs.due_deliveries(1_000.0, 5)] == ["msg_2"]


async def test_delivery_until_it_arrives(store: Store) -> None:
    """It is due at once, later after a failure, and never again once it arrived; its id stays the same."""
    await store.jobs.add([job(1)])
    await claimed_one(store)
    told = (NewDelivery("msg_a", "ops", "job.done"), NewDelivery("msg_b", "soc", "job.done"))
    await store.jobs.finish("job_1", 1, JobEnd(200.0, S.DONE, b"1", deliveries=told))
    due = await store.jobs.due_deliveries(200.0, 5)
    assert [(each.delivery.id, each.delivery.target, each.job.result) for each in due] == [
        ("msg_a", "ops", b"1"),
        ("msg_b", "soc", b"1"),
    ]
    await store.jobs.undelivered("msg_a", 201.0, 503, 260.0)
    await store.jobs.delivered("msg_b", 201.0, 204)
    assert await store.jobs.next_delivery_at() == 260.0
    assert await store.jobs.due_deliveries(259.0, 5) == ()
    (again,) = await store.jobs.due_deliveries(260.0, 5)
    assert (again.delivery.id, again.delivery.tries, again.delivery.last_status) == ("msg_a", 1, 503)
    await store.jobs.undelivered("msg_a", 261.0, 0, None)
    await store.jobs.delivered("msg_a", 262.0, 200)
    states = {each.id: (each.state, each.tries) for each in await store.jobs.deliveries("job_1")}
    assert states == {"msg_a": (DeliveryState.FAILED, 2), "msg_b": (DeliveryState.DELIVERED, 1)}
    assert await store.jobs.count() == JobCounts(done=1, deliveries_delivered=1, deliveries_failed=1)


async def test_due_times_of_a_schedule(store: SqliteStore, path: Path) -> None:
    """Each has its run once, however often it is asked for, also after a restart; none of before the first sight."""
    assert not await store.jobs.add_due("daily", 100.0, job(1))
    assert not await store.jobs.add_due("daily", 100.0, job(1))
    assert await store.jobs.add_due("daily", 200.0, job(2))
    assert not await store.jobs.add_due("daily", 200.0, job(3))
    async with reopened(store, path) as again:
        assert not await again.jobs.add_due("daily", 200.0, job(4))
        assert not await again.jobs.add_due("daily", 150.0, job(4))
        assert await again.jobs.add_due("daily", 500.0, job(5))
        assert [row.id for row in (await again.jobs.page("acme")).rows] == ["job_5", "job_2"]


async def test_old_jobs_are_forgotten(store: Store) -> None:
    """Those that ended before go with all that was told of them; open ones stay, however old."""
    await store.jobs.add([job(number) for number in range(4)])
    for at in (10.0, 20.0, 30.0):
        claimed = await claimed_one(store)
        told = (NewDelivery(f"msg_{at}", "ops", "job.done"),)
        await store.jobs.finish(claimed.id, claimed.attempt, JobEnd(at, S.DONE, b"1", deliveries=told))
    assert await store.jobs.forget_ended_before(30.0) == 2
    assert [row.id for row in (await store.jobs.page("acme")).rows] == ["job_3", "job_2"]
    assert await store.jobs.count() == JobCounts(queued=1, done=1, deliveries_pending=1)
    assert [row.id for row in await store.jobs.ended_between("acme", 30.0, 31.0)] == ["job_2"]


async def test_pages_of_jobs(store: Store) -> None:
    """Newest first, page by page without gaps, of one status where that is asked for."""
    await store.jobs.add([job(number) for number in range(5)])
    claimed = await claimed_one(store)
    await store.jobs.finish(claimed.id, claimed.attempt, DONE)
    first = await store.jobs.page("acme", limit=3)
    rest = await store.jobs.page("acme", limit=3, after=first.rows[-1].id)
    assert [row.id for row in (*first.rows, *rest.rows)] == [f"job_{number}" for number in (4, 3, 2, 1, 0)]
    assert (first.has_more, rest.has_more) == (True, False)
    assert [row.id for row in (await store.jobs.page("acme", status=S.DONE)).rows] == ["job_0"]


@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_in_whatever_order(store: Store, seed: int) -> None:
    """Under random claims, ends, delays and cancellings no job is lost and none takes two results."""
    dice = random.Random(seed)
    await store.jobs.add([job(number, dice.choice("abc")) for number in range(30)])
    open_attempts: list[ClaimedJob] = []
    results: dict[str, int] = {}
    for _ in range(400):
        act = dice.randrange(4)
        if act == 0:
            open_attempts += await store.jobs.claim(1_000.0, dice.randrange(1, 4))
        elif act == 3:
            with suppress(IllegalTransition):
                await store.jobs.cancel("a", f"job_{dice.randrange(300)}", 1.0)
        elif open_attempts:
            claimed = dice.choice(open_attempts)
            if act == 1:
                end = JobEnd(1.0, dice.choice((S.DONE, S.FAILED)), b"%d" % claimed.attempt)
                results[claimed.id] = results.get(claimed.id, 0) + await store.jobs.finish(
                    claimed.id, claimed.attempt, end
                )
            else:
                await store.jobs.postpone(claimed.id, claimed.attempt, run_at=0.0, tries=0)
    counts = await store.jobs.count()
    assert counts.queued + counts.running + counts.done + counts.failed + counts.cancelled == 30
    assert max(results.values(), default=0) <= 1
    assert sum(results.values()) == counts.done + counts.failed
