"""Owns `converse`: one message, three kinds of work. The reply now, an extraction alongside, jobs for later.

The extraction and the jobs about the message begin before the reply is asked for, and never hold it up: jobs have the
lowest priority, and what they take of a quota is what others leave.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from headgate.batch.job_runner import new_job_id
from headgate.protocol.client_json import InvalidBody
from headgate.protocol.jobs import Said, Work, kind_of, read_specs, resolve, spec_kind, write_work
from headgate.sdk.answer import Answer
from headgate.sdk.extracting import Extracted, schema_of
from headgate.sdk.jobs import DurableJob, JobHandle, PassingJobs, UnmadeJob
from headgate.sdk.problems import HeadgateError, InvalidRequest
from headgate.server.auth import LOCAL_TENANT
from headgate.server.gateway import Gateway
from headgate.server.job_checks import check_job
from headgate.store.job_rows import NewJob
from headgate.store.problems import StoreError

if TYPE_CHECKING:
    from headgate.batch.job_runner import JobRunner

T = TypeVar("T")
NO_TEXT: Final = "the reply has no text, so there is nothing to do it on"


class Extraction(Generic[T]):
    """An extraction under way: await it, or its `result`. It goes on whether anybody waits or not."""

    def __init__(self, task: "asyncio.Task[Extracted[T]]") -> None:
        self._task = task

    def __await__(self) -> Generator[Any, None, Extracted[T]]:
        return asyncio.shield(self._task).__await__()

    @property
    def is_ready(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    async def result(self, timeout_s: float | None = None) -> Extracted[T]:
        """Once it is there. Raises TimeoutError (it goes on), and what `Headgate.extract` raises."""
        async with asyncio.timeout(timeout_s):
            return await self

    def cancel(self) -> None:
        """Give it up, unless it is there."""
        self._task.cancel()


class Conversation(msgspec.Struct, Generic[T], frozen=True):
    """A reply, and handles to the rest. `extraction` is None where none was asked for; `jobs` are in the order in which
    they were given."""

    reply: Answer
    extraction: Extraction[T] | None = None
    jobs: tuple[JobHandle, ...] = ()

    @property
    def is_durable(self) -> bool:
        """Whether the jobs that were begun survive this process: they do where the gate has a store."""
        return all(job.is_durable for job in self.jobs if not isinstance(job, UnmadeJob))


class Bringing:
    """The jobs of one conversation: read at once, begun as soon as what they are about is known."""

    def __init__(
        self,
        gateway: Gateway,
        passing: PassingJobs,
        background: Sequence[Mapping[str, object]],
        webhook: str | None,
        message: str,
        most: int,
    ) -> None:
        self._gateway = gateway
        self._passing = passing
        self._webhook = webhook or ""
        self._said = Said(message)
        if webhook and (gateway.jobs is None or webhook not in gateway.webhooks):
            raise InvalidRequest(f"There is no webhook {webhook!r}; webhooks need a store and a target.", "webhook")
        try:
            self._specs = read_specs([_plain(each) for each in background], most) if background else ()
            for spec in self._specs:
                check_job(gateway, spec, LOCAL_TENANT)
        except InvalidBody as problem:
            raise InvalidRequest(problem.message, problem.param) from None
        self._handles: dict[int, JobHandle] = {}
        self._saving: list[asyncio.Task[None]] = []
        self._hold()

    def begin(self) -> None:
        """Begin the jobs about the message. Raises InvalidRequest where there is nothing to do one on."""
        waiting = [(at, spec) for at, spec in enumerate(self._specs) if not spec.needs_reply]
        try:  # all or none: what one of them cannot do, no other has begun
            works = [(at, resolve(spec, self._said)) for at, spec in waiting]
        except InvalidBody as problem:
            raise InvalidRequest(problem.message, problem.param) from None
        self._begin_all(works)

    def begin_about(self, reply: str) -> None:
        """Begin the jobs about the reply. It was paid for, so one that cannot be made of it takes nothing from who
        asked: its handle says why."""
        said, works = msgspec.structs.replace(self._said, reply=reply), []
        for at, spec in enumerate(self._specs):
            if not spec.needs_reply:
                continue
            try:
                works.append((at, resolve(spec, said)))
            except InvalidBody as problem:
                text = problem.message if reply.strip() else NO_TEXT
                self._handles[at] = UnmadeJob(text, new_job_id(), spec_kind(spec))
                self._release(1)
        self._begin_all(works)

    def _begin_all(self, works: Sequence[tuple[int, Work]]) -> None:
        new = [self._begun(at, work) for at, work in works]
        kept = [job for job in new if job is not None]
        if kept and self._gateway.jobs is not None:
            self._saving.append(self._gateway.jobs.save(kept))

    async def kept(self) -> tuple[JobHandle, ...]:
        """The handles, once the jobs are durable where they can be."""
        if self._saving:
            await asyncio.wait(self._saving)
        return tuple(self._handles[at] for at in sorted(self._handles))

    def give_up(self) -> None:
        """There is no reply: no job comes of it."""
        self._release(len(self._specs) - len(self._handles))

    def _release(self, count: int) -> None:
        if self._gateway.jobs is not None:
            self._gateway.jobs.give_up(LOCAL_TENANT, count)

    def _hold(self) -> None:
        runner, count = self._gateway.jobs, len(self._specs)
        if count and runner is not None and not runner.admit(LOCAL_TENANT, count):
            most = runner.settings.max_open_per_tenant
            raise HeadgateError(f"At most {most:,} jobs may be open at a time (background.max_open_per_tenant).")

    def _begun(self, at: int, work: Work) -> NewJob | None:
        runner: JobRunner | None = self._gateway.jobs
        payload, kind, name = write_work(work), kind_of(work), new_job_id()
        if runner is None:
            self._handles[at] = self._passing.begin(name, kind, payload)
            return None
        self._handles[at] = DurableJob(runner, LOCAL_TENANT, name, kind)
        return NewJob(name, LOCAL_TENANT, kind, self._gateway.clock.wall(), payload, "", self._webhook)


async def conversed(
    ask: Callable[[], Awaitable[Answer]],
    extraction: "asyncio.Task[Extracted[T]] | None",
    jobs: Bringing,
) -> Conversation[T]:
    """The reply with handles to the rest. Without a reply nothing of the rest that waited for it is done, and the
    extraction is given up."""
    try:
        jobs.begin()
        reply = await ask()
        jobs.begin_about(reply.text)
    except BaseException:
        jobs.give_up()
        if extraction is not None:
            extraction.cancel()
        raise
    try:
        handles = await jobs.kept()
    except StoreError as problem:
        raise HeadgateError(f"The jobs could not be kept: {problem}") from None
    return Conversation(reply, None if extraction is None else Extraction(extraction), handles)


def _plain(spec: Mapping[str, object]) -> Mapping[str, object]:
    """A job as over HTTP: a type stands for its schema."""
    schema = spec.get("schema")
    if schema is None or isinstance(schema, Mapping):
        return spec
    return {**spec, "schema": schema_of(schema)[1]}
