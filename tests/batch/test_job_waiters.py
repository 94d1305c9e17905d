"""The runner of jobs beside its store: who waits for an end hears of it; what is claimed last is given back."""

import asyncio
from typing import Any

import msgspec

from headgate.batch.job_runner import JobRunner
from headgate.runtime.clock import MonotonicClock
from headgate.runtime.settings_background import BackgroundSettings
from headgate.store.job_rows import ClaimedJob, JobRow, JobStatus

ROW = JobRow(
    **dict.fromkeys(JobRow.__struct_fields__)  # type: ignore[arg-type]
    | {"id": "job_1", "status": JobStatus.RUNNING}
)
JOB = ClaimedJob("job_1", "acme", "local", "req_1", "", 0.0, 1, 0, 0, b"{}")
WITHIN_S = 5.0


class Rows:
    """A store with one job, which ends when the test says so."""

    row = ROW

    async def find(self, tenant: str, job_id: str) -> JobRow | None:  # noqa: ARG002
        await asyncio.sleep(0)
        return self.row


async def test_all_who_wait_hear_of_the_end() -> None:
    """Also one who looked before the end, when another looks after it and before the runner has told of it."""
    rows: Any = Rows()
    nobody: Any = None
    runner = JobRunner(
        rows, nobody, nobody, BackgroundSettings(), told=nobody, on_end=lambda: None, observe=lambda _: None
    )
    async with asyncio.timeout(WITHIN_S):
        first = asyncio.create_task(runner.ended("acme", "job_1"))
        await asyncio.sleep(0.01)
        assert not first.done()
        rows.row = msgspec.structs.replace(ROW, status=JobStatus.DONE)
        assert await runner.ended("acme", "job_1") == rows.row
        assert await first == rows.row


class SlowRows:
    """A store that takes its time to hand out its one job, and writes down what is given back."""

    def __init__(self) -> None:
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.given_back: list[tuple[str, int]] = []

    async def open_by_tenant(self) -> dict[str, int]:
        return {"acme": 1}

    async def forget_ended_before(self, before: float) -> None:
        pass

    async def claim(self, now: float, most: int) -> list[ClaimedJob]:  # noqa: ARG002
        self.asked.set()
        await self.answers.wait()
        return [JOB]

    async def postpone(self, job_id: str, attempt: int, **more: float) -> None:  # noqa: ARG002
        self.given_back.append((job_id, attempt))


async def test_job_that_is_handed_out_to_a_runner_that_ends() -> None:
    """It is queued again: left as running it would count as a crash at the next start."""
    rows = SlowRows()
    store: Any = rows
    nobody: Any = None
    runner = JobRunner(
        store, nobody, MonotonicClock(), BackgroundSettings(), told=nobody, on_end=lambda: None, observe=lambda _: None
    )
    async with asyncio.timeout(WITHIN_S):
        await runner.start()
        await rows.asked.wait()
        stopping = asyncio.create_task(runner.stop())
        await asyncio.sleep(0.01)
        assert not stopping.done()
        rows.answers.set()
        await stopping
    assert rows.given_back == [("job_1", 1)]
    assert runner.running == 0
