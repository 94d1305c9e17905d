"""Who waits for the end of a job in this process: all of them hear of it, in whatever order they looked."""

import asyncio
from typing import Any

import msgspec

from headgate.batch.job_runner import JobRunner
from headgate.runtime.settings_background import BackgroundSettings
from headgate.store.job_rows import JobRow, JobStatus

ROW = JobRow(
    **dict.fromkeys(JobRow.__struct_fields__)  # type: ignore[arg-type]
    | {"id": "job_1", "status": JobStatus.RUNNING}
)
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
