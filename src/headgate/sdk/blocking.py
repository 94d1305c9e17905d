"""Owns the synchronous door: an asynchronous one on a thread of its own, for programs that do not await.

It may be used from any number of threads at once.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from headgate.catalog import Model
from headgate.observe.stories import Story
from headgate.runtime.loop import new_event_loop
from headgate.runtime.settings import RouteSettings, Settings
from headgate.sdk.answer import Answer, Done, Error, Event
from headgate.sdk.batching import WITHIN_S
from headgate.sdk.conversing_sync import ConversationSync
from headgate.sdk.door import AnswerStream, Headgate
from headgate.sdk.extracting import Extracted
from headgate.sdk.hearing import AudioFile
from headgate.sdk.large import LargeSync
from headgate.sdk.local_skills import LocalSkills
from headgate.sdk.options import CallOptions, ChatOptions, Messages, with_controls, with_options
from headgate.sdk.problems import HeadgateError
from headgate.sdk.results import BatchResult, Embeddings, Moderation, Speech, Transcript
from headgate.sdk.routes import Route
from headgate.server.auth import LOCAL_TENANT
from headgate.server.embeddings import LOCAL_EMBEDDINGS

T = TypeVar("T")


class HeadgateSync(LargeSync):
    """`Headgate` without await: `with HeadgateSync() as gate: answer = gate.chat("Hello")`. The same arguments."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        routes: Mapping[str, Route | RouteSettings | Mapping[str, object]] | None = None,
        config: Path | str | None = None,
        simulate: bool | None = None,
    ) -> None:
        self._gate: Headgate = Headgate(settings, routes=routes, config=config, simulate=simulate)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0
        self._is_closed = False

    @property
    def settings(self) -> Settings:
        return self._gate.settings

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def __enter__(self) -> Self:
        try:
            self._run(self._gate.start())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @with_options
    def chat(self, messages: Messages, *, model: str | None = None, **options: Unpack[ChatOptions]) -> Answer:
        """One whole answer, as `Headgate.chat`."""
        return self._run(self._gate.chat(messages, model=model, **options))

    @property
    def local(self) -> LocalSkills:
        """The local skills, which need no model."""
        return self._gate.local

    @with_options
    def extract(
        self,
        text: str,
        schema_or_type: type[T] | Mapping[str, object],
        *,
        instructions: str | None = None,
        examples: Sequence[tuple[str, object]] = (),
        model: str | None = None,
        **options: Unpack[ChatOptions],
    ) -> Extracted[T]:
        """What the schema or type asks for, taken out of a text, as `Headgate.extract`."""
        work = self._gate.extract(
            text, schema_or_type, instructions=instructions, examples=examples, model=model, **options
        )
        return self._run(work)

    @with_options
    def converse(
        self,
        messages: Messages,
        *,
        extract: type[T] | Mapping[str, object] | None = None,
        background: Sequence[Mapping[str, object]] = (),
        webhook: str | None = None,
        model: str | None = None,
        extract_model: str | None = None,
        **options: Unpack[ChatOptions],
    ) -> ConversationSync[T]:
        """The reply as soon as it is ready, and handles to the rest, as `Headgate.converse`."""
        said = self._run(
            self._gate.converse(
                messages,
                extract=extract,
                background=background,
                webhook=webhook,
                model=model,
                extract_model=extract_model,
                **options,
            )
        )
        return ConversationSync(self._run, said)

    @with_options
    def stream(
        self, messages: Messages, *, model: str | None = None, **options: Unpack[ChatOptions]
    ) -> "AnswerStreamSync":
        """The same as events, as `Headgate.stream`. Leaving the iterator gives the request up."""
        return AnswerStreamSync(self, self._gate.stream(messages, model=model, **options))

    @with_controls
    def embed(
        self,
        texts: str | Sequence[str],
        *,
        model: str = LOCAL_EMBEDDINGS,
        dimensions: int | None = None,
        **options: Unpack[CallOptions],
    ) -> Embeddings:
        """A vector for each text, as `Headgate.embed`."""
        return self._run(self._gate.embed(texts, model=model, dimensions=dimensions, **options))

    @with_controls
    def transcribe(
        self,
        file: AudioFile | None = None,
        *,
        url: str | None = None,
        filename: str | None = None,
        model: str | None = None,
        language: str | None = None,
        prompt: str | None = None,
        temperature: float | None = None,
        words: bool = False,
        **options: Unpack[CallOptions],
    ) -> Transcript:
        """What is said in a sound, as `Headgate.transcribe`."""
        return self._run(
            self._gate.transcribe(
                file,
                url=url,
                filename=filename,
                model=model,
                language=language,
                prompt=prompt,
                temperature=temperature,
                words=words,
                **options,
            )
        )

    @with_controls
    def translate(
        self,
        file: AudioFile | None = None,
        *,
        url: str | None = None,
        filename: str | None = None,
        model: str | None = None,
        prompt: str | None = None,
        temperature: float | None = None,
        **options: Unpack[CallOptions],
    ) -> Transcript:
        """What is said in a sound, in English, as `Headgate.translate`."""
        return self._run(
            self._gate.translate(
                file, url=url, filename=filename, model=model, prompt=prompt, temperature=temperature, **options
            )
        )

    @with_controls
    def speak(
        self,
        text: str,
        *,
        model: str,
        voice: str,
        response_format: str | None = None,
        speed: float | None = None,
        sample_rate: int | None = None,
        instructions: str | None = None,
        **options: Unpack[CallOptions],
    ) -> Speech:
        """A text as sound, as `Headgate.speak`."""
        return self._run(
            self._gate.speak(
                text,
                model=model,
                voice=voice,
                response_format=response_format,
                speed=speed,
                sample_rate=sample_rate,
                instructions=instructions,
                **options,
            )
        )

    @with_controls
    def moderate(
        self, texts: str | Sequence[str], *, model: str | None = None, **options: Unpack[CallOptions]
    ) -> Moderation:
        """A verdict for each text, as `Headgate.moderate`."""
        return self._run(self._gate.moderate(texts, model=model, **options))

    def run_batch(
        self,
        requests: Iterable[Mapping[str, object]],
        *,
        concurrency: int | None = None,
        within_s: float = WITHIN_S,
    ) -> tuple[BatchResult, ...]:
        """A result for each request, as `Headgate.run_batch`."""
        return self._run(self._gate.run_batch(requests, concurrency=concurrency, within_s=within_s))

    def models(self) -> tuple[Model, ...]:
        """The models that can be asked here."""
        return self._run(self._gate.models())

    def story(self, request_id: str, tenant: str = LOCAL_TENANT) -> Story | None:
        """What was done for a request that is over."""

        async def ask() -> Story | None:
            return self._gate.story(request_id, tenant)

        return self._run(ask())

    def close(self) -> None:
        """End every connection and the thread. May be called twice."""
        if self._is_of_another_process():
            self._is_closed = True
            return
        with self._lock:
            loop, self._loop, self._is_closed = self._loop, None, True
        if loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(_stop(self._gate), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on the gate's thread and wait for it; whatever interrupts the wait cancels the work."""
        try:
            future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._running_loop())
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except CancelledError:
            if self._is_closed:
                raise HeadgateError("This gate was closed before the answer was there.") from None
            raise
        except BaseException:
            future.cancel()
            raise

    def _leave(self, events: AnswerStream) -> None:
        """Close a stream that nobody holds any more. It may be the gate's own thread that finds it, so nobody waits."""
        loop = self._loop
        if loop is not None and not loop.is_closed() and not self._is_of_another_process():
            loop.call_soon_threadsafe(lambda: loop.create_task(events.aclose()))

    def _is_of_another_process(self) -> bool:
        """Whether it was started before the process forked: a fork takes along what threads hold, and no thread."""
        return self._loop is not None and self._process != os.getpid()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._is_of_another_process():
            raise HeadgateError("This gate was started before the process forked. Make one in each process.")
        with self._lock:
            if self._is_closed:
                raise HeadgateError("This gate is closed. Make another one.")
            if self._loop is None:
                self._process = os.getpid()
                self._loop = new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="headgate", daemon=True)
                self._thread.start()
            return self._loop


class AnswerStreamSync(Iterator[Event]):
    """The events of one answer. Iterate it to its end, or leave it: by `close()`, `with`, or letting go of it."""

    def __init__(self, gate: HeadgateSync, events: AnswerStream) -> None:
        self._gate = gate
        self._events = events
        self._is_over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if self._is_over:
            raise StopIteration
        self._is_over = True  # unless an event comes of which there will be more
        event = self._gate._run(_next(self._events))  # noqa: SLF001 - the two are one door
        if event is None:
            raise StopIteration
        self._is_over = isinstance(event, Done | Error)
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._is_over:
            self._gate._leave(self._events)  # noqa: SLF001

    def close(self) -> None:
        """Give the request up, unless it is over."""
        self._is_over = True
        if not self._gate.is_closed:
            self._gate._run(self._events.aclose())  # noqa: SLF001

    def answer(self) -> Answer:
        """Read to the end; the whole answer. Raises what an Error event carries."""
        self._is_over = True
        return self._gate._run(self._events.answer())  # noqa: SLF001


async def _next(events: AnswerStream) -> Event | None:
    """The next event; None at the end, because StopAsyncIteration cannot cross a future."""
    event = await anext(events, None)
    if isinstance(event, Done | Error):
        await events.aclose()
    return event


async def _stop(gate: Headgate) -> None:
    """Cancel what is under way, so that everything is settled, then close."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await gate.close()
    await asyncio.get_running_loop().shutdown_asyncgens()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
