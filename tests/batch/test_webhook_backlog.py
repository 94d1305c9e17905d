"""A target that is far behind, and one that is not: the second hears at once whatever waits for the first."""

import asyncio
import random
from pathlib import Path

from headgate.batch.delivering import AT_ONCE_EACH, Deliverer
from headgate.runtime.clock import MonotonicClock
from headgate.runtime.settings_background import Webhook, WebhookTable
from headgate.runtime.settings_secret import Secret
from headgate.store.job_rows import DueDelivery, JobEnd, JobStatus, NewDelivery, NewJob
from headgate.store.sqlite import SqliteStore

BACKLOG = 300
WITHIN_S = 5.0
TARGETS = {
    name: Webhook(name, "https://example.com", Secret("x"), WebhookTable(url="https://example.com"))
    for name in ("slow", "quick")
}


class Sending(Deliverer):
    """Sends nothing: `slow` never answers, `quick` does at once."""

    slow = 0

    async def _send(self, due: DueDelivery, target: Webhook) -> int:  # noqa: ARG002
        if target.name == "slow":
            self.slow += 1
            await asyncio.get_running_loop().create_future()
        return 204


async def test_target_that_is_far_behind_holds_up_no_other(tmp_path: Path) -> None:
    """Hundreds of deliveries that were due before are no reason to wait."""
    store, clock = SqliteStore.open(tmp_path / "s.sqlite3"), MonotonicClock()
    ids = [f"job_{number}" for number in range(BACKLOG + 1)]
    await store.jobs.add([NewJob(name, "acme", "chat", 1.0, b"{}") for name in ids])
    for at, job in enumerate(await store.jobs.claim(2.0, len(ids))):
        target = "quick" if at == BACKLOG else "slow"
        told = (NewDelivery(f"msg_{at}", target, "job.done"),)
        await store.jobs.finish(job.id, 1, JobEnd(3.0 + at, JobStatus.DONE, b"1", deliveries=told))
    deliverer = Sending(store.jobs, TARGETS, clock, random.Random(1), observe=lambda _: None)
    await deliverer.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            while not (await store.jobs.count()).deliveries_delivered:  # noqa: ASYNC110 - the store announces nothing
                await asyncio.sleep(0.01)
        assert deliverer.slow == AT_ONCE_EACH
    finally:
        await deliverer.stop()
        await store.close()
