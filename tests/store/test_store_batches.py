import asyncio
from itertools import product

import pytest
from tests.store.stored import new_batch, new_lines

from headgate.store.batch_rows import (
    ENDS,
    NEXT,
    BatchChange,
    BatchProblem,
    BatchRow,
    BatchStatus,
    BatchUsage,
    ClaimedLine,
    LineCounts,
    LineResult,
)
from headgate.store.contract import Store
from headgate.store.problems import AlreadyExists, IllegalTransition, UnknownCursor

S = BatchStatus

WAYS = {
    S.VALIDATING: (),
    S.IN_PROGRESS: (S.IN_PROGRESS,),
    S.FINALIZING: (S.IN_PROGRESS, S.FINALIZING),
    S.COMPLETED: (S.IN_PROGRESS, S.FINALIZING, S.COMPLETED),
    S.FAILED: (S.FAILED,),
    S.EXPIRED: (S.IN_PROGRESS, S.EXPIRED),
    S.CANCELLING: (S.IN_PROGRESS, S.CANCELLING),
    S.CANCELLED: (S.IN_PROGRESS, S.CANCELLING, S.CANCELLED),
}
"""How a batch gets to each status."""


async def batch_in(store: Store, status: BatchStatus, lines: int = 0) -> BatchRow:
    """A batch with this many lines that went to this status."""
    row = await store.batches.create(new_batch())
    await store.batches.add_lines("batch_1", new_lines(lines))
    for number, step in enumerate(WAYS[status]):
        changed = await store.batches.change("acme", "batch_1", BatchChange(100 + number, step))
        assert changed is not None
        row = changed
    return row


async def test_new_batch(store: Store) -> None:
    """It is validating, has no lines, and everything that was given comes back."""
    created = await store.batches.create(new_batch(expires_at=9, metadata={"team": "ä", "x": ""}))
    assert created == await store.batches.find("acme", "batch_1")
    assert created == BatchRow(
        id="batch_1",
        tenant="acme",
        endpoint="/v1/chat/completions",
        input_file_id="file_1",
        completion_window="24h",
        status=S.VALIDATING,
        created_at=1_700_000_001,
        expires_at=9,
        in_progress_at=None,
        finalizing_at=None,
        completed_at=None,
        failed_at=None,
        expired_at=None,
        cancelling_at=None,
        cancelled_at=None,
        output_file_id=None,
        error_file_id=None,
        problems=(),
        metadata={"team": "ä", "x": ""},
        model=None,
        usage=BatchUsage(),
        total=0,
        completed=0,
        failed=0,
        handed_to=None,
        handed_id=None,
    )
    with pytest.raises(AlreadyExists):
        await store.batches.create(new_batch(tenant="other"))


@pytest.mark.parametrize("before, after", list(product(S, S)))
async def test_every_pair_of_statuses(store: Store, before: BatchStatus, after: BatchStatus) -> None:
    """A status follows another where the table says so, dated; else the batch stays as it is."""
    row = await batch_in(store, before)
    if after is before:
        assert await store.batches.change("acme", "batch_1", BatchChange(200, after)) == row
    elif after in NEXT.get(before, ()):
        changed = await store.batches.change("acme", "batch_1", BatchChange(200, after))
        assert changed is not None
        assert changed.status is after
        assert getattr(changed, f"{after}_at") == 200
    else:
        with pytest.raises(IllegalTransition):
            await store.batches.change("acme", "batch_1", BatchChange(200, after, output_file_id="file_out"))
        assert await store.batches.find("acme", "batch_1") == row


async def test_change_of_everything(store: Store) -> None:
    """What is given changes, what is None stays, over several changes."""
    await store.batches.create(new_batch())
    problems = (BatchProblem("invalid", "no JSON", 3), BatchProblem(message="ä"))
    usage = BatchUsage(1, 2, 3, 4)
    await store.batches.change("acme", "batch_1", BatchChange(1, problems=problems, model="m", usage=usage))
    changed = await store.batches.change(
        "acme",
        "batch_1",
        BatchChange(2, output_file_id="file_o", error_file_id="file_e", handed_to="groq/one", handed_id="b"),
    )
    assert changed is not None
    assert (changed.problems, changed.model, changed.usage) == (problems, "m", usage)
    assert (changed.output_file_id, changed.error_file_id) == ("file_o", "file_e")
    assert (changed.handed_to, changed.handed_id) == ("groq/one", "b")
    assert changed.status is S.VALIDATING


async def test_other_tenants_batch(store: Store) -> None:
    """It is not there: not to find, change or list."""
    await store.batches.create(new_batch())
    assert await store.batches.find("other", "batch_1") is None
    assert await store.batches.change("other", "batch_1", BatchChange(1, S.FAILED)) is None
    assert (await store.batches.page("other")).rows == ()
    with pytest.raises(UnknownCursor):
        await store.batches.page("other", after="batch_1")


async def test_list_of_batches(store: Store) -> None:
    """Newest first, page after page; the unfinished ones of all tenants, oldest first."""
    for number in range(6):
        await store.batches.create(new_batch(number, tenant="acme" if number < 5 else "other"))
    for number in (1, 5):
        tenant = "acme" if number < 5 else "other"
        await store.batches.change(tenant, f"batch_{number}", BatchChange(1, S.FAILED))
    first = await store.batches.page("acme", limit=3)
    second = await store.batches.page("acme", limit=3, after=first.rows[-1].id)
    assert [row.id for row in first.rows + second.rows] == [f"batch_{number}" for number in (4, 3, 2, 1, 0)]
    assert (first.has_more, second.has_more) == (True, False)
    assert [row.id for row in await store.batches.unfinished()] == ["batch_0", "batch_2", "batch_3", "batch_4"]


@pytest.mark.parametrize("status", list(S))
async def test_unfinished_means_not_ended(store: Store, status: BatchStatus) -> None:
    """A runner goes on with exactly those batches that have not ended, and only ended ones are forgotten."""
    await batch_in(store, status)
    assert bool(await store.batches.unfinished()) is (status not in ENDS)
    assert await store.batches.forget_ended_before(2_000_000_000) == (status in ENDS)


@pytest.mark.parametrize("status", list(S))
async def test_lines_by_status(store: Store, status: BatchStatus) -> None:
    """Lines come while it is validated, are claimed while it is in progress, and end before it does."""
    await batch_in(store, status, 3)
    assert await store.batches.add_lines("batch_1", new_lines(5)) == (2 if status is S.VALIDATING else 0)
    assert bool(await store.batches.claim("batch_1", 1)) is (status is S.IN_PROGRESS)
    assert await store.batches.record("batch_1", [LineResult(1, True, b"{}")]) == (status not in ENDS,)


async def test_lines_are_claimed_in_order(store: Store) -> None:
    """Each line once, with its place in the input file, until none is left."""
    await batch_in(store, S.IN_PROGRESS, 5)
    first = await store.batches.claim("batch_1", 3)
    assert first == tuple(ClaimedLine(line, f"custom-{line}", line * 100, 100, 1) for line in range(3))
    assert [line.line for line in await store.batches.claim("batch_1", 3)] == [3, 4]
    assert await store.batches.claim("batch_1", 3) == ()
    assert await store.batches.release("batch_1", [1, 4, 77]) == 2
    assert [(line.line, line.claims) for line in await store.batches.claim("batch_1", 3)] == [(1, 2), (4, 2)]


async def test_second_result_of_a_line(store: Store) -> None:
    """The first stands; the caller of the second is told, whatever it says."""
    await batch_in(store, S.IN_PROGRESS, 2)
    assert await store.batches.record("batch_1", [LineResult(0, True, b"first")]) == (True,)
    taken = await store.batches.record(
        "batch_1",
        [
            LineResult(0, False, b"second"),
            LineResult(1, False, b"e"),
            LineResult(1, True, b"f"),
            LineResult(9, True, b""),
        ],
    )
    assert taken == (False, True, False, False)
    assert await store.batches.results("batch_1") == (LineResult(0, True, b"first"), LineResult(1, False, b"e"))
    assert await store.batches.results("batch_1", is_done=False) == (LineResult(1, False, b"e"),)
    assert await store.batches.count("batch_1") == LineCounts(0, 0, 1, 1)
    row = await store.batches.find("acme", "batch_1")
    assert row is not None
    assert (row.total, row.completed, row.failed) == (2, 1, 1)
    assert await store.batches.release("batch_1", [0, 1]) == 0


async def test_batch_that_is_not_there(store: Store) -> None:
    """Its lines are neither added, claimed, recorded nor counted."""
    assert await store.batches.add_lines("batch_9", new_lines(2)) == 0
    assert await store.batches.claim("batch_9", 2) == ()
    assert await store.batches.record("batch_9", [LineResult(0, True, b"")]) == (False,)
    assert await store.batches.count("batch_9") == LineCounts(0, 0, 0, 0)


async def test_two_batches_do_not_mix(store: Store) -> None:
    """Lines of the same number belong to their own batch, and forgetting one batch leaves the other."""
    await batch_in(store, S.IN_PROGRESS, 3)
    await store.batches.create(new_batch(2))
    await store.batches.add_lines("batch_2", new_lines(3))
    await store.batches.change("acme", "batch_2", BatchChange(1, S.IN_PROGRESS))
    await store.batches.record("batch_1", [LineResult(0, True, b"1")])
    await store.batches.record("batch_2", [LineResult(0, False, b"2")])
    await store.batches.change("acme", "batch_1", BatchChange(1, S.FAILED))
    assert await store.batches.forget_ended_before(1_700_000_001) == 0
    assert await store.batches.forget_ended_before(1_700_000_002) == 1
    assert await store.batches.results("batch_1") == ()
    assert await store.batches.results("batch_2") == (LineResult(0, False, b"2"),)
    assert await store.batches.count("batch_2") == LineCounts(2, 0, 0, 1)


async def test_fifty_thousand_lines(store: Store) -> None:
    """Adding them twice adds them once; claimers side by side get each line once, and every result is counted."""
    lines = new_lines(50_000)
    await store.batches.create(new_batch())
    assert await store.batches.add_lines("batch_1", lines[:30_000]) == 30_000
    assert await store.batches.add_lines("batch_1", lines) == 20_000
    await store.batches.change("acme", "batch_1", BatchChange(1, S.IN_PROGRESS))
    ran: list[int] = []

    async def runner() -> None:
        while claimed := await store.batches.claim("batch_1", 500):
            ran.extend(line.line for line in claimed)
            assert all(await store.batches.record("batch_1", [LineResult(line.line, True, b"{}") for line in claimed]))

    await asyncio.gather(*(runner() for _ in range(4)))
    assert sorted(ran) == list(range(50_000))
    row = await store.batches.find("acme", "batch_1")
    assert row is not None
    assert (row.total, row.completed) == (50_000, 50_000)
    assert [result.line for result in await store.batches.results("batch_1", after_line=49_997)] == [49_998, 49_999]
