"""Owns the handles of a conversation for programs that do not await: the same, waited for on the gate's thread."""

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from headgate.sdk.answer import Answer
from headgate.sdk.conversing import Conversation, Extraction
from headgate.sdk.extracting import Extracted
from headgate.sdk.jobs import JobHandle, JobResult

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Does some work on the gate's thread and waits for it."""


class ExtractionSync(Generic[T]):
    """`Extraction` without await."""

    def __init__(self, run: Run, extraction: Extraction[T]) -> None:
        self._run = run
        self._extraction = extraction

    @property
    def is_ready(self) -> bool:
        """Whether it has ended."""
        return self._extraction.is_ready

    def result(self, timeout_s: float | None = None) -> Extracted[T]:
        """Once it is there. Raises TimeoutError (it goes on), and what `HeadgateSync.extract` raises."""
        found: Extracted[T] = self._run(self._extraction.result(timeout_s))
        return found


class JobHandleSync:
    """`JobHandle` without await."""

    def __init__(self, run: Run, job: JobHandle) -> None:
        self._run = run
        self._job = job
        self.id, self.kind, self.is_durable = job.id, job.kind, job.is_durable

    def result(self, timeout_s: float | None = None) -> JobResult:
        """Its result, once it is there. Raises TimeoutError (the job goes on) or JobFailed."""
        found: JobResult = self._run(self._job.result(timeout_s))
        return found

    def cancel(self) -> None:
        """End it, unless it has ended."""
        self._run(self._job.cancel())


class ConversationSync(Generic[T]):
    """`Conversation` without await."""

    def __init__(self, run: Run, said: Conversation[T]) -> None:
        self.reply: Answer = said.reply
        self.extraction = None if said.extraction is None else ExtractionSync(run, said.extraction)
        self.jobs = tuple(JobHandleSync(run, job) for job in said.jobs)
        self.is_durable = said.is_durable
