"""Tells targets how jobs ended, until they have heard it or the time for it is over. The store says what is to be told.

A delivery may arrive more than once, always under the same `webhook-id`: one that arrived in the moment of a kill is
made again. Redirects are not followed, and of an answer the status alone counts. No retries inside a try: each failure
is written down with the time of the next, which outlives the process.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from random import Random
from typing import TYPE_CHECKING, Final

from headgate.batch.job_words import body_of, score_of, signed_headers
from headgate.batch.storing import insist
from headgate.domain.fact import DeliveryTried, Fact
from headgate.runtime.clock import Clock
from headgate.runtime.settings_background import JobEvent, Webhook
from headgate.store.contract import JobStore
from headgate.store.job_rows import ClaimedJob, DueDelivery, JobStatus, NewDelivery
from headgate.store.problems import StoreError

if TYPE_CHECKING:
    import aiohttp

AT_ONCE: Final = 8
"""Deliveries that are under way at a time."""
FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 3_600.0
AT_ONCE_EACH: Final = 3
"""The part of them that one target may take."""
LOOKED_AT: Final = 2 * AT_ONCE
"""Due deliveries that are looked at together, each with its job's result. Those that are under way are among them."""
LONGEST_WAIT_S: Final = 60.0
LEAST_WAIT_S: Final = 0.05
ID_BYTES: Final = 12
_log: Final = logging.getLogger(__name__)
_EVENTS: Final = {JobStatus.DONE: JobEvent.DONE, JobStatus.FAILED: JobEvent.FAILED}


def pause_s(tries: int, dice: Random) -> float:
    """How long after the failure of this try (from 1) the next comes: twice as long each time, half of it by chance."""
    longest = min(FIRST_PAUSE_S * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE_S)
    return longest * (0.5 + 0.5 * dice.random())


class Deliverer:
    """All deliveries of one process."""

    def __init__(
        self,
        jobs: JobStore,
        targets: Mapping[str, Webhook],
        clock: Clock,
        dice: Random,
        *,
        observe: Callable[[Fact], None],
    ) -> None:
        self._jobs = jobs
        self._targets = targets
        self._clock = clock
        self._dice = dice
        self._observe = observe
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._given_up: set[str] = set()
        self._just_tried: set[str] = set()
        """Whose try ended since the store was asked last: what it said of them is not true any more."""
        self._session: aiohttp.ClientSession | None = None

    def has(self, name: str) -> bool:
        """Whether there is a target of this name."""
        return name in self._targets

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._targets)

    def told(self, job: ClaimedJob, status: JobStatus, result: bytes | None) -> tuple[NewDelivery, ...]:
        """What is to be told of a job that ended so."""
        event = _EVENTS[status]
        return tuple(
            NewDelivery(f"msg_{secrets.token_hex(ID_BYTES)}", name, event.value)
            for name, target in self._targets.items()
            if _wants(target, job, event, result)
        )

    async def start(self) -> None:
        """Go on with what was not heard yet."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="headgate-webhooks")

    async def stop(self) -> None:
        """End at once; what is under way is told again at the next start."""
        tasks = [task for _, task in self._running.values()] + ([] if self._task is None else [self._task])
        self._task = None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def wake(self) -> None:
        """There is something to tell."""
        self._changed.set()

    async def _run(self) -> None:
        try:
            while True:
                self._changed.clear()
                self._just_tried.clear()
                while await self._begin_some():
                    pass
                await self._wait()
        except StoreError as problem:
            _log.error("webhooks stand still until the next start: %s", problem)

    async def _begin_some(self) -> bool:
        """Try some of those that are due; whether there may be more. A target that has its part under way is not looked
        at, however much is due to it: others would wait behind it."""
        if len(self._running) >= AT_ONCE:
            return False
        most, full = LOOKED_AT + len(self._given_up), self._full()
        due = await insist(lambda: self._jobs.due_deliveries(self._clock.wall(), most, without=full))
        return sum(self._begin(each) for each in due) > 0

    def _full(self) -> tuple[str, ...]:
        """Targets that have their part."""
        under_way = Counter(target for target, _ in self._running.values())
        return tuple(target for target, count in under_way.items() if count >= AT_ONCE_EACH)

    def _begin(self, due: DueDelivery) -> bool:
        """Try one, unless it is under way, or too many are: a target that is slow takes no more than its part."""
        delivery_id, name = due.delivery.id, due.delivery.target
        is_full = len(self._running) >= AT_ONCE or name in self._full()
        if is_full or delivery_id in self._running or delivery_id in self._given_up or delivery_id in self._just_tried:
            return False
        task = asyncio.get_running_loop().create_task(self._deliver(due), name=due.delivery.id)
        self._running[due.delivery.id] = name, task
        task.add_done_callback(self._ended)
        return True

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.pop(task.get_name(), None)
        self._just_tried.add(task.get_name())
        self._changed.set()
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("%s is not delivered before the next start", task.get_name(), exc_info=problem)
            self._given_up.add(task.get_name())

    async def _wait(self) -> None:
        """Until one under way has ended, or the next is due."""
        wait_s = LONGEST_WAIT_S
        if not self._running and (next_at := await insist(self._jobs.next_delivery_at)) is not None:
            wait_s = min(wait_s, max(LEAST_WAIT_S, next_at - self._clock.wall()))
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._changed.wait()

    async def _deliver(self, due: DueDelivery) -> None:
        """One try, and what came of it."""
        delivery, target = due.delivery, self._targets.get(due.delivery.target)
        status = 0 if target is None else await self._send(due, target)
        at = self._clock.wall()
        arrived = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        self._observe(DeliveryTried(self._clock.now(), due.job.id, delivery.target, arrived, status))
        if arrived:
            await insist(lambda: self._jobs.delivered(delivery.id, at, status))
            return
        next_at: float | None = None
        if target is not None and status != HTTPStatus.GONE:
            next_at = at + pause_s(delivery.tries + 1, self._dice)
            if next_at > delivery.created_at + target.table.give_up_hours * 3_600.0:
                next_at = None
        if next_at is None:
            _log.warning("%s is not told of %s: the last status was %s", delivery.target, due.job.id, status or "none")
        await insist(lambda: self._jobs.undelivered(delivery.id, at, status, next_at))

    async def _send(self, due: DueDelivery, target: Webhook) -> int:
        """The status of the target's answer; 0 where none came in time."""
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        body = body_of(due, target)
        try:
            async with self._session.post(
                target.url,
                data=body,
                headers=signed_headers(target, due.delivery.id, int(self._clock.wall()), body),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=target.table.timeout_s),
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            _log.info("%s could not be told of %s: %s", target.name, due.job.id, type(problem).__name__)
            return 0


def _wants(target: Webhook, job: ClaimedJob, event: JobEvent, result: bytes | None) -> bool:
    table = target.table
    if not (table.all_jobs or job.webhook == target.name):
        return False
    if table.events and event not in table.events:
        return False
    if table.min_score is None:
        return True
    score = score_of(result).score
    return score is not None and score >= table.min_score
